"""A broker of our own: Mosquitto or amqtt, there when asked for, gone with whom it serves."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from support.broker import real_broker
from support.broker.real_broker import HOW_TO_INSTALL, Listener, free_port, listening
from support.processes.node import Node, change

from har_stream.config.broker_settings import BrokerSettings
from har_stream.core.errors import InputError
from har_stream.mqtt import broker_address
from har_stream.mqtt.broker_address import default_address, read_address
from har_stream.mqtt.brokers import embedded_broker
from har_stream.mqtt.brokers.embedded_broker import ensure_broker, is_listening, run_broker
from har_stream.mqtt.connection import Connection


def _run(*arguments: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "har_stream.mqtt.brokers.embedded_broker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def _listening_addresses(port: int) -> set[str]:
    """Where this machine listens on a port, as the kernel says."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening_rows = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {
        socket.inet_ntoa(bytes.fromhex(host)[::-1])
        for host, hex_port in listening_rows
        if int(hex_port, 16) == port
    }


needs_mosquitto = pytest.mark.skipif(real_broker.PROGRAM is None, reason=HOW_TO_INSTALL)
either = pytest.mark.parametrize("flags", [pytest.param([], marks=needs_mosquitto), ["--amqtt"]])


@either
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_on_a_signal(sign: signal.Signals, flags) -> None:
    process = _run("--port", "0", *flags)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("har-broker listens on mqtt://127.0.0.1:")
    assert is_listening(read_address(said.split()[-1]))
    process.send_signal(sign)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


@either
def test_a_taken_port_is_one_line_and_status_2(flags) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = _run("--port", str(port), *flags)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}: cannot listen" in stderr


@needs_mosquitto
def test_mosquitto_is_taken_where_it_is_open_to_this_machine_and_keeps_nothing(tmp_path) -> None:
    process = _run("--port", "0", cwd=tmp_path)
    assert process.stdout is not None
    port = read_address(process.stdout.readline().split()[-1]).port
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert Path(f"/proc/{child}/exe").resolve() == Path(str(real_broker.PROGRAM)).resolve()
    with listening(port, "#") as listener:  # of MQTT 5, without a password
        listener.publish("kept", "x", retain=True)
        listener.wait_for(len)
    assert _listening_addresses(port) == {"127.0.0.1"}
    process.terminate()
    process.communicate(timeout=60)
    assert not Path(f"/proc/{child}").exists()
    assert not list(tmp_path.iterdir())


@needs_mosquitto
def test_mosquitto_that_ends_by_itself_ends_the_command_with_a_line() -> None:
    process = _run("--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "mosquitto has ended: no word of why" in stderr


def test_where_none_answers_and_none_starts_one_line_says_both(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(broker_address, "DEFAULT_PORT", port := free_port())
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\necho '1795792168: Error: it burns' >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    says = f"no broker answers on mqtt://127.0.0.1:{port}, and {program} has ended: Error: it burns"
    with pytest.raises(InputError, match=says):
        ensure_broker(None).__enter__()


def test_with_neither_one_line_says_both_remedies(monkeypatch, capsys) -> None:
    monkeypatch.setattr(embedded_broker, "find_mosquitto", lambda: None)
    monkeypatch.setitem(sys.modules, "amqtt.adapters", None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, "har_stream.mqtt.brokers.broker_amqtt", raising=False)
    assert embedded_broker.main(["--port", "0"]) == 2
    assert capsys.readouterr().err == (
        "har-broker: no broker is installed: apt-get install mosquitto, "
        "or pip install 'har-stream[demo]'\n"
    )


def test_our_client_falls_back_to_3_1_1_at_once_and_everything_works() -> None:
    with run_broker(0, only_amqtt=True) as url:
        got = threading.Event()
        connection = Connection(
            BrokerSettings(url=url), client_id="c", availability="har/n1/availability"
        )
        connection.subscribe("har/n1/x", lambda *_: got.set())
        connection.start()
        assert connection.is_connected
        port = connection.address.port
        listener = Listener(port, "har/#", protocol=paho.MQTTv311)
        listener.wait_for(lambda came: came and came[0].payload == b"online" and came[0].retain)
        listener.publish("har/n1/x", "ON")
        assert got.wait(60)
        connection.close()
        listener.wait_for(lambda came: came[-1].payload == b"offline")
        listener.close()


def test_only_mqtt_5_asked_for_is_refused_in_one_line() -> None:
    with run_broker(0, only_amqtt=True) as url:
        connection = Connection(BrokerSettings(url=url, protocol="5"), client_id="c")
        with pytest.raises(InputError, match="does not speak the MQTT version"):
            connection.start(fail_fast=True)


def test_a_whole_node_works_on_it(tmp_path) -> None:
    with run_broker(0, only_amqtt=True) as url:
        node = Node(url, tmp_path)
        listener = Listener(node.connection.address.port, "har/#", protocol=paho.MQTTv311)
        node.publisher.start()
        node.publisher.publish(change())
        listener.wait_for(lambda _: listener.on("har/n1/cam1/event"))
        node.close()
        listener.wait_for(lambda _: listener.on("har/n1/availability")[-1:] == [b"offline"])
        listener.close()


@either
def test_it_ends_with_the_process_that_started_it_even_after_kill_9(flags) -> None:
    program = (
        "import time\n"
        "from har_stream.mqtt.brokers.embedded_broker import run_broker\n"
        f"with run_broker(0, only_amqtt={bool(flags)}) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    port = int(parent.stdout.readline().rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as witness:
        parent.kill()
        parent.wait()
        witness.settimeout(15)
        assert witness.recv(1) == b"", "the broker hangs up when it ends"


def test_a_broker_is_started_only_where_none_answers(monkeypatch, caplog) -> None:
    port = free_port()
    monkeypatch.setattr(broker_address, "DEFAULT_PORT", port)
    with ensure_broker("mqtt://elsewhere:1883"):
        assert not is_listening(default_address())
    with ensure_broker(None):
        assert is_listening(default_address())
        assert "one of our own runs there until this command ends" in caplog.text
        caplog.clear()
        with ensure_broker(None):
            assert not caplog.records
        assert is_listening(default_address()), "whoever found it does not end it"
    assert not is_listening(default_address())


def test_a_broker_that_cannot_start_is_one_line_of_the_command(capfd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port}: cannot listen"):
            run_broker(port).__enter__()
    assert capfd.readouterr() == ("", "")


def test_a_command_that_loses_the_race_uses_the_others_broker(monkeypatch, caplog) -> None:
    with run_broker(0) as url:
        monkeypatch.setattr(broker_address, "DEFAULT_PORT", int(url.rsplit(":", 1)[1]))
        looked = iter([False, True])  # the other one began to listen in between
        monkeypatch.setattr(embedded_broker, "is_listening", lambda *_: next(looked))
        with caplog.at_level("INFO"), ensure_broker(None):
            assert "another command has just started a broker" in caplog.text
            assert not any("of our own" in message for message in caplog.messages)


@pytest.mark.parametrize(
    "knock",
    [b"", b"\x10", b"\x10\xff\xff\xff\xff\xff", b"\x30\x05hello", b"GET / HTTP/1.1\r\n\r\n"],
)
def test_strangers_do_not_disturb_it(knock: bytes) -> None:
    with run_broker(0, only_amqtt=True) as url:
        port = int(url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            stranger.sendall(knock)
            stranger.shutdown(socket.SHUT_WR)
            stranger.settimeout(15)
            assert stranger.recv(16) == b""
        connection = Connection(BrokerSettings(url=url), client_id="c")
        connection.start()
        assert connection.is_connected
        connection.close()


@either
def test_a_huge_packet_ends_its_own_connection_and_is_not_kept(flags) -> None:
    process = _run("--port", "0", *flags)
    try:
        assert process.stdout is not None
        address = read_address(process.stdout.readline().split()[-1])
        size = (1 << 28) - 1
        with (
            socket.create_connection((address.host, address.port), timeout=20) as stranger,
            contextlib.suppress(OSError),
        ):
            stranger.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a")
            assert stranger.recv(4) == b"\x20\x02\x00\x00"
            stranger.sendall(b"\x30\xff\xff\xff\x7f\x00\x01t")
            for start in range(3, size, 1 << 20):
                stranger.sendall(bytes(min(1 << 20, size - start)))
            assert stranger.recv(1) == b"", "the broker hangs up"
        friend = Listener(address.port, "x", protocol=paho.MQTTv311)
        friend.publish("x", b"hi")
        friend.wait_for(lambda came: came)
        friend.close()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (process.pid, *children):
            status = Path(f"/proc/{pid}/status").read_text()
            assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) < 200_000  # type: ignore[index]
    finally:
        process.kill()
        process.communicate()
