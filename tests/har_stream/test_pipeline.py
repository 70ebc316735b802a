"""From frames to events: every camera gets its turn, its end and its own clock."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.video.brightness import (
    HZ,
    MANIFEST,
    START,
    Brightness,
    Script,
    alone,
    camera,
    changes,
    frames,
    run,
    status,
)

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import Arrival, EndOfSource, Readers
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.regions import Regions
from har_stream.core.activity import CameraState, CameraStatus, News, Recognition
from har_stream.core.errors import InputError
from har_stream.pipeline import HUNG_S, Pipeline
from har_stream.recognition.recogniser import Decision


def test_a_recording_becomes_recognitions_and_changes_and_ends_at_its_last_frame() -> None:
    shown = frames(("dark", 10), ("bright", 10))
    said = run(alone([*shown, EndOfSource()]))
    recognitions = [news for news in said if isinstance(news, Recognition)]
    assert len(recognitions) == len(shown) - 3
    last = recognitions[-1]
    assert (last.camera, last.label, last.at) == ("a", "bright", shown[-1].captured_at)
    assert (last.confidence, last.margin) == (0.9, pytest.approx(0.85))
    assert last.latency_ms > 0
    assert changes(said) == [
        ("started", "dark", 0.0),
        ("changed", "bright", pytest.approx(10 - 0.3)),  # half a window before its first
        ("ended", "bright", 19.8),
    ]


def test_what_was_never_taught_is_no_event_and_ends_what_runs() -> None:
    class Doubtful(Brightness):
        """As sure as ever of what it was never taught: all that is grey."""

        def _decide(self, camera: str) -> Decision:
            decision = super()._decide(camera)
            return replace(decision, known=decision.probabilities.argmax() != 1)

    shown = frames(("dark", 10), ("grey", 10), ("bright", 10))
    said = run(alone([*shown, EndOfSource()]), recogniser=Doubtful())
    assert [change[:2] for change in changes(said)] == [
        ("started", "dark"),
        ("ended", "dark"),
        ("started", "bright"),
        ("ended", "bright"),
    ]
    labels = {news.label for news in said if isinstance(news, Recognition)}
    assert labels == {"dark", "unknown", "bright"}


def test_a_recording_shorter_than_a_window_is_recognised_once() -> None:
    said = run(alone([*frames(("grey", 0.6)), EndOfSource()]))
    assert [news.label for news in said if isinstance(news, Recognition)] == ["grey"]
    assert changes(said) == [("started", "grey", 0.0), ("ended", "grey", 0.4)]


def test_cameras_do_not_mix_and_share_every_step() -> None:
    dark, bright = frames(("dark", 10)), frames(("bright", 10))
    turns = [[("a", one), ("b", other)] for one, other in zip(dark, bright, strict=True)]
    recogniser = Brightness()
    said = run(
        Script([*turns, [("a", EndOfSource()), ("b", EndOfSource())]]),
        camera("a"),
        camera("b"),
        recogniser=recogniser,
    )
    assert recogniser.batches == [["a", "b"]] * 50
    for name, label in (("a", "dark"), ("b", "bright")):
        assert changes(said, name) == [("started", label, 0.0), ("ended", label, 9.8)]


def test_states_are_passed_on_and_a_short_absence_changes_no_activity() -> None:
    said = run(
        alone(
            [
                status("a", CameraState.ONLINE, 0),
                *frames(("dark", 10)),
                status("a", CameraState.STALLED, 12),
                status("a", CameraState.ONLINE, 15),
                *frames(("dark", 10), start_s=15),
                EndOfSource(),
            ]
        )
    )
    assert [news.state for news in said if isinstance(news, CameraStatus)] == [
        "online",
        "stalled",
        "online",
    ]
    assert changes(said) == [("started", "dark", 0.0), ("ended", "dark", 24.8)]


def test_a_camera_that_stays_away_is_lost_and_its_activity_ends_at_its_last_frame() -> None:
    now_s = [0.0]

    def wait() -> None:
        now_s[0] += 4.0

    away = [status("a", CameraState.OFFLINE, 12), wait, wait, wait]
    back = [status("a", CameraState.ONLINE, 40), *frames(("dark", 10), start_s=40), EndOfSource()]
    script = alone([*frames(("dark", 10)), *away, *back], clock=lambda: now_s[0])
    assert changes(run(script, clock=lambda: now_s[0])) == [
        ("started", "dark", 0.0),
        ("ended", "dark", 9.8),
        ("started", "dark", 40.0),
        ("ended", "dark", 49.8),
    ]


def test_it_is_alive_while_it_goes_round_with_frames_or_without() -> None:
    now_s = [0.0]
    made = Pipeline(Brightness(), [camera("a")], clock=lambda: now_s[0])
    alive: list[bool] = []

    def wait(seconds: float) -> Callable[[], None]:
        def step() -> None:
            now_s[0] += seconds
            alive.append(made.is_alive)

        return step

    nothing_comes = [wait(0.5 * HUNG_S)] * 4
    list(made.run(alone([*nothing_comes, wait(2 * HUNG_S), EndOfSource()])))
    assert alive == [True, True, True, True, False]


def test_another_bundle_goes_on_without_a_lost_event_and_with_the_camera_s_switch() -> None:
    class Lamp(Brightness):
        """The same eyes; `bright` has a name of its own."""

        def __init__(self) -> None:
            super().__init__()
            named = MANIFEST.model_copy(update={"labels": ("dark", "grey", "lamp")})
            self.bundle = Bundle(Path("lamp"), named, "1" * 64, brought={})

    made = Pipeline(Brightness(), [camera("a"), camera("b")])
    told: list[str] = []

    def use_lamp() -> None:
        made.enable("b", False)
        made.change_recogniser(Lamp(), when_changed=lambda: told.append("lamp"))

    shown = [*frames(("bright", 10)), use_lamp, *frames(("bright", 10), start_s=10)]
    assert changes(made.run(alone([*shown, EndOfSource()]))) == [
        ("started", "bright", 0.0),
        ("ended", "bright", 9.8),
        ("started", "lamp", 10.0),
        ("ended", "lamp", 19.8),
    ]
    assert told == ["lamp"]
    assert not made._tracks["b"].is_enabled


def test_what_is_drawn_to_be_ignored_is_black_from_the_next_frame_on() -> None:
    made = Pipeline(Brightness(), [camera("a", region=(0.5, 0, 1, 1))])
    half = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))

    def ignore() -> None:
        made.set_regions("a", Regions(ignore=(half,)))

    shown = [*frames(("bright", 10)), ignore, *frames(("bright", 10), start_s=10, resets=False)]
    said = changes(made.run(alone([*shown, EndOfSource()])))
    assert [change[:2] for change in said] == [
        ("started", "bright"),
        ("changed", "dark"),
        ("ended", "dark"),
    ]


def test_recognition_is_switched_off_and_on_while_it_runs() -> None:
    recogniser = Brightness()
    made = Pipeline(recogniser, [camera("a")])
    shown = frames(("dark", 30))
    script = alone(
        [
            *shown[:50],
            lambda: made.enable("a", False),
            *shown[50:100],
            lambda: made.enable("a", True),
            *shown[100:],
            EndOfSource(),
        ]
    )
    assert changes(made.run(script)) == [
        ("started", "dark", 0.0),
        ("ended", "dark", 9.8),
        ("started", "dark", 20.0),
        ("ended", "dark", 29.8),
    ]
    assert len(recogniser.batches) == 100


def test_a_disabled_camera_is_not_looked_at() -> None:
    recogniser = Brightness()
    said = run(
        alone([*frames(("dark", 10)), EndOfSource()]),
        camera("a", enabled=False),
        recogniser=recogniser,
    )
    assert (said, recogniser.batches) == ([], [])


def test_frames_are_shown_before_their_decision() -> None:
    log: list[Any] = []
    made = Pipeline(Brightness(), [camera("a")], on_frame=lambda name, frame: log.append(frame))
    for news in made.run(alone([*frames(("dark", 1)), EndOfSource()])):
        if isinstance(news, Recognition):
            assert log[-1].captured_at == news.at
    assert len(log) == 5


def test_stopping_ends_what_runs() -> None:
    made = Pipeline(Brightness(), [camera("a")])
    said = []
    for news in made.run(alone(frames(("dark", 60)))):
        said.append(news)
        if isinstance(news, Recognition) and news.at >= START + timedelta(seconds=20):
            made.stop()
    assert changes(said) == [("started", "dark", 0.0), ("ended", "dark", 20.0)]


def test_an_unusable_source_is_told_after_what_the_others_saw() -> None:
    script = alone(frames(("dark", 10)))
    next_arrivals = script.next_arrivals

    def fail(timeout_s: float) -> list[Arrival]:
        if len(script._turns) == 1:
            raise InputError("b.mp4: no frame of it can be decoded")
        return next_arrivals(timeout_s)

    script.next_arrivals = fail  # type: ignore[method-assign]
    said: list[News] = []
    with pytest.raises(InputError, match=r"b\.mp4"):
        said.extend(Pipeline(Brightness(), [camera("a")]).run(script))
    assert changes(said)[-1] == ("ended", "dark", 9.6)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "dark-then-bright.mp4"
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25.0, (64, 64))
    for n in range(500):
        image = np.full((64, 64, 3), 0 if n < 250 else 255, np.uint8)
        image[10:15, n % 59 : n % 59 + 5] = 128  # something moves
        writer.write(image)
    writer.release()
    return path


def test_two_runs_on_real_files_say_the_same(video: Path) -> None:
    cameras = [CameraSettings(source=str(video), name=name) for name in "ab"]

    def once() -> list[tuple[str, str, float]]:
        with Readers(cameras, ReadOptions(sample_hz=HZ, start_at=START)) as readers:
            said = run(readers, *cameras)
        assert changes(said, "a") == changes(said, "b")
        return changes(said)

    assert (
        once()
        == once()
        == [
            ("started", "dark", 0.0),
            ("changed", "bright", pytest.approx(10 - 0.3)),
            ("ended", "bright", 19.8),
        ]
    )
