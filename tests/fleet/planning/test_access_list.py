"""On a real Mosquitto a lot speaks for itself alone, a partition hears its own homes alone."""

import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto

from fleet.inventory.fleet import Fleet, read_fleet
from fleet.planning.access_list import access_list, users, write_logins, write_pgpass
from fleet.planning.plan import Plan, make_plan
from har_stream.config.broker_settings import BrokerSettings
from har_stream.core.errors import InputError
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.probe import open_probe

OWN, OTHER = "city-00001", "city-00002"


@pytest.fixture
def fleet(write_fleet: Callable[..., Path]) -> Fleet:
    """Two lots of three cameras; homes h0 and h1 are of one partition, h2 of another."""
    return read_fleet(write_fleet(6))


@pytest.mark.skipif(
    not shutil.which("mosquitto_passwd"), reason="needs mosquitto_passwd: apt-get install mosquitto"
)
def test_each_login_may_do_its_own_work_and_nothing_else(
    fleet: Fleet, make_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    plan = make_plan(fleet, Plan())
    logins = tmp_path / "logins"
    assert write_logins(logins, users(plan)) == 4
    (tmp_path / "acl").write_text("\n".join(access_list(fleet, plan)))
    subprocess.run(["mosquitto_passwd", "-U", logins / "passwd"], check=True, capture_output=True)
    broker = make_mosquitto(
        *(f"acl_file {tmp_path / 'acl'}", f"password_file {logins / 'passwd'}"), anonymous=False
    )

    def settings(user: str) -> BrokerSettings:
        return BrokerSettings(url=broker.url, username=user, password_file=logins / user)

    with pytest.raises(InputError, match="refuses us"):
        Connection(BrokerSettings(url=broker.url), client_id="x").start(fail_fast=True)
    with (
        open_probe(settings("city-homes-00001"), "har/#") as partition,
        Connection(settings(OWN), client_id=OWN) as lot,
        Connection(settings(OTHER), client_id=OTHER) as other,
    ):
        for sender in (other, lot):  # what the first may not say comes before what the second may
            for topic in (f"{OWN}/c00/event", f"{OTHER}/c03/event", f"{OTHER}/c04/event"):
                sender.publish(f"har/{topic}", topic)
        lot.publish("har/home/h0/forecast", "forged")
        partition.publish(f"har/{OWN}/bridge/request/info", "asked")
        partition.publish("har/home/h1/forecast", "mine")
        assert partition.wait_until(lambda: bool(partition.payloads("har/home/h1/forecast")))
        for topic in (f"har/{OWN}/c00/event", f"har/{OTHER}/c03/event"):
            assert partition.wait_until(lambda topic=topic: bool(partition.payloads(topic)))
        heard = partition.last_payloads().keys()
    assert heard == {f"har/{OWN}/c00/event", f"har/{OTHER}/c03/event", "har/home/h1/forecast"}
    assert partition.payloads(f"har/{OWN}/c00/event") == [f"{OWN}/c00/event".encode()]


def test_a_login_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "logins"
    assert write_logins(folder, ["a"]) == 1
    password = (folder / "a").read_text()
    assert write_logins(folder, ["a", "b"]) == 1
    assert (folder / "a").read_text() == password
    assert len(password) > 40
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {0o600}
    assert (folder / "passwd").read_text().startswith(f"a:{password}b:")


def test_lines_that_somebody_added_for_other_roles_stay(tmp_path: Path) -> None:
    write_logins(tmp_path, ["a", "b"])
    write_pgpass(tmp_path, ["a", "b"])
    added = "# the owner\ndb:5432:har:har:secret\n\\:\\:1:*:*:*:x"
    with (tmp_path / "pgpass").open("a") as file:
        file.write(added)
    password = write_pgpass(tmp_path, ["a"])["a"]
    assert (tmp_path / "pgpass").read_text() == f"*:*:*:a:{password}\n{added}"


def test_a_password_of_ones_own_is_taken_over_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("my: own\\word\n")
    (tmp_path / "a").chmod(0o600)
    assert write_logins(tmp_path, ["a"]) == 0
    assert write_pgpass(tmp_path, ["a"]) == {"a": "my: own\\word"}
    assert (tmp_path / "passwd").read_text() == "a:my: own\\word\n"
    assert (tmp_path / "pgpass").read_text() == "*:*:*:a:my\\: own\\\\word\n"


@pytest.mark.parametrize("content", [b"", b"one\nadmin:two\n", b"\xff"])
def test_a_login_that_holds_no_password_is_said(tmp_path: Path, content: bytes) -> None:
    """Taken as it is, anybody could sign in with none, or a line of it became another login."""
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "a").chmod(0o600)
    with pytest.raises(InputError, match=r"/a: .*one line"):
        write_logins(tmp_path, ["a"])
    assert not (tmp_path / "passwd").exists()


def test_a_camera_that_is_in_no_lot_yet_is_said(fleet: Fleet) -> None:
    with pytest.raises(InputError, match=r"camera c00 is in no lot yet; run har-fleet plan first"):
        list(access_list(fleet, Plan()))
