"""What is built for others to install: whole, described rightly, and running on its own."""

import email
import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from support.repository import PACKAGES, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from a source distribution, as those who package it do."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    assert inside == {
        path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts
    }


def test_its_metadata_says_what_it_is(wheel: Path) -> None:
    about = _metadata(wheel)
    assert about["License-Expression"] == "MIT"
    assert about["Requires-Python"] == "<3.14,>=3.11"
    assert {"litert", "forecast", "page", "train"} <= set(about.get_all("Provides-Extra", []))
    assert about["Description-Content-Type"] == "text/markdown"
    assert "Programming Language :: Python :: 3.13" in about.get_all("Classifier", [])


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


@pytest.mark.slow
def test_it_runs_where_nothing_else_of_the_repository_is(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*pip, tmp_path / "installed", wheel], check=True)
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "installed"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    command = [tmp_path / "installed" / "bin" / "har-demo", "--duration", "20"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    print(done.stdout[-2000:])
    where = [sys.executable, "-c", "import har_stream; print(har_stream.__file__)"]
    told = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert told.stdout.startswith(str(tmp_path / "installed"))
