"""What `har-stream --camera` says of real clips, clip by clip: a table in Markdown.

    python benchmarks/clip_by_clip.py DATA          # prints the table of docs/home.md

DATA holds GMDCSA24's clips (`home`) and UR Fall's (`urfd`), with their tables of who does what
when. Each clip is a camera of its own. An announcement is wrong where the table has nothing of it
between a second before it begins and a second after it ends; lying down on purpose is no fall.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path

from har_stream.mqtt.messages import ActivityEvent
from training.data.state_table import Stretch, read_states

TABLES = {"home": "home_states.csv", "urfd": "urfd/states.csv"}
URFD = (
    *(f"fall-{n:02d}-cam0" for n in (1, 5, 9, 13, 17)),
    *(f"adl-{n:02d}-cam0" for n in (1, 6, 12, 22, 34)),
)
"""Ten of UR Fall: falls, a lit and a dark living room, and lying down on the floor on purpose."""
SHOWN_BY = {
    "walking": {"upright"},
    "standing": {"upright"},
    "sitting": {"sitting"},
    "lying": {"lying_bed", "lying_floor"},
    "sleeping": {"lying_bed"},
    "bending": {"bending", "changing"},
}
"""States of the tables that an activity stands for; a fall is `lying_floor` after `changing`."""
SLACK_S = 1.0
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def watch(clip: Path, bundle: str) -> list[ActivityEvent]:
    """Let `har-stream` watch a clip as its camera; no broker is needed."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        command = [sys.executable, "-m", "har_stream.commands.stream", "--camera", str(clip)]
        command += ["--bundle", bundle, "--start-at", START.isoformat(), "--log-level", "error"]
        command += ["--state-dir", folder, "--record-events", str(events)]
        command += ["--broker", "mqtt://127.0.0.1:9"]  # nobody is there
        subprocess.run(command, check=True)  # noqa: S603 - our own command, no shell
        lines = events.read_bytes().splitlines() if events.exists() else []
    return [ActivityEvent.decode(line) for line in lines]


def announcements(events: Sequence[ActivityEvent]) -> list[tuple[str, float, float]]:
    """Return each activity that began, and from when until when it went on, in seconds."""
    ends = [*((event.ended_at or event.started_at) for event in events[1:]), None][: len(events)]
    return [
        (
            event.activity,
            (event.started_at - START).total_seconds(),
            (end - START).total_seconds() if end else float("inf"),
        )
        for event, end in zip(events, ends, strict=True)
        if event.event_type != "activity_ended" and event.fall_stage in (None, "fallen")
    ]


def is_right(activity: str, start_s: float, end_s: float, stretches: Sequence[Stretch]) -> bool:
    """Whether the table has what is announced, about then."""
    during = [
        each
        for each in stretches
        if each.start_s < end_s + SLACK_S and each.end_s > start_s - SLACK_S
    ]
    if activity == "fallen":
        falls = [
            after
            for before, after in pairwise(stretches)
            if (before.state, after.state) == ("changing", "lying_floor")
        ]
        return any(each in during for each in falls)
    return any(each.state in SHOWN_BY[activity] for each in during)


def list_clips(data: Path) -> list[tuple[str, list[Stretch]]]:
    """Name the clips and who does what in each."""
    listed = []
    for place, table in TABLES.items():
        for clip, stretches in sorted(read_states(data / table).items()):
            if place == "home" or clip in URFD:
                listed.append((f"{place}/{clip}", stretches))
    return listed


def main() -> None:
    """Watch every clip, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundle", default="home", help="(%(default)s)")
    options = parser.parse_args()
    print("| clip | what happens | what is said | wrong |")
    print("|---|---|---|---|")
    n_wrong = n_said = n_clips = 0
    for clip, stretches in list_clips(options.data):
        said = announcements(watch(options.data / f"{clip}.mp4", options.bundle))
        wrong = [each for each in said if not is_right(*each, stretches)]
        happens = ", ".join(state for state, _ in groupby(each.state for each in stretches))
        told = ", ".join(f"{name} {start_s:.1f}" for name, start_s, _ in said) or "-"
        print(f"| {clip} | {happens} | {told} | {', '.join(each[0] for each in wrong)} |")
        n_clips, n_said, n_wrong = n_clips + 1, n_said + len(said), n_wrong + len(wrong)
    print(f"\n{n_clips} clips, {n_said} announcements, {n_wrong} wrong")


if __name__ == "__main__":
    main()
