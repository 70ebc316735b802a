"""Settings of a fleet: its machines, its cameras or where they are listed, how they are cut."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings, Source, is_device
from har_stream.config.forecast_settings import ForecastSettings
from har_stream.config.ids import Id, TopicPrefix
from har_stream.config.section import Section, UserPath
from har_stream.config.settings import Timezone
from har_stream.config.state_dir import default_state_dir
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK, parse_url


def _without_password(url: str) -> str:
    parsed = parse_url(url)
    if parsed.scheme not in ("postgresql", "postgresql+psycopg"):
        raise ValueError("postgresql://user@host/database expected")
    if parsed.port and not parsed.port.isdecimal():
        raise ValueError("a number expected as the port: postgresql://user@host:5432/database")
    if parsed.password is not None or re.search("[?&](ssl)?password=", parsed.query):
        raise ValueError("no password here, please: it belongs into ~/.pgpass or PGPASSFILE")
    return f"postgresql+psycopg{url[url.index('://') :]}"


def _of_any_home(forecast: ForecastSettings) -> ForecastSettings:
    for name in ("journal", "rules", "sensors", "binary_sensors"):
        if getattr(forecast, name):
            raise ValueError(f"{name}: a fleet's homes have none; har-forecast of one home has")
    return forecast


def _without_end(source: str) -> str:
    """Refuse what the lot of the camera could not open, or would end with: others are in it too."""
    if source.startswith("sim:"):
        # Imported here: a real camera should not wait for the renderer.
        from har_stream.simulation.simulated_camera import parse_source

        try:
            parse_source(source)
        except InputError as error:
            raise ValueError(str(error)) from None
    elif not is_device(source) and not parse_url(source).scheme:
        raise ValueError(
            "a device (0, /dev/video0), an address such as rtsp://HOST/... or sim:SEED expected; "
            "a file ends, and is for har-fleet archive"
        )
    return source


DatabaseUrl = Annotated[str, AfterValidator(_without_password)]
"""As SQLAlchemy reads it, with the driver named."""


class FleetCamera(CameraSettings):
    """A camera of a fleet: no other has its name, and it is somebody's."""

    name: Id
    home: Id
    source: Annotated[Source, AfterValidator(_without_end)]


class FleetSettings(Section):
    """A fleet, as `fleet.yaml` has it; its paths are relative to that file."""

    name: Id = Field(
        "fleet",
        max_length=50,  # that of a role of PostgreSQL is 63: fleet-homes-00001
        description="what the names of lots and partitions begin with",
    )
    base_topic: TopicPrefix = "har"
    machines: Mapping[Id, Annotated[int, Field(ge=1)]] = Field(
        min_length=1, description="by name, how many cameras it carries"
    )
    lot_cameras: int = Field(50, ge=1, description="cameras of a lot, which one process watches")
    partition_homes: int = Field(1000, ge=1, description="homes of a partition")
    cameras: tuple[FleetCamera, ...] = ()
    cameras_csv: UserPath | None = Field(None, description="more cameras: a CSV file")
    cameras_table: str | None = Field(None, description="more cameras: a table of the database")
    broker: BrokerSettings = BrokerSettings()
    logins: UserPath | None = Field(
        None, description="folder with a password for each lot; none: all sign in as broker says"
    )
    timezone: Timezone | None = Field(
        None, description="the homes', like Europe/Berlin; none: that of each machine"
    )
    forecast: Annotated[ForecastSettings, AfterValidator(_of_any_home)] = ForecastSettings()
    bundle: str | None = None
    engine: Literal["auto", "litert", "keras"] = "auto"
    recognise_on: Literal["lot", "machine"] = Field(
        "lot", description="machine: one process for all lots of a machine, on its GPU"
    )
    state_dir: UserPath = Field(default_factory=default_state_dir)
    database: DatabaseUrl | None = None
    database_roles: bool = Field(
        False, description="each signs in to the database as itself: har-fleet acl --database"
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description=f"of har-fleet run: /metrics on {LOOPBACK}; none: off"
    )
    plan: Path = Field(Path("plan.csv"), description="which camera is in which lot; keep it")

    @model_validator(mode="after")
    def _has_database(self) -> "FleetSettings":
        if self.cameras_table and not self.database:
            raise ValueError("cameras_table needs the database that the table is in")
        return self

    @model_validator(mode="after")
    def _has_engine_of_machine(self) -> "FleetSettings":
        if self.recognise_on == "machine" and self.engine == "litert":
            raise ValueError("recognise_on: machine is for a GPU, engine: litert for processors")
        return self
