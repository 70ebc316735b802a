"""A broker and a browser for all tests of a file, as each takes a moment to start."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from support.broker.real_broker import HOW_TO_INSTALL, PROGRAM, Mosquitto


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A running Mosquitto."""
    if PROGRAM is None:
        pytest.skip(HOW_TO_INSTALL)
    running = Mosquitto(tmp_path_factory.mktemp("mosquitto"), ())
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        # As root, in a container, Chromium's sandbox has no rights to begin.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
