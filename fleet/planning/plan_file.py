"""The kept plan: a CSV file that says of every camera, home and lot what it is in."""

import csv
from pathlib import Path

from fleet.planning.plan import Plan
from har_stream.config.ids import is_id
from har_stream.core.atomic_file import replacing
from har_stream.core.errors import InputError

HEADER = ["kind", "name", "in"]


def read_plan(path: Path) -> Plan:
    """Read a plan; an empty one where there is no file yet.

    Raises:
        InputError: With file and line; it is no plan, or not all of one.
    """
    tables: dict[str, dict[str, str]] = {"camera": {}, "home": {}, "lot": {}}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
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
                if name in tables[kind]:
                    raise InputError(
                        f"{path}:{lines.line_num}: {kind} {name} is there twice; restore the file"
                    )
                tables[kind][name] = within
    except FileNotFoundError:
        return Plan()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: this is no plan: {error}") from error
    plan = Plan(tables["camera"], tables["home"], tables["lot"])
    wrong = _what_is_wrong(plan)
    if wrong:
        raise InputError(f"{path}: {wrong}; restore the file")
    return plan


def _what_is_wrong(plan: Plan) -> str:
    """Say what no plan that was kept can be like."""
    lots = {*plan.lots.values()}
    if not lots:
        return "no camera is in this plan"
    if homeless := lots - plan.machines.keys():
        return f"lot {min(homeless)} has no line of its own"
    if empty := plan.machines.keys() - lots:
        return f"lot {min(empty)} has no camera"
    # Lots and partitions become logins: names of files, and lines of access lists.
    names = {*lots, *plan.partitions.values(), *plan.machines.values()}
    return next((f"{name!r} is no valid id" for name in sorted(names) if not is_id(name)), "")


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan, whole or not at all.

    Lots come last, so that in a file that was cut short some camera's lot has no line.

    Raises:
        InputError: It cannot be written.
    """
    try:
        with replacing(path) as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(HEADER)
            for kind, table in (
                ("camera", plan.lots),
                ("home", plan.partitions),
                ("lot", plan.machines),
            ):
                lines.writerows((kind, name, within) for name, within in table.items())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
