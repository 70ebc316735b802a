"""Corrections that people ask for, and take back: judged, kept in the journal, answered.

`har-forecast` alone writes the journal; whoever shows it asks here.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError

from har_stream.mqtt.connection import Publishes
from har_stream.mqtt.messages import (
    BridgeResponse,
    CorrectionRequest,
    Transaction,
    UndoRequest,
)
from har_stream.mqtt.signing import SignatureCheck
from predictor.journal.journal import Journal
from predictor.journal.records import Correction

LONGEST = timedelta(days=7)
"""Of one correction."""


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

    def correct(self, request: CorrectionRequest) -> None:
        """Keep a correction, and say so or why not."""
        self._answer("correct", request, self._keep(request))

    def undo(self, request: UndoRequest) -> None:
        """Take a correction back, and say so or why not."""
        self._answer("undo", request, self._take_back(request))

    def _keep(self, request: CorrectionRequest) -> str | None:
        """Keep a correction; returns why not, or ``None``."""
        now = self._now()
        camera = request.node, request.camera
        if not self._is_believed(request):
            return "it is not signed by a key of signing_keys"
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
        try:
            if camera not in self._journal.progress():
                return f"the journal knows no camera {'/'.join(camera)}"
            self._journal.corrections.record(correction)
        except DBAPIError as error:
            return f"the journal cannot be written: {error.orig}"
        self._when_changed()
        return None

    def _take_back(self, request: UndoRequest) -> str | None:
        if not self._is_believed(request):
            return "it is not signed by a key of signing_keys"
        try:
            if not self._journal.corrections.undo(request.id, at=self._now()):
                return "the journal knows no such correction"
        except DBAPIError as error:
            return f"the journal cannot be written: {error.orig}"
        self._when_changed()
        return None

    def _is_believed(self, request: CorrectionRequest | UndoRequest) -> bool:
        return self._signatures.passes(
            request, node=request.node, camera=request.camera, signer=request.signer or "nobody"
        )

    def _answer(
        self, name: str, request: CorrectionRequest | UndoRequest, problem: str | None
    ) -> None:
        transaction: Transaction | None = request.transaction
        if problem is None:
            answer = BridgeResponse(
                status="ok", transaction=transaction, data={"correction": request.id}
            )
        else:
            answer = BridgeResponse(status="error", error=problem[:2000], transaction=transaction)
        self._publisher.publish(self._topic(name), answer)
