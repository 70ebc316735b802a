"""Signatures: what shows that an event or a state is of the node that it names.

HMAC-SHA256 (RFC 2104) by a key that only the node and the journal's keeper have, over the message
as JSON with ``node`` and ``camera``: without ``signature`` and what is null, keys sorted, no
spaces, UTF-8. What is null is left out, so that a field that is added later changes no older
signature.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import TypeVar

from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent, ActivityState, FallState
from har_stream.mqtt.requests import CorrectionRequest, UndoRequest

_Signable = ActivityEvent | ActivityState | CorrectionRequest | FallState | UndoRequest
Signed = TypeVar("Signed", ActivityEvent, ActivityState, CorrectionRequest, FallState, UndoRequest)


def sign(message: Signed, key: bytes | None, *, node: str, camera: str) -> Signed:
    """Return a message with its signature; without a key, as it is."""
    if key is None:
        return message
    signature = _signature_of(message, key, node=node, camera=camera)
    return message.model_copy(update={"signature": signature})


def _signature_of(message: _Signable, key: bytes, *, node: str, camera: str) -> str:
    fields = message.model_dump(mode="json", exclude={"signature"}, exclude_none=True)
    fields |= {"node": node, "camera": camera}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class SignatureCheck:
    """Tells what a node has said from what others say in its name.

    Args:
        keys: The key of every node; without any, all is believed.

    Attributes:
        n_refused: How many messages were not believed.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.n_refused = 0
        self._keys = keys
        self._once = LogOnce()

    def passes(
        self, message: _Signable, *, node: str, camera: str, signer: str | None = None
    ) -> bool:
        """Tell whether a message is to be believed; what is not is counted, and said once a node.

        Nobody is believed who has no key: anybody could call himself so.

        Args:
            message: What somebody has published.
            node: The node that it is of.
            camera: The camera that it is of.
            signer: Whose key made the signature; none: the node's.
        """
        if not self._keys:
            return True
        key = self._keys.get(signer or node)
        if key is not None and hmac.compare_digest(
            _signature_of(message, key, node=node, camera=camera).encode(),
            (message.signature or "").encode(),
        ):
            return True
        self.n_refused += 1
        if key is None:
            self._once.warn(
                "stranger",
                f"{signer or node!r:.80} and others without a signing key are not believed",
            )
        else:
            wrong = "no signature" if message.signature is None else "a wrong signature"
            self._once.warn(
                (node, message.signature is None),
                f"a message of {node}/{camera!r:.80} has {wrong} and is refused; either it is "
                "forged, or the node has another key; the next ones silently",
            )
        return False
