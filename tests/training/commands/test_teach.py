"""`train-har teach` takes nothing away that a household has, unless it is told to."""

import shutil
from pathlib import Path

import pytest

from har_stream.bundles.bundle import MANIFEST, find_bundle, load_bundle, save_bundle
from training.commands.train_har import main


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A household's clips, and the folder of its own bundles."""
    for session in "ab":
        for n in range(2):
            clip = tmp_path / "clips/cooking" / session / f"{n}.mp4"
            clip.parent.mkdir(parents=True, exist_ok=True)
            clip.touch()
    (tmp_path / "ordinary").mkdir()
    (tmp_path / "ordinary/1.mp4").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/har-stream"


def said(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["teach", "--clips", "clips", "--ordinary", "ordinary", *more]) == 2
    return capsys.readouterr().err


def test_a_shipped_bundle_keeps_its_name(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "give another, such as my-home" in said(capsys, "--name", "home")
    assert not (state / "models").exists()


def test_a_folder_that_is_no_bundle_is_not_replaced(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "it is no bundle; give a new or empty folder" in said(capsys, "--out", "clips")


def test_no_activity_is_lost_unasked(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = load_bundle(find_bundle("home"))
    labels = (*home.manifest.labels, "cooking", "ironing")
    networks = home.manifest.networks
    fields = {
        "labels": labels,
        "taught": ("cooking", "ironing"),
        "confusion": None,
        "networks": networks | {"scene": networks["pose"], "taught": networks["head"]},
    }
    taught = home.manifest.model_copy(update=fields)
    own = state / "models/my-home"
    save_bundle(own, taught, {n: (home.path / n).read_bytes() for n in home.manifest.sha256})
    before = (own / MANIFEST).read_bytes()
    assert "knows ironing, of which there are no clips" in said(capsys)
    assert "ironing" not in said(capsys, "--replace")  # refused for the clips, which are empty
    assert (own / MANIFEST).read_bytes() == before
    shutil.copytree("clips/cooking", "clips/ironing", dirs_exist_ok=True)
    assert "ironing, of which" not in said(capsys)
