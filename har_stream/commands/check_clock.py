"""`har-stream --check` judges the wall clock by all that this machine and the broker know."""

import subprocess
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from har_stream.commands.check_result import CheckResult
from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityState, Forecast, MessageError
from har_stream.mqtt.probe import open_probe
from har_stream.mqtt.topics import Topics

OLDEST_YEAR = 2026
"""This program was made then; a clock before it was never set."""
QUIET = timedelta(days=30)
"""A clock that nothing keeps right is doubted where nothing was written for so long."""
APART = timedelta(minutes=5)
"""Two clocks that differ by more do not both show the time."""
JUMP_S = 1.0
"""The wall clock may part so far from the steady one during a check; beyond, it was set."""


def check_clock(
    at: datetime,
    *,
    jumped_s: float,
    synchronised: bool | None,
    written_at: datetime,
    heard: Mapping[str, datetime],
) -> CheckResult:
    """Judge the wall clock by all that this machine and the broker know of the time.

    Args:
        at: What it says, timezone-aware.
        jumped_s: By how much it ran ahead of the steady clock during the check.
        synchronised: Whether the system says that it is kept right over the network, if it says so.
        written_at: When the newest file of ours was written.
        heard: What others say that the time is, by topic.
    """
    remedy = "let the system keep it over the network: timedatectl set-ntp true"
    said = at.isoformat(timespec="seconds")
    if at.year < OLDEST_YEAR:
        return CheckResult("clock", False, f"it says {said}, which has been", remedy)
    if abs(jumped_s) > JUMP_S:
        text = f"it jumped by {jumped_s:+.1f} s during this check"
        return CheckResult("clock", False, text, remedy)
    if written_at > at + APART:
        text = f"it says {said}, and a file of ours was written at {written_at:%Y-%m-%d %H:%M}"
        return CheckResult("clock", False, text, remedy)
    topic, other = max(heard.items(), key=lambda item: abs(item[1] - at), default=("", at))
    if abs(other - at) > APART:
        text = f"{said}, and {topic} says {other.isoformat(timespec='seconds')}"
        remedy = "set the wrong one right; only a recording has a time of its own"
        return CheckResult("clock", True, text, remedy)
    if synchronised:
        return CheckResult("clock", True, f"{said}, synchronised")
    if at - written_at > QUIET:
        text = f"{said}, {(at - written_at).days} days after we last wrote a file; is it right?"
        return CheckResult("clock", True, text, remedy)
    if synchronised is False:
        return CheckResult("clock", True, f"{said}, which nothing keeps right", remedy)
    witness = f"as on {topic}" if topic else "and nothing here tells whether that is right"
    return CheckResult("clock", True, f"{said}, {witness}")


def last_written_at(state_dir: Path) -> datetime:
    """When the newest file was written, of the state directory or of this program."""
    with suppress(OSError):
        files = [path for path in state_dir.iterdir() if path.is_file()]
        return _written_at(max([Path(__file__), *files], key=lambda path: path.stat().st_mtime))
    return _written_at(Path(__file__))


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime).astimezone()


def hear_clocks(settings: Settings) -> Mapping[str, datetime]:
    """The time by what others have retained, which expires; MQTT 3.1.1 lets nothing expire."""
    topics = Topics(settings.base_topic)
    forecasts, states = topics.home("+", "forecast"), topics.camera("+", "+", "activity")
    mark = topics.node(settings.node, f"check-{uuid.uuid4().hex}")
    heard: dict[str, datetime] = {}
    with suppress(InputError), open_probe(settings.broker, forecasts, states, mark) as probe:
        probe.publish(mark)
        probe.wait_until(lambda: bool(probe.payloads(mark)) or probe.is_refused(mark))
        if probe.reason_code(mark) is None:
            return heard
        for topic, payload in probe.last_payloads().items():
            kind = Forecast if topic.endswith("/forecast") else ActivityState
            if not topic.startswith(topics.node(settings.node)):  # dated by this very clock
                with suppress(MessageError):
                    heard[topic] = kind.decode(payload).at
    return heard


def is_synchronised() -> bool | None:
    """Ask systemd whether the clock is kept over the network; none where it does not say."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        said = subprocess.run(  # noqa: S603 -- a fixed command, no shell
            command, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said.stdout.strip())
