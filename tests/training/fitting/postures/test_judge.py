"""What a bundle of postures says of its own mistakes, in its manifest's labels."""

import numpy as np
import pytest

from training.fitting.postures.judge import JUDGED, PRIOR, Judged, label_confusion


def judged(*seconds: tuple[str, str]) -> Judged:
    """A clip of so many seconds: what was true, and what was said."""
    true, said = ([JUDGED.index(name) for name in column] for column in zip(*seconds, strict=True))
    n = len(seconds)
    none, no_frames = np.zeros((0, 6)), np.zeros(0, int)
    told = np.eye(5)[said]
    return Judged("a", np.array(true), told, np.ones(n, bool), none, no_frames, none, none)


def test_walking_and_standing_share_what_was_counted_of_upright() -> None:
    seconds = [("upright", "upright")] * 8 + [("upright", "bending"), ("sitting", "sitting")]
    shares = np.array(label_confusion([judged(*seconds)]))
    idle, walking, standing, sitting, lying, bending = range(6)
    assert shares.shape == (6, 6)
    assert shares.sum(axis=1) == pytest.approx(np.ones(6))
    assert shares[walking] == pytest.approx(shares[standing])
    n = 9 + 5 * PRIOR
    assert shares[walking, walking] == shares[walking, standing] == pytest.approx(8.5 / n / 2)
    assert shares[walking, bending] == pytest.approx(1.5 / n)
    assert shares[sitting, sitting] > shares[sitting, idle] == shares[sitting, lying] > 0
