"""Reads key points out of maps of joints (Tompson et al. 2014), which our own network gives."""

import numpy as np
from numpy.typing import NDArray

NEAR_CELLS = 2
"""Cells around a map's peak, to each side, of which the mean is where the joint is."""


def read_maps(maps: NDArray[np.float32], presence: float) -> NDArray[np.float32]:
    """Read y, x and score of every joint.

    A joint is at the mean place near its map's peak; its score is that of the peak, times that of
    anybody being there.

    Args:
        maps: Logits of every cell, shape (n, n, n_joints).
        presence: Logit of somebody being there.

    Returns:
        y and x as shares of the square, and score; shape (n_joints, 3), float32.
    """
    n, n_joints = maps.shape[0], maps.shape[2]
    flat = maps.reshape(n * n, n_joints)
    peaks = flat.argmax(axis=0)
    found = np.empty((n_joints, 3), np.float32)
    for joint, (row, column) in enumerate(zip(*divmod(peaks, n), strict=True)):
        rows = slice(max(0, row - NEAR_CELLS), row + NEAR_CELLS + 1)
        columns = slice(max(0, column - NEAR_CELLS), column + NEAR_CELLS + 1)
        shares = _sigmoid(maps[rows, columns, joint])
        shares /= shares.sum()
        found[joint, 0] = (shares.sum(axis=1) @ np.arange(n)[rows] + 0.5) / n
        found[joint, 1] = (shares.sum(axis=0) @ np.arange(n)[columns] + 0.5) / n
    found[:, 2] = _sigmoid(flat.max(axis=0)) * _sigmoid(np.float32(presence))
    return found


def _sigmoid(logits: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
