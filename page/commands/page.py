"""`har-page`: its arguments, and the wiring of broker, journal and browser."""

import argparse
import ctypes
import ipaddress
import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from har_stream.config.state_dir import journal_file
from har_stream.core.command import command_parser, port, run_command
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK
from page.guard.prefix import is_prefix

if TYPE_CHECKING:
    from har_stream.config.settings import Settings
    from page.guard.gate import GateRules
    from page.web.app import Site
    from page.web.drawing import Drawing
    from page.web.fleet import FleetPage
    from page.web.sign_in import SignInForm

# What takes long to import is imported where it is used, so that --help and --version are instant.

logger = logging.getLogger(__name__)

PORT = 8760
M_ARENA_MAX = -8
"""Of mallopt(3), in malloc.h."""
EXTRAS = {
    "argon2": "page",
    "babel": "page",
    "jinja2": "page",
    "sqlalchemy": "page",
    "starlette": "page",
    "uvicorn": "page",
}
"""Packages that may be missing, and the extra that brings them."""
EXAMPLES = f"""
examples:
  har-page                                       http://{LOOPBACK}:{PORT}, for this machine alone
  har-page --config home.yaml                    broker, home and journal as har-forecast has them
  har-page --make-password page.password         asks for a password, and keeps its hash
  har-page --host 0.0.0.0 --password-file page.password   for the whole network, by password
  har-page --fleet postgresql://har@db.example/har   machines, lots and homes of a fleet too
  har-page --root-path /har --password-file page.password  behind a proxy that adds TLS

It reads MQTT and the journal and writes neither; corrections are asked of har-forecast. Beyond this
machine it needs a password, and TLS by a proxy before it: Caddy, nginx, Home Assistant's ingress.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `har-page`; returns the exit status."""
    options = make_parser().parse_args(argv)
    is_service = options.make_password is None
    return run_command("har-page", lambda: _run(options), is_service=is_service, extras=EXTRAS)


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = command_parser(
        "har-page",
        "Show a home in a browser: what goes on, what comes next, its days.",
        examples=EXAMPLES,
    )
    what = parser.add_argument_group("what it shows")
    what.add_argument("--broker", metavar="URL", help="mqtt://host:1883 or mqtts://host:8883")
    what.add_argument("--home", metavar="ID", help="name of the household (home1)")
    what.add_argument("--journal", metavar="URL", help="that of har-forecast, which is only read")
    what.add_argument(
        "--fleet", metavar="URL", help="a fleet too: the database of fleet.yaml, which is only read"
    )
    what.add_argument("--config", metavar="FILE", type=Path, help="YAML; flags win over it")
    what.add_argument("--state-dir", metavar="DIR", type=Path, help="that of har-forecast")
    who = parser.add_argument_group("who may see it")
    who.add_argument("--host", default=LOOPBACK, metavar="ADDRESS", help="where it listens")
    who.add_argument("--port", type=port, default=PORT, metavar="N", help="(%(default)s)")
    who.add_argument("--password-file", metavar="FILE", type=Path, help="see --make-password")
    who.add_argument(
        "--root-path", metavar="PATH", type=_path, default="", help="under which a proxy shows it"
    )
    only = parser.add_argument_group("only do this and end")
    only.add_argument(
        "--make-password", metavar="FILE", type=Path, help="ask for one, keep its hash"
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.make_password:
        from page.guard.passwords import make_password_file

        make_password_file(options.make_password)
        print(f"{options.make_password}: har-page --password-file {options.make_password} uses it")
        return
    settings = _settings(options)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    import uvicorn

    from page.web.app import make_app

    _share_heap()
    site, rules = wire(options, settings)
    config = uvicorn.Config(
        make_app(site, rules),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        lifespan="on",
    )
    with _listen(options.host, options.port) as listening:
        at = listening.getsockname()[1]
        print(f"http://{_shown(options.host)}:{at}{rules.prefix}/", flush=True)
        uvicorn.Server(config).run(sockets=[listening])


def _share_heap() -> None:
    """Have all threads share one heap of glibc: 10 MB less; another C library stays as it is."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _listen(host: str, number: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, number), family=family, backlog=100)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {number}: cannot listen there: {error.strerror or error}"
        ) from error


def wire(options: argparse.Namespace, settings: "Settings") -> tuple["Site", "GateRules"]:
    """Bring broker, journal and browser together.

    Raises:
        InputError: Others could reach the page without a password, or a setting cannot be used.
    """
    from har_stream.config.secret_file import read_own_key
    from har_stream.config.settings import zone_of
    from page.guard.gate import LOCAL_HOSTS, GateRules
    from page.guard.passwords import Password
    from page.guard.sign_ins import SignIns
    from page.now.home_link import HomeLink
    from page.report_card.card import ask_for_card
    from page.teaching.learning import Learning
    from page.web.app import Site
    from page.web.cameras import CameraPages
    from page.web.drawing import Drawing, SharedParts
    from page.web.report import Reports
    from page.web.sign_in import SignInForm
    from page.web.teach import TeachPage
    from page.web.updates import Updates
    from predictor.journal.database import sqlite_url
    from predictor.journal.reader import JournalReader

    password = Password(options.password_file) if options.password_file else None
    if password is None and not _is_loopback(options.host):
        raise InputError(
            f"--host {options.host}: others could see this home's days; make a password with "
            "har-page --make-password FILE, give --password-file FILE, and let a proxy add TLS"
        )
    url = settings.forecast.journal or sqlite_url(journal_file(settings.state_dir))
    zone = zone_of(settings)
    updates = Updates()
    link = HomeLink(settings, updates.tell)
    journal = JournalReader(url)
    drawing = Drawing(
        link,
        journal,
        zone=zone,
        wall=lambda: datetime.now(UTC),
        has_fleet=bool(options.fleet),
    )
    sign_ins = SignIns()
    sign_in = SignInForm(drawing, password, sign_ins)
    site = Site(
        settings=settings,
        link=link,
        journal=journal,
        drawing=drawing,
        parts=SharedParts(drawing, updates),
        updates=updates,
        reports=Reports(lambda now: ask_for_card(settings, url, now=now)),
        teach=TeachPage(
            link=link,
            drawing=drawing,
            learning=Learning(settings.state_dir),
            state_dir=settings.state_dir,
            can_sign_out=password is not None,
        ),
        cameras=CameraPages(
            link=link,
            drawing=drawing,
            state_dir=settings.state_dir,
            can_sign_out=password is not None,
        ),
        sign_in=sign_in,
        key=read_own_key(settings.signing_key_file),
        zone=zone,
        fleet=_fleet_page(options.fleet, drawing, sign_in) if options.fleet else None,
    )
    rules = GateRules(
        hosts=None if password else LOCAL_HOSTS,
        sign_ins=sign_ins if password else None,
        prefix=options.root_path,
    )
    return site, rules


def _fleet_page(url: str, drawing: "Drawing", sign_in: "SignInForm") -> "FleetPage":
    """Make the page of a fleet; who shows none imports nothing of it."""
    from fleet.cluster.overview import FleetReader
    from page.web.fleet import FleetPage

    return FleetPage(FleetReader(url), drawing, sign_in)


def _settings(options: argparse.Namespace) -> "Settings":
    from har_stream.config.settings import Settings, load_settings, override_settings

    loaded = load_settings(options.config) if options.config else Settings()
    flags: dict[str, Any] = {
        "home": options.home,
        "state_dir": options.state_dir,
        "log_level": options.log_level,
        "broker": {"url": options.broker} if options.broker else None,
        "forecast": {"journal": options.journal} if options.journal else None,
    }
    return override_settings(loaded, {key: flag for key, flag in flags.items() if flag is not None})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _path(text: str) -> str:
    """Read a flag's path, without a slash at its end."""
    path = text.rstrip("/")
    if not is_prefix(path):
        raise argparse.ArgumentTypeError(f"{text!r} is no path like /har")
    return path


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
