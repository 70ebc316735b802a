"""What several tests of training learn from, made once for all of them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small MobileNetV2, as pretrained ones come."""
    from support.bundles.pretrained import write_weights  # Keras, which few of the tests need

    return write_weights(tmp_path_factory.mktemp("weights") / "v2.weights.h5")
