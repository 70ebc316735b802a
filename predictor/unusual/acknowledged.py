"""Unusual things that somebody knows of: told as acknowledged until they are over."""

from dataclasses import dataclass, field

from har_stream.mqtt.messages import MessageError, Unusual, UnusualFinding
from har_stream.mqtt.requests import AcknowledgeRequest, BridgeResponse

_Key = tuple[str, str, str]


@dataclass(slots=True)
class AcknowledgedFindings:
    """Remembers what somebody knows of, as long as it goes on; a restart forgets it."""

    _known: set[_Key] = field(default_factory=set)

    def mark(self, unusual: Unusual) -> Unusual:
        """Return the same, with what is known marked; what is over is forgotten."""
        self._known &= {_key_of(each) for each in unusual.findings}
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
        self._known.add(_key_of(request))
        return BridgeResponse(status="ok", transaction=request.transaction)


def _key_of(told: UnusualFinding | AcknowledgeRequest) -> _Key:
    """Name a finding; on the wire an instant has milliseconds."""
    return told.kind, told.activity, f"{told.since.timestamp():.2f}"
