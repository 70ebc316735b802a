"""Frames of clips and who is in them: told by a teacher, or marked by eye where it is not sure.

A clip's frames are labelled once: they lie in a folder, a `.npz` a clip, for the next run.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.atomic_file import replacing_file
from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import NAMES, TORSO
from training.config import FootageConfig, KeypointConfig
from training.data.keypoints.examples import SURE, KnownFrame
from training.data.keypoints.teacher import QUARTERS, Teacher, sureness
from training.data.keypoints.turned_square import Points, whole

Corners = NDArray[np.int_]
LARGEST_PX = 384
"""Longer side of a frame that is kept."""
LEAST_SURE, N_SURE = 0.3, 6
"""Of a frame that teaches: mean score of shoulders and hips, and how many points are sure."""
_JOINTS = {name: index for index, name in enumerate(NAMES)}
MARKS_S = 0.2
"""Between two frames of a stretch that was marked by eye."""
EMPTY = 0.1
"""Mean score of shoulders and hips below which the teacher sees nobody."""
HARDLY_SURE = 0.15
"""Score from which a point is kept away from."""
_TRIES = 6


@dataclass(frozen=True, slots=True)
class KnownFootage:
    """What a network learns from.

    Attributes:
        people: Frames with somebody whose joints are known.
        rooms: Frames, or parts of them, without anybody.
    """

    people: list[KnownFrame]
    rooms: list[KnownFrame]


def read_footage(
    config: KeypointConfig, *, folder: Path, teacher: Teacher, labels: Path, marks: Path | None
) -> KnownFootage:
    """Label the clips of a run.

    Args:
        config: Which clips, how many frames of each, and whose are kept apart.
        folder: Where the clips lie.
        teacher: Says who is where.
        labels: Folder of what it said, kept from run to run.
        marks: Joints by eye, see `read_marks`; none: none.

    Raises:
        InputError: There are no such clips, or one cannot be read.
    """
    people: list[KnownFrame] = []
    rooms: list[KnownFrame] = []
    for part in config.footage:
        clips = [
            clip for clip in sorted(folder.glob(part.clips)) if not _apart(config, clip, folder)
        ]
        if not clips:
            raise InputError(f"{folder}: no clips {part.clips} there; give the folder with --data")
        for clip in clips:
            kept = labels / clip.relative_to(folder).with_suffix(".npz")
            for image, points, (left, top, right, bottom) in _labelled(clip, part, teacher, kept):
                if part.empty and sureness(points) < EMPTY:
                    rooms.append(KnownFrame(image))
                elif not part.empty and _teaches(points):
                    people += [KnownFrame(image, points)] * part.repeat
                    if right:
                        rooms.append(KnownFrame(image[top:bottom, left:right]))
    for example in read_marks(marks, folder) if marks else ():
        people += [example] * config.marks_repeat
    return KnownFootage(people, rooms)


def read_marks(path: Path, folder: Path) -> Iterator[KnownFrame]:
    """Read joints that were marked by eye, for as long as the person lies still.

    A line is `clip,from_s,to_s,joint,x_px,y_px`.

    Raises:
        InputError: A line is none of these, or its clip is missing.
    """
    frames: dict[tuple[str, float, float], Points] = {}
    with path.open(newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            try:
                key = row["clip"], float(row["from_s"]), float(row["to_s"])
                points = frames.setdefault(key, np.zeros((len(NAMES), 3), np.float32))
                points[_JOINTS[row["joint"]]] = float(row["x_px"]), float(row["y_px"]), 1.0
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(
                    f"{path}:{line}: {error}; write clip,from_s,to_s,joint,x_px,y_px"
                ) from error
    for (clip, from_s, to_s), points in frames.items():
        for image in _frames(folder / clip, np.arange(from_s, to_s + 0.01, MARKS_S).tolist()):
            shown, scale = _shrunk(image)
            yield KnownFrame(shown, points * np.array([scale, scale, 1], np.float32))


def _apart(config: KeypointConfig, clip: Path, folder: Path) -> bool:
    return bool(config.apart and re.search(config.apart, clip.relative_to(folder).as_posix()))


def _labelled(
    clip: Path, part: FootageConfig, teacher: Teacher, kept: Path
) -> Iterator[tuple[Image, Points, Corners]]:
    if not kept.exists():
        images = [_shrunk(image)[0] for image in _frames(clip, _instants(clip, part))]
        points = [_ask(teacher, image, part) for image in images]
        rng = np.random.default_rng(0)
        seen = zip(images, points, strict=True)
        away = [
            _away(rng, image, at, teacher) if _teaches(at) else np.zeros(4, int)
            for image, at in seen
        ]
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(kept) as partial, partial.open("wb") as file:
            np.savez(file, images=images, points=points, away=away)
    with np.load(kept) as found:
        yield from zip(found["images"], found["points"], found["away"], strict=True)


def _ask(teacher: Teacher, image: Image, part: FootageConfig) -> Points:
    """Ask the teacher, at all turns where people may lie."""
    first = teacher.look(image, whole(image))
    if sureness(first) < part.least_first and not part.turned:
        return first
    return teacher.find(image, angles=QUARTERS if part.turned else QUARTERS[:1])


def _teaches(points: Points) -> bool:
    enough = np.count_nonzero(points[:, 2] >= SURE) >= N_SURE
    return bool(enough and points[TORSO, 2].mean() >= LEAST_SURE)


def _away(rng: np.random.Generator, image: Image, points: Points, teacher: Teacher) -> Corners:
    """Draw a part of a frame that does not touch its person, and in which the teacher sees nobody.

    Returns:
        Left, top, right, bottom, pixels; zeros where there is none.
    """
    (height, width), known = image.shape[:2], points[points[:, 2] >= HARDLY_SURE, :2]
    low, high = known.min(axis=0), known.max(axis=0)
    slack = 0.2 * (high - low).max()
    for _ in range(_TRIES):
        side = rng.uniform(0.35, 0.75) * min(height, width)
        middle = rng.uniform(0.4 * side, np.array([width, height]) - 0.4 * side)
        if not ((middle + side / 2 < low - slack) | (middle - side / 2 > high + slack)).any():
            continue
        left, top = np.maximum(middle - side / 2, 0).astype(int)
        right, bottom = np.minimum(middle + side / 2, (width, height)).astype(int)
        part = image[top:bottom, left:right]
        angles = (0.0, float(rng.choice(QUARTERS[1:3])))
        looks = [teacher.look(part, whole(part, angle)) for angle in angles]
        if max(map(sureness, looks)) < EMPTY:
            return np.array([left, top, right, bottom])
    return np.zeros(4, int)


def _instants(clip: Path, part: FootageConfig) -> list[float]:
    capture = cv2.VideoCapture(str(clip))
    n, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if n < 1 or fps <= 0:
        raise InputError(f"{clip}: no video that can be read")
    if part.every_s:
        return [float(at_s) for at_s in np.arange(0.0, n / fps, part.every_s)]
    return [float(share * n / fps) for share in np.linspace(0.1, 0.9, part.n_frames)]


def _frames(clip: Path, instants: Sequence[float]) -> Iterator[Image]:
    """RGB frames nearest to instants that ascend."""
    capture = cv2.VideoCapture(str(clip))
    if not capture.isOpened():
        raise InputError(f"{clip}: no such clip; give the folder that holds it with --data")
    try:
        wanted = [round(at_s * capture.get(cv2.CAP_PROP_FPS)) for at_s in instants]
        for index in range(max(wanted, default=-1) + 1):
            if not capture.grab():
                break
            if index in wanted:
                known, image = capture.retrieve()
                if known:
                    yield np.ascontiguousarray(image[..., ::-1], np.uint8)
    finally:
        capture.release()


def _shrunk(image: Image) -> tuple[Image, float]:
    scale = min(1.0, LARGEST_PX / max(image.shape))
    if scale == 1.0:
        return image, scale
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False), scale
