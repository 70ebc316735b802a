"""`har-forecast`: its arguments, and the wiring of journal, model and broker."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from har_stream.config.state_dir import journal_file
from har_stream.core.command import command_parser, count, run_command
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.url import LOOPBACK, MQTT_PORT
from predictor.commands.forecast_deletion import delete_selected, read_selection

if TYPE_CHECKING:
    from har_stream.config.settings import Settings
    from predictor.journal.deletion import Selection
    from predictor.journal.journal import Journal

# What takes long to import is imported where it is used, so that --help and --version are instant.

logger = logging.getLogger(__name__)

EXTRAS = {
    "hmmlearn": "forecast",
    "jinja2": "forecast",
    "matplotlib": "train",
    "pyarrow": "archive",
    "scipy": "forecast",
    "sklearn": "forecast",
    "sqlalchemy": "forecast",
    "threadpoolctl": "forecast",
}
"""Packages that may be missing, and the extra that brings them."""
EXAMPLES = """
examples:
  har-forecast                                         learn and forecast from the local broker
  har-forecast --broker mqtt://10.0.0.5 --home attic   another broker, another household
  har-forecast --model-path ./my-model                 start from a model made by train-hmm
  har-forecast --journal postgresql+psycopg://har@db/har
  har-forecast --config har-forecast.yaml              with sensors and rules of yours
  har-forecast --config har-forecast.yaml --dry-run    say what the rules would do
  har-forecast --import log.csv                        learn from a log: start,end,activity[,room]
  har-forecast --import events.parquet                 ... or from har-stream --archive
  har-forecast --export journal.csv                    every event, also as .jsonl; what was
                                                       corrected: journal.corrections.csv
  har-forecast --backup /media/usb/journal.db          a checked copy of the journal
  har-forecast --forget-before 2025-01-01 --dry-run    how many events that would delete
  har-forecast --forget-camera desk/clip --dry-run     what of a test clip would be deleted
  har-forecast --delete 2026-11-22..2026-11-23         a day leaves journal and model for good
  har-forecast --config har-forecast.yaml --print-acl  what Mosquitto must allow
  mosquitto_sub -t 'har/home/#' -v                     listen to what it says

Every event is kept in the journal, once, before it is acknowledged; the model is learnt from there.
A forecast says "enough_data": true after 7 days and 50 activity starts; rules wait for that. A
broker that is not there is tried again for ever. Sensors (beds, motion, doors, power) and rules are
set in the configuration: see configs/har-forecast.yaml and docs/sensors.md. Wrong input ends with
one line and status 2. The password of the broker comes from broker.password_file or from
HAR_MQTT_PASSWORD.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `har-forecast`; returns the exit status."""
    options = make_parser().parse_args(argv)
    return run_command("har-forecast", lambda: _run(options), is_service=True, extras=EXTRAS)


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = command_parser(
        "har-forecast",
        "Remember what people do, forecast what they will do next, say it over MQTT.",
        examples=EXAMPLES,
    )
    wire = parser.add_argument_group("where to listen and speak")
    wire.add_argument(
        "--broker",
        metavar="URL",
        help=f"mqtt://host:1883 or mqtts://host:8883 ({LOOPBACK}:{MQTT_PORT})",
    )
    wire.add_argument("--home", metavar="ID", help="name of the household (home1)")
    what = parser.add_argument_group("memory and model")
    what.add_argument(
        "--journal", metavar="URL", help="SQLAlchemy URL (journal.db in the state directory)"
    )
    what.add_argument("--model", choices=("hmm", "dbn"), help="which kind learns online (dbn)")
    what.add_argument(
        "--residents",
        metavar="N",
        type=count,
        help="how many live there; in each room one at most is told apart (1)",
    )
    what.add_argument(
        "--model-path", metavar="DIR", type=Path, help="start from a model made by train-hmm"
    )
    what.add_argument(
        "--bundle",
        metavar="NAME",
        help="the recogniser's: its confusion matrix says how far a label without probabilities "
        "is trusted (fully)",
    )
    how = parser.add_argument_group("how to run")
    how.add_argument("--config", metavar="FILE", type=Path, help="YAML; flags win over it")
    how.add_argument("--state-dir", metavar="DIR", type=Path, help="journal and models")
    how.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    how.add_argument(
        "--fail-fast", action="store_true", help="end with status 2 where it would try again"
    )
    how.add_argument(
        "--dry-run", action="store_true", help="rules, or what deletes, say what they would do"
    )
    only = parser.add_argument_group("only do this and end").add_mutually_exclusive_group()
    only.add_argument("--export", metavar="FILE", type=Path, help="the journal as .csv or .jsonl")
    only.add_argument(
        "--import", dest="import_", metavar="FILE", type=Path, help="add a log or an export to it"
    )
    only.add_argument(
        "--backup", metavar="FILE", type=Path, help="copy the journal, also while it is in use"
    )
    only.add_argument(
        "--restore",
        metavar="FILE",
        type=Path,
        help="a backup becomes the journal, which is none yet",
    )
    only.add_argument("--forget-before", metavar="DATE", help="deprecated: --delete ..DATE")
    only.add_argument(
        "--delete",
        metavar="FROM..TO",
        help="delete what happened between, with its traces; ..TO: all before, whatever its age",
    )
    only.add_argument(
        "--forget-camera",
        metavar="NODE/CAMERA",
        help="delete all that a camera saw, and remove it from broker and discovery",
    )
    only.add_argument("--print-acl", action="store_true", help="lines for Mosquitto's acl_file")
    only.add_argument(
        "--forget", action="store_true", help="remove all of this home from broker and discovery"
    )
    return parser


def _run(options: argparse.Namespace) -> int | None:
    settings = _settings(options)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    if options.print_acl:
        _print_acl(settings)
        return None
    if options.forget:
        _forget(settings)
        return None
    from sqlalchemy.exc import DBAPIError

    from predictor.journal.database import require_journal, sqlite_url
    from predictor.journal.journal import Journal
    from predictor.logs.event_file import check_suffix

    url = settings.forecast.journal or sqlite_url(journal_file(settings.state_dir))
    if options.export:
        check_suffix(options.export)
    if options.restore:
        from predictor.journal.backup import restore

        n_events = restore(options.restore, url)
        print(f"{redact(url)}: {n_events} events of {options.restore}, checked")
        return None
    deleted = read_selection(options)
    if options.export or options.backup or deleted:
        require_journal(url)
    with Journal(url) as journal:
        try:
            return _use(journal, url, options, settings, deleted=deleted)
        except DBAPIError as error:
            raise InputError(f"journal {redact(url)}: {error.orig}") from error


def _use(
    journal: "Journal",
    url: str,
    options: argparse.Namespace,
    settings: "Settings",
    *,
    deleted: "Selection | None",
) -> int | None:
    from predictor.journal.backup import back_up

    if options.export:
        _export(journal, options.export)
    elif options.backup:
        print(f"{options.backup}: {back_up(url, options.backup)} events, checked")
    elif deleted:
        delete_selected(journal, deleted, settings, dry_run=options.dry_run)
    elif options.import_:
        _import(journal, options.import_)
    else:
        return _serve(options, settings, journal)
    return None


def _settings(options: argparse.Namespace) -> "Settings":
    from har_stream.config.settings import Settings, load_settings, override_settings

    loaded = load_settings(options.config) if options.config else Settings()
    forecast = {
        "residents": options.residents,
        "model": options.model,
        "path": options.model_path,
        "bundle": options.bundle,
        "journal": options.journal,
    }
    sections = {
        "broker": {"url": options.broker},
        "forecast": forecast,
    }
    flags: dict[str, Any] = {
        "home": options.home,
        "state_dir": options.state_dir,
        "log_level": options.log_level,
    }
    for name, section in sections.items():
        flags[name] = {key: value for key, value in section.items() if value is not None} or None
    return override_settings(loaded, {key: flag for key, flag in flags.items() if flag is not None})


def _serve(options: argparse.Namespace, settings: "Settings", journal: "Journal") -> int:
    """Run until somebody ends it, or the journal is damaged: then it is repaired at the end."""
    from predictor.service.home_learning import make_forecaster
    from predictor.service.service import ForecastService

    stopped = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stopped.set())
    journal.when_damaged(stopped.set)
    service = ForecastService(
        settings,
        journal,
        make_forecaster=lambda: make_forecaster(settings),
        dry_run=options.dry_run,
    )
    service.start(fail_fast=options.fail_fast)
    stopped.wait()
    service.close()
    return 1 if journal.is_damaged else 0


def _export(journal: "Journal", path: Path) -> None:
    from predictor.logs.correction_file import beside, write_corrections
    from predictor.logs.event_file import write_events

    n_events = write_events((entry.event for entry in journal.entries()), path)
    print(f"{path}: {n_events} events")
    corrections = journal.corrections.since()
    if corrections:
        write_corrections(corrections, beside(path))
        print(f"{beside(path)}: {len(corrections)} corrections of them")


def _import(journal: "Journal", path: Path) -> None:
    from rich.progress import track

    from predictor.logs.correction_file import holds_corrections, read_corrections_file
    from predictor.logs.read_logs import read_events

    if holds_corrections(path):
        corrections = list(read_corrections_file(path))
        for correction in corrections:
            if not journal.corrections.record(correction):
                logger.warning("left out: %s: %s is another's id", path, correction.id)
        print(f"{path}: {len(corrections)} corrections read")
        return
    events = track(read_events(path), description=f"reading {path.name}")
    n_new = journal.record_all(events, received_at=datetime.now(UTC))
    print(f"{path}: {n_new} new events; the journal holds {journal.count()}")


def _forget(settings: "Settings") -> None:
    from har_stream.homeassistant.removal import forget_home

    print(f"home {settings.home}: {forget_home(settings)} topics removed from the broker")


def _print_acl(settings: "Settings") -> None:
    """The least that Mosquitto must allow; a line for each rule's target and each sensor."""
    base, prefix = settings.base_topic, settings.discovery.prefix
    targets = sorted({rule.topic for rule in settings.forecast.rules})
    print(f"user {settings.broker.username or 'har'}")
    print(f"topic readwrite {base}/#")
    if settings.discovery.enabled:
        print(f"topic write {prefix}/#", f"topic read {prefix}/status", sep="\n")
    for target in targets:
        print(f"topic write {target}")
    for topic in sorted({sensor.topic for sensor in settings.forecast.sensors}):
        print(f"topic read {topic}")


if __name__ == "__main__":
    sys.exit(main())
