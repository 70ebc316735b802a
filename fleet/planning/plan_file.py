"""The kept plan: a CSV file that says of every camera, home and lot what it is in."""

import csv
from pathlib import Path

from fleet.planning.plan import Plan
from har_stream.core.atomic_file import replacing
from har_stream.core.errors import InputError

HEADER = ["kind", "name", "in"]


def read_plan(path: Path) -> Plan:
    """Read a plan; an empty one where there is no file yet.

    Raises:
        InputError: With file and line; it is no plan.
    """
    tables: dict[str, dict[str, str]] = {"camera": {}, "home": {}, "lot": {}}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            if next(lines, None) != HEADER:
                raise InputError(f"{path}:1: {','.join(HEADER)} expected; this is no plan")
            for cells in lines:
                if len(cells) != len(HEADER) or cells[0] not in tables or not all(cells):
                    raise InputError(
                        f"{path}:{lines.line_num}: camera, home or lot, its name, and what it is "
                        "in expected"
                    )
                kind, name, within = cells
                tables[kind][name] = within
    except FileNotFoundError:
        return Plan()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: this is no plan: {error}") from error
    plan = Plan(tables["camera"], tables["home"], tables["lot"])
    homeless = {*plan.lots.values()} - plan.machines.keys()
    if homeless:
        raise InputError(f"{path}: lot {min(homeless)} has no line of its own; restore the file")
    return plan


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan, whole or not at all.

    Raises:
        InputError: It cannot be written.
    """
    try:
        with replacing(path) as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(HEADER)
            for kind, table in (
                ("lot", plan.machines),
                ("home", plan.partitions),
                ("camera", plan.lots),
            ):
                lines.writerows((kind, name, within) for name, within in table.items())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
