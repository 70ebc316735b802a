"""Real sources for camera tests: files made by ffmpeg, an RTSP server, an HTTP server of JPEGs."""

import http.server
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.broker.real_broker import free_port

from har_stream.core.frame import Image

SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")
LEVELS_PER_S = 4
"""A clock clip grows brighter by so many grey levels a second, from black, for a minute."""


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; skips the test where it is not installed."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("no ffmpeg here: apt-get install ffmpeg")
    command = [program, "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def write_clock_clip(path: Path, *, seconds: int = 60, fps: int = 25, size: str = "64x48") -> Path:
    """Encode a grey clip whose brightness tells its time; something small moves across.

    H.264 unless the name says otherwise.
    """
    grey = f"color=size={size}:rate={fps}:duration={seconds},format=gray"
    speck = "60*between(X,mod(N*5,59),mod(N*5,59)+4)*between(Y,10,14)"
    drawn = f"{grey},geq=lum='T*{LEVELS_PER_S}+{speck}'"
    ffmpeg("-f", "lavfi", "-i", drawn, "-pix_fmt", "yuv420p", path)
    return path


def clock_s(image: Image) -> float:
    """Read the time since the clip's start off a frame of a clock clip, to about 0.5 s."""
    return float(image.mean()) / LEVELS_PER_S


class RtspServer:
    """One RTSP server process on a port of its own, kept over cuts."""

    def __init__(self, path: Path, *, login: str | None = None) -> None:
        self._port = free_port()
        self._words = [str(path), *([login] if login else [])]
        self._process: subprocess.Popen[str] | None = None
        self.url = f"rtsp://127.0.0.1:{self._port}/live"

    def start(self) -> None:
        """Start it and return once it listens."""
        command = [SYSTEM_PYTHON, str(RTSP_SERVER), str(self._port), *self._words]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Cut the power."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Hang it: connections stay open, nothing moves."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def skip_without_rtsp() -> None:
    """Skip the test where the RTSP server's packages are not installed."""
    try:
        subprocess.run([SYSTEM_PYTHON, str(RTSP_SERVER)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(
            "no RTSP server here: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
        )


class MjpegServer:
    """A real HTTP camera: multipart JPEGs, from a function of the frame's number.

    It hangs up where the function raises ConnectionError.

    Args:
        draw: Makes the next frame.
        every_s: Time between two frames.
    """

    def __init__(self, draw: Callable[[int], Image], *, every_s: float = 0.05) -> None:
        stopped = self._stopped = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                n = 0
                while not stopped.wait(every_s):
                    try:
                        jpeg = cv2.imencode(".jpg", draw(n))[1].tobytes()
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                        self.wfile.write(f"{head}\r\n\r\n".encode() + jpeg + b"\r\n")
                    except OSError:
                        return
                    n += 1

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/video"

    def __enter__(self) -> "MjpegServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


def grey(level: int) -> Image:
    """Return a small image of one grey level."""
    return np.full((48, 64, 3), level, np.uint8)
