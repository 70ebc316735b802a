"""A single-pose network: the key points of one person in a square image.

MoveNet Lightning (Google 2021) is one; any other with the same tensors may stand in its place, or
one that gives maps of joints and whether anybody is there.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle
from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.recognition.engines.tflite_file import open_interpreter
from har_stream.recognition.person.key_points import NAMES

MAX_SIZE_PX = 1024
NEAR_CELLS = 2
"""Cells around a map's peak, to each side, of which the mean is where the joint is."""


class PoseFinder(Protocol):
    """Finds the key points of one person in a square image: a network, or who remembers one.

    Attributes:
        size_px: Side of the square that it takes in.
        needs_movement: Whether who it finds counts only where something has moved: it sees somebody
            in furniture that it does not know.
    """

    size_px: int
    needs_movement: bool

    def find(self, square: Image) -> NDArray[np.float32]:
        """Find one person's key points.

        Args:
            square: RGB, shape (size_px, size_px, 3), uint8.

        Returns:
            y and x as shares of the square, and score; shape (17, 3), float32.
        """


class PoseNetwork:
    """One `.tflite` file that takes uint8 RGB (1, H, H, 3) and gives float (1, 1, 17, 3).

    Instead, it may give logits: maps of joints, (1, n, n, 17), and of anybody there, (1, 1).

    Args:
        path: The file.

    Attributes:
        size_px: Side of the square that it takes in.
        needs_movement: See `PoseFinder`; so is every network of maps.

    Raises:
        InputError: It is no such network.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = open_interpreter(path)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        takes = [(each["shape"].tolist(), each["dtype"]) for each in inputs]
        gives = [(each["shape"].tolist(), each["dtype"]) for each in outputs]
        self.size_px = takes[0][0][1] if len(takes[0][0]) == 4 else 0
        square = ([1, self.size_px, self.size_px, 3], np.uint8)
        sizes = sorted((shape for shape, dtype in gives if dtype == np.float32), key=len)
        has_points = sizes == [[1, 1, len(NAMES), 3]]
        has_maps = len(sizes) == 2 and sizes[0] == [1, 1] and sizes[1][-1] == len(NAMES)
        if takes != [square] or not (has_points or has_maps):
            raise InputError(f"{path}: no single-pose network (takes {takes}, gives {gives})")
        if not 0 < self.size_px <= MAX_SIZE_PX:
            raise InputError(f"{path}: takes {self.size_px} pixels; {MAX_SIZE_PX} are the most")
        self.needs_movement = has_maps
        self._interpreter.allocate_tensors()
        self._takes = inputs[0]["index"]
        # Points alone; or whether anybody is there, then the maps.
        ordered = sorted(outputs, key=lambda each: len(each["shape"]))
        self._gives = [each["index"] for each in ordered]

    def find(self, square: Image) -> NDArray[np.float32]:
        """Find one person's key points; see `PoseFinder`."""
        self._interpreter.set_tensor(self._takes, square[None])
        self._interpreter.invoke()
        *presence, found = (self._interpreter.get_tensor(index)[0] for index in self._gives)
        if presence:
            return read_maps(found, float(presence[0][0]))
        points: NDArray[np.float32] = found[0]
        return points


def open_pose_network(bundle: Bundle) -> PoseNetwork | None:
    """Open the pose network of a bundle; none where it follows nobody.

    Raises:
        InputError: It is no single-pose network, or LiteRT cannot read it.
    """
    path = bundle.file("pose", "litert")
    return PoseNetwork(path) if path is not None else None


def read_maps(maps: NDArray[np.float32], presence: float) -> NDArray[np.float32]:
    """Read y, x and score of every joint out of maps of joints (Tompson et al. 2014).

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
