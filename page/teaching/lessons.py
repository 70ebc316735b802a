"""Clips to teach from, as a node tells of them, and how many are still wanted."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from har_stream.mqtt.requests import BridgeResponse

LEAST_CLIPS, LEAST_SESSIONS = 3, 2
"""Of each activity, as `train-har teach` wants them."""
FILE = r"(labelled/[^/\\\x00-\x1f]+/|ordinary/)?[^/\\\x00-\x1f]+/[^/\\\x00-\x1f]+\.mp4"
"""Where a clip may lie in its folder."""
_Text = Annotated[str, Field(max_length=300)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


Told = TypeVar("Told", bound=_Told)


class LessonClip(_Told):
    """A clip; its fields are those of `har-stream`'s answer to ``clips``."""

    clip: _Text
    file: Annotated[str, Field(max_length=600, pattern=f"^{FILE}$")]
    camera: _Text
    at: AwareDatetime
    kind: Literal["unsure", "stretch", "recorded"]
    place: Literal["labelled", "ordinary", "unlabelled"]
    label: _Text | None
    session: _Text


class Bounds(_Told):
    """How much is kept, and for how long."""

    days: float
    labelled_days: float
    max_clips: int
    max_mb: float


class BeingRecorded(_Told):
    """What a camera records now."""

    label: _Text | None
    ends_at: AwareDatetime


class Kept(_Told):
    """All that a node keeps."""

    clips: Annotated[list[LessonClip], Field(max_length=1000)]
    count: int
    megabytes: float
    bounds: Bounds
    recording: dict[str, BeingRecorded]


class Known(_Told):
    """A bundle that a node may change to."""

    path: Annotated[str, Field(max_length=4000)]
    labels: list[_Text]
    taught: list[_Text]
    measured: dict[str, float]
    teachable: bool


class Bundles(_Told):
    """The bundle in use, the one before it, and all others."""

    bundle: _Text
    before: _Text | None
    bundles: dict[str, Known]

    @property
    def base(self) -> Known | None:
        """What is taught: the bundle in use, or else the first that was not taught yet."""
        known = [self.bundles.get(self.bundle), *self.bundles.values()]
        return next((each for each in known if each and each.teachable), None)

    @property
    def own(self) -> dict[str, Known]:
        """What was taught here."""
        return {name: each for name, each in self.bundles.items() if each.taught}


@dataclass(frozen=True, slots=True)
class Answered(Generic[Told]):
    """What a node said, or why it said nothing of use.

    Attributes:
        told: What it said.
        problem: In its own words; ``None``: nobody answered, or `told` is there.
    """

    told: Told | None = None
    problem: str | None = None

    @classmethod
    def read(cls, kind: type[Told], answer: BridgeResponse | None) -> Self:
        """Read an answer."""
        if answer is None:
            return cls()
        if answer.status == "error":
            return cls(problem=answer.error or "")
        try:
            return cls(kind.model_validate(answer.data))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return cls(problem=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300])


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much there is of an activity.

    Attributes:
        label: Its name; ``None``: ordinary footage.
        n_clips: Clips of it.
        n_sessions: Sessions of it.
    """

    label: str | None
    n_clips: int
    n_sessions: int

    @property
    def lacks_clips(self) -> int:
        """Clips that are still wanted."""
        return max(0, (1 if self.label is None else LEAST_CLIPS) - self.n_clips)

    @property
    def lacks_sessions(self) -> int:
        """Sessions that are still wanted."""
        return max(0, (1 if self.label is None else LEAST_SESSIONS) - self.n_sessions)

    @property
    def is_enough(self) -> bool:
        """Whether it can be learned from."""
        return not self.lacks_clips and not self.lacks_sessions


def count_wanted(clips: Sequence[LessonClip]) -> list[Wanted]:
    """Count what there is of every activity, and last of ordinary footage."""
    found: dict[str | None, list[str]] = defaultdict(list)
    for clip in clips:
        if clip.place != "unlabelled":
            found[clip.label].append(clip.session)
    ordinary = found.pop(None, [])
    named = sorted((str(label), sessions) for label, sessions in found.items())
    return [
        Wanted(label, len(sessions), len(set(sessions)))
        for label, sessions in [*named, (None, ordinary)]
    ]


def within(
    clips: Sequence[LessonClip], camera: str, start: datetime, end: datetime
) -> list[LessonClip]:
    """Return the clips of a stretch of which nobody has said yet what they show."""
    return [
        clip
        for clip in clips
        if clip.place == "unlabelled" and clip.camera == camera and start <= clip.at < end
    ]
