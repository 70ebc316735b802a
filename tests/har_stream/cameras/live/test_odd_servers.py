"""Servers that refuse, are silent, drip, send in circles or change their mind: said, and left."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.video.video_source import MjpegServer, RtspServer, skip_without_rtsp, write_clock_clip

from har_stream.cameras.camera import read_camera
from har_stream.cameras.read_options import LiveTiming, ReadOptions
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.frame import Frame, Image, PictureSize

HASTY = LiveTiming(stall_s=1.0, open_s=2.0, retry_first_s=0.2, retry_cap_s=0.4)
Handle = Callable[[http.server.BaseHTTPRequestHandler, threading.Event], None]


def silent(_: http.server.BaseHTTPRequestHandler, stopped: threading.Event) -> None:
    stopped.wait()


def dripping(handler: http.server.BaseHTTPRequestHandler, stopped: threading.Event) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=f")
    handler.end_headers()
    while not stopped.wait(0.1):
        handler.wfile.write(b"-")


def redirecting(handler: http.server.BaseHTTPRequestHandler, _: threading.Event) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/again")
    handler.end_headers()


def refusing(handler: http.server.BaseHTTPRequestHandler, _: threading.Event) -> None:
    handler.send_response(401)
    handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
    handler.end_headers()


@contextmanager
def serving(handle: Handle) -> Iterator[str]:
    """Serve one behaviour; yields an address with a login."""
    stopped = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # whoever reads has gone
                handle(self, stopped)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://me:wrong@127.0.0.1:{server.server_address[1]}/live"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


def first_status(url: str) -> tuple[CameraStatus, float]:
    """The first that is said of an address, and how long reading took to end after it."""
    stop = threading.Event()
    items = read_camera(
        CameraSettings(source=url), ReadOptions(sample_hz=5, timing=HASTY), stop=stop
    )
    status = next(items)
    assert isinstance(status, CameraStatus)
    stopped_s = time.monotonic()
    stop.set()
    assert not [item for item in items if isinstance(item, Frame)]
    return status, time.monotonic() - stopped_s


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (silent, "cannot be opened|no answer for 2 s"),
        (dripping, "cannot be opened|no answer for 2 s"),
        (redirecting, "cannot be opened"),
        (refusing, "it refuses this login"),
        (lambda handler, _: handler.send_error(404), "the server is there, and knows no such path"),
        (lambda handler, _: handler.send_error(503), "the server is there, and fails"),
    ],
)
def test_a_server_without_a_stream_is_said_in_one_line_and_left_in_time(
    handle: Handle, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(handle) as url:
        status, took_s = first_status(url)
        assert status.state is CameraState.OFFLINE
        assert status.reason.split(";")[0] in reason.split("|")
        assert took_s < 4
    assert len(caplog.records) == 1
    assert "wrong" not in caplog.text
    assert not [t for t in threading.enumerate() if t.name.startswith("camera http")]


def test_the_address_of_a_still_picture_is_called_one() -> None:
    def picture(handler: http.server.BaseHTTPRequestHandler, _: threading.Event) -> None:
        jpeg = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
        handler.send_response(200)
        handler.send_header("Content-Type", "image/jpeg")
        handler.send_header("Content-Length", str(len(jpeg)))
        handler.end_headers()
        handler.wfile.write(jpeg)

    with serving(picture) as url:
        status, _ = first_status(url)
    assert status.reason == (
        "it is one still picture; give the address of the camera's stream; trying again"
    )


def test_rtsp_with_a_wrong_login_is_said_to_be_refused(tmp_path: Path) -> None:
    skip_without_rtsp()
    server = RtspServer(write_clock_clip(tmp_path / "clock.mp4", seconds=2), login="me:right")
    server.start()
    try:
        status, _ = first_status(server.url.replace("//", "//me:wrong@"))
    finally:
        server.kill()
    assert status.reason.startswith("it refuses this login")


@pytest.mark.parametrize("picture", [None, PictureSize(32, 32)])
def test_a_stream_that_changes_its_size_is_read_on(picture: PictureSize | None) -> None:
    def draw(n: int) -> Image:
        size_px = (64, 48) if n < 20 else (128, 96)
        image = np.full((*size_px[::-1], 3), 90, np.uint8)
        return cv2.circle(image, (n % 60, 20), 9, (255, 255, 255), -1)  # type: ignore[return-value]

    stop, shapes = threading.Event(), []
    with MjpegServer(draw) as server:
        options = ReadOptions(sample_hz=10, timing=HASTY, picture=picture)
        for item in read_camera(CameraSettings(source=server.url), options, stop=stop):
            if isinstance(item, CameraStatus):
                assert item.state is CameraState.ONLINE
                continue
            shapes.append(item.image.shape[:2])
            if len(shapes) == 30:
                stop.set()
    assert set(shapes) == ({(48, 64), (96, 128)} if picture is None else {(32, 32)})
