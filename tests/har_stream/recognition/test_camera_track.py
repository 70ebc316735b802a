"""One camera's watch: its own settings, its motion gate, and what holds besides what is seen."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from support.video.brightness import (
    HZ,
    MANIFEST,
    START,
    Brightness,
    alone,
    camera,
    changes,
    frames,
    run,
    status,
)

from har_stream.bundles.bundle import Memory
from har_stream.cameras.readers import EndOfSource
from har_stream.core.activity import CameraState, Change, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.thresholds import Thresholds
from har_stream.pipeline import Pipeline
from har_stream.recognition.camera_track import CameraTrack, thresholds_for


def test_a_cameras_own_settings_replace_the_bundles() -> None:
    own = camera("a", deciding={"min_dwell_s": 1, "urgent": ["bright"]})
    assert thresholds_for(own, MANIFEST) == Thresholds(
        min_dwell_s=1, average_s=1, idle_after_s=5, urgent=("bright",)
    )
    with pytest.raises(InputError, match="has no label fallen; it has dark, grey, bright"):
        thresholds_for(camera("a", deciding={"urgent": ["fallen"]}), MANIFEST)


def _resumed(clock: Callable[[], float] = time.monotonic) -> Pipeline:
    """A pipeline that took over a camera two seconds before `START`; it was dark for an hour."""
    pipeline = Pipeline(Brightness(), [camera("a")], clock=clock)
    pipeline.resume_activity(
        *("a", "dark"),
        since=START - timedelta(hours=1),
        at=START - timedelta(seconds=2),
        probabilities={"dark": 0.8, "grey": 0.1, "bright": 0.1},
    )
    return pipeline


@pytest.mark.parametrize("resets", [True, False])
def test_what_another_process_saw_begin_goes_on_and_begins_no_second_time(resets: bool) -> None:
    shown = frames(("dark", 10), ("bright", 10), resets=resets)
    said = list(_resumed().run(alone([*shown, EndOfSource()])))
    assert changes(said) == [
        ("changed", "bright", pytest.approx(10 - 0.3)),
        ("ended", "bright", 19.8),
    ]
    assert next(news.state for news in said if isinstance(news, Recognition)) == "dark"


def test_what_another_process_saw_ends_if_it_is_over_or_the_camera_stays_away() -> None:
    over = list(_resumed().run(alone([*frames(("bright", 10)), EndOfSource()])))
    assert changes(over)[0] == ("changed", "bright", 0.0)
    now_s = [0.0]

    def wait() -> None:
        now_s[0] += 20.0

    away = alone([status("a", CameraState.OFFLINE, 1), wait, EndOfSource()], clock=lambda: now_s[0])
    (ended,) = [n for n in _resumed(lambda: now_s[0]).run(away) if isinstance(n, Change)]
    assert (ended.activity, ended.confidence) == ("dark", 0.8)
    assert ended.ended_at == START - timedelta(seconds=2)
    assert ended.started_at == START - timedelta(hours=1)


def quiet(label: str, seconds: float, *, start_s: float) -> list[Frame]:
    """Frames on which nothing moves, after others."""
    return frames((label, seconds), start_s=start_s, still=True, resets=False)


def test_while_nothing_moves_the_last_decision_is_held_and_the_recogniser_rests() -> None:
    sleeper = [*frames(("grey", 4)), *quiet("grey", 120, start_s=4)[1:]]
    wakes = frames(("grey", 10), start_s=124, resets=False)
    recogniser = Brightness()
    said = run(
        alone([*sleeper, *wakes, EndOfSource()]),
        camera("a", motion_gate=True),
        recogniser=recogniser,
    )
    assert changes(said) == [("started", "grey", 0.0), ("ended", "grey", 133.8)]
    recognitions = [news.at for news in said if isinstance(news, Recognition)]
    assert recognitions == [frame.captured_at for frame in [*sleeper, *wakes][3:]]
    assert len(recogniser.batches) < 100, "of 670 frames"


def test_after_a_rest_the_window_is_full_at_once() -> None:
    """The first frame that moves is decided on with the still ones before it."""
    shown = [*frames(("grey", 2)), *quiet("grey", 10, start_s=2)[1:]]
    wakes = frames(("bright", 2), start_s=12, resets=False)
    said = run(alone([*shown, *wakes]), camera("a", motion_gate=True))
    labels = {n.at: n.label for n in said if isinstance(n, Recognition)}
    assert labels[shown[-1].captured_at] == "grey"
    assert labels[wakes[0].captured_at] == "bright"


@pytest.mark.parametrize("motion_gate", [False, True])
def test_an_empty_room_yields_nothing_until_somebody_comes(motion_gate: bool) -> None:
    """The bundle knows no `idle`; stillness tells that nobody is there."""
    empty = frames(("dark", 600), still=True)
    comes = frames(("bright", 10), start_s=600, resets=False)
    said = run(alone([*empty, *comes]), camera("a", motion_gate=motion_gate))
    assert changes(said) == [
        ("started", "bright", pytest.approx(600, abs=0.3)),
        ("ended", "bright", 609.8),
    ]
    states = {news.state for news in said if isinstance(news, Recognition)}
    assert states == {"unknown", "idle", "bright"}


def painted(n: int, picture: int, *, start_s: float = 0.0) -> list[Frame]:
    """So many frames of one picture, each picture unlike all others."""
    image = np.random.default_rng(picture).integers(0, 2, (6, 8, 1), dtype=np.uint8) * 200
    image = np.repeat(image.repeat(8, 0).repeat(8, 1), 3, axis=2) + np.uint8(3 * picture)
    at = [START + timedelta(seconds=start_s + k / HZ) for k in range(n)]
    return [Frame(image, each, resets=start_s == k == 0) for k, each in enumerate(at)]


def test_at_a_hard_cut_windows_begin_anew() -> None:
    shown = [*painted(10, 1), *painted(10, 20, start_s=2)]
    decided = [n.at for n in run(alone(shown)) if isinstance(n, Recognition)]
    assert decided == [frame.captured_at for frame in [*shown[3:10], *shown[13:]]]


@pytest.mark.parametrize(("memory", "mixed"), [("running", []), ("staggered", [13, 14])])
def test_a_running_state_begins_anew_also_after_scenes_shorter_than_a_window(
    memory: Memory, mixed: list[int]
) -> None:
    """It would keep them; a window of its own forgets them, and decides earlier."""
    lengths = (10, 2, 3, 10)
    starts = [sum(lengths[:n]) for n in range(4)]
    shown = [
        frame
        for n, (start, length) in enumerate(zip(starts, lengths, strict=True))
        for frame in painted(length, 1 + 19 * n, start_s=start / HZ)
    ]
    said = run(alone(shown), recogniser=Brightness(memory))
    decided = [n.at for n in said if isinstance(n, Recognition)]
    assert decided == [
        frame.captured_at for frame in [*shown[3:10], *(shown[n] for n in mixed), *shown[18:]]
    ]


def test_where_images_get_another_size_windows_begin_anew() -> None:
    """As where another bundle wants them larger."""
    larger = [replace(each, image=each.image.repeat(2, 0)) for each in painted(10, 1, start_s=2)]
    shown = [*painted(10, 1), *larger]
    decided = [n.at for n in run(alone(shown)) if isinstance(n, Recognition)]
    assert decided == [frame.captured_at for frame in [*shown[3:10], *shown[13:]]]


@pytest.mark.parametrize(
    ("memory", "full_at"), [("staggered", (3, 7, 11, 15, 19)), ("running", (5, 11, 17))]
)
def test_a_picture_that_flickers_is_recognised_all_the_same(
    memory: Memory, full_at: tuple[int, ...]
) -> None:
    shown = [f for n in range(20) for f in painted(1, 1 + 19 * (n % 2), start_s=n / HZ)]
    said = run(alone(shown), recogniser=Brightness(memory))
    decided = [n.at for n in said if isinstance(n, Recognition)]
    assert decided == [shown[n].captured_at for n in full_at]


def test_a_recognition_says_what_holds_besides_what_is_seen() -> None:
    shown = frames(("dark", 10), ("bright", 0.6), ("dark", 5))
    said = run(alone([*shown, EndOfSource()]))
    seen = [(news.label, news.state) for news in said if isinstance(news, Recognition)]
    assert ("bright", "dark") in seen
    assert seen[-1] == ("dark", "dark")


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0, 56 * 365.25 * 86_400.0])
def test_where_a_clock_is_set_an_activity_ends_and_begins_anew(jump_s: float) -> None:
    """A board that boots in 1970 says nothing of 56 years."""
    before = frames(("grey", 10))
    after = frames(("grey", 10), start_s=10 + jump_s)
    said = changes(run(alone([*before, *after, EndOfSource()])))
    assert [kind for kind, *_ in said] == ["started", "ended", "started", "ended"]
    assert said[1][2] == 9.8, "where it was seen last"
    assert said[2][2] == 10 + jump_s
    assert said[3][2] == 10 + jump_s + 9.8


def test_a_slow_camera_is_there_and_a_stalled_one_is_lost_after_a_while() -> None:
    for state, is_lost in ((CameraState.SLOW, False), (CameraState.STALLED, True)):
        track = CameraTrack(camera("a"), MANIFEST, clock=lambda: 100.0)
        track.add_frame(frames(("dark", 0.2))[0], 0.0)
        track.set_status(status("a", state, 0), 1.0)
        assert track.is_lost is is_lost
