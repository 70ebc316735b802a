"""Labelled clips as the person stage sees them: a row of features a sampled frame, and a posture.

Every clip is seen three times: as it is; mirrored and at night; and without anybody, for networks
see people in the furniture of rooms that they never saw empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image
from har_stream.recognition.person.key_points import KeyPoints
from har_stream.recognition.person.network import PoseFinder
from har_stream.recognition.person.postures import NOBODY, POSTURES
from har_stream.recognition.person.stage import PersonStage
from training.data.clip import EPOCH
from training.data.keypoints.erased_rooms import darken, erase, shoot
from training.data.state_table import read_states
from training.fitting.postures.settings import PostureConfig

SUFFIX = ".mp4"


@dataclass(frozen=True, slots=True)
class SeenClip:
    """One clip.

    Attributes:
        clip: Its set and name: `urfd/fall-01-cam0`.
        path: Its file.
        room: Whose people and furniture it shows.
        features: Of every sampled frame, shape (n, n_features).
        postures: Their indices in `POSTURES`; -1 where the table says nothing.
        is_made: The clip was varied: it is learned from, and never judged by.
    """

    clip: str
    path: Path
    room: str
    features: NDArray[np.float32] = field(repr=False)
    postures: NDArray[np.int64] = field(repr=False)
    is_made: bool = False


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A clip and what its table says: from, until, posture."""

    clip: str
    path: Path
    room: str
    stretches: tuple[tuple[float, float, int], ...]

    def posture_at(self, at_s: float) -> int:
        """Index in `POSTURES` at an instant of the clip; -1: the table says nothing."""
        found = (what for start, end, what in self.stretches if start <= at_s < end)
        return next(found, -1)


def list_clips(config: PostureConfig, folder: Path) -> list[LabelledClip]:
    """List the clips of all sets.

    Raises:
        InputError: A table or a clip is missing, a line is wrong, or a clip has no room.
    """
    clips: list[LabelledClip] = []
    for labelled in config.sets.values():
        table = folder / labelled.states
        stretches: dict[str, list[tuple[float, float, int]]] = {}
        for clip, found in read_states(table).items():
            name = f"{labelled.clips}/{clip}"
            if any(fnmatchcase(name, pattern) for pattern in labelled.leave_out):
                continue
            for each in found:
                try:
                    posture = config.posture_of(each.state)
                except KeyError as error:
                    where = f"{table}:{each.line}"
                    raise InputError(f"{where}: {error}; see states in the config") from error
                stretches.setdefault(name, []).append((each.start_s, each.end_s, posture))
        for name, parts in stretches.items():
            room = config.room_of(name)
            if room is None:
                raise InputError(f"{name}: no room in the config; name it under rooms")
            path = folder / f"{name}{SUFFIX}"
            if not path.is_file():
                raise InputError(f"{path}: no such clip, but {table} names it")
            clips.append(LabelledClip(name, path, room, tuple(parts)))
    return clips


def read_footage(
    clips: Sequence[LabelledClip], config: PostureConfig, network: PoseFinder
) -> list[SeenClip]:
    """See every clip through the person stage, and the room without its person."""
    rng = np.random.default_rng(config.seed)
    footage: list[SeenClip] = []
    for labelled in track(clips, "seeing clips"):
        images = [frame.image for frame in sampled(labelled.path, config) for _ in ticks(frame)]
        postures = [labelled.posture_at(n / config.clip.sample_hz) for n in range(len(images))]
        features, found = _see(images, config, network)
        footage.append(_seen_clip(labelled, features, postures))
        # 1. Mirrored, in the dark.
        night = list(darken((image[:, ::-1] for image in images), rng))
        features, _ = _see(night, config, network)
        footage.append(_seen_clip(labelled, features, postures, is_made=True))
        # 2. The same room, empty: as bright as it was, or darker.
        pictures = list(shoot(erase(images, found), rng))
        features, _ = _see(pictures, config, network)
        nobody = [POSTURES.index(NOBODY)] * len(pictures)
        footage.append(_seen_clip(labelled, features, nobody, is_made=True))
    return footage


def see_clips(
    paths: Sequence[Path], config: PostureConfig, network: PoseFinder
) -> list[NDArray[np.float32]]:
    """Features of clips without labels, each of shape (n, n_features)."""
    seen = []
    for path in track(paths, "seeing footage of no posture"):
        images = [frame.image for frame in sampled(path, config) for _ in ticks(frame)]
        seen.append(np.stack(_see(images, config, network)[0]))
    return seen


def sampled(path: Path, config: PostureConfig) -> Iterator[Frame]:
    """Read a clip as a camera is read."""
    return read_file(
        path,
        sample_hz=config.clip.sample_hz,
        start_at=EPOCH,
        images=ImageOptions(config.clip.picture),
    )


def ticks(frame: Frame) -> range:
    """Once for every sampling instant that a frame answers."""
    return range(frame.n_ticks)


def _see(
    images: Sequence[Image], config: PostureConfig, network: PoseFinder
) -> tuple[list[NDArray[np.float32]], list[KeyPoints]]:
    """Features and key points of a clip's frames, as of a camera of its own."""
    stage = PersonStage(network, sample_hz=config.clip.sample_hz)
    features, found = [], []
    for image in images:
        features.append(stage.see(image))
        assert stage.found is not None  # noqa: S101 - it has just seen a frame
        found.append(stage.found)
    return features, found


def _seen_clip(
    labelled: LabelledClip,
    features: Sequence[NDArray[np.float32]],
    postures: Sequence[int],
    *,
    is_made: bool = False,
) -> SeenClip:
    return SeenClip(
        labelled.clip,
        labelled.path,
        labelled.room,
        np.stack(features),
        np.array(postures),
        is_made,
    )
