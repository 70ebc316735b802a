"""Says in one line why there is no connection to the broker, and what to do about it."""

import ssl
from dataclasses import dataclass
from typing import Literal, get_args

from har_stream.mqtt.broker_address import Address

Kind = Literal["unreachable", "untrusted", "refused", "version", "closed", "taken", "lost"]
KINDS = frozenset(get_args(Kind))

UNSUPPORTED_VERSION = 132
TAKEN_OVER = 142
_CREDENTIALS = frozenset({134, 135, 138, 140})  # password, authorisation, banned, method


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no connection; each kind is logged once until there is one again.

    Attributes:
        kind: ``unreachable``: nobody answers; ``untrusted``: TLS fails; ``refused``: by the broker;
            ``version``: it does not speak this version; ``closed``: it hung up before answering;
            ``taken``: another client came with our id; ``lost``: it was there and is gone.
        text: One line with the remedy, without credentials.
        by_credentials: Whether the user name or the password is what the broker dislikes.
    """

    kind: Kind
    text: str
    by_credentials: bool = False


def explain_error(address: Address, error: OSError) -> Problem:
    """Explain an exception raised while connecting."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _certificate_remedy(error.verify_code)
        text = f"broker {address}: its certificate is not trusted: {error.verify_message}; {remedy}"
        return Problem("untrusted", text)
    if isinstance(error, ssl.SSLError) or (address.tls and isinstance(error, ConnectionResetError)):
        reason = getattr(error, "reason", None) or error.strerror or "TLS failed"
        reason = reason.replace("_", " ").lower()
        text = (
            f"broker {address}: no encrypted connection: {reason}; perhaps this is not its TLS port"
        )
        return Problem("untrusted", text)
    reason = error.strerror or str(error) or type(error).__name__
    return Problem(
        "unreachable",
        f"broker {address} does not answer: {reason}; see that it runs and the address is right",
    )


def explain_refusal(address: Address, code: int, name: str) -> Problem:
    """Explain the reason code of a refusing CONNACK (MQTT 5, 3.2.2.2)."""
    if code == UNSUPPORTED_VERSION:
        return Problem("version", f"broker {address} does not speak the MQTT version asked for")
    if code in _CREDENTIALS:
        text = (
            f"broker {address} refuses us: {name}; check broker.username and "
            "broker.password_file (or HAR_MQTT_PASSWORD)"
        )
        return Problem("refused", text, by_credentials=True)
    return Problem("refused", f"broker {address} refuses us: {name}; its log says why")


def explain_silence(address: Address, waited_s: float) -> Problem:
    """Explain that the broker took the connection and then said nothing."""
    text = f"broker {address} takes the connection but does not answer within {waited_s:g} s"
    return Problem("closed", f"{text}; perhaps it is no MQTT broker")


def explain_end(address: Address, *, accepted: bool, code: int, name: str) -> Problem:
    """Explain the end of a connection, before or after the broker had accepted it."""
    if code == TAKEN_OVER:
        text = (
            f"broker {address}: another client came with our id and took this connection; see "
            "that no second process has the same node or home name"
        )
        return Problem("taken", text)
    if accepted:
        return Problem("lost", f"broker {address} is lost: {name}")
    hint = "; perhaps it wants a client certificate (broker.tls.cert_file)" if address.tls else ""
    return Problem("closed", f"broker {address} hung up before answering{hint or f': {name}'}")


def _certificate_remedy(verify_code: int) -> str:
    if verify_code in (9, 10):  # not yet valid, expired: X509_V_ERR_CERT_*
        return "renew it, or set the clock"
    if verify_code in (62, 64):  # host name, IP address mismatch
        return "connect by a name that the certificate holds"
    return "give the CA that signed it as broker.tls.ca_file"
