"""Addresses are parted by one parser, whatever stands in a password, and no part of it shows."""

import base64
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from har_stream.cameras.camera import read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.decoder import open_video
from har_stream.cameras.live_source import LiveSource
from har_stream.cameras.read_options import ReadOptions
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.problems import problems
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.url import Url, parse_url, to_openable
from har_stream.mqtt.broker_address import read_address
from predictor.journal.journal import Journal

PASSWORDS = st.text(min_size=1, max_size=40) | st.text("?/#@[]% \t:;&=.,'\"\\ab1", min_size=1)
ODD = "p?a/s#s w@[r]%d"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rtsp://cam:554/live", Url("rtsp", None, "cam:554/live", "")),
        ("RTSP://u:p@cam/live?x=1", Url("rtsp", "u:p", "cam/live", "?x=1")),
        (f"rtsp://u:{ODD}@cam/live", Url("rtsp", f"u:{ODD}", "cam/live", "")),
        ("http://cam/live?by=me@home", Url("http", None, "cam/live", "?by=me@home")),
        ("u:p@cam/live", Url("", "u:p", "cam/live", "")),
        ("/clips/12:30@home.mp4", Url("", None, "/clips/12:30@home.mp4", "")),
        ("clips/me@home #2.mp4", Url("", None, "clips/me@home #2.mp4", "")),
        ("http://cam/a.cgi;password=x", Url("http", None, "cam/a.cgi", ";password=x")),
        ("sqlite:////home/me@x/journal.db", Url("sqlite", None, "//home/me@x/journal.db", "")),
    ],
)
def test_parts(text: str, parts: Url) -> None:
    assert parse_url(text) == parts


def test_host_port_and_path() -> None:
    url = parse_url("mqtt://[::1]:1883/x")
    assert (url.host, url.port, url.path) == ("::1", "1883", "/x")
    assert parse_url("rtsp://Cam/live").host == "cam"
    assert (parse_url("rtsp://a%40b:c%3Fd@cam").user, parse_url("rtsp://u:c%3Fd@x").password) == (
        "a@b",
        "c?d",
    )


def test_what_has_a_meaning_already_is_opened_as_it_is() -> None:
    for text in ("rtsp://u:p@cam/live?by=me@home", "http://cam:80/x?by=me:1@home", "rtsp://cam/x"):
        assert to_openable(text) == text


@given(PASSWORDS)
def test_no_piece_of_a_cameras_password_shows(password: str) -> None:
    source = f"rtsp://user:{password}@10.0.0.7/live"
    assert redact(source) == "rtsp://***@10.0.0.7/live"
    assert CameraSettings(source=source).id == "live"


@example("///")
@example("//geheim/x")
@given(PASSWORDS)
def test_nor_where_the_scheme_was_forgotten(password: str) -> None:
    source = f"user:{password}@10.0.0.7/live"
    shown = redact(source)
    assert shown.endswith("***@10.0.0.7/live")
    assert len(shown) <= len("user://***@10.0.0.7/live")
    assert CameraSettings.model_construct(source=source).id == "live"


@given(PASSWORDS)
def test_nor_of_a_brokers(password: str) -> None:
    with pytest.raises(InputError) as refused:
        read_address(f"mqtt://user:{password}@broker.lan")
    assert str(refused.value).startswith("broker URL of broker.lan: credentials do not belong")


@settings(max_examples=50, deadline=None)
@given(PASSWORDS)
def test_nor_of_a_journals(password: str) -> None:
    with pytest.raises(InputError) as refused:
        Journal(f"nothing://user:{password}@db.lan/har?sslpassword=geheim")
    assert str(refused.value).startswith(
        "journal 'nothing://***@db.lan/har?sslpassword=***' is no database URL"
    )


def test_a_journal_is_looked_for_where_it_is_whatever_the_password() -> None:
    with pytest.raises(InputError, match="port 9 failed") as refused:
        Journal(f"postgresql+psycopg://user:{ODD}@127.0.0.1:9/har")
    assert str(refused.value).startswith("journal postgresql+psycopg://***@127.0.0.1:9/har: ")


@settings(max_examples=25, deadline=None)
@given(PASSWORDS)
def test_nor_in_a_log_line_of_a_camera_that_is_away(password: str) -> None:
    assume(not password.startswith("//"))  # `u://...@cam` is an address of a scheme, and no file
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("har_stream")
    logger.addHandler(handler)
    try:
        source = f"http://user:{password}@127.0.0.1:9/live"
        away = LiveSource(
            CameraSettings.model_construct(source=source),
            ReadOptions(sample_hz=5.0),
            stop=threading.Event(),
            counts=SourceCounts(),
        )
        change = next(away.read())
        with pytest.raises(InputError) as missing:
            read_camera(
                CameraSettings.model_construct(source=f"u:{password}@cam"),
                ReadOptions(sample_hz=5.0),
            )
    finally:
        logger.removeHandler(handler)
    told = "cannot be opened; see that it streams, and that address and login are right"
    assert lines == [f"http://***@127.0.0.1:9/live: offline: {told}; trying again"]
    assert getattr(change, "reason", "") == f"{told}; trying again"
    assert str(missing.value).split(":")[0].endswith("***@cam")


def test_ffmpeg_signs_in_with_an_odd_password() -> None:
    with _asking() as (port, given_to_it), pytest.raises(av.FFmpegError):
        open_video(to_openable(f"http://user:{ODD}@127.0.0.1:{port}/live"))
    assert f"user:{ODD}" in given_to_it


def test_a_forgotten_at_is_no_port() -> None:
    assert redact("rtsp://user:geheim/live") == "rtsp://user:***/live"
    with pytest.raises(ValidationError) as error:
        CameraSettings(source="rtsp://user:geheim")
    (told,) = problems(error.value)
    assert "its port is no number of 1 to 65535" in str(told) and "geheim" not in str(told)
    with pytest.raises(InputError, match="its port is none") as refused:
        read_address("mqtt://user:geheim")
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("port", ["0", "65536", "x", "9" * 5000, "²"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(InputError, match="its port is none"):
        read_address(f"mqtt://broker.lan:{port}")


def test_a_file_with_an_odd_name_is_no_traceback(tmp_path: Path) -> None:
    assert BrokerSettings().url is None
    os.mkfifo(tmp_path / "pipe")
    for name in ("a\0b", f"{tmp_path}/none", "~nobody1/a.mp4", "a" * 300, f"{tmp_path}/pipe"):
        with pytest.raises(InputError):
            read_camera(CameraSettings(source=name), ReadOptions(sample_hz=5.0))


@contextmanager
def _asking() -> Iterator[tuple[int, list[str]]]:
    """Serve an address that asks for a password, and note what it is given."""
    given_to_it: list[str] = []

    class Asking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "").removeprefix("Basic ")
            given_to_it.append(base64.b64decode(login).decode())
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="cam"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Asking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, given_to_it
        finally:
            server.shutdown()
            thread.join()
