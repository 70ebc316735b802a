"""Which clips there are: class folders of videos, with the video that each clip was cut from."""

import hashlib
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from har_stream.cameras.camera import VIDEO_SUFFIXES
from har_stream.core.activity import MAX_NAME_LENGTH, UNKNOWN
from har_stream.core.errors import InputError
from training.config import DataConfig
from training.data.clip import EVERY_CLASS, LINK, Clip, Dataset, VideoClip, canonical_group

logger = logging.getLogger(__name__)

UCF_PATTERN = r"_g([A-Za-z0-9-]+)_c\d+"
"""UCF: `v_TaiChi_g08_c03.avi` is the third cut of the eighth video. Ours are named likewise."""
HMDB_PATTERN = r"^(.+)_[a-z]_[a-z]{2}_np\d_[a-z]{2}_[a-z]{3}_\d+\."
"""HMDB51: before body part, camera motion, people, viewpoint, quality and number of the cut."""
NEGATIVES = "negatives"
"""What stands for the label of footage that shows none."""
_PATTERNS = {"hmdb51": HMDB_PATTERN}
_TEXTS = frozenset({".csv", ".html", ".json", ".log", ".md", ".pdf", ".txt", ".xml", ".yaml"})
"""What may lie beside clips: lists, licences."""


def read_class_folders(config: DataConfig) -> Dataset:
    """List the clips in a folder of class folders.

    Raises:
        InputError: The folder or a class of the config is missing, or is named where it cannot be.
    """
    root = config.path
    if root is None or not root.is_dir():
        raise InputError(f"{root or 'data'}: no folder of clips there; give one with --data")
    found = class_folders(root)
    if not config.classes:
        _check_rest(root, found)
    if not found:
        raise InputError(f"{root}: no folders of clips in it; give the folder that holds them")
    labels = config.classes or tuple(name for name in found if name not in config.others)
    others = config.others if config.others != ("*",) else _rest(found, labels)
    for label in (*labels, *others):
        if label not in found:
            raise InputError(f"{root}: no clips of class {label!r}; it has {', '.join(found)}")
    both = [name for name in labels if name in others]
    if both:
        raise InputError(f"{', '.join(both)}: named among the classes and the others; choose one")
    _check_names(root, labels)
    if not labels:
        raise InputError(f"{root}: every folder is named among the others, so there is no class")
    _check_keys(config, found)
    every_clip = _list(root, (*labels, *others), config)
    clips, rest = (
        tuple(clip for clip in every_clip if clip.label in names) for names in (labels, others)
    )
    return Dataset(labels, clips, rest)


def class_folders(root: Path) -> list[str]:
    """Name the folders that hold clips, in order; none where nothing has been gathered yet."""
    if not root.is_dir():
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".") and any(_videos(path))
    )


def find_negatives(paths: Iterable[Path]) -> tuple[Clip, ...]:
    """List footage that shows none of the labels: files, and all videos below folders.

    Raises:
        InputError: A path does not exist, or holds no video.
    """
    found: dict[Path, Clip] = {}
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        videos = [
            file for file in below if file.is_file() and file.suffix.lower() in VIDEO_SUFFIXES
        ]
        if not videos:
            raise InputError(f"{path}: no video there; give files, or folders that hold some")
        found |= {file: VideoClip(file, NEGATIVES, file.parent.name) for file in videos}
    return tuple(found.values())


def check_classes(named: Iterable[str], known: Collection[str], *, key: str) -> None:
    """See that the classes under a key of the config exist: a typo would leak footage unsaid.

    Raises:
        InputError: One does not.
    """
    foreign = [name for name in named if name not in known]
    if foreign:
        raise InputError(
            f"{key}: no such class: {', '.join(foreign)}; there are {', '.join(known)}"
        )


def count_clips(root: Path) -> list[tuple[str, int, int]]:
    """Count the clips and the groups of every class folder, in the order of their names."""
    pattern = re.compile(UCF_PATTERN)
    groups = {
        label: [_group_of(clip, pattern) for clip in _videos(root / label)]
        for label in class_folders(root)
    }
    return [(label, len(of_clip), len(set(of_clip))) for label, of_clip in groups.items()]


def link_groups(clips: Sequence[Clip], linked: Iterable[Sequence[str]]) -> list[Clip]:
    """Join groups into one, also where they are linked only through a third.

    Args:
        clips: All of one class, or of all classes where groups span them.
        linked: Groups that share footage.
    """
    joined: list[set[str]] = []
    for names in linked:
        new = {canonical_group(name) for name in names}
        touching = [other for other in joined if other & new]
        joined = [other for other in joined if not other & new] + [new.union(*touching)]
    name_of = {group: LINK.join(sorted(names)) for names in joined for group in names}
    return [replace(clip, group=name_of.get(clip.group, clip.group)) for clip in clips]


def find_identical_clips(clips: Iterable[Clip]) -> list[list[Clip]]:
    """Find clips that are the same file, byte by byte, among those that can be read."""
    by_size: dict[int, list[Clip]] = defaultdict(list)
    for clip in clips:
        with suppress(OSError):  # whoever reads the clips names those that cannot be read
            by_size[clip.path.stat().st_size].append(clip)
    by_content: dict[bytes, list[Clip]] = defaultdict(list)
    for alike in (clips for clips in by_size.values() if len(clips) > 1):
        for clip in alike:
            with suppress(OSError):
                by_content[hashlib.sha256(clip.path.read_bytes()).digest()].append(clip)
    return [same for same in by_content.values() if len(same) > 1]


def _check_keys(config: DataConfig, found: Sequence[str]) -> None:
    for key, named in (("data.linked", config.linked), ("data.exclude", config.exclude)):
        if not config.groups_span_classes:
            check_classes(named, found, key=key)
        elif foreign := [name for name in named if name != EVERY_CLASS]:
            raise InputError(
                f"{key}: with groups_span_classes '{EVERY_CLASS}' alone counts, not "
                f"{', '.join(foreign)}"
            )


def _check_names(root: Path, labels: Sequence[str]) -> None:
    """Refuse what no bundle may call a label, before anything is learned.

    Raises:
        InputError: A class has such a name, or differs from another by capitals alone.
    """
    if UNKNOWN in labels:
        raise InputError(
            f"{root / UNKNOWN}: {UNKNOWN!r} is said where no class fits; rename it, or name it "
            "among the others"
        )
    seen: dict[str, str] = {}
    for label in labels:
        if not label.isprintable() or len(label) > MAX_NAME_LENGTH:
            raise InputError(f"{root}: {label[:99]!r} is no name for a class; rename the folder")
        other = seen.setdefault(label.casefold().strip(), label)
        if other != label:
            raise InputError(f"{root}: {other!r} and {label!r} are one name; put them into one")


def _check_rest(root: Path, found: Sequence[str]) -> None:
    """Refuse a folder that should be a class and holds no clips; one of texts alone is named.

    Raises:
        InputError: There is one.
    """
    beside = [path.name for path in _videos(root) if path.is_file()]
    if beside:
        logger.warning(
            "%s: %d videos lie in no class folder, and are left out, as %s",
            root,
            len(beside),
            min(beside),
        )
    for folder in sorted(root.iterdir()):
        if folder.name in found or folder.name.startswith(".") or not folder.is_dir():
            continue
        files = [path for path in folder.rglob("*") if path.is_file()]
        suffixes = Counter(path.suffix.lower() or "without a suffix" for path in files)
        told = ", ".join(f"{n} x {suffix}" for suffix, n in suffixes.most_common(5)) or "nothing"
        if suffixes.keys() <= _TEXTS:
            logger.warning("%s: is no class: it holds no clip, but %s", folder, told)
            continue
        below = next((path for path in files if path.suffix.lower() in VIDEO_SUFFIXES), None)
        remedy = (
            f"its clips lie in folders below it ({below.relative_to(folder)}); put them into it"
            if below
            else f"none of its files is a video by its name ({told}); convert them"
        )
        raise InputError(f"{folder}: would be no class: {remedy}, or move that folder elsewhere")


def _rest(found: Iterable[str], labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in found if name not in labels)


def _videos(folder: Path) -> Iterator[Path]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    return (path for path in files if not path.name.startswith("."))


def _name_others(root: Path, classes: Sequence[str]) -> None:
    """Say which files beside the clips are not read, as they are no videos by their names."""
    others = Counter(
        path.suffix.lower() or "without a suffix"
        for label in classes
        for path in (root / label).iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix.lower() not in VIDEO_SUFFIXES
    )
    deeper = [
        path
        for label in classes
        for folder in (root / label).iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES
    ]
    if deeper:
        logger.warning(
            "%s: %d videos in folders below the classes' are left out, the first is %s",
            root,
            len(deeper),
            deeper[0].relative_to(root),
        )
    if others:
        logger.warning(
            "%s: %d files are no videos by their names, and are left out: %s",
            root,
            others.total(),
            ", ".join(f"{n} x {suffix}" for suffix, n in others.most_common(5)),
        )


def _list(root: Path, classes: Sequence[str], config: DataConfig) -> list[Clip]:
    """List the clips of classes, groups that share footage joined, and excluded ones left out.

    A file that lies in several classes is left out of all: it would be learned as one and tested as
    another.
    """
    _name_others(root, classes)
    pattern = re.compile(config.group_pattern or _PATTERNS.get(config.kind, UCF_PATTERN))
    spans = config.groups_span_classes
    clips: list[Clip] = [
        VideoClip(
            path,
            label,
            _group_of(path, pattern),
            spans=spans,
            ungrouped=_named_group(path, pattern) is None,
        )
        for label in classes
        for path in sorted(_videos(root / label))
    ]
    n_ungrouped = sum(clip.ungrouped for clip in clips)
    if n_ungrouped:
        logger.warning(
            "%s: the names of %d of %d clips do not say which video they were cut from, so each "
            "counts as a video of its own; if that is wrong, give a group pattern",
            root,
            n_ungrouped,
            len(clips),
        )
    twins = find_identical_clips(clips)
    ambiguous = {c.path for same in twins if len({c.label for c in same}) > 1 for c in same}
    for same in twins:
        logger.warning(
            "%s are one and the same file%s",
            ", ".join(clip.name for clip in same),
            "; left out, since one of the labels is wrong; if their groups share more, exclude one"
            * (same[0].path in ambiguous),
        )
    kept: list[Clip] = []
    for name in (EVERY_CLASS,) if spans else classes:
        of_name = [clip for clip in clips if spans or clip.label == name]
        same_groups = [[c.group for c in same if spans or c.label == name] for same in twins]
        linked = link_groups(of_name, [*config.linked.get(name, ()), *same_groups])
        excluded = config.exclude.get(name, ())
        kept += [c for c in linked if c.path not in ambiguous and not c.is_of(excluded)]
    return kept


def _group_of(path: Path, pattern: re.Pattern[str]) -> str:
    """A clip whose name holds no group is a group of its own."""
    return _named_group(path, pattern) or path.stem


def _named_group(path: Path, pattern: re.Pattern[str]) -> str | None:
    found = pattern.search(path.name)
    return canonical_group(found[1]) if found and found[1] else None
