"""The context that a transition depends on, as numbers: what, when, how long, and what else."""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from predictor.estimators.filtering import Array

N_KEPT = 4096
"""Newest cases kept for refitting, so that memory stays flat."""
LONG_AGO_H = 72.0
"""Hours since something that was not done for this long, or never."""
_N_MOMENT = 4
_RECENCY_H = (1.0, 4.0, 16.0)
_HARMONICS = np.arange(1, 5)
_HARMONIC_SCALE = 1.0 / np.array([1.0, 1.5, 2.0, 3.0])


@dataclass(frozen=True, slots=True)
class Contexts:
    """Contexts, a row each, with what was expected and what followed.

    Attributes:
        now: p(running activity), shape (contexts, activities).
        before: p(activity before it), same shape.
        earlier: p(activity before that), same shape.
        since_h: Hours since each activity last ended, same shape.
        today: How often each was done today, same shape.
        prior: p(next activity) by counts alone, same shape.
        target: p(next activity | all that was seen of it), same shape; zeros if still to come.
        moment: Time of day in hours, log(1 + minutes elapsed), weekend, day number: (contexts, 4).
        extra: Rooms and context topics, of order one, shape (contexts, extras).
    """

    now: Array
    before: Array
    earlier: Array
    since_h: Array
    today: Array
    prior: Array
    target: Array
    moment: Array
    extra: Array

    def features(self) -> Array:
        """Return features of order one, shape (contexts, features)."""
        hour, log_elapsed, weekend, _ = self.moment.T
        angles = (2 * np.pi / 24) * hour[:, None] * _HARMONICS
        return np.concatenate(
            (
                self.now,
                0.7 * self.before,
                0.4 * self.earlier,
                *(0.7 * np.exp(self.since_h / -hours) for hours in _RECENCY_H),
                0.5 * np.minimum(self.today, 3.0),
                0.7 * self.now * (log_elapsed / 3.0)[:, None],
                np.sin(angles) * _HARMONIC_SCALE,
                np.cos(angles) * _HARMONIC_SCALE,
                np.stack((log_elapsed / 3.0, 0.5 * weekend, np.ones(len(hour))), axis=1),
                self.extra,
            ),
            axis=1,
        )

    def cuttable(self, features: Array) -> Array:
        """Return `features` and plain numbers beside them, which trees like to cut."""
        return np.concatenate((features, self.since_h, self.today, self.moment[:, :2]), 1)

    def narrowed(self, n_activities: int, n_extras: int) -> "Contexts":
        """Return the same contexts with the first activities and extras only."""
        widths = {"moment": _N_MOMENT, "extra": n_extras}
        names = (each.name for each in fields(self))
        return Contexts(
            *(getattr(self, name)[:, : widths.get(name, n_activities)] for name in names)
        )

    def padded(self, n_activities: int, n_extras: int) -> "Contexts":
        """Return the same contexts with room for more activities and extras."""
        wider = []
        for name in (each.name for each in fields(self)):
            block = getattr(self, name)
            width = {"moment": _N_MOMENT, "extra": n_extras}.get(name, n_activities)
            missing = ((0, 0), (0, width - block.shape[1]))
            fill = LONG_AGO_H if name == "since_h" else 0.0
            wider.append(np.pad(block, missing, constant_values=fill))
        return Contexts(*wider)


@dataclass(slots=True)
class CaseBook:
    """The newest contexts of which it is known what followed: a ring of rows.

    Attributes:
        rows: The blocks of `Contexts` side by side, shape (kept, width); in single precision, as
            they are most of what a home takes of memory.
        n_seen: Cases ever seen.
        n_activities: Columns of each block but the last two.
        n_extras: Columns of the last block.
    """

    rows: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, _N_MOMENT), np.float32))
    n_seen: int = 0
    n_activities: int = 0
    n_extras: int = 0

    def add(self, case: Contexts) -> None:
        """Keep one context; `case` has one row."""
        shape = (case.now.shape[1], case.extra.shape[1])
        if shape != (self.n_activities, self.n_extras):
            self.rows = _packed(self.contexts().padded(*shape)).astype(np.float32)
            self.n_activities, self.n_extras = shape
        slot = self.n_seen % N_KEPT
        if slot >= len(self.rows):
            more = min(max(64, len(self.rows)), N_KEPT - len(self.rows))
            self.rows = np.pad(self.rows, ((0, more), (0, 0)))
        self.rows[slot] = _packed(case)[0]
        self.n_seen += 1

    def contexts(self) -> Contexts:
        """Return a copy of what is kept."""
        kept = self.rows[: min(self.n_seen, N_KEPT)].astype(np.float64)
        n_blocks = len(fields(Contexts)) - 2
        ends = self.n_activities * np.arange(1, n_blocks + 1)
        return Contexts(*np.split(kept, [*ends, ends[-1] + _N_MOMENT], axis=1))


def _packed(contexts: Contexts) -> Array:
    return np.concatenate([getattr(contexts, each.name) for each in fields(contexts)], axis=1)
