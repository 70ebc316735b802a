"""What somebody knows of is told as acknowledged until it is over, over a restart too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from har_stream.mqtt.messages import Unusual, UnusualFinding, UnusualKind
from har_stream.mqtt.requests import AcknowledgeRequest
from predictor.unusual.acknowledged import AcknowledgedFindings

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def unusual(*kinds: UnusualKind) -> Unusual:
    """What is told where these kinds of things are unusual."""
    since = NOON + timedelta(microseconds=1200)  # what is reckoned is finer than the wire
    return Unusual(
        at=NOON,
        findings=[
            UnusualFinding(kind=kind, activity="eating", probability=0.001, since=since, words="-")
            for kind in kinds
        ],
        learning=True,
        days=40,
        per_month=1.0,
        past_days=33,
        past_days_told=1,
    )


def ask(kind: UnusualKind = "too_long", activity: str = "eating") -> bytes:
    since = NOON + timedelta(milliseconds=1)
    asked = AcknowledgeRequest(transaction="7", kind=kind, activity=activity, since=since)
    return asked.encode()


def told(marked: Unusual) -> list[tuple[str, bool]]:
    return [(each.kind, each.acknowledged) for each in marked.findings]


def test_one_is_acknowledged_and_forgotten_once_it_is_over(tmp_path: Path) -> None:
    kept = tmp_path / "acknowledged-h1.json"
    known = AcknowledgedFindings(kept)
    now = unusual("too_long", "at_odd_hour")
    answer = known.acknowledge(ask(), now)
    assert (answer.status, answer.transaction) == ("ok", "7")
    assert told(known.mark(now)) == [("too_long", True), ("at_odd_hour", False)]
    after_a_restart = AcknowledgedFindings(kept)
    assert told(after_a_restart.mark(now)) == [("too_long", True), ("at_odd_hour", False)]
    assert told(known.mark(unusual("at_odd_hour"))) == [("at_odd_hour", False)]
    assert AcknowledgedFindings(kept).mark(now) == now
    assert told(known.mark(now)) == [("too_long", False), ("at_odd_hour", False)]


@pytest.mark.parametrize("payload", [ask("quiet"), ask(activity="cooking"), b"{}", b"\xff"])
def test_what_is_not_unusual_cannot_be_acknowledged(payload: bytes, tmp_path: Path) -> None:
    known = AcknowledgedFindings(tmp_path / "kept")
    now = unusual("too_long")
    assert known.acknowledge(payload, now).status == "error"
    assert known.acknowledge(ask(), None).status == "error"
    assert told(known.mark(now)) == [("too_long", False)]


def test_a_file_that_cannot_be_used_is_said_and_nothing_is_lost_but_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "damaged").write_text("[[1")
    known = AcknowledgedFindings(tmp_path / "damaged")
    assert "nothing counts as acknowledged" in caplog.text
    known = AcknowledgedFindings(tmp_path / "damaged" / "kept")
    assert known.acknowledge(ask(), unusual("too_long")).status == "ok"
    assert "cannot be written" in caplog.text
    assert told(known.mark(unusual("too_long"))) == [("too_long", True)]
