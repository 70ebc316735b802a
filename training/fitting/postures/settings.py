"""What a run that makes a bundle of postures is told: a strict YAML file."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from har_stream.config.camera_settings import ThresholdSettings
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.core.thresholds import FallRule
from har_stream.recognition.person.postures import POSTURES


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelledClips(_Section):
    """A set of clips and a table of who does what when.

    The table's lines are `clip,start_s,end_s,state`; no end means until the clip's.
    """

    states: str = Field(description="the table, in the folder of --data")
    clips: str = Field(description="the clips' folder there")
    leave_out: tuple[str, ...] = Field((), description="patterns of clips to leave out")


class Negatives(_Section):
    """Footage of which no posture can be told, such as close-ups."""

    clips: tuple[str, ...] = Field(description="patterns of files in the folder of --data")
    apart: re.Pattern[str] = Field(
        description="expression of the names of those that judge, and do not teach"
    )
    keep: float = Field(
        0.97, gt=0, le=1, description="share of right decisions in rooms left out that pass"
    )

    def find(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """List the files that teach and those that judge.

        Raises:
            InputError: A pattern finds none, or there are none of either.
        """
        files: list[Path] = []
        for pattern in self.clips:
            found = sorted(folder.glob(pattern))
            if not found:
                raise InputError(f"{folder / pattern}: no such file; see negatives in the config")
            files += found
        judging = [file for file in files if self.apart.search(file.name)]
        teaching = [file for file in files if file not in judging]
        if not judging or not teaching:
            raise InputError(
                f"negatives: apart: {self.apart.pattern}: of {len(files)} files it names "
                f"{len(judging)}; some must teach and some judge"
            )
        return teaching, judging


class PostureConfig(_Section):
    """A run from labelled clips to a bundle of postures; see configs/postures.yaml."""

    name: str = Field(description="of the bundle")
    about: str
    pose: str = Field(description="key-point network: `train-har download weights NAME`, or a path")
    pose_inside: bool = Field(False, description="it may go into the bundle")
    sets: dict[str, LabelledClips] = Field(min_length=1)
    learn_from: tuple[str, ...] = Field((), description="sets to learn from; none: all")
    states: dict[str, str] = Field(description="posture of every state of the tables")
    rooms: dict[str, tuple[str, ...]] = Field(
        description="patterns of clips by room: a room and its people are judged by others"
    )
    same_people: tuple[tuple[str, ...], ...] = Field((), description="rooms that share people")
    negatives: Negatives | None = Field(None, description="none: nothing is strange to it")
    clip: ClipSpec
    hop_frames: Annotated[int, Field(ge=1)] = 1
    strength: float = Field(0.003, gt=0, description="C of the logistic regression: its freedom")
    deciding: ThresholdSettings = ThresholdSettings()
    falls: FallRule
    seed: int = Field(27, ge=0)
    licence: str

    def room_of(self, clip: str) -> str | None:
        """Name the room of a clip; none where no pattern says."""
        found = (
            room
            for room, patterns in self.rooms.items()
            if any(fnmatchcase(clip, pattern) for pattern in patterns)
        )
        return next(found, None)

    def rooms_with_people_of(self, room: str) -> set[str]:
        """Name the room and all others in which its people are seen."""
        return {room}.union(*(names for names in self.same_people if room in names))

    def posture_of(self, state: str) -> int:
        """Index of a state's posture among `POSTURES`."""
        return POSTURES.index(self.states[state])
