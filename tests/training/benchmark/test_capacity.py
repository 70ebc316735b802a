"""The number of cameras that are held: found by few tries, and what a try counts as held."""

import shutil
from pathlib import Path

import pytest
from support.processes.node import bundle

from training.benchmark import capacity, stream_cost

GOOD = {"missed": 0, "max_lateness_ms": 250.0, "drift_ms": -3.0}
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="no ffmpeg here: apt-get install ffmpeg"
)


@pytest.mark.parametrize("true", [0, 1, 2, 3, 63, 64, 65, 150, 321, 1024, 5000])
def test_the_largest_number_is_found_in_few_tries(true: int) -> None:
    tried: list[int] = []

    def holds(n: int) -> bool:
        tried.append(n)
        return n <= true

    exact = capacity.find_capacity(holds, guess=64, precision=0.0, most=1024)
    assert exact == min(true, 1024)
    assert len(tried) == len(set(tried)) <= 14
    roughly = capacity.find_capacity(holds, guess=64, precision=0.05, most=1024)
    assert 0.95 * exact <= roughly <= exact


@pytest.mark.parametrize(
    ("worse", "held"),
    [
        ({}, True),
        ({"missed": 1}, False),
        ({"max_lateness_ms": 251.0}, False),
        ({"drift_ms": 51.0}, False),
    ],
)
def test_held_means_every_decision_in_time_and_no_drift(
    worse: dict[str, float], held: bool
) -> None:
    assert capacity.is_held(GOOD | worse) is held


def test_a_machine_that_is_busy_for_one_try_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline fails every first try and holds 3 cameras; decoding never fails."""
    asked: list[int] = []

    def measure(*_: object, n_cameras: int, **__: object) -> dict[str, float]:
        asked.append(n_cameras)
        is_first = asked.count(n_cameras) == 1
        return GOOD | {"missed": int(is_first or n_cameras > 3)}

    monkeypatch.setattr(capacity, "measure_cameras", measure)
    monkeypatch.setattr(capacity, "measure_decoding", lambda *_, **__: GOOD)
    monkeypatch.setattr(capacity, "MOST", 8)
    n_tries: list[None] = []
    found = capacity.measure_capacity(
        Path("film.mp4"),
        bundle(),
        fps=10,
        guess=2,
        precision=0.0,
        on_try=lambda: n_tries.append(None),
    )
    assert found == {"capacity": 3, "decode_capacity": 8}
    assert asked == [2, 2, 4, 4, 3, 3]
    assert len(n_tries) == len(asked) + 3, "2, 4 and 8 cameras only decoded"


@needs_ffmpeg
def test_decoding_alone_takes_every_frame_when_it_is_due(tmp_path: Path) -> None:
    film = stream_cost.make_video(tmp_path / "film.mp4", size="320x180", fps=10, duration_s=2)
    found = capacity.measure_decoding(film, n_cameras=3, fps=10, skip_s=0.5)
    assert found["missed"] == 0
    assert 0 <= found["p95_lateness_ms"] <= found["max_lateness_ms"] < 1900
