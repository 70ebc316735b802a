"""What is still wanted is counted as `train-har teach` counts it."""

from datetime import UTC, datetime, timedelta

import pytest

from har_stream.mqtt.requests import BridgeResponse
from page.teaching.lessons import (
    LEAST_CLIPS,
    LEAST_SESSIONS,
    Answered,
    Kept,
    LessonClip,
    count_wanted,
    within,
)
from training.fitting.teaching import lessons

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def clip(minute: int, place: str = "unlabelled", **fields: object) -> LessonClip:
    """A clip of some minutes after noon."""
    told: dict[str, object] = {
        "clip": f"c{minute}",
        "file": f"{place}/c{minute}.mp4",
        "camera": "cam1",
        "at": NOON + timedelta(minutes=minute),
        "kind": "unsure",
        "place": place,
        "label": None,
        "session": "monday",
    }
    return LessonClip.model_validate(told | fields)


def test_every_activity_needs_clips_of_several_sessions_and_ordinary_footage_one() -> None:
    assert (LEAST_CLIPS, LEAST_SESSIONS) == (lessons.N_CLIPS, lessons.N_SESSIONS)
    ironing = [clip(n, "labelled", label="ironing") for n in range(4)]
    found = count_wanted([*ironing, clip(9)])
    assert [(each.label, each.lacks_clips, each.lacks_sessions) for each in found] == [
        ("ironing", 0, 1),
        (None, 1, 1),
    ]
    other = clip(5, "labelled", label="ironing", session="tuesday")
    enough = count_wanted([*ironing, other, clip(6, "ordinary")])
    assert all(each.is_enough for each in enough)


def test_a_correction_finds_the_clips_of_its_stretch() -> None:
    clips = [clip(n) for n in range(5)] + [clip(2, camera="hall"), clip(2, "ordinary")]
    found = within(clips, "cam1", NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))
    assert [each.clip for each in found] == ["c1", "c2"]


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "unlabelled/a/b/c.mp4", "other/x/y/z.mp4", "unlabelled/a.txt", "a.mp4"]
)
def test_an_answer_that_names_other_files_is_not_believed(file: str) -> None:
    kept = {
        "clips": [clip(1).model_dump() | {"file": file}],
        "count": 1,
        "megabytes": 1.0,
        "bounds": {"days": 1, "labelled_days": 1, "max_clips": 1, "max_mb": 1},
        "recording": {},
    }
    answered = Answered.read(Kept, BridgeResponse(status="ok", data=kept))
    assert answered.told is None
    assert "clips.0.file" in str(answered.problem)
