"""An HTTP server of a few files on loopback: ranges, hang-ups and refusals, as real ones have."""

import http.server
import re
import threading
from collections.abc import Mapping
from typing import Any


class FileServer:
    """Serves files by name.

    Args:
        files: Contents by name.
        cuts: Bytes after which each answer in turn hangs up; later ones are whole.
        ranges: Whether it goes on in the middle of a file where asked to.

    Attributes:
        url: Its address.
        asked: Name and first byte of every request.
    """

    def __init__(
        self, files: Mapping[str, bytes], *, cuts: tuple[int, ...] = (), ranges: bool = True
    ) -> None:
        self.asked: list[tuple[str, int]] = []
        left, asked = list(cuts), self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1].split("?")[0]
                found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start = int(found[1]) if found and ranges else 0
                asked.append((name, start))
                if name not in files:
                    self.send_error(404)
                    return
                content = files[name]
                if start and start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if found and ranges else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                end = start + left.pop(0) if left else len(content)
                self.wfile.write(content[start:end])

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FileServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
