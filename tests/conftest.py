"""What every test may use: the shared real material, a real broker, and nothing beyond loopback."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from support.broker.real_broker import HOW_TO_INSTALL, PROGRAM, Mosquitto

# Tests run in two processes; TensorFlow, not yet imported, would take every core for each of them.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

# A busy machine is no failure; a test that hangs meets pytest's own timeout.
hypothesis.settings.register_profile("har", deadline=None)
hypothesis.settings.load_profile("har")

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(autouse=True)
def own_signals() -> None:
    """Signals as in a program just started in a terminal.

    A command that an earlier test called leaves its handlers behind, and whoever starts the tests
    in a script's background has SIGINT ignored, in all their children too.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real clips, logs and weights; their tests are skipped, and counted, where they are absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no shared material at {SHARED} (set HAR_SHARED)")
    return SHARED


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Start real Mosquittos with extra configuration lines; all are stopped in the end."""
    if PROGRAM is None:
        pytest.skip(HOW_TO_INSTALL)
    started: list[Mosquitto] = []

    def make(*lines: str, **options: Any) -> Mosquitto:
        folder = tmp_path / f"mosquitto{len(started)}"
        folder.mkdir()
        broker = Mosquitto(folder, lines, **options)
        started.append(broker)
        broker.start()
        return broker

    yield make
    for broker in started:
        broker.kill()


@pytest.fixture
def mosquitto(make_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running Mosquitto without persistence: `.url`, `.port`, `start`, `stop`, `kill`, `log`."""
    return make_mosquitto()
