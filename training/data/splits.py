"""Who trains and who is tested: by group, by official list, in folds, or, by name, as the study."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from har_stream.core.errors import InputError
from training.config import DataConfig, SplitConfig
from training.data.clip import Clip, Dataset
from training.data.folders import check_classes, class_folders
from training.data.official_lists import read_official_split

STUDY_TEST, STUDY_VALIDATION = 0.25, 0.2
"""The study's shares: a random quarter is tested, the last fifth of the rest validates."""


@dataclass(frozen=True, slots=True)
class Split:
    """One way to part clips.

    Attributes:
        name: What reports call it.
        train: Learned from.
        validation: Chosen and calibrated by; may be empty.
        test: Measured on.
        leaks: True where cuts of one video lie on several sides: figures are too good.
    """

    name: str
    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]
    leaks: bool

    @property
    def n_ungrouped(self) -> int:
        """How many clips name no group: others may be cuts of the same video."""
        return sum(clip.ungrouped for clip in (*self.train, *self.validation, *self.test))


def make_splits(
    dataset: Dataset, *, split: SplitConfig, data: DataConfig, seed: int
) -> list[Split]:
    """Part a dataset as its config says: several splits for folds, otherwise one.

    Raises:
        InputError: There is too little to part, a side is empty or lacks a class, a list or a
            held out class does not exist, or a group is mixed.
    """
    clips, labels = dataset.clips, dataset.labels
    # 1. Every class needs two clips, one for each side.
    if len(labels) < 2:
        raise InputError(f"one class, {labels[0]!r}; at least two are needed")
    absent = set(labels) - {clip.label for clip in clips}
    if absent:
        raise InputError(f"no clip of {', '.join(sorted(absent))}: bring some, or leave it out")
    for label in labels:
        if sum(clip.label == label for clip in clips) == 1:
            raise InputError(f"{label}: one clip cannot be split; give at least two")
    # 2. The splits.
    if split.by == "study":
        splits = [split_as_study(clips, seed=seed)]
    elif split.by == "folds":
        splits = split_in_folds(clips, n_folds=split.n_folds, seed=seed)
    else:
        if split.by == "official":
            test, trained = read_official_split(clips, split, data)
            # The lists know only their own groups; footage may be linked beyond them.
            rest = leave_out_sources(trained, test)
            name = f"official list {split.list}{_left_out(len(trained) - len(rest))}"
        else:
            folders = class_folders(data.path) if data.path else ()
            known = sorted({*labels, *folders})
            check_classes(split.held_out_of, known, key="split.held_out_of")
            test = _held_out(clips, split)
            rest = leave_out_sources(clips, test)
            name = f"group, held out: {_said(split)}"
        train, validation = _by_group(rest, share=split.validation, seed=seed)
        splits = [Split(name, train, validation, tuple(test), leaks=False)]
    # 3. Whatever made them: none lacks a class, none leaks unsaid.
    for made in splits:
        check_split(made, labels)
    return splits


def make_splits_of_readable(
    dataset: Dataset,
    unreadable: Mapping[Path, str],
    *,
    split: SplitConfig,
    data: DataConfig,
    seed: int,
) -> tuple[Dataset, list[Split]]:
    """Part what is left of a dataset without the clips that cannot be read.

    Args:
        dataset: All clips.
        unreadable: Paths of those to leave out, each with the reason.
        split: As of `make_splits`.
        data: As of `make_splits`.
        seed: As of `make_splits`.

    Returns:
        The clips that are left, and their splits.

    Raises:
        InputError: A side is empty or lacks a class without them.
    """
    clips, others = (
        tuple(clip for clip in each if clip.path not in unreadable)
        for each in (dataset.clips, dataset.others)
    )
    readable = replace(dataset, clips=clips, others=others)
    try:
        return readable, make_splits(readable, split=split, data=data, seed=seed)
    except InputError as error:
        if not unreadable:
            raise
        n_clips, first = len(dataset.clips + dataset.others), next(iter(unreadable.values()))
        raise InputError(
            f"{len(unreadable)} of {n_clips} clips cannot be read (the first: {first}), and "
            f"without them: {error}"
        ) from error


def split_as_study(clips: Sequence[Clip], *, seed: int) -> Split:
    """Split at random, as the study did, although cuts of one video then lie on both sides."""
    rest, test = train_test_split(list(clips), test_size=STUDY_TEST, random_state=seed)
    n_train = math.floor(len(rest) * (1.0 - STUDY_VALIDATION))  # as Keras' validation_split
    train, validation = tuple(rest[:n_train]), tuple(rest[n_train:])
    return Split("study (random)", train, validation, tuple(test), leaks=True)


def split_in_folds(clips: Sequence[Clip], *, n_folds: int, seed: int) -> list[Split]:
    """Test every clip once: groups are dealt to folds so that classes stay in proportion."""
    dealt = _deal(clips, n_folds=n_folds, seed=seed, fewer_parts="lower split.n_folds")
    return [
        Split(f"group fold {n} of {n_folds}", train, (), test, leaks=False)
        for n, (train, test) in enumerate(dealt, 1)
    ]


def deal_others(
    others: Sequence[Clip], *, n_parts: int, part: int
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Part the clips of no label, whole activities where there are enough, otherwise whole groups.

    Returns:
        Those to learn from, and one part of `n_parts` to judge by: activities never seen.
    """
    # Activities that were never seen are the harder question; too few are dealt by group.
    by_label = len({clip.label for clip in others}) >= n_parts
    names = {clip: clip.label if by_label else clip.source for clip in others}
    judged = set(sorted(set(names.values()))[part::n_parts])
    return (
        tuple(clip for clip in others if names[clip] not in judged),
        tuple(clip for clip in others if names[clip] in judged),
    )


def describe_splits(splits: Sequence[Split]) -> str:
    """Say in a line how the clips of a run are parted."""
    folds = f"{len(splits)} group folds; the network itself learned from all of them"
    said, n_ungrouped = splits[0].name if len(splits) == 1 else folds, splits[0].n_ungrouped
    return f"{said}; the group of {n_ungrouped} clips is not known" if n_ungrouped else said


def leave_out_sources(clips: Iterable[Clip], *sides: Iterable[Clip]) -> tuple[Clip, ...]:
    """Leave out the clips that are of a video on one of these sides."""
    sources = {clip.source for side in sides for clip in side}
    return tuple(clip for clip in clips if clip.source not in sources)


def mixed_groups(split: Split) -> list[str]:
    """Name the groups that lie on more than one side."""
    sides = [{clip.source for clip in side} for side in (split.train, split.validation, split.test)]
    return sorted((sides[0] & sides[1]) | (sides[0] & sides[2]) | (sides[1] & sides[2]))


def check_split(split: Split, labels: Iterable[str]) -> None:
    """Refuse a split that cannot be learned from, or that leaks without saying so.

    Raises:
        InputError: A class is missing on a side, or a group is mixed.
    """
    for side, clips in (("training", split.train), ("test", split.test)):
        absent = set(labels) - {clip.label for clip in clips}
        if absent:
            raise InputError(
                f"split {split.name!r}: no clip of {', '.join(sorted(absent))} on the {side} side; "
                "hold out other groups"
            )
    groups = mixed_groups(split)
    if groups and not split.leaks:
        raise InputError(
            f"split {split.name!r}: cuts of one video lie on both sides ({groups[0]}); split by "
            "group, or ask for the leaking protocol by name with 'by: study'"
        )


def _held_out(clips: Sequence[Clip], split: SplitConfig) -> list[Clip]:
    """Clips of the groups held out, and of the same footage in other classes."""
    sources = {c.source for c in clips if c.is_of(split.held_out_of.get(c.label, split.held_out))}
    return [clip for clip in clips if clip.source in sources]


def _said(split: SplitConfig) -> str:
    of = [f"{label} {', '.join(groups)}" for label, groups in split.held_out_of.items()]
    return "; ".join([", ".join(split.held_out), *of])


def _left_out(n_clips: int) -> str:
    return f", without {n_clips} training clips of videos that it tests" if n_clips else ""


def _by_group(
    clips: Sequence[Clip], *, share: float, seed: int
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Part training clips into training and validation, whole groups each."""
    if share == 0 or not clips:
        return tuple(clips), ()
    n_folds = max(2, round(1 / share))
    fewer_parts = "raise split.validation, or set it to 0"
    return _deal(clips, n_folds=n_folds, seed=seed, fewer_parts=fewer_parts)[0]


def _deal(
    clips: Sequence[Clip], *, n_folds: int, seed: int, fewer_parts: str
) -> list[tuple[tuple[Clip, ...], tuple[Clip, ...]]]:
    """Deal whole groups to folds, classes in proportion; each fold is the test side once.

    Returns:
        Per fold the clips of the others and its own.

    Raises:
        InputError: A class has fewer groups than there are folds.
    """
    labels = [clip.label for clip in clips]
    sources = [clip.source for clip in clips]
    # The class with the fewest groups decides whether every fold gets one of it.
    least = min(sorted(set(labels)), key=lambda label: _count_sources(clips, label))
    n_groups = _count_sources(clips, least)
    if n_groups < n_folds:
        raise InputError(
            f"class {least!r} has {n_groups} groups, too few for {n_folds} parts: bring "
            f"{n_folds - n_groups} more of it (each `train-har record` is one), or {fewer_parts}"
        )
    dealer = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return [
        (tuple(clips[n] for n in train), tuple(clips[n] for n in test))
        for train, test in dealer.split(np.zeros(len(clips)), labels, sources)
    ]


def _count_sources(clips: Collection[Clip], label: str) -> int:
    return len({clip.source for clip in clips if clip.label == label})
