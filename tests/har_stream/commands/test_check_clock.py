"""`har-stream --check` doubts a clock by what was written, and by what others say on the broker."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto, listening

from har_stream.commands.check_clock import check_clock, hear_clocks, last_written_at
from har_stream.config.settings import Settings
from har_stream.mqtt.messages import ActivityState

WHEN = datetime(2026, 11, 22, 18, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("at", "jumped_s", "synchronised", "says"),
    [
        (WHEN, 0.01, True, "ok     clock: 2026-11-22T18:00:00.00:00, synchronised"),
        (WHEN, -0.01, None, "ok     clock: 2026-11-22T18:00:00.00:00, and nothing here tells"),
        (WHEN, 0.01, False, "hint   clock: .*nothing keeps right; .*timedatectl set-ntp true"),
        (WHEN.replace(year=1970), 0.0, None, "WRONG  clock: it says 1970-11-22.*has been; let"),
        (WHEN, 3600.0, True, r"WRONG  clock: it jumped by \+3600.0 s"),
        (WHEN, -2.0, True, r"WRONG  clock: it jumped by -2.0 s"),
    ],
)
def test_the_clock_is_judged(at, jumped_s, synchronised, says: str) -> None:
    found = check_clock(
        at, jumped_s=jumped_s, synchronised=synchronised, written_at=min(at, WHEN), heard={}
    )
    assert re.match(says, str(found))


@pytest.mark.parametrize(
    ("ahead", "synchronised", "says"),
    [
        (400 * DAY, None, "hint   clock: 2027-12-27.*, 400 days after we last wrote a file; is it"),
        (400 * DAY, True, "ok     clock: 2027-12-27.*, synchronised"),
        (-DAY, None, "WRONG  clock: it says 2026-11-21.*a file of ours was written at 2026-11-22"),
    ],
)
def test_files_tell_of_a_clock_that_is_ahead_or_behind(ahead, synchronised, says: str) -> None:
    found = check_clock(
        WHEN + ahead, jumped_s=0.0, synchronised=synchronised, written_at=WHEN, heard={}
    )
    assert re.match(says, str(found))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (WHEN + DAY, "hint   clock: .*, and har/a/c/activity says 2026-11-23T18:00:00.*; set the"),
        (WHEN - timedelta(minutes=1), "ok     clock: .*18:00:00.*, as on har/a/c/activity"),
    ],
)
def test_another_clock_agrees_or_not(other: datetime, says: str) -> None:
    heard = {"har/a/c/activity": other}
    found = check_clock(WHEN, jumped_s=0.0, synchronised=None, written_at=WHEN, heard=heard)
    assert re.match(says, str(found))


def test_other_clocks_are_heard_on_the_broker(mosquitto: Mosquitto) -> None:
    state = ActivityState(activity="cooking", confidence=0.9, since=WHEN, at=WHEN).encode()
    with listening(mosquitto.port, "har/#") as listener:
        for topic in ("har/attic/c/activity", "har/n1/c/activity"):
            listener.client.publish(topic, state, retain=True, qos=1)
        listener.client.publish("har/home/h1/forecast", b"no forecast", retain=True, qos=1)
        listener.wait_for(lambda came: len(came) == 3)
    settings = Settings.model_validate({"node": "n1", "broker": {"url": mosquitto.url}})
    assert hear_clocks(settings) == {"har/attic/c/activity": WHEN}, "and not of n1 itself"
    gone = settings.model_copy(
        update={"broker": settings.broker.model_copy(update={"url": "mqtt://127.0.0.1:9"})}
    )
    assert hear_clocks(gone) == {}


def test_the_newest_file_counts(tmp_path: Path) -> None:
    ours = last_written_at(tmp_path)
    assert last_written_at(tmp_path / "absent") == ours
    (tmp_path / "outbox-n1.db").write_bytes(b"")
    late = ours + DAY
    os.utime(tmp_path / "outbox-n1.db", (late.timestamp(), late.timestamp()))
    assert last_written_at(tmp_path) == late
