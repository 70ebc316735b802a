"""Which windows are open, how old each is and which ends now: pure bookkeeping on tick counts.

A window of N frames that hops by h has K = ceil(N / h) windows open at once. Row s of a camera
holds window s, s + K, s + 2K, ... in turn; window j begins at tick j * h. All follows from the
number of ticks since the camera's last reset, so a reset is a count of 0 and no more.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Manifest, Memory

NONE = -1
"""No row ends a window now."""


@dataclass(frozen=True, slots=True)
class WindowRows:
    """The rows of one camera.

    Attributes:
        memory: What a row keeps; see `har_stream.bundles.bundle.Manifest`.
        n_frames: Frames of one window.
        hop_frames: Frames between two decisions.
        reset_frames: After so many frames a running state begins anew; none: never.
    """

    memory: Memory
    n_frames: int
    hop_frames: int
    reset_frames: int | None = None

    @classmethod
    def from_manifest(cls, manifest: Manifest, *, hop_frames: int | None = None) -> "WindowRows":
        """Return the rows for a bundle's windows; another hop may be asked for."""
        hop = hop_frames or manifest.hop_frames
        return cls(manifest.memory, manifest.clip.n_frames, hop, manifest.reset_frames)

    @property
    def n_rows(self) -> int:
        """Rows of a camera: its open windows where they are staggered, otherwise one."""
        return -(-self.n_frames // self.hop_frames) if self.memory == "staggered" else 1

    def ages(self, ticks: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return how many frames each row's window holds before this tick's frame.

        Args:
            ticks: Ticks before this one since the last reset, one per camera, shape (B,).

        Returns:
            Shape (B, n_rows). 0 begins a window; a row that waits for its turn stays at 0.
        """
        ticks = ticks[:, None]
        if self.memory != "staggered":
            return self._since_reset(ticks).astype(np.int32)
        newest = ticks // self.hop_frames
        window = newest - (newest - np.arange(self.n_rows)) % self.n_rows
        ages = ticks - window * self.hop_frames
        waits = (window < 0) | (ages >= self.n_frames)
        return np.where(waits, 0, ages).astype(np.int32)

    def ending(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row whose window is complete with this tick's frame, or `NONE`; shape (B,)."""
        beyond = self._since_reset(ticks) - (self.n_frames - 1)
        row = beyond // self.hop_frames % self.n_rows
        return np.where((beyond >= 0) & (beyond % self.hop_frames == 0), row, NONE)

    def _since_reset(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        return ticks % self.reset_frames if self.reset_frames else ticks
