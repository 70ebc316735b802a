"""Where the repository lies, whichever folder a test stands in."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
"""For a child process that imports `support`."""
