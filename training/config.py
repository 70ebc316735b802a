"""What a training run is told: a strict YAML file under `configs/`, every value commented there."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from har_stream.config.camera_settings import ThresholdSettings
from har_stream.config.yaml_file import read_yaml
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.core.thresholds import FallRule

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Groups = dict[str, tuple[str, ...]]


def _all_different(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is named twice; name each class once")
    return names


def _with_a_group(pattern: str) -> str:
    try:
        n_groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if not n_groups:
        raise ValueError(f"{pattern!r} has no group; put what names the video in ( )")
    return pattern


Classes = Annotated[tuple[str, ...], AfterValidator(_all_different)]
Pattern = Annotated[str, AfterValidator(_with_a_group)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Section):
    """Which clips there are, and what each is called."""

    kind: Literal["folder", "ucf50", "ucf101", "hmdb51", "simulated"] = "folder"
    n_clips: PositiveInt = Field(4000, description="simulated: clips to render")
    path: Path | None = Field(None, description="folder of class folders; none: give --data")
    lists: Path | None = Field(None, description="folder of the official split files")
    classes: Classes = Field((), description="labels in this order; none: every folder")
    others: Classes = Field(
        (), description="class folders that are none of the labels; '*': every other folder"
    )
    group_pattern: Pattern | None = Field(
        None, description="its first group names the video that a clip was cut from"
    )
    groups_span_classes: bool = Field(
        False, description="whether a group's name means the same people and place in every class"
    )
    linked: dict[str, tuple[tuple[str, ...], ...]] = Field(
        default_factory=dict,
        description="class ('*' where groups span): groups that share footage and stay together",
    )
    exclude: Groups = Field(
        default_factory=dict, description="class ('*' where groups span): groups that are left out"
    )


class SplitConfig(_Section):
    """Who is trained on and who is tested on."""

    by: Literal["group", "folds", "official", "study"] = "group"
    held_out: tuple[str, ...] = Field((), description="group: the groups of the test side ...")
    held_out_of: Groups = Field(
        default_factory=dict, description="... and the classes where they are others"
    )
    n_folds: int = Field(5, ge=2, description="folds: every clip is tested once")
    list: Literal[1, 2, 3] = Field(1, description="official: number of the train/test list")
    validation: float = Field(
        0.2,
        ge=0,
        le=0.5,
        description="share of the training side, as the nearest of 1/2, 1/3, 1/4 ...; folds: none",
    )
    refit: bool = Field(
        False, description="learn anew from the validation clips too, once they have calibrated"
    )


class AugmentConfig(_Section):
    """How far a training window may differ from the footage; all of it off by default."""

    flip: Fraction = Field(0.0, description="probability of a mirror image")
    crop: Fraction = Field(0.0, description="up to this share of each side is cut away")
    colour: Fraction = Field(0.0, description="contrast, brightness and channels, +- this share")
    grey: Fraction = Field(0.0, description="probability of no colour at all")
    speed: float = Field(1.0, ge=1, description="up to this factor faster or slower")
    ticks: PositiveInt = Field(
        1, description="cached frames per sampled frame: the grain of time jitter and speed"
    )


class EncoderConfig(_Section):
    """A pretrained encoder of frames: cnn_lstm, cnn_transformer, cnn_pool and movinet need one."""

    network: Literal["mobilenet_v1", "mobilenet_v2_035", "movinet_a0_stream"] = "mobilenet_v1"
    weights: str = Field(
        "mobilenet_v1_imagenet",
        description="a path, a name of `train-har download weights`, or keras: its own loader",
    )
    frozen: bool = Field(
        True, description="features are extracted once; or else the encoder learns too"
    )


IMAGENET = EncoderConfig()
"""MobileNetV1 as it is: what an encoder is where nothing else is said."""


class FitConfig(_Section):
    """How the network learns."""

    learning_rate: float = Field(0.001, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    batch: PositiveInt = 4
    epochs: PositiveInt = 30
    patience: PositiveInt | None = Field(
        None, description="epochs without a better validation loss; none: all epochs"
    )
    windows_per_clip: PositiveInt = 1
    warm_up: int = Field(
        0, ge=0, description="frames of every clip to learn from one by one, before windows"
    )
    label_smoothing: Fraction = 0.0
    class_weights: bool = False
    mixed_precision: bool = Field(
        False, description="compute in float16 on a GPU; without one this changes nothing"
    )
    others: float = Field(0.0, ge=0, description="windows of no label, per labelled window")


class PretrainConfig(_Section):
    """Pretraining on the clips of no label, each by its own class."""

    epochs: PositiveInt
    windows_per_clip: PositiveInt = 1
    warm_up: int = Field(0, ge=0, description="frames of every clip to learn from before windows")


class FootageConfig(_Section):
    """Clips that the key-point network learns from, and how its teacher looks at them."""

    clips: str = Field(description="which: a pattern of paths in the folder of --data")
    one_in: PositiveInt = Field(1, description="so many of them, evenly")
    n_frames: PositiveInt = Field(3, description="of each clip, spread evenly ...")
    every_s: float | None = Field(None, gt=0, description="... or one every so many seconds")
    turned: bool = Field(False, description="the teacher looks at four turns: people may lie")
    least_first: Fraction = Field(0.2, description="sureness below which it does not look again")
    empty: bool = Field(False, description="only frames without anybody are wanted")
    alone: bool = Field(False, description="one person at most, before a camera that is fixed")
    states: str = Field("", description="table of who does what when, in the folder of --data")
    within: str = Field("", description="folder there of the clips that the table names")
    repeat: PositiveInt = Field(1, description="times that each frame counts")


class KeypointConfig(_Section):
    """A run that makes a key-point network; see configs/keypoints.yaml."""

    name: str
    about: str
    size_px: int = Field(128, ge=64, multiple_of=32, description="of the square that it takes in")
    seed: int = Field(27, ge=0)
    footage: tuple[FootageConfig, ...] = Field(min_length=1)
    apart: re.Pattern[str] = Field(
        re.compile(""), description="expression of the names of clips that are kept apart"
    )
    marks_repeat: PositiveInt = Field(3, description="times that a frame marked by eye counts")
    shares: tuple[Fraction, Fraction, Fraction, Fraction] = Field(
        (0.38, 0.05, 0.15, 0.42),
        description="of squares with people, people somewhere, simulated figures and nobody",
    )
    n_squares: PositiveInt = Field(100_000, description="the newest that were drawn are kept")
    learning_rate: float = Field(0.002, gt=0)
    batch: PositiveInt = 256
    minutes: float = Field(60.0, gt=0, description="for which it learns")
    licence: str


class RunConfig(_Section):
    """A training run from clips to bundle."""

    name: str = Field(description="of the bundle")
    about: str = Field(description="one sentence for whoever chooses a bundle")
    network: str
    width: float | None = Field(
        None, ge=0.01, description="c3d, two_stream: share of the published filters; none: all"
    )
    encoder: EncoderConfig | None = None
    seed: int = Field(27, ge=0, description="of split, initial weights, order and augmentation")
    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    clip: ClipSpec
    sampling: Literal["rolling", "spread"] = Field(
        "rolling", description="as a camera is sampled; or evenly over the whole clip, as the study"
    )
    hop_frames: PositiveInt = Field(5, description="frames between two decisions")
    reset_frames: PositiveInt | None = Field(
        None, description="movinet: frames after which the backbone begins anew; none: never"
    )
    augment: AugmentConfig = AugmentConfig()
    fit: FitConfig = FitConfig()
    pretrain: PretrainConfig | None = Field(
        None, description="learn from the clips in data.others first; none: from nothing"
    )
    deciding: ThresholdSettings = Field(
        ThresholdSettings(),
        description="laid over the fitted thresholds; see har_stream.recognition.activity_changes",
    )
    falls: FallRule | None = Field(
        None, description="when somebody has fallen; none: the bundle does not watch for falls"
    )
    keep: float = Field(
        0.9, gt=0, le=1, description="share of right decisions that the reject rule lets pass"
    )
    let_pass: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of decisions on negatives that may pass the reject rule",
    )
    licence: str = Field("MIT; trained on footage for research use")

    @field_validator("clip")
    @classmethod
    def _is_sampled(cls, clip: ClipSpec) -> ClipSpec:
        if not 0 < clip.sample_hz < math.inf:
            raise ValueError(f"sample_hz: {clip.sample_hz} frames a second; give a number above 0")
        return clip

    @field_validator("reset_frames")
    @classmethod
    def _ends_a_window(cls, reset_frames: int | None, found: ValidationInfo) -> int | None:
        least = found.data["clip"].n_frames if "clip" in found.data else 0
        if reset_frames is not None and reset_frames < least:
            raise ValueError(f"{reset_frames} frames end no window; give {least} or more")
        return reset_frames

    def check_urgent(self, labels: Sequence[str]) -> None:
        """See that the labels that are reported at once, or mean a fall, exist.

        Raises:
            InputError: One does not.
        """
        named = {"deciding.urgent": self.deciding.urgent or ()}
        if self.falls is not None:
            named["falls"] = self.falls.labels
        for where, names in named.items():
            foreign = [name for name in names if name not in labels]
            if foreign:
                raise InputError(
                    f"{where}: no such label: {', '.join(foreign)}; there are {', '.join(labels)}"
                )


def read_config(path: Path) -> RunConfig:
    """Read a run's config.

    Raises:
        InputError: With file, line and remedy.
    """
    return read_yaml(path, RunConfig)


def check_size(clip: ClipSpec, *, of: str, least_px: int = 1, least_frames: int = 1) -> None:
    """Refuse a clip of which a network would have nothing left.

    Raises:
        InputError: With the least size.
    """
    if min(clip.height_px, clip.width_px) < least_px:
        raise InputError(
            f"clip: {of} takes {least_px} x {least_px} pixels at least, not "
            f"{clip.height_px} x {clip.width_px}"
        )
    if clip.n_frames < least_frames:
        raise InputError(f"clip: {of} takes {least_frames} frames at least, not {clip.n_frames}")
