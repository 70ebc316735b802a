"""Single pictures for the page, on loopback and by token; none is held where nobody looks."""

import hmac
import json
import math
import os
import secrets
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import cv2

from har_stream.core.activity import News
from har_stream.core.atomic_file import writing
from har_stream.core.frame import Frame, Image
from har_stream.core.url import LOOPBACK

LOOKED_S = 5.0
"""So long after somebody has looked a camera's newest picture is held."""
WAIT_S = 2.0
"""Longest wait for the next picture."""
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 75)


class PictureServer:
    """Gives the newest picture of a camera to whoever has the token.

    A picture is what the recogniser looks at: smaller, cut to the camera's region, black where it
    is to be ignored. The token is made anew at each start.

    Args:
        cameras: Of which there may be pictures.
        told: The file in which the page finds port and token, readable by its owner alone.
        monotonic: Steady seconds.

    Raises:
        InputError: The file cannot be written.
    """

    def __init__(
        self,
        cameras: tuple[str, ...],
        told: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = told
        self._monotonic = monotonic
        self._looked_s = dict.fromkeys(cameras, -math.inf)
        self._newest: dict[str, Image] = {}
        self._came = threading.Condition()
        token = secrets.token_urlsafe(32)
        picture = self._picture

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "")
                if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                    self.send_error(HTTPStatus.FORBIDDEN)
                    return
                content = picture(self.path.strip("/"))
                if content is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nobody reads a line for each picture."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Pages)
        self._server.daemon_threads = True
        with writing(told):
            told.parent.mkdir(parents=True, exist_ok=True)
            told.unlink(missing_ok=True)
            handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump({"port": self._server.server_address[1], "token": token}, file)
        threading.Thread(target=self._server.serve_forever, name="pictures", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, camera: str, frame: Frame) -> None:
        """Take in a frame that is looked at; it is held where somebody asked lately."""
        with self._came:
            if self._monotonic() - self._looked_s[camera] <= LOOKED_S:
                self._newest[camera] = frame.image
                self._came.notify_all()
            else:
                self._newest.pop(camera, None)

    def update(self, news: News) -> None:
        """Nothing is drawn on a picture."""

    def close(self) -> None:
        """Give no more."""
        self._server.shutdown()
        self._server.server_close()
        self._told.unlink(missing_ok=True)

    def _picture(self, camera: str) -> bytes | None:
        """Return the next picture as JPEG; none where none comes."""
        with self._came:
            if camera not in self._looked_s:
                return None
            self._looked_s[camera] = self._monotonic()
            self._newest.pop(camera, None)
            self._came.wait_for(lambda: camera in self._newest, WAIT_S)
            image = self._newest.get(camera)
        return None if image is None else cv2.imencode(".jpg", image, _QUALITY)[1].tobytes()
