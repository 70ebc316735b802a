"""How long to wait before the next attempt, at a camera or at the broker."""


def backoff_s(n_failed: int, *, jitter: float, first_s: float, longest_s: float) -> float:
    """Seconds to wait: a span that doubles with every failure, of which at least half is waited.

    Args:
        n_failed: Attempts that failed since it last went well, without the one just made.
        jitter: 0..1, where between half of the span and all of it; spreads many clients.
        first_s: The first span.
        longest_s: No span is longer.
    """
    span_s = min(longest_s, first_s * 2.0 ** min(n_failed, 16))
    return span_s * (1 + jitter) / 2
