"""What a key-point network learns from: labelled frames, as people, rooms and their parts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_stream.core.errors import InputError
from har_stream.recognition.person.key_points import TORSO
from training.config import FootageConfig, KeypointConfig
from training.data.keypoints.examples import SURE, KnownFrame
from training.data.keypoints.label_file import (
    NOBODY,
    SOMEBODY,
    SUFFIX,
    LabelledFrame,
    read_labels,
)
from training.data.keypoints.turned_square import Points

MARKS = "marks"
"""Folder of the labels that were marked by eye."""
LEAST_SURE, N_SURE = 0.3, 6
"""Of a frame that teaches: mean score of shoulders and hips, and how many points are sure."""
EMPTY = 0.1
"""Mean score of shoulders and hips below which the teacher sees nobody."""


@dataclass(frozen=True, slots=True)
class KnownFootage:
    """Frames by what they teach.

    Attributes:
        people: Somebody whose joints are known.
        somewhere: Somebody is there, and where is not known.
        rooms: Nobody is there.
        beside: One person is there, whose joints are known, and nobody else.
        parts: Parts of frames beside people.
    """

    people: list[KnownFrame]
    somewhere: list[KnownFrame]
    rooms: list[KnownFrame]
    beside: list[KnownFrame]
    parts: list[KnownFrame]


def read_footage(config: KeypointConfig, labels: Path) -> KnownFootage:
    """Read the labelled frames of a run.

    Args:
        config: Which clips, and whose are kept apart.
        labels: Folder of labelled frames.

    Raises:
        InputError: No frame of a part is labelled, or nothing is left of it.
    """
    footage = KnownFootage([], [], [], [], [])
    marked = FootageConfig(clips=f"{MARKS}/**/*.mp4", repeat=config.marks_repeat)
    for part in (*config.footage, marked):
        paths = sorted(labels.glob(part.clips.replace(".mp4", SUFFIX)))
        if not paths and part is not marked:
            raise InputError(f"{labels}: no labels {part.clips} there: train-har label-keypoints")
        for path in paths:
            clip = path.relative_to(labels).with_suffix(".mp4").as_posix().removeprefix(f"{MARKS}/")
            if not (config.apart.pattern and config.apart.search(clip)):
                for frame in read_labels(path):
                    _sort(frame, part, footage)
    if not (footage.people and footage.rooms):
        raise InputError(f"{labels}: nobody, or no room without people, is left to learn from")
    return footage


def teaches(points: Points) -> bool:
    """Whether a teacher is sure enough of somebody."""
    enough = np.count_nonzero(points[:, 2] >= SURE) >= N_SURE
    return bool(enough and points[TORSO, 2].mean() >= LEAST_SURE)


def _sort(frame: LabelledFrame, part: FootageConfig, footage: KnownFootage) -> None:
    if frame.somebody == NOBODY:
        footage.rooms.append(KnownFrame(frame.image))
    elif teaches(frame.points) and not part.empty:
        known = KnownFrame(frame.image, frame.points)
        footage.people.extend([known] * part.repeat)
        if part.alone:
            footage.beside.append(known)
    elif frame.somebody == SOMEBODY:
        nowhere = np.zeros_like(frame.points)
        footage.somewhere.append(KnownFrame(frame.image, nowhere))
    for left, top, right, bottom in frame.beside:
        if right:
            footage.parts.append(KnownFrame(frame.image[top:bottom, left:right]))
