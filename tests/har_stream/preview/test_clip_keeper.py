"""What is unsure, what begins and what somebody asks for becomes clips that a browser plays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from har_stream.config.settings import ClipSettings
from har_stream.core.activity import Change, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.preview.clip_folder import ClipFolder
from har_stream.preview.clip_keeper import ClipKeeper

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HZ = 5.0
SEEN = ((0.5, 0.5, 0.9),) * 17


class Room:
    """A camera in front of which a test lets things happen.

    Attributes:
        keeper: What keeps clips of it.
        at_s: Seconds since noon.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = ClipFolder(folder, ClipSettings())
        self.keeper = ClipKeeper(self.folder, fps=HZ)
        self.at_s = 0.0

    def look(self, seconds: float, *, label: str = "walking", state: str = "walking") -> None:
        """Let time go by; the recogniser says a label once a second."""
        for n in range(round(seconds * HZ)):
            at = NOON + timedelta(seconds=self.at_s)
            image = np.full((36, 64, 3), n * 3 % 255, np.uint8)
            self.keeper.show("cam1", Frame(image, at))
            if n % 5 == 4:
                self.keeper.update(
                    Recognition("cam1", at, {}, label, 0.5, 0.1, 5.0, state, key_points=SEEN)
                )
            self.at_s += 1 / HZ

    def begin(self, activity: str, *, ends: bool = False) -> None:
        """Let an activity begin or end."""
        at = NOON + timedelta(seconds=self.at_s)
        kind = "activity_ended" if ends else "activity_started"
        ended_at = at if ends else None
        self.keeper.update(Change("cam1", kind, activity, None, {}, 0.9, at, ended_at))  # type: ignore[arg-type]

    def kept(self) -> list[tuple[str, str | None]]:
        """Kind and label of all clips, the oldest first."""
        self.keeper.close()
        return [(clip.kind, clip.label) for clip in reversed(self.folder.clips())]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.keeper.close()


def test_what_stays_unsure_is_kept_once_in_a_while_and_plays_in_a_browser(room: Room) -> None:
    room.look(20)
    room.look(60, label="unknown", state="unknown")
    room.look(260)
    room.look(20, label="unknown", state="unknown")
    assert room.kept() == [("unsure", None), ("unsure", None)]
    clip = room.folder.clips()[0]
    with av.open(str(clip.path)) as film:
        (stream,) = film.streams
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert 40 <= stream.frames <= 51
        assert stream.average_rate == HZ


def test_an_empty_room_is_not_unsure(room: Room) -> None:
    room.look(60, label="unknown", state="idle")
    assert room.kept() == []


def test_a_stretch_is_kept_once_it_has_gone_on_for_a_clip(room: Room) -> None:
    room.begin("cooking")  # nothing was seen yet
    room.look(5)
    room.begin("cooking")
    room.look(4)
    room.begin("eating")
    room.look(12)
    room.begin("eating", ends=True)
    room.look(20)
    assert room.kept() == [("stretch", None)]
    (clip,) = room.folder.clips()
    assert (clip.at - NOON).total_seconds() == pytest.approx(9, abs=0.5)


def test_a_recording_is_one_session_and_nothing_else_is_kept_meanwhile(room: Room) -> None:
    with pytest.raises(InputError, match="has delivered no picture yet"):
        room.keeper.record("cam1", label="ironing", seconds=30)
    room.look(5)
    room.keeper.record("cam1", label="ironing", seconds=25)
    assert room.keeper.recordings()["cam1"].label == "ironing"
    room.look(40, label="unknown", state="unknown")
    assert room.keeper.recordings() == {}
    kept = room.kept()
    assert kept.count(("recorded", "ironing")) == 3
    clips = [clip for clip in room.folder.clips() if clip.kind == "recorded"]
    assert {clip.session for clip in clips} == {"2026-11-22-120004"}
    assert all((clip.at - NOON).total_seconds() >= 5 for clip in clips), "nothing from before"
    assert len({clip.path.parent for clip in clips}) == 1


def test_a_recording_that_is_stopped_keeps_what_it_has(room: Room) -> None:
    room.look(1)
    room.keeper.record("cam1", label=None, seconds=60)
    room.look(5)
    room.keeper.stop()
    assert room.kept() == [("recorded", None)]
    assert room.folder.clips()[0].place == "ordinary"
