"""What the tests of the commands look at: a bundle that always decides, and a film."""

from pathlib import Path

import pytest
from support.processes.stream_process import eager_copy, write_video


@pytest.fixture(scope="module")
def eager_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle `lrcn-ucf`, but whatever it sees is some activity."""
    return eager_copy(tmp_path_factory.mktemp("bundles") / "eager")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "bar.mp4", 300)
