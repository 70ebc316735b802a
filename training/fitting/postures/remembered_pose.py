"""A key-point network that looks at the same square once: clips are seen by many heads.

What it found is kept in a file from run to run, by the hash of the square (BLAKE2, RFC 7693).
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles import weights
from har_stream.core.atomic_file import replacing_file, writing
from har_stream.core.frame import Image
from har_stream.recognition.person.network import PoseNetwork

N_BYTES = 16
"""Of a square's hash."""


class RememberedPose:
    """Finds as its network does; see `har_stream.recognition.person.network.PoseNetwork`.

    Args:
        path: The network's file.
        folder: Where it keeps what it found.

    Attributes:
        size_px: Side of the square that it takes in.
        needs_movement: As its network's.
    """

    def __init__(self, path: Path, *, folder: Path) -> None:
        self._network = PoseNetwork(path)
        self.size_px = self._network.size_px
        self.needs_movement = self._network.needs_movement
        self._file = folder / f"poses-{weights.hash_of(path)[:16]}.npz"
        self._found: dict[bytes, NDArray[np.float32]] = {}
        if self._file.exists():
            with np.load(self._file) as kept:
                keys = kept["keys"].tobytes()
                self._found = {
                    keys[n * N_BYTES : (n + 1) * N_BYTES]: found
                    for n, found in enumerate(kept["found"])
                }

    def find(self, square: Image) -> NDArray[np.float32]:
        """Find one person's key points, shape (17, 3)."""
        key = hashlib.blake2b(square.tobytes(), digest_size=N_BYTES).digest()
        if key not in self._found:
            self._found[key] = self._network.find(square)
        return self._found[key].copy()

    def keep(self) -> None:
        """Write what it found to its file."""
        with writing(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing_file(self._file) as partial, partial.open("wb") as file:
                keys = np.frombuffer(b"".join(self._found), np.uint8)
                np.savez(file, keys=keys, found=np.stack(list(self._found.values())))
