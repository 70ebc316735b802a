"""Cuts labelled stretches out of recordings, into class folders to train on."""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from rich.progress import track

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.video_file import VideoFile, read_file
from har_stream.core.errors import InputError
from har_stream.preview.video_writer import ClipFile
from training.collect import clip_names
from training.collect.labels import LabelledStretch
from training.data.clip import EPOCH

logger = logging.getLogger(__name__)


def cut_clips(segments: Sequence[LabelledStretch], folder: Path) -> dict[str, int]:
    """Write one clip per stretch; every recording is decoded once.

    Args:
        segments: What to cut out of which recordings.
        folder: Gets a folder per label; clips of the same name are replaced.

    Returns:
        Clips per label.

    Raises:
        InputError: No recording can be read, none of a label, a clip cannot be written, or file
            names cannot tell its group from another.
    """
    _check_groups({segment.group for segment in segments})
    numbers: Counter[tuple[str, str]] = Counter()
    of_recording: dict[Path, dict[Path, LabelledStretch]] = defaultdict(dict)
    for segment in segments:
        name = segment.label, segment.group
        numbers[name] += 1
        path = clip_names.name_clip(folder, label=name[0], group=name[1], number=numbers[name])
        of_recording[segment.path][path] = segment
    n_clips: Counter[str] = Counter()
    for recording in track(of_recording, "cutting recordings"):
        try:
            with closing(VideoFile(recording, SourceCounts())) as video:
                fps = video.fps
        except InputError as error:
            logger.warning("left out: %s", error)
        else:
            n_clips.update(_cut_one(recording, of_recording[recording], fps=fps))
    if not n_clips:
        raise InputError(f"{folder}: no clip could be cut out of {len(of_recording)} recordings")
    lost = sorted({segment.label for segment in segments} - n_clips.keys())
    if lost:
        raise InputError(
            f"{folder}: no clip of {', '.join(lost)} could be cut, for the reasons above; those "
            "of all others are there"
        )
    return dict(n_clips)


def _check_groups(groups: Collection[str]) -> None:
    """Refuse two groups of one written name: they would share it, and take each other's clips."""
    seen: dict[str, str] = {}
    for group in sorted(groups):
        name = clip_names.write_group(group)
        if name in seen:
            raise InputError(
                f"groups {seen[name]!r} and {group!r} are both {name} in file names; rename one"
            )
        seen[name] = group


def _cut_one(recording: Path, wanted: Mapping[Path, LabelledStretch], *, fps: float) -> list[str]:
    """Write the clips of one recording; returns their labels."""
    clips: dict[Path, ClipFile] = {}
    try:
        for frame in read_file(recording, sample_hz=fps, start_at=EPOCH):
            at_s = (frame.captured_at - EPOCH).total_seconds()
            for path, segment in wanted.items():
                if segment.start_s <= at_s < segment.end_s:
                    height_px, width_px = frame.image.shape[:2]
                    if path not in clips:
                        clips[path] = ClipFile(path, fps=fps, size_px=(width_px, height_px))
                    for _ in range(frame.n_ticks):
                        clips[path].write(frame.image)
        cut = [path for path in wanted if path in clips]
        for path in cut:
            clips.pop(path).close()
    finally:
        for unfinished in clips.values():
            unfinished.abandon()
    for path, segment in wanted.items():
        if path not in cut:
            logger.warning(
                "%s: no frame from %g to %g s, so no clip of %s; does it end before?",
                recording,
                segment.start_s,
                segment.end_s,
                segment.label,
            )
    return [wanted[path].label for path in cut]
