"""What a person may say of one camera."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from har_stream.config.ids import Id, as_id
from har_stream.config.regions import Place, Regions
from har_stream.config.section import Duration, Fraction, Section, nested
from har_stream.core.activity import MAX_NAME_LENGTH
from har_stream.core.url import parse_url

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp")
"""What FFmpeg reads live video from."""
_WITH_HOST = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps")
_DEVICE = re.compile(r"\d{1,4}|/dev/(video\d+|v4l/.+)", re.ASCII)
"""A device's index, which may change when the machine starts, or its path, which need not."""


def is_device(source: str) -> bool:
    """Tell a camera of this machine: an index, or a path below `/dev`."""
    return bool(_DEVICE.fullmatch(source))


def _checked_region(
    region: tuple[float, float, float, float],
) -> tuple[float, float, float, float]:
    left, top, right, bottom = region
    if not (left < right and top < bottom):
        raise ValueError("left, top, right, bottom expected, each 0..1: left < right, top < bottom")
    return region


def _as_text(source: object) -> object:
    """YAML reads `source: 0` as a number; it means the device index.

    Spaces that were copied along with an address are no part of it; those of a file's name are.
    """
    if type(source) is int:
        return str(source)
    if not isinstance(source, str):
        return source
    bare = source.strip()
    return bare if is_device(bare) or parse_url(bare).scheme else source


def _checked_source(source: str) -> str:
    """Refuse a mistyped address, which would be tried again for ever like a camera that is away."""
    if not source:
        raise ValueError("a device, a file, a folder or an address expected")
    url = parse_url(source)
    scheme = url.scheme
    if scheme == "file":
        raise ValueError("give the path of a file as it is, without file://")
    if scheme and scheme not in STREAM_SCHEMES:
        raise ValueError(f"no camera speaks {scheme}://; known are {', '.join(STREAM_SCHEMES)}")
    if scheme in _WITH_HOST and not url.host:
        raise ValueError(f"{scheme}://HOST/... expected; there is no host in it")
    if scheme and url.port and not _is_port(url.port):
        raise ValueError(  # what stands there may be a password
            f"{scheme}://USER:PASSWORD@HOST:PORT/... expected; its port is no number of 1 to 65535"
        )
    return source


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 2**16


Region = Annotated[
    tuple[Fraction, Fraction, Fraction, Fraction],
    AfterValidator(_checked_region),
    nested(1, "left, top, right, bottom expected, for example [0.0, 0.0, 0.2, 0.3]"),
]
Masks = Annotated[
    tuple[Region, ...],
    nested(
        2,
        "a list of parts expected, each left, top, right, bottom, for example "
        "[[0.0, 0.0, 0.2, 0.3]]",
    ),
]

Decode = Literal["all", "needed", "keyframes"]
DecodeOn = Literal["auto", "cpu", "cuda", "vaapi"]
Source = Annotated[str, BeforeValidator(_as_text), AfterValidator(_checked_source)]


class ThresholdSettings(Section):
    """Overrides, for one camera, of what the bundle says of deciding; see `Thresholds`."""

    reject_below: Fraction | None = None
    margin_below: Fraction | None = None
    enter_above: Fraction | None = None
    leave_below: Fraction | None = None
    min_dwell_s: Duration | None = None
    average_s: Duration | None = None
    idle_after_s: Duration | None = None
    urgent: tuple[str, ...] | None = None


class FallSettings(Section):
    """Overrides, for one camera, of what the bundle says of falls; see `FallRule`."""

    floor_above: Fraction | None = None
    n_samples: int | None = Field(None, ge=1, le=100)
    within_s: Duration | None = None
    after_s: Duration | None = None
    up_above: Fraction | None = None
    comes_down: Fraction | None = None
    average_s: Duration | None = None
    up_for_s: Duration | None = None
    long_lie_s: Duration | None = None


class CameraSettings(Section):
    """One camera."""

    source: Source = Field(
        description="device (0, /dev/v4l/by-id/...), file, folder, rtsp://, http:// or sim:SEED"
    )
    name: Id | None = Field(None, description="none: made from the source")
    room: str | None = Field(None, max_length=MAX_NAME_LENGTH)
    home: Id | None = Field(None, description="whose camera it is; none: the node's home")
    enabled: bool = True
    region: Region | None = Field(
        None, description="left, top, right, bottom of the part to look at, each 0..1"
    )
    masks: Masks = Field((), description="parts that are blackened, each 0..1")
    regions: Regions = Field(Regions(), description="where bed, sofa, floor and doors are")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="of RTSP: tcp loses nothing, udp waits for nothing"
    )
    decode: Decode = Field(
        "needed",
        description="all frames; only the needed ones, which gives the same; key frames "
        "alone, which is many times cheaper and recognises less",
    )
    decode_on: DecodeOn = Field(
        "cpu", description="auto: on what there is; the processor where there is nothing else"
    )
    motion_gate: bool = Field(False, description="hold the last decision while nothing moves")
    deciding: ThresholdSettings = ThresholdSettings()
    falls: FallSettings = FallSettings()

    @property
    def id(self) -> str:
        """The camera's id on the wire."""
        if self.name:
            return self.name
        if is_device(self.source) and self.source.isdigit():
            return f"cam{self.source}"
        return as_id(Path(parse_url(self.source).place).stem or "cam")  # no password is in it

    def place_at(self, x: float, y: float) -> Place | None:
        """Say in which region a point lies; fractions of the part that is looked at."""
        left, top, right, bottom = self.region or (0.0, 0.0, 1.0, 1.0)
        return self.regions.place_at(left + x * (right - left), top + y * (bottom - top))
