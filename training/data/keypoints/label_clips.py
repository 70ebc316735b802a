"""Labels frames of clips: who is in them says a teacher, a table of states, or somebody's eye.

A clip is labelled once; its frames lie in a folder, from run to run and from machine to machine.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.recognition.person import postures
from har_stream.recognition.person.key_points import NAMES, KeyPoints
from training.config import FootageConfig, KeypointConfig
from training.data.keypoints.erased_rooms import erase
from training.data.keypoints.footage import EMPTY, MARKS, teaches
from training.data.keypoints.label_file import (
    N_PARTS,
    NOBODY,
    SOMEBODY,
    SUFFIX,
    UNKNOWN,
    Corners,
    LabelledFrame,
    write_labels,
)
from training.data.keypoints.teacher import QUARTERS, Teacher, sureness
from training.data.keypoints.turned_square import Points, whole
from training.data.state_table import Stretch, read_states

LARGEST_PX = 320
"""Longer side of a frame that is kept."""
_JOINTS = {name: index for index, name in enumerate(NAMES)}
MARKS_S = 0.4
"""Between two frames of a stretch that was marked by eye."""
EDGE_S = 0.4
"""How far from a stretch's ends a frame is certain: tables are a third of a second off."""
HARDLY_SURE = 0.15
"""Score from which a point is kept away from."""
ERASED_FROM = 0.6
"""Share of a clip's frames in which the person has to be found for the room to be told without."""
_TRIES = 8
_NOWHERE: Corners = np.zeros((N_PARTS, 4), int)
_UNKNOWN_POINTS: Points = np.zeros((len(NAMES), 3), np.float32)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A frame that is kept, and when."""

    at_s: float
    image: Image
    scale: float


def label_clips(
    config: KeypointConfig, *, folder: Path, teacher: Teacher, labels: Path
) -> Iterator[Path]:
    """Label the clips of a run that are not labelled yet.

    Args:
        config: Which clips, and how many frames of each.
        folder: Where the clips and the tables of states lie.
        teacher: Says who is where.
        labels: Folder of labelled frames.

    Yields:
        Each clip, once it is labelled.

    Raises:
        InputError: There are no such clips, or one cannot be read.
    """
    for part in config.footage:
        clips = sorted(folder.glob(part.clips))[:: part.one_in]
        if not clips:
            raise InputError(f"{folder}: no clips {part.clips} there; give the folder with --data")
        states = read_states(folder / part.states) if part.states else {}
        for clip in clips:
            kept = labels / clip.relative_to(folder).with_suffix(SUFFIX)
            if not kept.exists():
                name = clip.relative_to(folder / part.within).with_suffix("").as_posix()
                write_labels(kept, _label(clip, part, teacher, states.get(name, ())))
            yield clip


def label_marks(marks: Path, *, folder: Path, labels: Path) -> None:
    """Label what was marked by eye: joints, for as long as the person lies still.

    A line is `clip,from_s,to_s,joint,x_px,y_px`.

    Raises:
        InputError: A line is none of these, or its clip is missing.
    """
    frames: dict[tuple[str, float, float], Points] = {}
    with marks.open(newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            try:
                key = row["clip"], float(row["from_s"]), float(row["to_s"])
                points = frames.setdefault(key, _UNKNOWN_POINTS.copy())
                points[_JOINTS[row["joint"]]] = float(row["x_px"]), float(row["y_px"]), 1.0
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(
                    f"{marks}:{line}: {error}; write clip,from_s,to_s,joint,x_px,y_px"
                ) from error
    found: dict[str, list[LabelledFrame]] = {}
    for (clip, from_s, to_s), points in frames.items():
        instants = np.arange(from_s, to_s + 0.01, MARKS_S).tolist()
        found.setdefault(clip, []).extend(
            LabelledFrame(
                sample.image,
                points * np.array([sample.scale, sample.scale, 1], np.float32),
                SOMEBODY,
                _NOWHERE,
            )
            for sample in _samples(folder / clip, instants)
        )
    for clip, marked in found.items():
        write_labels((labels / MARKS / clip).with_suffix(SUFFIX), marked)


def _label(
    clip: Path, part: FootageConfig, teacher: Teacher, stretches: Sequence[Stretch]
) -> Iterator[LabelledFrame]:
    rng, frames = np.random.default_rng(0), []
    for sample in _samples(clip, _instants(clip, part)):
        image, somebody = sample.image, _somebody_at(sample.at_s, stretches)
        points = _UNKNOWN_POINTS if somebody == NOBODY else _ask(teacher, image, part)
        if part.empty and sureness(points) < EMPTY:
            somebody = NOBODY
        beside = _NOWHERE
        if teaches(points) and not part.alone:
            beside = _beside(rng, image, points, teacher)
        frames.append(LabelledFrame(image, points, somebody, beside))
    yield from frames
    if part.alone and np.mean([teaches(frame.points) for frame in frames]) > ERASED_FROM:
        yield LabelledFrame(_without_person(frames), _UNKNOWN_POINTS, NOBODY, _NOWHERE)


def _somebody_at(at_s: float, stretches: Sequence[Stretch]) -> int:
    for each in stretches:
        if each.start_s + EDGE_S * (each.start_s > 0) <= at_s <= each.end_s - EDGE_S:
            return NOBODY if each.state == postures.NOBODY else SOMEBODY
    return UNKNOWN


def _ask(teacher: Teacher, image: Image, part: FootageConfig) -> Points:
    """Ask the teacher, at all turns where people may lie."""
    first = teacher.look(image, whole(image))
    if sureness(first) < part.least_first and not part.turned:
        return first
    return teacher.find(image, angles=QUARTERS if part.turned else QUARTERS[:1])


def _beside(rng: np.random.Generator, image: Image, points: Points, teacher: Teacher) -> Corners:
    """Draw parts of a frame that do not touch its person, and in which the teacher sees nobody."""
    (height, width), known = image.shape[:2], points[points[:, 2] >= HARDLY_SURE, :2]
    low, high = known.min(axis=0), known.max(axis=0)
    slack = 0.2 * (high - low).max()
    found: list[NDArray[np.int_]] = []
    for _ in range(_TRIES):
        side = rng.uniform(0.35, 0.75) * min(height, width)
        middle = rng.uniform(0.4 * side, np.array([width, height]) - 0.4 * side)
        if not ((middle + side / 2 < low - slack) | (middle - side / 2 > high + slack)).any():
            continue
        left, top = np.maximum(middle - side / 2, 0).astype(int)
        right, bottom = np.minimum(middle + side / 2, (width, height)).astype(int)
        part = image[top:bottom, left:right]
        angles = (0.0, float(rng.choice(QUARTERS[1:3])))
        if max(sureness(teacher.look(part, whole(part, angle))) for angle in angles) < EMPTY:
            found.append(np.array([left, top, right, bottom]))
        if len(found) == N_PARTS:
            break
    return np.array([*found, *_NOWHERE])[:N_PARTS]


def _without_person(frames: Sequence[LabelledFrame]) -> Image:
    height, width = frames[0].image.shape[:2]
    size = np.array([width, height, 1], np.float32)
    found = [KeyPoints(frame.points / size, width / height) for frame in frames]
    return np.clip(erase([frame.image for frame in frames], found), 0, 255).astype(np.uint8)


def _instants(clip: Path, part: FootageConfig) -> list[float]:
    capture = cv2.VideoCapture(str(clip))
    n, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if n < 1 or fps <= 0:
        raise InputError(f"{clip}: no video that can be read")
    if part.every_s:
        return [float(at_s) for at_s in np.arange(0.0, n / fps, part.every_s)]
    return [float(share * n / fps) for share in np.linspace(0, 1, part.n_frames + 2)[1:-1]]


def _samples(clip: Path, instants: Sequence[float]) -> Iterator[_Sample]:
    """Frames nearest to instants that ascend."""
    capture = cv2.VideoCapture(str(clip))
    if not capture.isOpened():
        raise InputError(f"{clip}: no such clip; give the folder that holds it with --data")
    try:
        fps = capture.get(cv2.CAP_PROP_FPS)
        wanted = {round(at_s * fps): at_s for at_s in instants}
        for index in range(max(wanted, default=-1) + 1):
            if not capture.grab():
                break
            if index in wanted:
                known, image = capture.retrieve()
                if known:
                    yield _shrunk(wanted[index], image.astype(np.uint8, copy=False))
    finally:
        capture.release()


def _shrunk(at_s: float, image: Image) -> _Sample:
    scale = min(1.0, LARGEST_PX / max(image.shape))
    if scale < 1.0:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = small.astype(np.uint8, copy=False)
    return _Sample(at_s, np.ascontiguousarray(image[..., ::-1]), scale)
