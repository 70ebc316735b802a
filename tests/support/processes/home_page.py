"""The page on a broker and a journal of its own, asked as a browser would ask."""

import argparse
import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from starlette.testclient import TestClient
from support.broker.real_broker import PATIENCE_S, free_port
from support.event_builder import living
from support.repository import ENVIRONMENT

from har_stream.config.settings import Settings
from page.commands.page import wire
from page.guard.passwords import write_hash
from page.now.home_link import News
from page.web.app import Site, make_app
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

PASSWORD = "correct horse battery"  # noqa: S105 -- of the tests alone
ORIGIN = {"Origin": "http://127.0.0.1"}
"""What a browser sends with a form of this very page."""


def wait_for(site: Site, holds: Callable[[], object], *, timeout_s: float = PATIENCE_S) -> None:
    """Block until the page has heard something."""
    heard = threading.Condition()
    tell = site.link.tell

    def tell_and_wake(news: News) -> None:
        tell(news)
        with heard:
            heard.notify_all()

    site.link.tell = tell_and_wake
    with heard:
        assert heard.wait_for(holds, timeout_s), "the page has not heard it"
    site.link.tell = tell


def write_journal(folder: Path, *, days: int = 3) -> Path:
    """Write the journal of a regular life into a state directory."""
    path = folder / "journal.db"
    with Journal(sqlite_url(path)) as journal:
        events = list(living(days=days))
        journal.record_all(events, received_at=events[-1].started_at)
    return path


def options_of(**given: object) -> argparse.Namespace:
    """Arguments of `har-page`."""
    defaults = {
        "host": "127.0.0.1",
        "port": 0,
        "password_file": None,
        "root_path": "",
        "fleet": None,
    }
    return argparse.Namespace(**(defaults | given))


@contextlib.contextmanager
def page_of(
    url: str, folder: Path, *, password: bool = False, **given: object
) -> Iterator[tuple[TestClient, Site]]:
    """The page of the home h1, and a browser on this machine in front of it."""
    if password:
        write_hash(folder / "page.password", PASSWORD)
        given["password_file"] = folder / "page.password"
    settings = Settings.model_validate(
        {"home": "h1", "broker": url, "state_dir": folder, "timezone": "Europe/Berlin"}
    )
    site, rules = wire(options_of(**given), settings)
    with TestClient(
        make_app(site, rules), base_url="http://127.0.0.1", follow_redirects=False
    ) as browser:
        browser.headers["Accept"] = "text/html"
        browser.headers["Accept-Language"] = "en-GB"
        yield browser, site


class HarPage:
    """A running `har-page` of the home h1, on a port of its own.

    Attributes:
        url: Its address.
    """

    def __init__(self, broker: str, state_dir: Path, *arguments: str | Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "page.commands.page", "--broker", broker, "--home", "h1"),
                *("--state-dir", str(state_dir), "--port", str(port), *map(str, arguments)),
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT | {"TZ": "Europe/Berlin"},
        )
        self.log: list[str] = []
        listening = threading.Event()
        threading.Thread(target=self._read, args=(listening,), daemon=True).start()
        assert listening.wait(PATIENCE_S), "".join(self.log)

    def _read(self, listening: threading.Event) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            if "startup complete" in line:
                listening.set()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
