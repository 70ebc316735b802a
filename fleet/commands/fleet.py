"""`har-fleet`: plans a fleet of cameras and homes, runs it, and says who may do what."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fleet.inventory.fleet import NO_DATABASE, Fleet, read_fleet
from fleet.planning.access_list import access_list, users, write_logins, write_pgpass
from fleet.planning.database_roles import database_roles
from fleet.planning.plan import Plan, compare_plans, make_plan
from fleet.planning.plan_file import read_plan, write_plan
from har_stream.core.command import MAX_PORT, command_parser, count, from_0_on, run_command
from har_stream.core.errors import InputError
from training.commands.arguments import add_fit_arguments

EXTRAS = {
    "fsspec": "archive",
    "keras": "train",
    "psycopg": "fleet",
    "pyarrow": "archive",
    "ray": "fleet",
    "scipy": "train",
    "sklearn": "train",
    "sqlalchemy": "fleet",
}
"""Packages that may be missing, and the extra that brings them."""
ADDRESSES = "auto, HOST:PORT or ray://HOST:PORT"
PASSED_ON = ("archive",)
"""Commands that hand flags on to others."""
N_NAMED = 5
"""Lots that are named of those that a change touches."""
EXAMPLES = """
examples:
  har-fleet plan fleet.yaml --dry-run          what would run where, and what would change
  har-fleet plan fleet.yaml                    ... and keep it, in plan.csv beside fleet.yaml
  har-fleet acl fleet.yaml --logins logins > har.acl      a login for each lot and partition
  mosquitto_passwd -U logins/passwd
  har-fleet acl fleet.yaml --logins logins --database | psql ...      a role for each
  har-fleet run fleet.yaml                     all lots on this machine; a Ray of its own
  har-fleet run fleet.yaml --address auto      ... on the machines of a running Ray
  har-fleet status fleet.yaml                  lots, machines, cameras online, frames, restarts
  har-fleet drain fleet.yaml m2                before m2 is switched off; --undo afterwards
  har-fleet move fleet.yaml fleet-00001 m2     this lot runs there; --undo: anywhere again
  har-fleet scale fleet.yaml m2 150            m2 carries more; --undo: as fleet.yaml says
  har-fleet restart fleet.yaml                 after an update: one lot after another
  har-fleet archive /mnt/footage --out events  recordings, by all cores of this machine
  har-fleet archive /mnt/footage --out events --address auto      ... of a running Ray's
  har-fleet fit CONFIG --data UCF50 --seeds 5  train-har fit, its networks on all machines

Cameras stand in fleet.yaml, in a CSV file (cameras_csv) or in a table of PostgreSQL
(cameras_table). A camera stays in its lot and a lot on its machine; adding or removing cameras
touches their lots alone.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `har-fleet`; returns the exit status."""
    parser = make_parser()
    options, others = parser.parse_known_args(argv)
    if others and options.command not in PASSED_ON:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if options.command in PASSED_ON:
        options.others = others
    return run_command("har-fleet", lambda: options.run(options), extras=EXTRAS)


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = command_parser(
        "har-fleet",
        "Carry more cameras and homes than one machine does.",
        examples=EXAMPLES,
    )
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )
    plan = _add_command(
        commands,
        "plan",
        "cut cameras into lots and place them on machines",
        "Say what would run where; keep it in plan.csv beside FLEET.yaml. What a camera that "
        "comes or goes does not touch stays as it is.",
    )
    plan.add_argument("--dry-run", action="store_true", help="say what would change, keep nothing")
    plan.set_defaults(run=_plan)
    acl = _add_command(
        commands,
        "acl",
        "print Mosquitto's access list of the kept plan, or PostgreSQL's roles",
        "Print what each lot and each partition may do, as Mosquitto's acl_file has it, or as SQL. "
        "FLEET.yaml says logins: DIR, so that they sign in as themselves.",
    )
    acl.add_argument(
        "--database",
        action="store_true",
        help="print SQL for a role of each lot and partition in its place, and make the tables",
    )
    acl.add_argument(
        "--logins",
        metavar="DIR",
        type=Path,
        help="make a password for each login that has none, in a file of its name, and all in "
        "passwd (Mosquitto) and pgpass (PostgreSQL)",
    )
    acl.set_defaults(run=_print_acl)
    run = _add_command(
        commands,
        "run",
        "run every lot on some machine, until ended",
        "Run every lot and partition of the kept plan, each in a process under Ray; one that dies, "
        "or whose machine does, is started again. Ctrl-C ends all of them.",
    )
    where = run.add_mutually_exclusive_group()
    where.add_argument(
        "--local",
        action="store_true",
        help="on a Ray of its own, which stands for all machines, here (the default)",
    )
    where.add_argument("--address", type=_ray_address, help=f"on a running Ray: {ADDRESSES}")
    status = _add_command(commands, "status", "how every lot fares, as har-fleet run last said")
    drain = _add_command(commands, "drain", "have all lots leave a machine, before it is off")
    drain.add_argument("--undo", action="store_true", help="use it again")
    move = _add_command(commands, "move", "have a lot run on a machine while that is there")
    move.add_argument("--undo", action="store_true", help="it stays, and may go anywhere again")
    scale = _add_command(commands, "scale", "have a machine carry more cameras, or fewer")
    scale.add_argument("--undo", action="store_true", help="as many as FLEET.yaml says")
    restart = _add_command(
        commands,
        "restart",
        "restart lots one after another, each once the former works again",
        "Restart lots, then partitions, where they are: each once the former has decided something "
        "again. One that is not back after three minutes ends it.",
    )
    for command in (plan, acl, run, status, drain, move, scale, restart):
        command.add_argument(
            "fleet", metavar="FLEET.yaml", type=Path, help="machines, cameras, broker, database"
        )
    restart.add_argument(
        "names", metavar="NAME", nargs="*", help="a lot or partition; all, if none is named"
    )
    move.add_argument("lot", metavar="LOT", help="as plan.csv and har-fleet status name it")
    for command in (run, status, drain, move, scale, restart):
        command.set_defaults(run=_operate)
    for command in (drain, scale):
        command.add_argument("machine", metavar="MACHINE", help="one of machines in FLEET.yaml")
    move.add_argument("machine", metavar="MACHINE", nargs="?", help="one of machines in FLEET.yaml")
    scale.add_argument("cameras", metavar="CAMERAS", type=count, nargs="?", help="how many")
    _add_archive(commands)
    _add_fit(commands)
    for name in ("archive", "fit"):
        commands.choices[name].add_argument(
            "--address",
            type=_ray_address,
            help="on a running Ray (without: on one of its own, here)",
        )
    return parser


def _ray_address(text: str) -> str:
    found = re.fullmatch(r"auto|(ray://)?[^\s/]+:(?P<port>\d{1,5})", text)
    if not found or int(found["port"] or 0) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a Ray: {ADDRESSES}")
    return text


def _add_command(commands: Any, name: str, about: str, description: str = "") -> Any:
    """Add a command; without a description its one line in the list is that."""
    return commands.add_parser(name, help=about, description=description or f"{about}.")


def _add_archive(commands: Any) -> None:
    archive = commands.add_parser(
        "archive",
        help="recognise recordings on all machines",
        description="Recognise all recordings of a folder, a list, or an object store. Flags of "
        "har-stream --archive hold too: --bundle, --engine, --config, --room, --home, "
        "--clip-names, --start-at, --workers.",
    )
    archive.add_argument("source", metavar="SOURCE", help="folder, list, or s3://bucket/folder")
    archive.add_argument(
        "--out", metavar="FOLDER", type=Path, required=True, help="of events.parquet; made here"
    )
    archive.add_argument(
        "--journal",
        metavar="URL",
        help="add the events to this journal too: postgresql://USER@HOST/DATABASE (its password "
        "stands in ~/.pgpass), or sqlite:///FILE",
    )
    archive.set_defaults(run=_archive)


def _add_fit(commands: Any) -> None:
    fit = commands.add_parser(
        "fit",
        help="train-har fit, its networks on all machines",
        description="Do what train-har fit does: every fold, seed and refit is a network of its "
        "own, which some machine fits. CONFIG, clips and cache have the same paths on all.",
    )
    add_fit_arguments(fit)
    fit.add_argument(
        "--cores",
        metavar="N",
        type=count,
        default=1,
        help="of each network, and threads that it computes with (%(default)s)",
    )
    fit.add_argument(
        "--gpus", metavar="N", type=from_0_on, default=0.0, help="of each network (none)"
    )
    fit.set_defaults(run=_fit)


def _fit(options: argparse.Namespace) -> None:
    from fleet.commands.fit import fit

    fit(options)


def _archive(options: argparse.Namespace) -> int:
    from fleet.commands.archive import archive

    return archive(options, options.others)


def _operate(options: argparse.Namespace) -> None:
    """Do what needs a database or Ray, which take long to import."""
    from fleet.commands import operate

    for command, name in (("move", "machine"), ("scale", "cameras")):
        if options.command == command and options.undo == (getattr(options, name) is not None):
            raise InputError(f"{command}: give {name.upper()}, or --undo and no {name.upper()}")
    work = {
        "run": operate.run,
        "status": operate.show_status,
        "drain": operate.drain,
        "move": operate.move,
        "scale": operate.scale,
        "restart": operate.restart,
    }
    work[options.command](options)


def _plan(options: argparse.Namespace) -> None:
    fleet = read_fleet(options.fleet)
    earlier = read_plan(fleet.plan_file)
    plan = make_plan(fleet, earlier)
    _show(fleet, plan)
    _show_changes(earlier, plan)
    if not options.dry_run:
        write_plan(fleet.plan_file, plan)


def _show(fleet: Fleet, plan: Plan) -> None:
    sizes = Counter(plan.lots.values())
    n_lots = Counter(plan.machines.values())
    n_cameras: Counter[str] = Counter()
    for lot, machine in plan.machines.items():
        n_cameras[machine] += sizes[lot]
    capacities = fleet.settings.machines
    width = max(len("machine"), *map(len, capacities))
    print(f"{'machine':{width}}  cameras      of    lots")
    for machine, capacity in sorted(capacities.items()):
        print(f"{machine:{width}}  {n_cameras[machine]:7} {capacity:7} {n_lots[machine]:7}")
    print(
        f"cameras: {len(plan.lots)}, lots: {len(plan.machines)}, homes: {len(plan.partitions)}, "
        f"partitions: {len({*plan.partitions.values()})}"
    )


def _show_changes(earlier: Plan, plan: Plan) -> None:
    changes = compare_plans(earlier, plan)
    for what, lots in (
        ("new", changes.new),
        ("with other cameras", changes.changed),
        ("on another machine", changes.moved),
        ("gone", changes.gone),
    ):
        if lots:
            named = ", ".join(sorted(lots)[:N_NAMED]) + (", ..." if len(lots) > N_NAMED else "")
            print(f"lots {what}: {len(lots)} ({named})")
    n_untouched = len(plan.machines.keys() - changes.new - changes.changed - changes.moved)
    print(f"lots that nothing touches: {n_untouched}")


def _print_acl(options: argparse.Namespace) -> None:
    fleet = read_fleet(options.fleet)
    plan = read_plan(fleet.plan_file)
    passwords: dict[str, str] = {}
    if options.logins:
        names = users(plan)
        n_made = write_logins(options.logins, names)
        passwords = write_pgpass(options.logins, names)
        print(f"{options.logins}: {len(names)} in all, {n_made} new", file=sys.stderr)
        if fleet.settings.logins is None:
            print(
                f"{options.fleet}: nobody signs in with them until it says logins: FOLDER",
                file=sys.stderr,
            )
    if not options.database:
        print(*access_list(fleet, plan), sep="\n")
        return
    from fleet.partitions.home_tables import make_all_tables

    if fleet.settings.database is None:
        raise InputError(f"{options.fleet}: {NO_DATABASE}")
    make_all_tables(fleet.settings.database)
    if not fleet.settings.database_roles:
        print(
            f"{options.fleet}: nobody signs in with these roles until it says database_roles: true",
            file=sys.stderr,
        )
    print(*database_roles(fleet.settings.name, plan, passwords), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
