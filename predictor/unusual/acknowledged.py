"""Unusual things that somebody knows of: told as acknowledged until they are over."""

import logging
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from har_stream.core.atomic_file import replacing
from har_stream.mqtt.messages import MessageError, Unusual, UnusualFinding
from har_stream.mqtt.requests import AcknowledgeRequest, BridgeResponse

logger = logging.getLogger(__name__)

_Key = tuple[str, str, str]
_KEYS = TypeAdapter(set[_Key])


class AcknowledgedFindings:
    """Remembers what somebody knows of, as long as it goes on, and over a restart.

    Args:
        path: Where it is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)

    def mark(self, unusual: Unusual) -> Unusual:
        """Return the same, with what is known marked; what is over is forgotten."""
        going_on = self._known & {_key_of(each) for each in unusual.findings}
        if going_on != self._known:
            self._keep(going_on)
        findings = [
            each.model_copy(update={"acknowledged": _key_of(each) in self._known})
            for each in unusual.findings
        ]
        return unusual.model_copy(update={"findings": findings})

    def acknowledge(self, payload: bytes, unusual: Unusual | None) -> BridgeResponse:
        """Take a request in, and answer it.

        Args:
            payload: Of the request.
            unusual: What is unusual now; ``None``: nobody knows yet.
        """
        try:
            request = AcknowledgeRequest.decode(payload)
        except MessageError as error:
            return BridgeResponse.refuse(payload, str(error))
        told = {_key_of(each) for each in unusual.findings} if unusual else set()
        if _key_of(request) not in told:
            return BridgeResponse.refuse(payload, "nothing of the kind is unusual now")
        self._keep(self._known | {_key_of(request)})
        return BridgeResponse(status="ok", transaction=request.transaction)

    def _keep(self, known: set[_Key]) -> None:
        """Know of these alone; where the disk refuses, until the next restart."""
        self._known = known
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as file:
                file.write(_KEYS.dump_json(known).decode())
        except OSError as error:
            logger.warning("%s: cannot be written: %s", self._path, error.strerror)


def _read(path: Path) -> set[_Key]:
    try:
        return _KEYS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return set()
    except (OSError, ValidationError) as error:
        logger.warning("%s: cannot be read, so nothing counts as acknowledged: %s", path, error)
        return set()


def _key_of(told: UnusualFinding | AcknowledgeRequest) -> _Key:
    """Name a finding; on the wire an instant has milliseconds."""
    return told.kind, told.activity, f"{told.since.timestamp():.2f}"
