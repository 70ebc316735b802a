"""The event file of `--record-events`: one JSON object a line, as it travels on MQTT."""

import errno
import logging
import os
from pathlib import Path

from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent

logger = logging.getLogger(__name__)


class EventLog:
    """Appends events to a file; what stands in it is never rewritten.

    Args:
        path: The file; made, with its folders, where it does not exist.

    Raises:
        InputError: It cannot be written, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+", buffering=0)
            if not self._holds_events():
                self._file.close()
                raise InputError(f"{path}: holds something else than events; give another file")
            self._end_torn_line()
        except OSError as error:
            raise InputError(f"{path}: events cannot be recorded: {error.strerror}") from error

    def append(self, event: ActivityEvent) -> None:
        """Write one event as one whole line; a full disk is said once and stops nothing else."""
        try:
            if self._failed:
                self._end_torn_line()
            line = event.encode() + b"\n"
            if self._file.write(line) < len(line):  # a disk that fills takes a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if not self._failed:
                logger.error("%s: events are not recorded: %s", self._path, error.strerror)
            self._failed = True
        else:
            self._failed = False

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        if self._file.seekable():
            os.fsync(self._file.fileno())
        self._file.close()

    def _holds_events(self) -> bool:
        """Tell a log of events, or an empty file, from a recording that was named by mistake."""
        if not self._path.is_file():  # a device or a pipe
            return True
        self._file.seek(0)
        return self._file.read(1) in (b"", b"{")

    def _end_torn_line(self) -> None:
        """A power cut may have left half a line; the next event must not be joined to it."""
        if self._file.seekable() and self._file.seek(0, os.SEEK_END):
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")
