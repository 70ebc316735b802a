"""Who has signed in, and who has to wait before the next attempt. Pure: the time comes in.

Sign-ins live in memory: after a restart everybody signs in anew.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

LASTS_S = 30 * 24 * 3600.0
"""How long a sign-in lasts."""
MAX_SIGN_INS = 1000
"""Beyond it the oldest ends."""
N_FREE = 3
"""Wrong attempts that cost no time."""
LONGEST_WAIT_S = 300.0
MAX_ADDRESSES = 1000
"""Of so many the wrong attempts are counted, beyond it those of all others together."""
OTHERS = "others"


@dataclass(slots=True)
class SignIns:
    """The sign-ins that hold; kept are hashes, not the tokens themselves."""

    _until_s: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def begin(self, now_s: float) -> str:
        """Begin one; returns its token."""
        token = secrets.token_urlsafe(32)
        self._until_s[_hash(token)] = now_s + LASTS_S
        while len(self._until_s) > MAX_SIGN_INS:
            self._until_s.popitem(last=False)
        return token

    def holds(self, token: str, now_s: float) -> bool:
        """Tell whether a token is of a sign-in that holds."""
        return self._until_s.get(_hash(token), 0.0) > now_s

    def end(self, token: str) -> None:
        """Sign out."""
        self._until_s.pop(_hash(token), None)


@dataclass(slots=True)
class Attempts:
    """Wrong attempts, by the address that they came from."""

    _failed: dict[str, tuple[int, float]] = field(default_factory=dict)

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how long an address has to wait before its next attempt."""
        n_failed, last_s = self._failed.get(self._counted(address), (0, 0.0))
        if n_failed < N_FREE:
            return 0.0
        pause_s = min(2.0 ** (n_failed - N_FREE), LONGEST_WAIT_S)
        return max(0.0, last_s + pause_s - now_s)

    def note_wrong(self, address: str, now_s: float) -> None:
        """Count a wrong attempt."""
        counted = self._counted(address)
        n_failed, _ = self._failed.get(counted, (0, 0.0))
        self._failed[counted] = (min(n_failed + 1, 100), now_s)

    def note_right(self, address: str) -> None:
        """Forget what was wrong before."""
        self._failed.pop(address, None)

    def _counted(self, address: str) -> str:
        is_known = address in self._failed or len(self._failed) < MAX_ADDRESSES
        return address if is_known else OTHERS


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
