"""What a person may watch beside the events: `--show` windows and `--record` clips."""

import os
import re
import subprocess
import sys
import time
from collections import deque
from typing import Literal

import cv2

from har_stream.core.activity import Change, News
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.preview.clip_recorder import ClipRecorder
from har_stream.preview.overlay import Overlay

FIRST_WINDOW = "har-stream"
_PROBE = "import cv2; cv2.namedWindow('har-stream'); cv2.waitKey(1)"
_PROBE_TIMEOUT_S = 20
_FPS_OVER_FRAMES = 50
Shown = Literal["picture", "skeleton"]
"""What a window shows: what the camera sees, or people's joints on black."""
_QUIT_KEYS = frozenset({ord("q"), 27})


def check_window() -> None:
    """Make sure that a window can be opened, in a process of its own: Qt aborts where it cannot.

    One is opened here as well, to have OpenCV load its X libraries: where PyAV comes first, its own
    are taken for them, and windows hang.

    Raises:
        InputError: It cannot; the message says what is missing.
    """
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        raise InputError(
            "--show: this OpenCV is the headless build; install opencv-python in place of "
            "opencv-python-headless (it needs the system's libGL), or leave --show out"
        )
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        raise InputError(
            "--show: no display here (DISPLAY is not set); start it from a desktop session, or "
            "leave --show out and watch the topics"
        )
    try:
        subprocess.run(  # noqa: S603 -- our own line, in our own interpreter
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise InputError(
            "--show: no window can be opened on this display; check DISPLAY, or leave --show out"
        ) from error
    cv2.namedWindow(FIRST_WINDOW)
    cv2.destroyWindow(FIRST_WINDOW)


class Preview:
    """Annotates every frame and shows or records it.

    Args:
        window: What to show of each camera in a window, if anything.
        recorder: Where annotated frames are recorded, if anywhere.
    """

    def __init__(self, *, window: Shown | None, recorder: ClipRecorder | None) -> None:
        self._window = window
        self._recorder = recorder
        self._overlays: dict[str, Overlay] = {}
        self._shown_s: dict[str, deque[float]] = {}
        self.closed = False

    def show(self, camera: str, frame: Frame) -> None:
        """Show and record one frame; `closed` turns true when a person presses q or Esc."""
        overlay = self._overlay(camera)
        overlay.fps = self._fps(camera)
        image = frame.image if frame.shown is None else frame.shown
        if self._recorder is not None:
            self._recorder.add_frame(camera, frame, overlay.draw(image))
        if self._window is not None:
            draw = overlay.draw_skeleton if self._window == "skeleton" else overlay.draw
            cv2.imshow(f"har-stream {camera}", draw(image))
            self.closed |= cv2.waitKey(1) & 0xFF in _QUIT_KEYS

    def change_fps(self, fps: float) -> None:
        """Record as many frames a second from here on."""
        if self._recorder is not None:
            self._recorder.change_fps(fps)

    def update(self, news: News) -> None:
        """Let a camera's frames from here on tell what the pipeline says about it."""
        self._overlay(news.camera).update(news)
        if isinstance(news, Change) and self._recorder is not None:
            self._recorder.cut(news)

    def close(self) -> None:
        """Finish the clips and close the windows."""
        if self._recorder is not None:
            self._recorder.close()
        if self._window is not None:
            cv2.destroyAllWindows()

    def _overlay(self, camera: str) -> Overlay:
        return self._overlays.setdefault(camera, Overlay(camera))

    def _fps(self, camera: str) -> float:
        shown_s = self._shown_s.setdefault(camera, deque(maxlen=_FPS_OVER_FRAMES))
        shown_s.append(time.monotonic())
        span_s = shown_s[-1] - shown_s[0]
        return (len(shown_s) - 1) / span_s if span_s else 0.0
