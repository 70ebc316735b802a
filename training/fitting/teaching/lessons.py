"""Clips to learn from: whose activity each shows, and in which session it was recorded.

Clips of one session are alike: the same light, clothes and place at the table. So what was learned
is tried on sessions that nothing was learned from, and a session is, in this order,

1. the folders between the activity's folder and the clip: `cooking/monday/a.mp4`;
2. what stands between `_g` and `_c` in its name, as `train-har record` and `cut` name clips;
3. a day in its name: `2026-11-27 18.30.mp4`, `VID_20261127_183000.mp4`.

Clips that say none of these count as one session together.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from har_stream.bundles.bundle import Manifest
from har_stream.cameras.camera import VIDEO_SUFFIXES
from har_stream.core.activity import FALLEN, IDLE, LYING, SLEEPING, UNKNOWN
from har_stream.core.errors import InputError
from training.data.clip import VideoClip
from training.data.folders import find_identical_clips

N_CLIPS, N_SESSIONS = 3, 2
"""Least of each activity."""
_GROUP = re.compile(r"_g([A-Za-z0-9-]+)_c\d+")
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
_UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One clip.

    Attributes:
        path: Its file.
        activity: What somebody does in it; none: ordinary footage.
        session: When it was recorded; the same name is the same session in every activity.
    """

    path: Path
    activity: str | None
    session: str


def list_lessons(folder: Path, known: Manifest) -> list[Lesson]:
    """List the clips of a folder with one folder an activity.

    Raises:
        InputError: There are none, too few, or an activity cannot be taught; says what is missing.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no folder of clips; it holds a folder for each activity")
    lessons = [
        Lesson(path, activity.name, session_of(path, within=activity))
        for activity in sorted(folder.iterdir())
        if activity.is_dir() and not activity.name.startswith(".")
        for path in _videos(activity)
    ]
    activities = sorted({each.activity for each in lessons if each.activity is not None})
    if not activities:
        raise InputError(f"{folder}: no clips in folders there, such as {folder}/cooking/1.mp4")
    taken = {*known.activities, *known.output_names, FALLEN, LYING, SLEEPING, IDLE, UNKNOWN}
    if again := sorted(taken.intersection(activities)):
        raise InputError(
            f"{folder / again[0]}: {known.name} says {again[0]!r} already; give the folder another "
            "name"
        )
    if hidden := [name for name in activities if not name.isprintable()]:
        raise InputError(
            f"{folder}: an activity is called {hidden[0]!r}, which cannot be shown; give the "
            "folder another name"
        )
    _refuse_twins(lessons)
    lacking = [each for name in activities if (each := _lacking(name, lessons))]
    if lacking:
        raise InputError(f"{folder}: too little to learn from: {'; '.join(lacking)}")
    return lessons


def list_ordinary(folder: Path) -> list[Lesson]:
    """List footage in which nothing is done that is taught.

    Raises:
        InputError: There is none.
    """
    files = list(_videos(folder)) if folder.is_dir() else []
    if not files:
        raise InputError(
            f"{folder}: no video there; ordinary footage of the same camera is what else is seen: "
            "without it, everything would be one of the activities"
        )
    found = [(path, session_of(path, within=folder)) for path in files]
    return [Lesson(path, None, path.stem if of == _UNTOLD else of) for path, of in found]


def session_of(path: Path, *, within: Path) -> str:
    """Name the session of a clip; see above."""
    folders = path.relative_to(within).parts[:-1]
    if folders:
        return "/".join(folders)
    if named := _GROUP.search(path.name):
        return named[1]
    day = _DAY.search(path.name)
    return "-".join(day.groups()) if day else _UNTOLD


def _refuse_twins(lessons: Sequence[Lesson]) -> None:
    """Refuse a clip that lies in the folders of two activities: it shows one of them at most."""
    clips = (VideoClip(each.path, each.activity or "", each.session) for each in lessons)
    for first, *others in find_identical_clips(clips):
        other = next((each for each in others if each.label != first.label), None)
        # What is empty is told once it is to be seen.
        if other is not None and first.path.stat().st_size:
            raise InputError(
                f"{other.path}: the same clip as {first.path}, which shows another activity; "
                "remove one of them"
            )


def _lacking(activity: str, lessons: Sequence[Lesson]) -> str:
    """Say what is missing of an activity, with how to tell sessions where none is told."""
    own = [each for each in lessons if each.activity == activity]
    sessions = {each.session for each in own}
    missing = []
    if len(own) < N_CLIPS:
        missing.append(f"{N_CLIPS - len(own)} more of {N_CLIPS} clips")
    if len(sessions) < N_SESSIONS:
        untold = f" (their names tell none: {activity}/DAY/CLIP.mp4 does)" * (_UNTOLD in sessions)
        missing.append(f"clips of {N_SESSIONS - len(sessions)} more session{untold}")
    return f"{activity} lacks {' and '.join(missing)}" if missing else ""


def _videos(folder: Path) -> Iterator[Path]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return (
        path
        for path in files
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    )
