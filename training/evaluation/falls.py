"""How well falls are found: clips replayed through the pipeline, and what it said of them counted.

What happens when stands in a file of states, `clip,start_s,end_s,state`. A fall is `lying_floor`
right after `changing`, which is going down fast; after anything else it was on purpose.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from rich.progress import track
from rich.table import Table
from scipy import stats

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.camera import read_camera
from har_stream.cameras.read_options import ReadOptions
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.ids import as_id
from har_stream.config.regions import Regions
from har_stream.config.section import Section
from har_stream.core.activity import Change, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.recognition.recogniser import Recogniser
from predictor.logs.table import read_table, read_text
from training.data.clip import EPOCH
from training.evaluation.stream_scenes import watch

Kind = Literal["fall", "floor", "bed", "other"]
WITHIN_S = 5.0
"""A fall is found if it is announced within so long of landing."""
EARLY_S = 0.5
"""Labels by eye are so sure of a second."""
SURE = 0.95
STATES = (
    *("nobody", "upright", "sitting", "bending", "changing"),
    *("lying_bed", "lying_floor"),
)
COLUMNS = ("clip", "start_s", "state")
_HINT = "the first line names the columns: clip,start_s,end_s,state"
DESCRIBED: Mapping[Kind, str] = {
    "fall": "falls that end on the floor",
    "floor": "lying down on the floor on purpose",
    "bed": "lying down, or falling, on a bed",
    "other": "other daily life",
}


@dataclass(frozen=True, slots=True)
class State:
    """What somebody does from a second of a clip on."""

    start_s: float
    state: str


@dataclass(frozen=True, slots=True)
class FallClip:
    """A clip, and what it shows.

    Attributes:
        name: Its folder's, and as the file of states has it: `urfd/fall-01-cam0`.
        path: Its video.
        kind: What a watch for falls should make of it.
        down_s: Where a fall begins; none where there is none.
        landed_s: Where somebody lies.
    """

    name: str
    path: Path
    kind: Kind
    down_s: float | None = None
    landed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was said of a clip.

    Attributes:
        clip: Which.
        seconds: How long it was watched, with its last frame held.
        fallen_s: Seconds at which a fall was announced.
        said: Activities that were announced, in order.
    """

    clip: FallClip
    seconds: float
    fallen_s: tuple[float, ...]
    said: tuple[str, ...] = ()

    @property
    def delay_s(self) -> float | None:
        """From landing to the first announcement of the clip's fall; none: missed, or too late."""
        clip = self.clip
        if clip.down_s is None or clip.landed_s is None:
            return None
        since = [at - clip.landed_s for at in self.fallen_s if at >= clip.down_s - EARLY_S]
        return since[0] if since and since[0] <= WITHIN_S else None

    @property
    def n_false(self) -> int:
        """Announcements that no fall explains."""
        down_s = math.inf if self.clip.down_s is None else self.clip.down_s - EARLY_S
        return sum(at < down_s for at in self.fallen_s)


class DrawnRegions(Section):
    """Regions drawn into clips, by the clip's name."""

    clips: dict[str, Regions]


def read_clips(folder: Path, states: Path | None) -> list[FallClip]:
    """Find the clips of a folder, and what each shows; without states nothing happens in them.

    Raises:
        InputError: A file cannot be read, a clip is missing, or there is none.
    """
    if states is None:
        videos = sorted(folder.rglob("*.mp4"))
        found = [FallClip(f"{folder.name}/{path.stem}", path, "other") for path in videos]
    else:
        found = [_clip_of(name, folder, shown) for name, shown in read_states(states).items()]
    if not found:
        raise InputError(f"{folder}: no clip in it; an .mp4 each is expected")
    return found


def read_states(path: Path) -> dict[str, list[State]]:
    """Read `clip,start_s,end_s,state`: the states of every clip, in order.

    Raises:
        InputError: It cannot be read; with file and line.
    """
    shown: dict[str, list[State]] = defaultdict(list)
    for where, cells in read_table(read_text(path), str(path), needed=COLUMNS, hint=_HINT):
        try:
            shown[cells["clip"]].append(State(float(cells["start_s"]), cells["state"]))
        except ValueError as error:
            raise InputError(f"{where}: start_s: seconds expected") from error
        if cells["state"] not in STATES:
            raise InputError(
                f"{where}: no such state: {cells['state']!r}; there are {', '.join(STATES)}"
            )
    return shown


def _clip_of(listed: str, folder: Path, shown: Sequence[State]) -> FallClip:
    name, path = f"{folder.name}/{listed}", folder / f"{listed}.mp4"
    if not path.is_file():
        raise InputError(f"{path}: the file of states names it, but it is not there")
    for before, state in pairwise(shown):
        if state.state == "lying_floor" and before.state == "changing":
            return FallClip(name, path, "fall", before.start_s, state.start_s)
    states = {state.state for state in shown}
    kinds: tuple[tuple[str, Kind], ...] = (("lying_floor", "floor"), ("lying_bed", "bed"))
    return FallClip(name, path, next((kind for each, kind in kinds if each in states), "other"))


def replay_clips(
    bundle: Bundle,
    clips: Sequence[FallClip],
    *,
    hold_s: float,
    regions: Mapping[str, Regions],
) -> list[Replayed]:
    """Replay clips through the pipeline, each by itself.

    Args:
        bundle: What watches; it must have a rule for falls.
        clips: What it watches.
        hold_s: So long the last frame is held: clips that end with the fall end too early.
        regions: What is drawn into clips, by name.

    Raises:
        InputError: The bundle knows no falls, or a clip cannot be read.
    """
    if bundle.manifest.falls is None:
        raise InputError(
            f"bundle {bundle.manifest.name} watches for no falls; its manifest has no rule for them"
        )
    recogniser = Recogniser(bundle)
    return [
        _replay(recogniser, clip, hold_s=hold_s, regions=regions.get(clip.name, Regions()))
        for clip in track(clips, "replaying clips")
    ]


def _replay(recogniser: Recogniser, clip: FallClip, *, hold_s: float, regions: Regions) -> Replayed:
    spec = recogniser.bundle.manifest.clip
    camera = CameraSettings(source=str(clip.path), name=as_id(clip.name), regions=regions)
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, start_at=EPOCH)
    frames = [item for item in read_camera(camera, options) if isinstance(item, Frame)]
    held = [*frames, *_hold(frames[-1], hold_s, spec.sample_hz)]
    fallen_s, said, at_s = [], [], 0.0
    for news in watch(recogniser, held, camera):
        if isinstance(news, Recognition):
            at_s = (news.at - EPOCH).total_seconds()
        elif isinstance(news, Change) and news.ended_at is None:
            said.append(news.activity)
            if news.fall_stage == "fallen":
                fallen_s.append(at_s)  # by the decision that raised it, not by when somebody fell
    seconds = (held[-1].captured_at - EPOCH).total_seconds()
    return Replayed(clip, seconds, tuple(fallen_s), tuple(said))


def _hold(last: Frame, hold_s: float, sample_hz: float) -> Iterator[Frame]:
    for n in range(1, round(hold_s * sample_hz) + 1):
        at = last.captured_at + timedelta(seconds=n / sample_hz)
        yield replace(last, captured_at=at, n_ticks=1, resets=False)


def count_falls(replayed: Sequence[Replayed]) -> dict[str, Any]:
    """Count what was found and what was not there.

    Returns:
        `falls`: `n`, `found`, its `interval` (Clopper & Pearson 1934, 95 %), `delay_s` (median and
        longest) and the names of those `missed`; by kind of clip `false`: `n` clips, `minutes`, the
        number of false alarms, their `per_hour` with `at_most_per_hour` (one-sided, 95 %, by
        Poisson's law, Garwood 1936) and the names of those clips; `said`: how often each activity
        was announced in all.
    """
    falls = [each for each in replayed if each.clip.kind == "fall"]
    delays = sorted(each.delay_s for each in falls if each.delay_s is not None)
    counted: dict[str, Any] = {
        "falls": {
            "n": len(falls),
            "found": len(delays),
            "interval": share_interval(len(delays), len(falls)),
            "delay_s": {"median": delays[len(delays) // 2], "longest": delays[-1]}
            if delays
            else {},
            "missed": [each.clip.name for each in falls if each.delay_s is None],
        },
        "false": {},
        "said": dict(Counter(name for each in replayed for name in each.said).most_common()),
    }
    for kind in DESCRIBED:
        seen = [each for each in replayed if each.clip.kind == kind]
        if seen:
            counted["false"][kind] = _count_false(seen)
    return counted


def _count_false(seen: Sequence[Replayed]) -> dict[str, Any]:
    hours = sum(each.seconds for each in seen) / 3600
    n_false = sum(each.n_false for each in seen)
    return {
        "n": len(seen),
        "minutes": 60 * hours,
        "alarms": n_false,
        "per_hour": n_false / hours,
        "at_most_per_hour": float(stats.chi2.ppf(SURE, 2 * (n_false + 1))) / 2 / hours,
        "clips": [each.clip.name for each in seen if each.n_false],
    }


def share_interval(n_found: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper & Pearson 1934)."""
    beyond = (1 - SURE) / 2
    low = stats.beta.ppf(beyond, n_found, n - n_found + 1) if n_found else 0.0
    high = stats.beta.ppf(1 - beyond, n_found + 1, n - n_found) if n_found < n else 1.0
    return float(low), float(high)


def to_table(counted: Mapping[str, Any], title: str) -> Table:
    """Lay the counts out for people."""
    said = ", ".join(f"{name} {n}" for name, n in counted["said"].items()) or "nothing"
    table = Table("what", "clips", "minutes", "announced", "95 %", title=title)
    table.add_column("which", overflow="fold")  # names of clips are long, and wanted whole
    table.caption = f"announced in all: {said}"
    falls = counted["falls"]
    if falls["n"]:
        low, high = falls["interval"]
        table.add_row(
            f"falls found within {WITHIN_S:g} s of landing",
            str(falls["n"]),
            "",
            f"{falls['found']} ({falls['found'] / falls['n']:.0%})",
            f"{low:.0%} to {high:.0%}",
            "missed: " + (", ".join(falls["missed"]) or "none"),
        )
        if falls["delay_s"]:
            delay = falls["delay_s"]
            table.add_row(
                "seconds from landing to the alarm",
                *("", "", f"{delay['median']:.1f}, longest {delay['longest']:.1f}", "", ""),
            )
    for kind, false in counted["false"].items():
        before = "before one of the falls" if kind == "fall" else DESCRIBED[kind]
        table.add_row(
            f"false alarms, {before}",
            *(str(false["n"]), f"{false['minutes']:.1f}", str(false["alarms"])),
            f"at most {false['at_most_per_hour']:.1f} an hour",
            ", ".join(false["clips"]),
        )
    return table
