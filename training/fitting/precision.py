"""Half precision where a GPU computes in it faster; weights and bundle stay in float32."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

logger = logging.getLogger(__name__)

WHOLE, MIXED = "float32", "mixed_float16"


def choose_policy(*, mixed: bool, gpus: Sequence[str]) -> str:
    """Say in which of Keras' dtype policies to fit.

    Args:
        mixed: Whether the config asks for mixed precision (Micikevicius et al. 2018).
        gpus: Of this machine; without one mixed precision is slower, and is not used.
    """
    if mixed and not gpus:
        logger.warning("fit.mixed_precision: no GPU is there, so fitting goes on in float32")
    return MIXED if mixed and gpus else WHOLE


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Build layers and models in this policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
