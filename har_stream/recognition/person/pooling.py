"""What a window of a person's features comes to: the newest frame, its second, changes, speeds.

Heads stand on it: the one of a bundle, which is computed in LiteRT, and the one of a household.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.recognition.person.geometry import POSITIONS

SECOND = 5
"""Frames of the newest second; settings in frames are those of 5 frames a second."""
LAGS = (5, 10)
"""Frames back to which all features but positions are compared."""
POSITION_LAGS = (1, 3, 5, 10, 19)
"""Frames back to which positions are compared."""
SPANS = (5, 15)
"""Frames over which the speed of the hips is averaged."""
HIPS = 2
"""The first two positions are the hips'."""
N_FRAMES = 20


def pool(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what windows come to.

    Args:
        windows: Shape (n, N_FRAMES, N_FEATURES).

    Returns:
        Shape (n, n_pooled).
    """
    return np.concatenate(parts(windows, np.abs, np.mean), axis=-1)


def windows_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the window that ends at every frame; the first frame stands for what was before it.

    Returns:
        Shape (n, N_FRAMES, n_features).
    """
    padded = np.concatenate([np.repeat(features[:1], N_FRAMES - 1, axis=0), features])
    return np.stack([padded[n : n + N_FRAMES] for n in range(len(features))])


def parts(windows: Any, absolute: Callable[..., Any], mean: Callable[..., Any]) -> list[Any]:
    """Pool arrays of NumPy or tensors alike; see `pool`."""
    values, positions = windows[:, :, POSITIONS:], windows[:, :, :POSITIONS]
    steps = absolute(positions[:, 1:, :HIPS] - positions[:, :-1, :HIPS])
    return [
        values[:, -1],
        mean(values[:, -SECOND:], axis=1),
        *(values[:, -1] - values[:, -1 - lag] for lag in LAGS),
        *(mean(steps[:, -span:], axis=1) for span in SPANS),
        *(positions[:, -1] - positions[:, -1 - lag] for lag in POSITION_LAGS),
    ]
