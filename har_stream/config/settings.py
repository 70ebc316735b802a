"""Settings: strict models read from YAML. An unknown key is an error with file, line and remedy."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from har_stream.config import yaml_file
from har_stream.core.errors import InputError
from har_stream.mqtt.topics import as_id, is_id

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp")
"""What FFmpeg reads live video from."""


def _checked_id(name: str) -> str:
    if not is_id(name):
        raise ValueError(f"{name!r} is no valid id (a-z, 0-9, _ and -; not a reserved word)")
    return name


def _checked_region(
    region: tuple[float, float, float, float],
) -> tuple[float, float, float, float]:
    left, top, right, bottom = region
    if not (left < right and top < bottom):
        raise ValueError("left, top, right, bottom expected, each 0..1: left < right, top < bottom")
    return region


def _as_text(source: object) -> object:
    """YAML reads `source: 0` as a number; it means the device index."""
    return str(source) if type(source) is int else source


def _checked_source(source: str) -> str:
    """Refuse a mistyped address, which would be tried again for ever like a camera that is away."""
    scheme, separator, _ = source.partition("://")
    if separator and scheme.lower() not in STREAM_SCHEMES:
        raise ValueError(f"no camera speaks {scheme}://; known are {', '.join(STREAM_SCHEMES)}")
    return source


Id = Annotated[str, AfterValidator(_checked_id)]
Strict = TypeVar("Strict", bound=BaseModel)
Fraction = Annotated[float, Field(ge=0, le=1)]
Region = Annotated[tuple[Fraction, Fraction, Fraction, Fraction], AfterValidator(_checked_region)]
Source = Annotated[
    str, BeforeValidator(_as_text), AfterValidator(_checked_source), Field(min_length=1)
]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]


def state_dir() -> Path:
    """Where outbox, journal, models and caches live unless a person says otherwise (XDG)."""
    return Path(platformdirs.user_state_dir("har-stream"))


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(_Section):
    """Encryption to the broker; certificates are always verified."""

    ca_file: UserPath | None = Field(None, description="CA certificate; none: the system's")
    cert_file: UserPath | None = Field(None, description="client certificate")
    key_file: UserPath | None = Field(None, description="its key")


class BrokerSettings(_Section):
    """The MQTT broker. A password comes from a file or from HAR_MQTT_PASSWORD, never from YAML."""

    url: str | None = Field(
        None, description="mqtt://host:1883 or mqtts://host:8883; none: 127.0.0.1:1883"
    )
    username: str | None = None
    password_file: UserPath | None = Field(None, description="readable by its owner alone")
    tls: TlsSettings | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"


class DecidingSettings(_Section):
    """Overrides, for one camera, of what the bundle says of deciding; see `Deciding`."""

    reject_below: Fraction | None = None
    margin_below: Fraction | None = None
    enter_above: Fraction | None = None
    leave_below: Fraction | None = None
    min_dwell_s: float | None = Field(None, ge=0)
    average_s: float | None = Field(None, ge=0)
    idle_after_s: float | None = Field(None, ge=0)
    urgent: tuple[str, ...] | None = None


class CameraSettings(_Section):
    """One camera."""

    source: Source = Field(description="index, file, folder, rtsp://, http:// or sim:SEED")
    name: Id | None = Field(None, description="none: made from the source")
    room: str | None = None
    enabled: bool = True
    region: Region | None = Field(
        None, description="left, top, right, bottom of the part to look at, each 0..1"
    )
    masks: tuple[Region, ...] = Field((), description="parts that are blackened, each 0..1")
    motion_gate: bool = Field(False, description="hold the last decision while nothing moves")
    deciding: DecidingSettings = DecidingSettings()

    @property
    def id(self) -> str:
        """The camera's id on the wire."""
        if self.name:
            return self.name
        if self.source.isdigit():
            return f"cam{self.source}"
        return as_id(Path(self.source.split("?")[0].rsplit("@", 1)[-1]).stem or "cam")


class DiscoverySettings(_Section):
    """Home Assistant's MQTT discovery."""

    enabled: bool = True
    prefix: str = "homeassistant"
    style: Literal["single", "device"] = "single"


def _checked_topic(topic: str) -> str:
    if not topic or any(character in topic for character in "+#\0"):
        raise ValueError(f"{topic!r} is no topic to publish to: no wildcard, please")
    return topic


def _as_payload(payload: object) -> object:
    """To YAML a bare ON or OFF is true or false; here the words themselves are meant."""
    return {True: "ON", False: "OFF"}[payload] if isinstance(payload, bool) else payload


Payload = Annotated[str, BeforeValidator(_as_payload)]


class RuleSettings(_Section):
    """Forecast -> action: publish when an activity is likely soon."""

    name: Id
    activity: str
    within: Literal["15min", "60min", "180min"]
    probability: Fraction = Field(description="on at or above this")
    release: Fraction | None = Field(None, description="off below this; none: 0.1 under it")
    cool_down_s: float = Field(600.0, ge=0, description="at least this long between two actions")
    topic: Annotated[str, AfterValidator(_checked_topic)]
    payload_on: Payload = "ON"
    payload_off: Payload | None = Field("OFF", description="none: say nothing")
    retain: bool = False
    dry_run: bool = Field(False, description="say what it would do, do nothing")

    @model_validator(mode="after")
    def _hysteresis_holds(self) -> "RuleSettings":
        if self.release is not None and self.release > self.probability:
            raise ValueError("release must not be above probability, or it would flap")
        return self


def _refuse_twins(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two {what} are called {', '.join(twice)}; give each a name of its own")


class ForecastSettings(_Section):
    """har-forecast."""

    model: Literal["hmm", "dbn"] = "dbn"
    path: UserPath | None = Field(None, description="a model made by train-hmm; none: learn online")
    bundle: str | None = Field(None, description="whose confusion matrix bare labels are read by")
    journal: str | None = Field(None, description="SQLAlchemy URL; none: SQLite in the state dir")
    retention_days: int | None = Field(None, ge=1, description="none: keep everything")
    refresh_s: float = Field(60.0, gt=0, description="a new forecast at least this often")
    binary_sensors: tuple[str, ...] = Field((), description="activities with a 'likely' sensor")
    likely_above: Fraction = 0.7
    rules: tuple[RuleSettings, ...] = ()

    @model_validator(mode="after")
    def _rules_differ(self) -> "ForecastSettings":
        _refuse_twins("rules", [rule.name for rule in self.rules])
        return self


class Settings(_Section):
    """All of it; every key has a default but `cameras[].source`."""

    node: Id = Field(default_factory=lambda: as_id(socket.gethostname()))
    home: Id = "home1"
    base_topic: str = "har"
    broker: BrokerSettings = BrokerSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    bundle: str | None = None
    engine: Literal["auto", "litert", "keras"] = "auto"
    cameras: tuple[CameraSettings, ...] = ()
    state_dir: UserPath = Field(default_factory=state_dir)
    forecast: ForecastSettings = ForecastSettings()
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="/metrics and /healthz on 127.0.0.1; none: off"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _ids_differ(self) -> "Settings":
        _refuse_twins("cameras", [camera.id for camera in self.cameras])
        return self


def load(path: Path) -> Settings:
    """Read settings from a YAML file.

    Raises:
        InputError: With file, line, the offending key or value, and the nearest valid key; one
            line for each problem.
    """
    return yaml_file.read(path, Settings)


def override(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return the settings with other values for some of their keys.

    Args:
        settings: What was read, if anything.
        changes: New values by key; a mapping changes the keys of its section and leaves the rest.

    Raises:
        InputError: A value is not valid; the message names its key.
    """
    content = settings.model_dump(exclude_unset=True)
    for key, value in changes.items():
        section = isinstance(value, Mapping)
        content[key] = {**content.get(key, {}), **value} if section else value
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise InputError("; ".join(yaml_file.problems(error))) from error


def password(broker: BrokerSettings) -> str | None:
    """The broker's password, from its file or from HAR_MQTT_PASSWORD.

    Raises:
        InputError: The file is missing, or others can read it.
    """
    if broker.password_file is None:
        return os.environ.get("HAR_MQTT_PASSWORD")
    path = broker.password_file
    try:
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others may read this password file; run chmod 600 {path}")
        return path.read_text().rstrip("\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
