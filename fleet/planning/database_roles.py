"""Who may do what in the fleet's PostgreSQL: a role for each lot and partition, with its own rows.

The tables belong to whoever runs `har-fleet`; lots and partitions may make, change or drop none.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Mapping

from fleet.planning.plan import Plan

_RIGHTS_OF_LOTS = {
    "fleet_version": "SELECT",
    "fleet_lots": "SELECT, INSERT, UPDATE",
    "fleet_cameras": "SELECT, INSERT, UPDATE",
    "fleet_events": "SELECT, INSERT, UPDATE, DELETE",
}
_ROWS_OF_LOTS = ("fleet_lots", "fleet_cameras", "fleet_events")
_OF_HOMES = tuple(
    f"fleet_homes.{table}"
    for table in (
        "cameras",
        "contexts",
        "corrections",
        "deleted",
        "events",
        "lots",
        "rules",
        "running",
        "snapshots",
    )
)
"""Tables whose rows are of one home each; see `fleet.partitions.home_tables`."""
_RIGHTS_OF_PARTITIONS = {
    "fleet_version": "SELECT",
    "fleet_plan": "SELECT",
    "fleet_lots": "SELECT, INSERT, UPDATE",
    "fleet_homes.journal": "SELECT",
    "fleet_homes.partitions": "SELECT, INSERT, UPDATE",
    **dict.fromkeys(_OF_HOMES, "SELECT, INSERT, UPDATE, DELETE"),
}
_NAMED_IS_OWN = (
    "EXISTS (SELECT FROM public.fleet_plan"
    " WHERE home = current_setting('har.home') AND partition = current_user)"
)
"""Asked once a statement, not once a row: it is the same for all."""
CONNECTIONS = 5
"""So many has a lot at once, at most."""
CONNECTIONS_OF_PARTITION = 10
"""The same of a partition, whose threads have one each, and whose former owner may be frozen."""
_N_ROUNDS = 4096


def database_roles(name: str, plan: Plan, passwords: dict[str, str]) -> Iterator[str]:
    """Yield SQL for the owner of the tables, to be run again whenever the plan has changed.

    Args:
        name: Of the fleet.
        plan: Its lots and partitions.
        passwords: By role; one without signs in as PostgreSQL is set up to let it.
    """
    lots, partitions = f"{name}-lots", f"{name}-partitions"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
    yield from _make_group(lots, _RIGHTS_OF_LOTS)
    for table in _ROWS_OF_LOTS:
        yield from _make_policy(lots, table, f'TO "{lots}" USING (lot = current_user)')
    yield from _make_group(partitions, _RIGHTS_OF_PARTITIONS)
    yield f'GRANT USAGE ON SCHEMA fleet_homes TO "{partitions}";'
    of_one = f'TO "{partitions}" USING (lot = current_user)'
    yield from _make_policy(partitions, "fleet_lots", of_one)
    for table in ("fleet_plan", "fleet_homes.partitions"):  # whoever else may read them, reads all
        yield from _make_policy("all_rows", table, "USING (true)")
        yield from _restrict(partitions, table, "partition = current_user")
    for table in _OF_HOMES:  # they keep homes apart already; a partition may name its own alone
        yield from _restrict(partitions, table, _NAMED_IS_OWN)
    for group, members, limit in (
        (lots, {*plan.machines}, CONNECTIONS),
        (partitions, {*plan.partitions.values()}, CONNECTIONS_OF_PARTITION),
    ):
        for member in sorted(members):
            yield from _make_role(member, f"LOGIN CONNECTION LIMIT {limit}")
            yield f'GRANT "{group}" TO "{member}";'
            if member in passwords:
                verifier = scram_verifier(passwords[member])
                yield f"""ALTER ROLE "{member}" PASSWORD '{verifier}';"""


def pgpass_lines(passwords: dict[str, str]) -> Iterable[str]:
    """Return the lines of a `PGPASSFILE` for the roles of lots and partitions."""
    escapes = str.maketrans({":": r"\:", "\\": r"\\"})
    return (f"*:*:*:{role}:{word.translate(escapes)}\n" for role, word in passwords.items())


def scram_verifier(password: str, *, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password, which cannot be read from it (RFC 5803, RFC 7677)."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _N_ROUNDS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_64, stored_64, server_64 = (
        base64.b64encode(each).decode() for each in (salt, stored_key, server_key)
    )
    return f"SCRAM-SHA-256${_N_ROUNDS}:{salt_64}${stored_64}:{server_64}"


def _make_group(name: str, rights: Mapping[str, str]) -> Iterator[str]:
    yield from _make_role(name, "NOLOGIN")
    for table, of_it in rights.items():
        yield f'GRANT {of_it} ON {table} TO "{name}";'


def _restrict(group: str, table: str, own: str) -> Iterator[str]:
    return _make_policy(group, table, f'AS RESTRICTIVE TO "{group}" USING ({own})')


def _make_policy(name: str, table: str, what: str) -> Iterator[str]:
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
    yield f'DROP POLICY IF EXISTS "{name}" ON {table};'
    yield f'CREATE POLICY "{name}" ON {table} {what};'


def _make_role(name: str, options: str) -> Iterator[str]:
    made = f"""CREATE ROLE "{name}" {options};"""
    yield f"DO $$ BEGIN {made} EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
