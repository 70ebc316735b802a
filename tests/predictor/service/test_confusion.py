"""The confusion matrix of a bundle, without TensorFlow or OpenCV."""

import json
from pathlib import Path

import pytest

from har_stream.bundles import bundle
from har_stream.core.errors import InputError
from predictor.service.confusion import read_confusion


def test_it_is_the_one_in_the_bundle() -> None:
    manifest = bundle.load(bundle.find("sim-home")).manifest
    confusion = read_confusion("sim-home")
    assert manifest.confusion is not None
    assert tuple(confusion) == manifest.labels
    for true, row in zip(manifest.labels, manifest.confusion, strict=True):
        assert tuple(confusion[true].values()) == pytest.approx(row)
        assert sum(confusion[true].values()) == pytest.approx(1.0, abs=1e-3)
    assert read_confusion(str(bundle.find("sim-home"))) == confusion


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "cannot be read: No such file"),
        ("{", "holds no confusion matrix"),
        (json.dumps({"labels": ["a"], "confusion": None}), "holds no confusion matrix"),
        (json.dumps({"labels": ["a", "b"], "confusion": [[1.0]]}), "holds no confusion matrix"),
    ],
)
def test_what_is_none_is_said(tmp_path: Path, manifest: str | None, words: str) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=words):
        read_confusion(str(tmp_path))
