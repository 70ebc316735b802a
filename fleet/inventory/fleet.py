"""A fleet as it is given: its settings, and every camera of the YAML file and of its tables."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fleet.inventory.camera_tables import Row, read_csv, read_table
from fleet.inventory.fleet_settings import FleetCamera, FleetSettings
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.problems import MAX_SAID, problems
from har_stream.config.yaml_file import read_yaml
from har_stream.core.errors import InputError

NO_DATABASE = "database is missing: a line such as database: postgresql://har@db.example/har"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a person says of a fleet.

    Attributes:
        settings: All but the cameras of tables.
        cameras: All of them, in the order of file, CSV and table; their names differ.
        plan_file: Where its plan is kept.
    """

    settings: FleetSettings
    cameras: tuple[FleetCamera, ...]
    plan_file: Path

    def broker_of(self, login: str) -> BrokerSettings:
        """Return how a lot or a partition signs in."""
        broker, logins = self.settings.broker, self.settings.logins
        if logins is None:
            return broker
        password = self.plan_file.parent / logins / login
        told = {"username": login, "password_file": password.absolute()}
        return broker.model_copy(update=told)

    def database_of(self, login: str) -> str:
        """Return the database's URL for a lot or a partition, which may sign in as itself.

        Raises:
            InputError: The fleet has no database.
        """
        from sqlalchemy import make_url  # which a plan of cameras in files does without

        if self.settings.database is None:
            raise InputError(f"{self.plan_file.parent}: {NO_DATABASE}")
        url = make_url(self.settings.database)
        own = url.set(username=login) if self.settings.database_roles else url
        return own.render_as_string(hide_password=False)


def read_fleet(path: Path) -> Fleet:
    """Read `fleet.yaml` and the tables that it names.

    Raises:
        InputError: With file, line (of PostgreSQL: table and camera), key or value; one line for
            each problem, the first 20.
    """
    with _without_collections():
        return _read(path)


def _read(path: Path) -> Fleet:
    settings = read_yaml(path, FleetSettings)
    cameras: list[FleetCamera] = []
    places: dict[str, str] = {}
    found: list[str] = []
    for camera in settings.cameras:
        _note_twin(camera, str(path), places, found)
        cameras.append(camera)
    for where, row in _rows(settings, path.parent):
        try:
            camera = FleetCamera.model_validate(row)
        except ValidationError as error:
            found += [f"{where}: {said}" for said in problems(error, FleetCamera)]
        else:
            _note_twin(camera, where, places, found)
            cameras.append(camera)
        if len(found) >= MAX_SAID:
            break
    if found:
        raise InputError("\n".join(found[:MAX_SAID]))
    if not cameras:
        raise InputError(
            f"{path}: no camera; list them as cameras, or name a table: cameras_csv: cameras.csv"
        )
    return Fleet(settings, tuple(cameras), path.parent / settings.plan)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Pause Python's search for cycles: there are none among so many settings to be found."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _rows(settings: FleetSettings, folder: Path) -> Iterator[Row]:
    if settings.cameras_csv is not None:
        yield from read_csv(folder / settings.cameras_csv)
    if settings.cameras_table is not None and settings.database is not None:
        yield from read_table(settings.database, settings.cameras_table)


def _note_twin(camera: FleetCamera, where: str, places: dict[str, str], found: list[str]) -> None:
    if camera.name in places:
        found.append(
            f"{where}: another camera is called {camera.name} ({places[camera.name]}); give each "
            "a name of its own"
        )
    places[camera.name] = where
