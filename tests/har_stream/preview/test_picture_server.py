"""Pictures are given to whoever has the token, one at a time, and none is held for nobody."""

import json
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from har_stream.core.frame import Frame
from har_stream.preview.picture_server import LOOKED_S, PictureServer

FRAME = Frame(np.full((36, 64, 3), 90, np.uint8), datetime(2026, 11, 27, tzinfo=UTC))


def get(told: Path, camera: str, *, token: str | None = None) -> bytes:
    said = json.loads(told.read_text())
    asked = urllib.request.Request(
        f"http://127.0.0.1:{said['port']}/{camera}",
        headers={"Authorization": f"Bearer {token or said['token']}"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def test_who_has_the_token_gets_the_next_picture(tmp_path: Path) -> None:
    told = tmp_path / "pictures.json"
    now_s = [0.0]
    with PictureServer(("cam1",), told, monotonic=lambda: now_s[0]) as server:
        assert told.stat().st_mode & 0o777 == 0o600
        server.show("cam1", FRAME)
        assert not server._newest, "nobody looks"
        came: list[bytes] = []
        looking = threading.Thread(target=lambda: came.append(get(told, "cam1")))
        looking.start()
        while looking.is_alive():
            server.show("cam1", FRAME)
            looking.join(0.01)
        image = cv2.imdecode(np.frombuffer(came[0], np.uint8), cv2.IMREAD_COLOR)
        assert image is not None and image.shape == (36, 64, 3)
        now_s[0] += LOOKED_S + 1
        server.show("cam1", FRAME)
        assert not server._newest, "nobody looks any more"
        for camera, token, status in (("cam1", "guess", 403), ("cellar", None, 404)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(told, camera, token=token)
            assert refused.value.code == status
            refused.value.close()
    assert not told.exists()
