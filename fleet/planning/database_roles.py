"""Who may do what in the fleet's PostgreSQL: a role for each lot, which sees its own rows alone.

The tables belong to whoever runs `har-fleet`; a lot needs no right to make, change or drop any.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator

from fleet.planning.plan import Plan

_RIGHTS = {
    "fleet_version": "SELECT",
    "fleet_lots": "SELECT, INSERT, UPDATE",
    "fleet_cameras": "SELECT, INSERT, UPDATE",
    "fleet_events": "SELECT, INSERT, UPDATE, DELETE",
}
_OWN_ROWS = ("fleet_lots", "fleet_cameras", "fleet_events")
CONNECTIONS = 5
"""So many has a lot at once, at most."""
_N_ROUNDS = 4096


def database_roles(name: str, plan: Plan, passwords: dict[str, str]) -> Iterator[str]:
    """Yield SQL for the owner of the tables, to be run again whenever the plan has changed.

    Args:
        name: Of the fleet.
        plan: Its lots.
        passwords: By lot; one without signs in as PostgreSQL is set up to let it.
    """
    group = f"{name}-lots"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
    yield from _make_role(group, "NOLOGIN")
    for table, rights in _RIGHTS.items():
        yield f'GRANT {rights} ON {table} TO "{group}";'
    for table in _OWN_ROWS:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        yield f'DROP POLICY IF EXISTS "{group}" ON {table};'
        yield f'CREATE POLICY "{group}" ON {table} TO "{group}" USING (lot = current_user);'
    for lot in sorted(plan.machines):
        yield from _make_role(lot, f"LOGIN CONNECTION LIMIT {CONNECTIONS}")
        yield f'GRANT "{group}" TO "{lot}";'
        if lot in passwords:
            yield f"""ALTER ROLE "{lot}" PASSWORD '{scram_verifier(passwords[lot])}';"""


def pgpass_lines(passwords: dict[str, str]) -> Iterable[str]:
    """Return the lines of a `PGPASSFILE` for the roles of lots."""
    return (f"*:*:*:{lot}:{password}\n" for lot, password in passwords.items())


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


def _make_role(name: str, options: str) -> Iterator[str]:
    made = f"""CREATE ROLE "{name}" {options};"""
    yield f"DO $$ BEGIN {made} EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
