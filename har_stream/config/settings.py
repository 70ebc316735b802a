"""Settings: strict models read from YAML. An unknown key is an error with file, line and remedy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.forecast_settings import ForecastSettings
from har_stream.config.ids import Id, TopicPrefix
from har_stream.config.kept_node import default_node
from har_stream.config.problems import problems
from har_stream.config.section import Section, UserPath, refuse_twins
from har_stream.config.state_dir import default_state_dir
from har_stream.config.yaml_file import read_yaml
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK


class DiscoverySettings(Section):
    """Home Assistant's MQTT discovery."""

    enabled: bool = True
    prefix: TopicPrefix = "homeassistant"
    style: Literal["single", "device"] = "single"


class ClipSettings(Section):
    """Short clips that are kept on this machine to teach from; off unless asked for."""

    enabled: bool = False
    days: float = Field(14.0, gt=0, le=3650, description="of what nobody has labelled")
    labelled_days: float = Field(180.0, gt=0, le=3650, description="of what somebody has")
    max_clips: int = Field(500, ge=1, le=500)
    max_mb: float = Field(1000.0, gt=0, le=1e6)


def _as_enabled(given: object) -> object:
    """Read a bare ``false`` or ``true`` as `enabled`."""
    return {"enabled": given} if isinstance(given, bool) else given


def _as_broker(given: object) -> object:
    """Read a bare text as the URL."""
    return {"url": given} if isinstance(given, str) else given


def _as_cameras(given: object) -> object:
    """Read one camera, or cameras by their names, as a list; a bare source as a camera."""
    given = _as_camera(given)
    if isinstance(given, Mapping) and given.keys() & CameraSettings.model_fields.keys():
        return [given]
    if isinstance(given, Mapping):
        named = {str(name): _as_camera(camera) for name, camera in given.items()}
        return [
            {"name": name, **camera} if isinstance(camera, Mapping) else camera
            for name, camera in named.items()
        ]
    return [_as_camera(each) for each in given] if isinstance(given, list | tuple) else given


def _as_camera(given: object) -> object:
    is_source = isinstance(given, str | int) and not isinstance(given, bool)
    return {"source": given} if is_source else given


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no time zone that this machine knows; give one like Europe/Berlin"
        ) from error
    return name


Timezone = Annotated[str, AfterValidator(_checked_zone)]


class Settings(Section):
    """All of it; every key has a default but `cameras[].source`."""

    node: Id = Field(default_factory=default_node)
    home: Id = "home1"
    timezone: Timezone | None = Field(
        None, description="the home's, like Europe/Berlin; none: this machine's"
    )
    base_topic: TopicPrefix = "har"
    broker: Annotated[BrokerSettings, BeforeValidator(_as_broker)] = BrokerSettings()
    discovery: Annotated[DiscoverySettings, BeforeValidator(_as_enabled)] = DiscoverySettings()
    signing_key_file: UserPath | None = Field(
        None, description="signs what this node says; readable by its owner alone"
    )
    bundle: str | None = None
    engine: Literal["auto", "litert", "keras"] = "auto"
    keep_clips: Annotated[ClipSettings, BeforeValidator(_as_enabled)] = ClipSettings()
    cameras: Annotated[tuple[CameraSettings, ...], BeforeValidator(_as_cameras)] = ()
    state_dir: UserPath = Field(default_factory=default_state_dir)
    forecast: ForecastSettings = ForecastSettings()
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description=f"/metrics and /healthz on {LOOPBACK}; none: off"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _ids_differ(self) -> "Settings":
        by = ": --camera NAME=SRC, or name: in the configuration"
        refuse_twins("cameras", [camera.id for camera in self.cameras], by=by)
        return self

    @model_validator(mode="after")
    def _nothing_goes_in_circles(self) -> "Settings":
        ours = f"{self.base_topic}/"
        rules = {rule.topic: rule.name for rule in self.forecast.rules}
        for topic, name in rules.items():
            takes_orders = topic.endswith("/set") or "/bridge/request/" in topic
            if topic.startswith(ours) and not takes_orders:
                raise ValueError(f"rule {name} would overwrite {topic!r}, which we publish")
        for sensor in self.forecast.sensors:
            if sensor.topic.startswith(ours):
                raise ValueError(
                    f"sensor {sensor.name} listens to {sensor.topic!r}, which we publish: events "
                    "and contexts count anyway, and a forecast is no evidence"
                )
            if sensor.topic in rules:
                raise ValueError(
                    f"sensor {sensor.name} listens where rule {rules[sensor.topic]} publishes: "
                    "what we do is no evidence; give the topic on which the thing says its state"
                )
        return self


def zone_of(settings: Settings) -> ZoneInfo | None:
    """Return the home's time zone; ``None`` stands for this machine's, as `astimezone` has it."""
    return None if settings.timezone is None else ZoneInfo(settings.timezone)


def named_home(settings: Settings) -> str | None:
    """Return the home's name where a person gave one; a default names nobody's home."""
    return settings.home if "home" in settings.model_fields_set else None


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file.

    Raises:
        InputError: With file, line, the offending key or value, and the nearest valid key; one
            line for each problem.
    """
    return read_yaml(path, Settings)


def override_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
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
        raise InputError("; ".join(problems(error))) from error
