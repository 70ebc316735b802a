"""What several tests of training learn from, made once for all of them, and how they learn."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small MobileNetV2, as pretrained ones come."""
    from support.bundles.pretrained import write_weights  # Keras, which few of the tests need

    return write_weights(tmp_path_factory.mktemp("weights") / "v2.weights.h5")


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    """Keras runs a step as it is written: for a few steps far faster than to trace it first."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def traced(eager: None) -> Iterator[None]:
    """Within an eager module, steps are traced, as outside tests."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)
