"""What others may ask of a node: switch a camera, say how it is, give events again, and more.

Answers have zigbee2mqtt's manner: `bridge/request/<x>` is answered on `bridge/response/<x>`.
"""

from collections.abc import Callable, Mapping

from har_stream.core.errors import InputError
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse
from har_stream.publishing.outbox import EventStore

ON, OFF = "ON", "OFF"
Answer = Callable[[BridgeRequest], Mapping[str, object]]
"""Does what is asked, and returns the answer's data; refuses it by `InputError`."""


class Responder:
    """Answers the requests of others; knows nothing of MQTT.

    Args:
        outbox: Where replays come from.
        describe: Makes the answer to ``info``; it must hold no secret.
    """

    def __init__(self, outbox: EventStore, describe: Callable[[], Mapping[str, object]]) -> None:
        self._outbox = outbox
        self._describe = describe
        self._answers: dict[str, Answer] = {
            "health_check": lambda _: {"healthy": True},
            "info": lambda _: self._describe(),
            "replay": self._replay,
        }

    def add(self, answers: Mapping[str, Answer]) -> None:
        """Answer more requests, by their names."""
        self._answers |= answers

    def answer(self, name: str, payload: bytes) -> BridgeResponse:
        """Answer the request ``name``; an empty payload asks for nothing in particular."""
        try:
            if name not in self._answers:
                raise MessageError(f"no request {name!r:.40}; there are {', '.join(self._answers)}")
            request = BridgeRequest.decode(payload or b"{}")
            answered = dict(self._answers[name](request))
        except (MessageError, InputError) as error:
            return BridgeResponse.refuse(payload, str(error))
        return BridgeResponse(status="ok", transaction=request.transaction, data=answered)

    def _replay(self, request: BridgeRequest) -> Mapping[str, object]:
        if request.camera is None or request.from_seq is None:
            raise MessageError("replay needs camera and from_seq")
        # A camera that left the configuration still has its events here.
        replay = self._outbox.replay(request.camera, request.from_seq)
        return replay.model_dump(mode="json")


def read_switch(payload: bytes) -> bool:
    """Read ``ON`` or ``OFF``.

    Raises:
        MessageError: It is neither.
    """
    text = payload.strip().upper()
    if text not in (ON.encode(), OFF.encode()):
        raise MessageError(f"{ON} or {OFF} expected")
    return text == ON.encode()
