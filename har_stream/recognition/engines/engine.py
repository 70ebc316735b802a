"""What an engine does, whatever computes it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class StatesLost(Exception):  # noqa: N818 -- no fault of whoever asked
    """An engine that computes in another process has lost all states: every window begins anew."""


class Engine(Protocol):
    """Runs a bundle's networks and keeps their states, for many cameras.

    A camera is a slot, a small number; it has `WindowRows.n_rows` rows, each with a state. Nothing
    needs resetting from outside: a row of age 0 begins anew.
    """

    @property
    def runs_on(self) -> str:
        """The runtime and the device that computes, for people."""

    def step(
        self,
        frames: NDArray[np.float32],
        *,
        slots: NDArray[np.int64],
        ages: NDArray[np.int32],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Take one frame of each of B different cameras.

        Args:
            frames: Normalised, shape (B, height, width, 3).
            slots: Whose frame it is, shape (B,).
            ages: Ages of the rows before this frame, shape (B, n_rows).
            rows: The row whose logits are wanted, or `NONE`; shape (B,).

        Returns:
            Logits, shape (B, n_labels); without meaning where no row was asked for.

        Raises:
            StatesLost: Nothing was computed, and what was before is lost; try with the next frame.
        """
