"""Tasks of Ray's, of archives and of training."""

from collections.abc import Sequence
from typing import Any

import ray


def cancel(refs: Sequence[Any]) -> None:
    """Cancel tasks of which nobody wants anything, but for those that are done.

    Ray ends this process where it is to cancel a task whose answer arrives just then.
    """
    if refs:
        for ref in ray.wait([*refs], num_returns=len(refs), timeout=0)[1]:
            ray.cancel(ref, force=True)
