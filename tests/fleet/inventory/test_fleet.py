"""Cameras come from YAML, CSV and PostgreSQL alike; what is wrong is named by its line."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy
from support.processes.postgresql import PostgreSQL
from support.repository import ROOT

from fleet.inventory.fleet import read_fleet
from fleet.inventory.fleet_settings import FleetSettings
from har_stream.core.errors import InputError

MACHINES = "machines: {m1: 6}\n"


def _write(folder: Path, yaml: str, csv: str | bytes = b"") -> Path:
    (folder / "cameras.csv").write_bytes(csv.encode() if isinstance(csv, str) else csv)
    path = folder / "fleet.yaml"
    path.write_text(MACHINES + yaml)
    return path


def test_cameras_of_yaml_and_csv_are_read_with_their_settings(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        "cameras:\n- {name: a, home: h1, source: 0, region: [0, 0, 0.5, 1]}\n"
        "cameras_csv: cameras.csv\nplan: kept/plan.csv\n",
        "\ufeffname,home,source,room,enabled,transport\nb,h1,rtsp://cam/1,kitchen,false,udp\n\n"
        '"c",h2,sim:3,"living, dining",,\n',
    )
    fleet = read_fleet(path)
    assert [camera.id for camera in fleet.cameras] == ["a", "b", "c"]
    a, b, c = fleet.cameras
    assert a.region == (0, 0, 0.5, 1)
    assert (b.room, b.enabled, b.transport) == ("kitchen", False, "udp")
    assert (c.home, c.room, c.enabled, c.transport) == ("h2", "living, dining", True, "tcp")
    assert fleet.plan_file == tmp_path / "kept" / "plan.csv"


def test_the_example_is_valid_and_names_every_key() -> None:
    path = ROOT / "configs" / "fleet.yaml"
    assert [camera.id for camera in read_fleet(path).cameras] == ["kitchen-17"]
    named = set(re.findall(r"^#?(\w+):", path.read_text(), re.MULTILINE))
    assert named == FleetSettings.model_fields.keys()


@pytest.mark.parametrize(
    ("yaml", "csv", "said"),
    [
        ("camera_csv: x\n", "", r"fleet.yaml:2: unknown key 'camera_csv'; did you mean"),
        ("cameras: [{name: a, source: 0}]\n", "", "fleet.yaml:2: cameras.0.home is missing"),
        ("lot_cameras: 0\n", "", "fleet.yaml:2: lot_cameras: 1 or more expected, not 0"),
        ("cameras_table: t\n", "", "needs the database"),
        (f"name: {51 * 'n'}\n", "", "fleet.yaml:2: name: 50 characters at most expected"),
        ("recognise_on: machine\nengine: litert\n", "", "recognise_on: machine is for a GPU"),
        ("database: mysql://db/har\n", "", "fleet.yaml:2: database: postgresql://user@host"),
        ("database: postgresql://har:pw@db/har\n", "", "~/.pgpass"),
        ("database: postgresql://har@db/har?sslmode=require&password=pw\n", "", "~/.pgpass"),
        ("database: postgresql://har@db:port/har\n", "", "fleet.yaml:2: database: a number expect"),
        ("", "", "fleet.yaml: no camera; list them as cameras, or"),
        ("cameras_csv: none.csv\n", "", "none.csv: cannot be read: No such file"),
        ("CSV", "name,home,source\na,h1\n", r"cameras.csv:2: 3 cells expected as in line 1, not 2"),
        ("CSV", "name,source\n", "cameras.csv:1: column 'home' is missing"),
        ("CSV", "", "cameras.csv:1: column 'name' is missing"),
        ("CSV", "name,home,source,rom\n", "cameras.csv:1: unknown column 'rom'; did you mean"),
        ("CSV", "name,home,source,name\n", "cameras.csv:1: column 'name' is there twice"),
        ("CSV", "name,home,source\nA b,h1,0\n", "cameras.csv:2: name: 'A b' is no valid id"),
        ("CSV", "name,home,source\na,h1,\n", "cameras.csv:2: source is missing"),
        (
            "CSV",
            "name,home,source\na,h1,rtsp//me:secret@cam/1\n",
            "csv:2: source: a device .* expec",
        ),
        ("CSV", "name,home,source\na,h1,film.mp4\n", "cameras.csv:2: source: .* a file ends"),
        ("CSV", "name,home,source\na,h1,sim:7?romo=hall\n", "csv:2: source: sim:7.*'romo'; valid"),
        (
            "CSV",
            'name,home,source,transport\na,h1,"0\n",tcp\nb,h1,0,tpc\n',
            "cameras.csv:4: transport: 'tcp' or 'udp' expected, not 'tpc'",
        ),
        ("CSV", "name,home,source\na,h1,0\na,h2,1\n", r"csv:3: another .* called a \(.*csv:2\)"),
        ("CSV", b"name,home,source\n\xff,h1,0\n", "cameras.csv: is not UTF-8 text"),
        ("CSV", 'name,home,source\na,h1,"0', "cameras.csv:.: not valid CSV"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, yaml: str, csv: str | bytes, said: str
) -> None:
    path = _write(tmp_path, "cameras_csv: cameras.csv\n" if yaml == "CSV" else yaml, csv)
    with pytest.raises(InputError, match=said):
        read_fleet(path)


def test_twenty_problems_are_said_a_line_each_and_no_password(tmp_path: Path) -> None:
    rows = "".join(f"c{n},h1,ftp://har:secret@cam{n}\n" for n in range(100))
    path = _write(tmp_path, "cameras_csv: cameras.csv\n", f"name,home,source\n{rows}")
    with pytest.raises(InputError) as caught:
        read_fleet(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 20
    assert ":21: source: no camera speaks ftp://; known are" in lines[19]
    assert "secret" not in str(caught.value)


def test_a_table_of_postgresql_is_read_like_a_csv_file(
    tmp_path: Path, postgresql: PostgreSQL, write_fleet: Callable[..., Path]
) -> None:
    engine = sqlalchemy.create_engine(postgresql.url)
    with engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA inventory",
            "CREATE TABLE inventory.cams (name text, home text, source text, motion_gate boolean)",
            "INSERT INTO inventory.cams VALUES ('t2', 'h9', 'sim:2', true)",
            "INSERT INTO inventory.cams VALUES ('t1', 'h9', '0', null)",
            "CREATE TABLE wrong (name text, home text, source text)",
            "INSERT INTO wrong VALUES ('t2', 'h 9', 'sim:2')",
        ):
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()
    database = f"database: {postgresql.url}\ncameras_table: "
    path = write_fleet(1, f"{MACHINES}{database}inventory.cams\n")
    assert [(camera.id, camera.motion_gate) for camera in read_fleet(path).cameras] == [
        ("c00", False),
        ("t1", False),
        ("t2", True),
    ]
    for table, said in (
        ("wrong", "table wrong, camera 't2': home: 'h 9' is no valid id"),
        ("absent", "there is no table 'absent'"),
    ):
        with pytest.raises(InputError, match=said):
            read_fleet(write_fleet(1, f"{MACHINES}{database}{table}\n"))


def test_a_database_that_is_away_is_one_line(write_fleet: Callable[..., Path]) -> None:
    database = "database: postgresql://har@127.0.0.1:9/har\ncameras_table: t\n"
    with pytest.raises(
        InputError, match=r"^postgresql\+psycopg://\*\*\*@127.0.0.1:9/har: .*refused"
    ):
        read_fleet(write_fleet(1, MACHINES + database))
