"""Whether a key-point network finds people who lie, and nobody where nobody is.

Each network follows a clip as a camera is followed, through the same person stage. A person is
found when shoulders and hips are all sure and lie in a box that somebody drew around the person.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import SURE, TORSO, Box, KeyPoints
from har_stream.recognition.person.network import PoseFinder
from har_stream.recognition.person.postures import NOBODY
from har_stream.recognition.person.stage import PersonStage
from training.data.state_table import read_states

SAMPLE_HZ = 5.0
COMING_S = 1.0
"""Before the table of states sees somebody come in, they may stand in a dark doorway already."""
MARGIN = 0.1
"""Of a box's longer side, by which a joint may lie outside: a hip's middle is on no edge."""
N_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Look:
    """What a network says of one frame.

    Attributes:
        clip: By its name.
        second: Of the clip.
        score: The least of shoulders and hips.
        inside: Whether these four lie in the person's box; false where nobody is.
        comes_in_s: Until somebody comes, where nobody is.
    """

    clip: str
    second: int
    score: float
    inside: bool = False
    comes_in_s: float = math.inf

    @property
    def somebody_comes(self) -> bool:
        """Whether somebody is about to be seen coming in."""
        return self.comes_in_s <= COMING_S


def read_boxes(path: Path) -> dict[str, dict[float, Box]]:
    """Read `clip,at_s,left_px,top_px,right_px,bottom_px`, by clip and second.

    Raises:
        InputError: A line is none of these.
    """
    boxes: dict[str, dict[float, Box]] = {}
    for line, row in _rows(path, ("clip", "at_s", "left_px", "top_px", "right_px", "bottom_px")):
        try:
            at_s, left, top, right, bottom = (float(part) for part in row[1:])
        except ValueError as error:
            raise InputError(f"{path}:{line}: {error}; write numbers after the clip") from error
        boxes.setdefault(row[0], {})[at_s] = (left, top, right, bottom)
    return boxes


def read_empty(path: Path) -> dict[str, tuple[float, float]]:
    """Read where nobody is: the first such stretch of each clip of a table of states.

    Raises:
        InputError: A line is none of these.
    """
    empty: dict[str, tuple[float, float]] = {}
    for clip, stretches in read_states(path).items():
        for each in stretches:
            if each.state == NOBODY:
                empty.setdefault(clip, (each.start_s, each.end_s))
    return empty


def look_at_people(
    network: PoseFinder, folder: Path, boxes: Mapping[str, Mapping[float, Box]]
) -> Iterator[Look]:
    """Follow every clip up to its last box, and see who is found at each."""
    for clip, drawn in boxes.items():
        left = sorted(drawn)
        stage = PersonStage(network, sample_hz=SAMPLE_HZ)
        for at_s, image in _frames(folder / f"{clip}.mp4", also=left):
            found = _follow(stage, image)
            if left and at_s >= left[0]:
                box = drawn[left.pop(0)]
                yield Look(clip, int(at_s), _least(found), _inside(found, box, image))
            if not left:
                break


def look_at_rooms(
    network: PoseFinder, folder: Path, empty: Mapping[str, tuple[float, float]]
) -> Iterator[Look]:
    """Follow the empty stretch of every clip."""
    for clip, (start_s, end_s) in empty.items():
        stage = PersonStage(network, sample_hz=SAMPLE_HZ)
        for at_s, image in _frames(folder / f"{clip}.mp4"):
            if at_s >= end_s:
                break
            found = _follow(stage, image)
            if at_s >= start_s:
                yield Look(clip, int(at_s), _least(found), comes_in_s=end_s - at_s)


def share_found(looks: Sequence[Look], threshold: float = SURE) -> float:
    """Share of frames whose person is found."""
    return float(np.mean([look.inside and look.score >= threshold for look in looks]))


def share_fired(looks: Sequence[Look], threshold: float = SURE) -> float:
    """Share of empty seconds in which somebody is seen in some frame."""
    seconds: dict[tuple[str, int], bool] = {}
    for look in looks:
        place = (look.clip, look.second)
        seconds[place] = seconds.get(place, False) or look.score >= threshold
    return float(np.mean(list(seconds.values())))


def interval(
    share: Callable[[Sequence[Look], float], float], looks: Sequence[Look], threshold: float = SURE
) -> tuple[float, float]:
    """Return the 95 % interval of a share, by a bootstrap over clips."""
    by_clip: dict[str, list[Look]] = {}
    for look in looks:
        by_clip.setdefault(look.clip, []).append(look)
    clips, rng = list(by_clip.values()), np.random.default_rng(0)
    shares = []
    for _ in range(N_RESAMPLES):
        drawn = rng.integers(len(clips), size=len(clips))
        # A clip that is drawn twice counts as two clips.
        again = [replace(look, clip=f"{n}") for n, k in enumerate(drawn) for look in clips[k]]
        shares.append(share(again, threshold))
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def least_threshold(rooms: Sequence[Look], share: float) -> float:
    """Return the least threshold, in hundredths, at which no more than a share of seconds fires."""
    return next(n / 100 for n in range(101) if share_fired(rooms, n / 100) <= share or n == 100)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if not rows or tuple(rows[0]) != tuple(columns):
        raise InputError(f"{path}:1: expected the columns {','.join(columns)}")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(columns):
            raise InputError(f"{path}:{line}: {len(row)} columns; expected {len(columns)}")
        yield line, row


def _frames(path: Path, *, also: Iterable[float] = ()) -> Iterator[tuple[float, Image]]:
    """Frames at the sampling rate, and those of the instants that are asked for."""
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise InputError(f"{path}: no such clip; give the folder that holds it")
    try:
        fps, wanted, next_s, index = capture.get(cv2.CAP_PROP_FPS), sorted(also), 0.0, 0
        while capture.grab():
            at_s = index / fps + 0.5 / fps
            due = bool(wanted) and at_s >= wanted[0]
            if due or at_s >= next_s:
                known, image = capture.retrieve()
                if known:
                    yield (wanted.pop(0) if due else at_s), image.astype(np.uint8, copy=False)
                next_s += 1 / SAMPLE_HZ if at_s >= next_s else 0.0
            index += 1
    finally:
        capture.release()


def _follow(stage: PersonStage, image: Image) -> KeyPoints:
    stage.see(image)
    if stage.found is None:
        raise RuntimeError("the stage has seen an image and found no points")
    return stage.found


def _least(found: KeyPoints) -> float:
    return float(found.points[TORSO, 2].min())


def _inside(found: KeyPoints, box: Box, image: Image) -> bool:
    height, width = image.shape[:2]
    left, top, right, bottom = box
    slack = MARGIN * max(right - left, bottom - top)
    torso = found.points[TORSO, :2] * (width, height)
    low, high = np.array([left, top]) - slack, np.array([right, bottom]) + slack
    return bool(((torso >= low) & (torso <= high)).all())
