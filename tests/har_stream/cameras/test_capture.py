"""What a camera sends without end, and images of any size, take no more than 500 MB."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.processes.measured import run_python

READ = """
import sys, time
from pathlib import Path
from har_stream.cameras.read_options import LiveTiming, ReadOptions
from har_stream.cameras.readers import Readers
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.frame import Frame
from har_stream.preview.clip_recorder import ClipRecorder
from har_stream.preview.preview import Preview
camera = CameraSettings(source=sys.argv[1], name="c")
options = ReadOptions(sample_hz=5.0, timing=LiveTiming(open_s=4.0))
recorder = ClipRecorder(Path(sys.argv[2]), labels=[], max_mb=50, fps=5.0)
preview = Preview(window=None, recorder=recorder)
began_s, n_frames, lost = time.monotonic(), 0, False
with Readers([camera], options) as readers:
    while not lost and n_frames < 25 and time.monotonic() - began_s < 40:
        for arrival in readers.next_arrivals(0.25):
            if isinstance(arrival.item, Frame):
                preview.show("c", arrival.item)
                n_frames += 1
            elif isinstance(arrival.item, CameraStatus):
                lost = arrival.item.state is not CameraState.ONLINE
print("frames", n_frames, "lost", lost)
"""
PART = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
MULTIPART = "multipart/x-mixed-replace; boundary=f"
Write = Callable[[bytes], object]


def _jpeg(size_px: tuple[int, int]) -> bytes:
    small = np.random.default_rng(27).integers(0, 256, (54, 96, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(small, size_px))[1].tobytes()


SMALL, HUGE = _jpeg((96, 54)), _jpeg((7680, 4320))


def _endless_part(write: Write) -> None:
    write(b"--f\r\nContent-Type: image/jpeg\r\n\r\n" + SMALL[:-2])


def _part_of_2_gb(write: Write) -> None:
    for _ in range(10):
        write(PART % (len(SMALL), SMALL))
    write(b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: 2147483000\r\n\r\n" + SMALL[:-2])


def _endless_picture(write: Write) -> None:
    write(SMALL[:-2])


@contextmanager
def _sending(content_type: str, begin: Callable[[Write], None], rest: bytes) -> Iterator[str]:
    """Serve an address that begins so and then sends the rest again and again."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            try:
                begin(self.wfile.write)
                while True:
                    self.wfile.write(rest)
            except OSError:  # whoever reads has gone
                pass

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("content_type", "begin"),
    [
        (MULTIPART, _endless_part),
        (MULTIPART, _part_of_2_gb),
        ("image/jpeg", _endless_picture),
        ("application/octet-stream", _endless_picture),
    ],
)
def test_a_part_without_an_end_is_not_kept(
    tmp_path: Path, content_type: str, begin: Callable[[Write], None]
) -> None:
    with _sending(content_type, begin, bytes(1 << 20)) as url:
        run = run_python(READ, url, str(tmp_path))
    assert run.status == 0, run.output
    assert "lost True" in run.output
    print(f"{content_type}, {begin.__name__}: {run.peak_mb:.0f} MB")
    assert run.peak_mb < 600  # of 2 GB: FFmpeg's buffer doubles until it may not


def test_8k_is_watched_and_recorded_in_little_memory(tmp_path: Path) -> None:
    with _sending(MULTIPART, lambda _: None, PART % (len(HUGE), HUGE)) as url:
        run = run_python(READ, url, str(tmp_path))
    assert run.status == 0, run.output
    assert "frames 25 lost False" in run.output
    print(f"8k: {run.peak_mb:.0f} MB")
    assert run.peak_mb < 500
