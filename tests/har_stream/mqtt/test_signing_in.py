"""Signing in at a real Mosquitto: what is wrong is said in one line, and tried again in measure."""

import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.broker.certificates import Authority
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.node import Node, change, recognition
from support.repository import ROOT

from har_stream.config.broker_settings import BrokerSettings, TlsSettings
from har_stream.core.errors import InputError
from har_stream.mqtt import connection as mqtt_connection
from har_stream.mqtt.connection import Connection
from har_stream.publishing.delivery import LOOPBACK_S, REFUSED_RETRY_S
from har_stream.publishing.outbox import Outbox

ACL = ROOT / "configs" / "mosquitto.acl"
PASSWORD = "correct horse"  # noqa: S105 -- of a broker that lives for one test

pytestmark = pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("mosquitto_passwd")),
    reason="needs openssl and mosquitto_passwd: apt-get install openssl mosquitto",
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def tls_broker(
    make_mosquitto: Callable[..., Mosquitto], authority: Authority
) -> Callable[..., Mosquitto]:
    def make(name: str, *lines: str, **options: object) -> Mosquitto:
        certificate, key = authority.sign(name, **options)  # type: ignore[arg-type]
        files = (f"certfile {certificate}", f"keyfile {key}", f"cafile {authority.ca}")
        return make_mosquitto(*files, *lines, scheme="mqtts")

    return make


@pytest.fixture
def connect(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Connection]]:
    caplog.set_level(logging.INFO)
    made: list[Connection] = []

    def make(broker: Mosquitto, **settings: object) -> Connection:
        connection = Connection(
            BrokerSettings(url=broker.url, **settings),  # type: ignore[arg-type]
            client_id="c",
        )
        made.append(connection)
        return connection

    yield make
    for connection in made:
        connection.close()


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def _password_file(folder: Path, password: str) -> Path:
    path = folder / "password"
    path.write_text(password + "\n")
    path.chmod(0o600)
    return path


def _signed_up(folder: Path, **users: str) -> tuple[str, ...]:
    """Configuration lines of a broker that knows these users."""
    folder.mkdir(exist_ok=True)
    known = folder / "passwd"
    known.touch(mode=0o600)
    for name, password in users.items():
        subprocess.run(["mosquitto_passwd", "-b", str(known), name, password], check=True)
    return (f"password_file {known}",)


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
def test_a_verified_connection(tls_broker, authority, connect, protocol) -> None:
    connection = connect(
        tls_broker("good"), tls=TlsSettings(ca_file=authority.ca), protocol=protocol
    )
    connection.start(fail_fast=True)
    assert connection.is_connected


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "certificate.*; give the CA that signed it as broker.tls.ca_file"),
        ({"days": -1}, "certificate has expired; renew it"),
        ({"host": "DNS:elsewhere"}, "IP address mismatch.*; connect by a name that"),
    ],
    ids=["wrong CA", "expired", "wrong name"],
)
def test_a_certificate_that_is_not_trusted_is_said_once(
    tls_broker, authority, connect, caplog, monkeypatch, tmp_path, options, said, protocol
) -> None:
    monkeypatch.setattr(mqtt_connection, "RETRY_FIRST_S", 0.1)
    broker = tls_broker("server", **options)
    ca = authority.ca if options else Authority(tmp_path / "theirs").ca
    connection = connect(broker, tls=TlsSettings(ca_file=ca), protocol=protocol)
    connection.start()
    broker.wait_for_log("alert", 3)
    (line,) = _warnings(caplog)
    assert f"{broker.url}: its certificate is not trusted" in line
    assert re.search(said, line)
    with pytest.raises(InputError, match="not trusted"):
        connect(broker, tls=TlsSettings(ca_file=ca)).start(fail_fast=True)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_client_certificates(tls_broker, authority, connect, protocol) -> None:
    broker = tls_broker("strict", "require_certificate true")
    certificate, key = authority.sign("client")
    tls = TlsSettings(ca_file=authority.ca, cert_file=certificate, key_file=key)
    connection = connect(broker, tls=tls, protocol=protocol)
    connection.start(fail_fast=True)
    assert connection.is_connected
    connection.close()
    with pytest.raises(InputError, match="client certificate"):
        connect(broker, tls=TlsSettings(ca_file=authority.ca), protocol=protocol).start(
            fail_fast=True
        )


def test_tls_where_there_is_none_and_the_other_way_round(
    make_mosquitto, tls_broker, authority, connect
) -> None:
    plain = make_mosquitto(scheme="mqtts")
    with pytest.raises(InputError, match="not its TLS port"):
        connect(plain, tls=TlsSettings(ca_file=authority.ca)).start(fail_fast=True)
    guarded = tls_broker("guarded")
    guarded.url = guarded.url.replace("mqtts", "mqtt")
    with pytest.raises(InputError, match="hung up before answering"):
        connect(guarded).start(fail_fast=True)


@pytest.mark.parametrize("missing", ["ca_file", "cert_file"])
def test_a_file_that_is_not_there_is_named(tmp_path, missing) -> None:
    tls = TlsSettings(**{missing: tmp_path / "absent.crt"})
    with pytest.raises(InputError, match=r"absent\.crt"):
        Connection(BrokerSettings(url="mqtts://127.0.0.1", tls=tls), client_id="c")


def test_certificates_without_tls_are_a_mistake(tmp_path) -> None:
    with pytest.raises(InputError, match="not mqtts://"):
        Connection(BrokerSettings(url="mqtt://127.0.0.1", tls=TlsSettings()), client_id="c")


@pytest.mark.parametrize(
    "url", ["127.0.0.1", "http://a", "mqtt://", "mqtt://u:s3cret@a", "mqtt://a:99999"]
)
def test_a_url_that_cannot_be_used_is_said_without_its_credentials(url: str) -> None:
    with pytest.raises(InputError, match="broker URL") as refused:
        Connection(BrokerSettings(url=url), client_id="c")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_wrong_password_ends_the_start_in_one_line(
    make_mosquitto, connect, tmp_path, caplog, protocol
) -> None:
    broker = make_mosquitto(*_signed_up(tmp_path / "users", har=PASSWORD), anonymous=False)
    good = _password_file(tmp_path, PASSWORD)
    connection = connect(broker, username="har", password_file=good, protocol=protocol)
    connection.start(fail_fast=True)
    assert connection.is_connected
    connection.close()
    wrong = _password_file(tmp_path, "wr0ng")
    with pytest.raises(InputError, match=r"refuses us: .*; check broker.username") as refused:
        connect(broker, username="har", password_file=wrong, protocol=protocol).start()
    assert "wr0ng" not in str(refused.value) + caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_password_that_is_changed_meanwhile_is_said_once_and_tried_in_measure(
    make_mosquitto, connect, tmp_path, caplog, monkeypatch, protocol
) -> None:
    monkeypatch.setattr(mqtt_connection, "RETRY_FIRST_S", 0.1)
    users = tmp_path / "users"
    broker = make_mosquitto(*_signed_up(users, har=PASSWORD), anonymous=False)
    good = _password_file(tmp_path, PASSWORD)
    connection = connect(broker, username="har", password_file=good, protocol=protocol)
    again = threading.Semaphore(0)
    connection.on_connected(again.release)
    connection.start()
    assert again.acquire(timeout=60)
    broker.stop()
    _signed_up(users, har="another")
    broker.start()
    broker.wait_for_log("not authorised", 3)
    lost, refused = _warnings(caplog)
    assert "is lost" in lost
    assert "refuses us" in refused
    broker.stop()
    _signed_up(users, har=PASSWORD)
    broker.start()
    assert again.acquire(timeout=60)


def test_the_password_may_come_from_the_environment(
    make_mosquitto, connect, tmp_path, monkeypatch
) -> None:
    broker = make_mosquitto(*_signed_up(tmp_path / "users", har=PASSWORD), anonymous=False)
    monkeypatch.setenv("HAR_MQTT_PASSWORD", PASSWORD)
    connection = connect(broker, username="har")
    connection.start(fail_fast=True)
    assert connection.is_connected


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_whole_node_needs_no_more_than_the_documented_acl(
    make_mosquitto, tmp_path, caplog, monkeypatch, protocol
) -> None:
    users = _signed_up(tmp_path / "users", har=PASSWORD, homeassistant=PASSWORD)
    broker = make_mosquitto(*users, f"acl_file {ACL}", anonymous=False)
    monkeypatch.setenv("HAR_MQTT_PASSWORD", PASSWORD)
    settings = BrokerSettings(url=broker.url, username="har", protocol=protocol)
    node = Node(broker.url, tmp_path / "state", broker=settings)
    home_assistant = Listener(
        broker.port, "har/#", "homeassistant/#", username="homeassistant", password=PASSWORD
    )
    node.publisher.start()
    node.publisher.publish(recognition())
    node.publisher.publish(change())
    home_assistant.wait_for(lambda _: home_assistant.on("har/n1/cam1/event"))
    assert home_assistant.on("homeassistant/sensor/n1_cam1/activity/config")
    home_assistant.publish("har/n1/cam1/enabled/set", "OFF")
    home_assistant.wait_for(lambda _: b"OFF" in home_assistant.on("har/n1/cam1/enabled/state"))
    node.close()
    home_assistant.close()
    assert not _warnings(caplog)


def test_a_forbidden_topic_is_said_once_and_the_event_waits(
    make_mosquitto, tmp_path, caplog
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite har/n1/bridge/#\ntopic readwrite har/n1/availability\n")
    broker = make_mosquitto(f"acl_file {acl}", "log_type debug")
    node = Node(broker.url, tmp_path / "state", broker=BrokerSettings(url=broker.url, protocol="5"))
    node.publisher.start()
    for _ in range(2):
        node.publisher.publish(change())
    with listening(broker.port, "har/n1/bridge/response/health_check") as asker:
        for n_tries in (1, 2):
            broker.wait_for_log("'har/n1/cam1/event'", 2 * n_tries)
            asker.publish("har/n1/bridge/request/health_check", "")
            asker.wait_for(lambda came, n=n_tries: len(came) == n)  # the refusals came before it
            for _ in range(20):
                node.publisher.step()
            if n_tries == 1:
                node.now_s = REFUSED_RETRY_S + 1
                node.publisher.step()
    node.close()
    denied = [line for line in broker.log if "Denied" in line and "/cam1/event'" in line]
    assert len(denied) == 4
    states, discovery = sorted(_warnings(caplog))
    assert "forbids user 'anonymous' publishing to har/n1/cam1/" in states
    assert "forbids user 'anonymous' publishing to homeassistant/" in discovery
    assert Outbox(tmp_path / "state" / "outbox.db").depth() == 2


def test_what_mqtt_3_1_1_forbids_in_silence_is_said_once_and_the_event_stays(
    make_mosquitto, tmp_path, caplog
) -> None:
    acl = tmp_path / "acl"
    lines = ["topic readwrite har/n1/bridge/#", "topic readwrite homeassistant/#"]
    acl.write_text("\n".join([*lines, "topic readwrite har/n1/availability"]))
    broker = make_mosquitto(f"acl_file {acl}", "log_type debug")
    settings = BrokerSettings(url=broker.url, protocol="3.1.1")
    node = Node(broker.url, tmp_path / "state", broker=settings)
    node.publisher.start()
    for n_event in (1, 2):
        node.publisher.publish(change())
        broker.wait_for_log("Denied PUBLISH from har-stream-n1", n_event)
        while node.outbox.depth():  # it looks like success
            node.publisher.step()
        node.now_s += LOOPBACK_S + 1
        node.publisher.step()
    held = node.outbox.replay("cam1", 1).events
    node.close()
    (line,) = _warnings(caplog)
    assert "does not deliver it: so MQTT 3.1.1 hides a forbidden topic; its access list" in line
    assert len(held) == 2
