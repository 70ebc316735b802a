"""What one home's log says of common activities, in a few numbers: no row of the log is in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.estimators.filtering import Array
from predictor.prior.activity_names import activity_of_label
from predictor.sessions import Session

SLICES = (np.arange(10) + 0.5) / 10
"""Times are told by ten equally likely ones: the middles of ten slices."""


@dataclass(frozen=True, slots=True)
class HomeCounts:
    """Counts of one home, by common activity.

    Attributes:
        began: When its log began, local time: it is recognised by that.
        follows: How often an activity came next after each.
        hours: How often each came next after what had ended in each hour of the day, 24 numbers.
        lengths_s: Ten equally likely lengths of each, in seconds.
        dwells_s: Ten equally likely times from its start to the next one's.
        first_seen: Number of the session with which each label of the home appeared.
        n_sessions: Sessions of the log.
    """

    began: str
    follows: dict[str, dict[str, int]]
    hours: dict[str, list[int]]
    lengths_s: dict[str, list[int]]
    dwells_s: dict[str, list[int]]
    first_seen: list[int]
    n_sessions: int


def began(sessions: Sequence[Session]) -> str:
    """Return when a log began, local time."""
    return sessions[0].started_at.replace(tzinfo=None).isoformat(timespec="seconds")


def count_home(sessions: Sequence[Session]) -> HomeCounts:
    """Count a home's sessions, raw, in the order of their starts."""
    kinds = [activity_of_label(session.activity) for session in sessions]
    follows: dict[str, Counter[str]] = {}
    hours: dict[str, Array] = {}
    lengths: dict[str, list[float]] = {}
    dwells: dict[str, list[float]] = {}
    for number, (kind, session) in enumerate(zip(kinds, sessions, strict=True)):
        following = sessions[number + 1] if number + 1 < len(sessions) else None
        after = kinds[number + 1] if following else None
        ended_at = min(session.ended_at, following.started_at) if following else session.ended_at
        if kind:
            lengths.setdefault(kind, []).append((ended_at - session.started_at).total_seconds())
        if kind and following:
            dwell = following.started_at - session.started_at
            dwells.setdefault(kind, []).append(dwell.total_seconds())
        if kind and after:
            follows.setdefault(kind, Counter())[after] += 1
        if after:
            hours.setdefault(after, np.zeros(24, int))[ended_at.hour] += 1
    labels = [session.activity for session in sessions]
    return HomeCounts(
        began=began(sessions),
        follows={kind: dict(sorted(row.items())) for kind, row in sorted(follows.items())},
        hours={kind: row.tolist() for kind, row in sorted(hours.items())},
        lengths_s=_sliced(lengths),
        dwells_s=_sliced(dwells),
        first_seen=sorted(labels.index(label) for label in set(labels)),
        n_sessions=len(sessions),
    )


def _sliced(times_s: dict[str, list[float]]) -> dict[str, list[int]]:
    return {
        kind: np.rint(np.quantile(times, SLICES)).astype(int).tolist()
        for kind, times in sorted(times_s.items())
    }
