"""Limits on what this process may write, so that tests meet a full disk without filling one."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Writing more fails with an `OSError`, as on a full disk."""
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, whole[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)
