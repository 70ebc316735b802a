"""Motion is seen; noise, light and compression are not motion."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from har_stream.cameras.video_file import read_file
from har_stream.core.frame import Frame, Image
from har_stream.recognition.motion_gate import MotionGate

START = datetime(2026, 3, 1, tzinfo=UTC)
HZ = 5


def moving(images: Iterable[Image]) -> list[bool]:
    gate = MotionGate(still_after_s=2.0)
    frames = (
        Frame(image, START + timedelta(seconds=n / HZ), resets=n == 0)
        for n, image in enumerate(images)
    )
    return [gate.moves(frame) for frame in frames]


def scene(n: int, *, sigma: float = 8, light: float = 0, square_at: int | None = None) -> Image:
    """A noisy room, lighter or darker, with a bright square of a tenth of its height."""
    rng = np.random.default_rng(n)
    room = np.tile(np.linspace(40, 160, 320), (240, 1))[..., None] + np.zeros(3)
    if square_at is not None:
        room[100:124, square_at : square_at + 24] += 60
    return np.clip(room + light + rng.normal(0, sigma, room.shape), 0, 255).astype(np.uint8)


def test_a_noisy_still_room_is_still_two_seconds_after_the_start() -> None:
    assert moving(scene(n) for n in range(50)) == [True] * 10 + [False] * 40


def test_light_that_changes_everywhere_is_no_motion() -> None:
    assert not any(moving(scene(n, light=30 * np.sin(n)) for n in range(50))[10:])


def test_something_small_that_moves_is_seen_until_two_seconds_after() -> None:
    at = [100] * 20 + [100 + 8 * n for n in range(1, 11)] + [180] * 20
    said = moving(scene(n, square_at=x) for n, x in enumerate(at))
    assert said == [True] * 10 + [False] * 10 + [True] * 19 + [False] * 11


def test_after_a_gap_nobody_knows() -> None:
    gate = MotionGate(still_after_s=2.0)
    for n in range(20):
        gate.moves(Frame(scene(n), START + timedelta(seconds=n / HZ), resets=n == 0))
    assert gate.moves(Frame(scene(20), START + timedelta(minutes=5), resets=True))


def test_another_picture_is_a_cut_and_the_same_room_in_another_light_is_none(shared: Path) -> None:
    def cuts(images: Iterable[Image]) -> list[int]:
        gate, found = MotionGate(), []
        for n, image in enumerate(images):
            gate.moves(Frame(image, START + timedelta(seconds=n / HZ)))
            found += [n] if gate.cut else []
        return found

    lights = [0, 0, 60, 60, -30, -30]
    assert cuts(scene(n, light=light, square_at=20 * n) for n, light in enumerate(lights)) == []
    dark = [np.full((240, 320, 3), 10, np.uint8), np.full((240, 320, 3), 200, np.uint8)]
    assert cuts(dark) == [], "nothing is in them to compare"
    foggy = [100 + (scene(0) / 3).astype(np.uint8), scene(1)[:, ::-1]]
    assert cuts(foggy) == [1]
    rooms = [shared / f"data/home/Subject_{n}" for n in ("1/ADL/10", "3/ADL/18", "4/ADL/19")]
    clips = [
        [frame.image for frame in read_file(f"{room}.mp4", sample_hz=HZ, start_at=START)]
        for room in rooms
    ]
    begins = np.cumsum([len(clip) for clip in clips])[:-1]
    assert cuts(image for clip in clips for image in clip) == begins.tolist()


def test_people_at_home_move(shared: Path) -> None:
    clips = sorted((shared / "data/home").glob("*/ADL/*.mp4"))[:4]
    for clip in clips:
        said = moving(f.image for f in read_file(clip, sample_hz=HZ, start_at=START))
        assert np.mean(said) > 0.9, clip.name
