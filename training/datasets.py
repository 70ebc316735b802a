"""Which clips there are: class folders of videos, with the video that each clip was cut from."""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from har_stream.errors import InputError
from training.config import DataConfig

logger = logging.getLogger(__name__)

LINK = "+"
"""Joins the names of linked groups: clips of `16+18` share footage."""
UCF_PATTERN = r"_g(\d+)_"
"""UCF: `v_TaiChi_g08_c03.avi` is the third cut of the eighth video."""
HMDB_PATTERN = r"^(.+)_[a-z]_[a-z]{2}_np\d_[a-z]{2}_[a-z]{3}_\d+\."
"""HMDB51: before body part, camera motion, people, viewpoint, quality and number of the cut."""
VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg"})
_PATTERNS = {"hmdb51": HMDB_PATTERN}


@dataclass(frozen=True, slots=True)
class Clip:
    """One video file.

    Attributes:
        path: The file.
        label: Its class.
        group: Name of the video it was cut from, within its class; `LINK` joins linked groups.
    """

    path: Path
    label: str
    group: str

    @property
    def source(self) -> str:
        """The group with its class: what must not lie on both sides of a split."""
        return f"{self.label}/{self.group}"

    def is_of(self, groups: Iterable[str]) -> bool:
        """Tell whether it, or footage linked with it, belongs to one of these groups."""
        return not {canonical(group) for group in groups}.isdisjoint(self.group.split(LINK))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Clips by purpose.

    Attributes:
        labels: Class names in the network's order.
        clips: Clips of these labels.
        others: Clips that are none of them; what they show is not to be recognised.
    """

    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    others: tuple[Clip, ...]


def canonical(group: str) -> str:
    """Write a group's name in one way: numbers without leading zeros."""
    return str(int(group)) if group.isdecimal() else group


def read(config: DataConfig) -> Dataset:
    """List a dataset's clips.

    Raises:
        InputError: The folder or a class of the config is missing, or a class has under two clips.
    """
    if config.kind == "simulated":
        from training import simulated

        return simulated.read(config.n_clips)
    root = config.path
    if root is None or not root.is_dir():
        raise InputError(f"{root or 'data'}: no folder of clips there; give one with --data")
    found = sorted(path.name for path in root.iterdir() if path.is_dir() and any(_videos(path)))
    labels = config.classes or tuple(name for name in found if name not in config.others)
    others = config.others if config.others != ("*",) else _rest(found, labels)
    for label in (*labels, *others):
        if label not in found:
            raise InputError(f"{root}: no clips of class {label!r}; it has {', '.join(found)}")
    clips = tuple(clip for label in labels for clip in _clips_of(label, config))
    for label in labels:
        if sum(clip.label == label for clip in clips) < 2:
            raise InputError(f"{root / label}: one clip cannot be split; give at least two")
    if len(labels) < 2:
        raise InputError(f"{root}: one class, {labels[0]!r}; at least two are needed")
    unlabelled = tuple(clip for label in others for clip in _clips_of(label, config))
    return Dataset(labels, clips, unlabelled)


def link(clips: Sequence[Clip], linked: Iterable[Sequence[str]]) -> list[Clip]:
    """Join groups of one class into one, also where they are linked only through a third.

    Args:
        clips: All of one class.
        linked: Groups that share footage.
    """
    joined: list[set[str]] = []
    for names in linked:
        new = {canonical(name) for name in names}
        touching = [other for other in joined if other & new]
        joined = [other for other in joined if not other & new] + [new.union(*touching)]
    name_of = {group: LINK.join(sorted(names)) for names in joined for group in names}
    return [replace(clip, group=name_of.get(clip.group, clip.group)) for clip in clips]


def identical(clips: Iterable[Clip]) -> list[list[str]]:
    """Find groups that hold the same file, byte by byte."""
    by_size: dict[int, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_size[clip.path.stat().st_size].append(clip)
    by_content: dict[str, set[str]] = defaultdict(set)
    for alike in (clips for clips in by_size.values() if len(clips) > 1):
        for clip in alike:
            content = hashlib.sha256(clip.path.read_bytes()).hexdigest()
            by_content[content].add(clip.group)
    return [sorted(groups) for groups in by_content.values() if len(groups) > 1]


def _rest(found: Iterable[str], labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in found if name not in labels)


def _videos(folder: Path) -> Iterator[Path]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    return (path for path in files if not path.name.startswith("."))


def _clips_of(label: str, config: DataConfig) -> Iterator[Clip]:
    assert config.path is not None  # noqa: S101 - checked by the caller
    pattern = re.compile(config.group_pattern or _PATTERNS.get(config.kind, UCF_PATTERN))
    clips = [
        Clip(path, label, _group_of(path, pattern)) for path in sorted(_videos(config.path / label))
    ]
    same = identical(clips)
    for groups in same:
        logger.warning("%s: groups %s hold an identical clip", label, ", ".join(groups))
    excluded = config.exclude.get(label, ())
    linked = link(clips, [*config.linked.get(label, ()), *same])
    return (clip for clip in linked if not clip.is_of(excluded))


def _group_of(path: Path, pattern: re.Pattern[str]) -> str:
    """A clip whose name holds no group is a group of its own."""
    found = pattern.search(path.name)
    return canonical(found[1]) if found else path.stem
