"""How long to wait before the next attempt."""

FIRST_S, LONGEST_S = 1.0, 60.0


def backoff_s(n_failures: int, *, jitter: float) -> float:
    """Seconds to wait after ``n_failures`` in a row; ``jitter`` in 0..1 spreads many clients."""
    span = min(LONGEST_S, FIRST_S * 2.0 ** min(n_failures, 16))
    return FIRST_S + jitter * (span - FIRST_S)
