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
from har_stream.recognition.person.maps import read_maps

MAX_SIZE_PX = 1024


class PoseFinder(Protocol):
    """Finds the key points of one person in a square image: a network, or who remembers one.

    Attributes:
        size_px: Side of the square that it takes in.
    """

    size_px: int

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
