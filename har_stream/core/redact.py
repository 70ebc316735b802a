"""Keeps credentials out of every log line, error and message."""

import re

_LOGIN = re.compile(r"(\w+://)\S*@")
_SECRET = re.compile(
    r"([?&][^=&\s]*(?:pass|pwd|pw|token|key|auth|secret|user|login)[^=&\s]*=)[^&\s]*", re.IGNORECASE
)


def redact(text: str) -> str:
    """Blank the login of every URL in a text, and the values of its secret-looking parameters.

    A password may itself hold ``@`` or ``/``, so everything up to the last ``@`` is blanked.
    """
    return _SECRET.sub(r"\1***", _LOGIN.sub(r"\1***@", text))
