"""Multiply-adds: the study's networks by hand, layer by layer, and a published figure."""

from pathlib import Path

import pytest

from har_stream.bundles.bundle import find_bundle, load_bundle
from har_stream.recognition.window_rows import WindowRows
from training.evaluation.compute_cost import count_compute, multiply_adds

LRCN_FRAME = {
    "64x64, 3 to 16": 64 * 64 * 9 * 3 * 16,
    "16x16, 16 to 32": 16 * 16 * 9 * 16 * 32,
    "4x4, 32 to 64": 4 * 4 * 9 * 32 * 64,
    "2x2, 64 to 64": 2 * 2 * 9 * 64 * 64,
}
LSTM_INPUT, LSTM_RECURRENT, DENSE = 64 * 4 * 32, 32 * 4 * 32, 32 * 4
"""The input of a frame is shared by all open windows; the rest is each window's own."""

CONVLSTM_INPUT = 62 * 62 * 9 * 3 * 16
CONVLSTM_WINDOW = (
    62 * 62 * 9 * 4 * 16
    + 29 * 29 * 9 * (4 + 8) * 32
    + 13 * 13 * 9 * (8 + 14) * 56
    + 5 * 5 * 9 * (14 + 16) * 64
    + 144 * 4
)


def test_lrcn_by_hand() -> None:
    loaded = load_bundle(find_bundle("lrcn-ucf"))
    n_windows = WindowRows.from_manifest(loaded.manifest).n_rows
    frame = sum(LRCN_FRAME.values())
    assert (frame, n_windows) == (3_391_488, 4)
    work = count_compute(loaded)
    assert work.step == frame + LSTM_INPUT + n_windows * (LSTM_RECURRENT + DENSE)
    assert work.window == 20 * (frame + LSTM_INPUT + LSTM_RECURRENT + DENSE)


def test_convlstm_by_hand() -> None:
    work = count_compute(load_bundle(find_bundle("convlstm-ucf")))
    assert work.step == CONVLSTM_INPUT + 4 * CONVLSTM_WINDOW
    assert work.window == 20 * (CONVLSTM_INPUT + CONVLSTM_WINDOW)


def test_movinet_as_published(shared: Path) -> None:
    """Kondratyuk et al. 2021, table 1: MoViNet-A0 takes 2.71 GFLOPs for 50 frames of 172x172."""
    path = shared / "weights/movinet_a0_stream_int8/movinet_a0_stream_int8.tflite"
    assert 50 * multiply_adds(path) == pytest.approx(2.71e9, rel=0.1)
