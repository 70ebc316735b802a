"""The picture of the room without anybody in it, learned while it is watched.

A cell of the image is known once it was seen outside the person's box; there, what differs from it
later is somebody, and what equals it is the empty room.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import Box

CELLS = (64, 48)
"""Images are compared as grey cells, so many across and down."""
LEARNING_RATE = 0.1
"""How fast a known cell follows what is seen of it while nobody stands before it."""
CONTRAST = 10.0
"""Grey levels by which a cell differs from the room in daylight ..."""
LEAST_CONTRAST = 4.0
"""... and at night."""
NIGHT = 60.0
"""Mean grey level below which less contrast is expected."""
DARK = 80.0
"""Mean grey level below which it is dark: lit rooms of UR Fall and GMDCSA24 come to 108 and more,
dark ones to 30."""
AROUND = 0.15
"""Of the person's box is counted to it on every side: hands and hair are no key points."""
RELIT, RELIT_BY = 0.6, 20.0
"""Share of cells that change at once by so many grey levels: the light was switched, and the room
is learned anew."""
N_CELLS = 12
"""Fewer cells that differ are nobody."""


@dataclass(frozen=True, slots=True)
class RoomChange:
    """How the newest image differs from the room.

    Attributes:
        known: Share of the person's box where the room is known.
        in_box: Share of those cells that differ from it.
        elsewhere: Share of the cells beyond the box that do.
        moved: Share of the box's cells that differ from the image before.
        is_dark: Whether it is night.
        box: Around all that differs, as shares of the image; none where little does.
    """

    known: float
    in_box: float
    elsewhere: float
    moved: float
    is_dark: bool
    box: Box | None


class Room:
    """What one camera sees of a room when nobody is in it."""

    def __init__(self) -> None:
        self._empty: NDArray[np.float32] | None = None
        self._known = np.zeros(CELLS[::-1], bool)
        self._cells = np.zeros(CELLS[::-1], np.float32)
        self._before = self._cells

    def see(self, image: Image) -> tuple[Box | None, bool]:
        """Look at the next image.

        Returns:
            The box around what differs from the room, and whether it is dark.
        """
        self._before, self._cells = self._cells, _grey_cells(image)
        if self._empty is None:
            self._empty, self._before = self._cells.copy(), self._cells
        if (np.abs(self._cells - self._empty) > RELIT_BY).mean() > RELIT:
            self._empty, self._known[:] = self._cells.copy(), False
        return _box_of(self._differs(self._empty)), self._is_dark

    def learn(self, person: Box | None) -> RoomChange:
        """Compare the newest image with the room, then learn from what the person does not cover.

        Args:
            person: Around the person, as shares of the image; none: nobody was found.
        """
        assert self._empty is not None  # noqa: S101 - it was seen first
        differs = self._differs(self._empty)
        covered = np.zeros_like(self._known)
        if person is not None:
            covered[cells_of(person)] = True
        known = covered & self._known
        change = RoomChange(
            known=_share(self._known, covered),
            in_box=_share(differs, known),
            elsewhere=_share(differs, ~covered),
            moved=_share(self.moved, covered),
            is_dark=self._is_dark,
            box=_box_of(differs),
        )
        # What differs although nobody was found there may be somebody: it is learned slowly.
        rate = np.where(differs & self._known, LEARNING_RATE / 20, LEARNING_RATE)
        free = ~covered
        self._empty[free] += (rate * (self._cells - self._empty))[free]
        self._known |= free
        return change

    def is_empty(self, box: Box) -> bool:
        """Tell whether a box shows the room that is known there, and hardly anything else."""
        assert self._empty is not None  # noqa: S101 - it was seen first
        inside = np.zeros_like(self._known)
        inside[cells_of(box)] = True
        known = inside & self._known
        enough = _share(self._known, inside) > KNOWN_ENOUGH
        return bool(enough and _share(self._differs(self._empty), known) < EMPTY)

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Cells that differ from the image before, of shape `CELLS` reversed."""
        return self._differs(self._before)

    @property
    def _is_dark(self) -> bool:
        return float(self._cells.mean()) < DARK

    def _differs(self, other: NDArray[np.float32]) -> NDArray[np.bool_]:
        change = self._cells - other
        change = np.abs(change - np.median(change))  # the light's part is the same everywhere
        light = min(1.0, float(self._cells.mean()) / NIGHT)
        return np.asarray(change > max(LEAST_CONTRAST, CONTRAST * light))


KNOWN_ENOUGH = 0.7
EMPTY = 0.08
"""Share of a box's cells that may differ from the empty room."""


def _grey_cells(image: Image) -> NDArray[np.float32]:
    samples = cv2.resize(image, (2 * CELLS[0], 2 * CELLS[1]), interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(samples, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)


def cells_of(box: Box) -> tuple[slice, slice]:
    """Return the cells of a box and of a little around it, down and across."""
    left, top, right, bottom = box
    wide, high = AROUND * (right - left), AROUND * (bottom - top)
    x = np.clip([(left - wide) * CELLS[0], (right + wide) * CELLS[0] + 1], 0, CELLS[0]).astype(int)
    y = np.clip([(top - high) * CELLS[1], (bottom + high) * CELLS[1] + 1], 0, CELLS[1]).astype(int)
    return slice(y[0], y[1]), slice(x[0], x[1])


def _box_of(differs: NDArray[np.bool_]) -> Box | None:
    if np.count_nonzero(differs) < N_CELLS:
        return None
    y, x = np.nonzero(differs)
    (left, right), (top, bottom) = (np.percentile(each, (3, 97)) for each in (x, y))  # no specks
    return (
        float(left / CELLS[0]),
        float(top / CELLS[1]),
        float((right + 1) / CELLS[0]),
        float((bottom + 1) / CELLS[1]),
    )


def _share(which: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    n_among = np.count_nonzero(among)
    return float(np.count_nonzero(which & among) / n_among) if n_among else 0.0
