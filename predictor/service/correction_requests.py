"""Corrections that people ask for, and take back: judged, kept in the journal, answered.

`har-forecast` alone writes the journal; whoever shows it asks here.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from har_stream.mqtt.connection import Publishes
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.requests import BridgeResponse, CorrectionRequest, UndoRequest
from har_stream.mqtt.signing import SignatureCheck
from predictor.journal.journal import Journal
from predictor.journal.records import Correction

LONGEST = timedelta(days=7)
"""Of one correction."""
_Request = TypeVar("_Request", CorrectionRequest, UndoRequest)


class CorrectionRequests:
    """Answers requests to correct what a camera's recogniser said, and to undo that.

    Args:
        journal: Where corrections are kept.
        publisher: For the answers.
        topic: Names the topic of an answer by the request's name.
        signatures: Tells which requests are to be believed.
        now: The home's time; nobody knows yet what happened after it.
        when_changed: Called when the forecasts have something to learn anew.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: Publishes,
        *,
        topic: Callable[[str], str],
        signatures: SignatureCheck,
        now: Callable[[], datetime],
        when_changed: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._topic = topic
        self._signatures = signatures
        self._now = now
        self._when_changed = when_changed

    def correct(self, payload: bytes) -> None:
        """Keep a correction, and say so or why not."""
        self._answer("correct", payload, CorrectionRequest, self._keep)

    def undo(self, payload: bytes) -> None:
        """Take a correction back, and say so or why not."""
        self._answer("undo", payload, UndoRequest, self._take_back)

    def _answer(
        self,
        name: str,
        payload: bytes,
        kind: type[_Request],
        fulfil: Callable[[_Request], str | None],
    ) -> None:
        """Answer a request; ``fulfil`` returns why it could not, or ``None``."""
        try:
            request = kind.decode(payload)
            problem = self._doubt(request) or fulfil(request)
        except MessageError as error:
            problem = str(error)
        except DBAPIError as error:
            problem = f"the journal cannot be written: {error.orig}"
        if problem is None:
            self._when_changed()
            data = {"correction": request.id}
            answer = BridgeResponse(status="ok", transaction=request.transaction, data=data)
        else:
            answer = BridgeResponse.refuse(payload, problem)
        self._publisher.publish(self._topic(name), answer)

    def _doubt(self, request: CorrectionRequest | UndoRequest) -> str | None:
        is_believed = self._signatures.passes(
            request, node=request.node, camera=request.camera, signer=request.signer or "nobody"
        )
        return None if is_believed else "it is not signed by a key of signing_keys"

    def _keep(self, request: CorrectionRequest) -> str | None:
        now = self._now()
        camera = request.node, request.camera
        if not request.started_at < request.ended_at:
            return "it ends before it starts"
        if request.ended_at - request.started_at > LONGEST:
            return f"it is longer than {LONGEST.days} days"
        if request.ended_at > now:
            return f"it reaches beyond now, {now.isoformat(timespec='seconds')}"
        correction = Correction(
            id=request.id,
            camera=camera,
            activity=request.activity,
            started_at=request.started_at,
            ended_at=request.ended_at,
            corrected_at=now,
        )
        if camera not in self._journal.progress():
            return f"the journal knows no camera {'/'.join(camera)}"
        if not self._journal.corrections.record(correction):
            return f"another correction has the id {request.id}; give each its own"
        return None

    def _take_back(self, request: UndoRequest) -> str | None:
        is_known = self._journal.corrections.undo(request.id, at=self._now())
        return None if is_known else "the journal knows no such correction"
