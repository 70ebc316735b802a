"""What a bundle says of itself, and where bundles are found."""

import json
from pathlib import Path

import pytest
from support.bundles.manifest_builder import manifest

from har_stream.bundles.bundle import read_named_manifest
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS

CONFUSION = ((0.8, 0.1, 0.1), (0.2, 0.7, 0.1), (0.0, 0.0, 1.0))


def test_the_confusion_matrix_by_label_is_the_one_in_the_manifest(tmp_path: Path) -> None:
    shipped = read_named_manifest("sim-home", state_dir=tmp_path)
    confusion = shipped.confusion_by_label()
    assert shipped.confusion is not None
    assert tuple(confusion) == shipped.labels
    for true, row in zip(shipped.labels, shipped.confusion, strict=True):
        assert tuple(confusion[true].values()) == row
        assert sum(confusion[true].values()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["home", "home-movenet", "lrcn-ucf", "sim-home"])
def test_shipped_bundles_learned_from_the_pixels_of_today(tmp_path: Path, name: str) -> None:
    assert read_named_manifest(name, state_dir=tmp_path).pixels == PIXELS


def test_a_manifest_alone_tells_its_confusion(tmp_path: Path) -> None:
    """Where only the forecaster runs, no network has to lie beside it."""
    mine = manifest(confusion=CONFUSION, networks={"encoder": {"keras": "encoder.keras"}})
    (tmp_path / "manifest.json").write_text(mine.model_dump_json())
    assert read_named_manifest(str(tmp_path), state_dir=tmp_path) == mine


WITHOUT = manifest().model_dump(mode="json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no bundle '.*'|not a bundle"),
        ("{", "Invalid JSON"),
        (json.dumps(WITHOUT), "holds no confusion matrix; train-har fit measures one"),
        (json.dumps({**WITHOUT, "confusion": [[1.0]]}), "3 labels need 3 x 3 values"),
    ],
)
def test_a_bundle_without_a_confusion_matrix_is_told(
    tmp_path: Path, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_named_manifest(str(tmp_path), state_dir=tmp_path).confusion_by_label()
