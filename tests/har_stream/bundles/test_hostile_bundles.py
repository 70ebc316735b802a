"""A bundle from a stranger is used or refused in a line, within 2 s and 300 MB."""

import hashlib
import json
import os
import random
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.files.mutations import mutate
from support.processes.measured import run_python

from har_stream.bundles.bundle import MANIFEST, SHIPPED, load_bundle
from har_stream.core.errors import InputError
from har_stream.recognition.recogniser import Recogniser

VALID = SHIPPED / "lrcn-ucf"
NETWORKS = ("encoder.tflite", "advance.tflite")
OPEN = """
import pathlib, sys, time
from har_stream.bundles.bundle import load_bundle
from har_stream.core.errors import InputError
from har_stream.recognition.recogniser import Recogniser
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    began_s = time.process_time()
    try:
        Recogniser(load_bundle(path), engine=sys.argv[2])
        print(f"{time.process_time() - began_s:.1f} s: {path.name}: USED")
    except InputError as error:
        print(f"{time.process_time() - began_s:.1f} s: {path.name}: {error}")
"""


def _say(**fields: Any) -> Callable[[Path], None]:
    """Have the manifest say something else; a mapping changes the keys of its part."""

    def change(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text())
        for key, value in fields.items():
            is_part = isinstance(value, dict) and value
            manifest[key] = {**manifest[key], **value} if is_part else value
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return change


def _file(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put something else in a network's place."""

    def change(folder: Path) -> None:
        (folder / "encoder.tflite").unlink()
        make(folder / "encoder.tflite")

    return change


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 << 30)


def _huge_manifest(folder: Path) -> None:
    with (folder / MANIFEST).open("ab") as file:
        file.truncate(50 << 30)


def _deep_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("[" * 1_000_000)


def _frames_of(side_px: int) -> Callable[[Path], None]:
    """Have a network take far larger frames than its manifest says."""

    def change(folder: Path) -> None:
        network = folder / "encoder.tflite"
        old, new = (struct.pack("<4i", 1, side, side, 3) for side in (64, side_px))
        assert old in network.read_bytes()
        network.write_bytes(network.read_bytes().replace(old, new))
        _rehash(network)

    return change


ROLES = {"encoder": {"litert": "encoder.tflite"}, "advance": {"litert": "advance.tflite"}}
HOSTILE: dict[str, Callable[[Path], None]] = {
    "zero": _file(lambda path: path.symlink_to("/dev/zero")),
    "pipe": _file(os.mkfifo),
    "folder": _file(Path.mkdir),
    "huge": _file(_huge),
    "huge-manifest": _huge_manifest,
    "deep-manifest": _deep_manifest,
    **{
        f"{key}-{value}": _say(clip={key: value})
        for key, values in {
            "n_frames": (10**9, 0, -1),
            "sample_hz": (1e9, 0, -5.0, float("nan"), float("inf")),
            "height_px": (10**9, 0, -64),
            "scale": (0, 1e300, float("nan")),
            "offset": (1e300,),
        }.items()
        for value in values
    },
    "large-frames": _frames_of(1 << 14),
    "endless-frames": _frames_of(1 << 30),
    "temperature": _say(calibration={"temperature": 1e-320}),
    "hop": _say(hop_frames=10**9),
    "reset": _say(reset_frames=0),
    "threshold": _say(deciding={"reject_below": -1e9}),
    "dwell": _say(deciding={"min_dwell_s": float("inf")}),
    "no-network": _say(networks={}),
    "empty-role": _say(networks=ROLES | {"encoder": {}}),
    "no-advance": _say(networks={"encoder": ROLES["encoder"], "advance": {}}),
    "up": _say(networks=ROLES | {"encoder": {"litert": "../lrcn/encoder.tflite"}}),
    "root": _say(networks=ROLES | {"encoder": {"litert": "/dev/zero"}}),
    "label": _say(labels=["a", "\n"]),
    "long-key": _say(**{"x" * 1_000_000: 1}),
    "lines-in-key": _say(**{"a\nb": 1}),
    "many-labels": _say(labels=[str(n) for n in range(100_000)]),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, str]]:
    """Seconds and words of each refusal, all made in one process that stays small."""
    root = tmp_path_factory.mktemp("hostile")
    for name, change in HOSTILE.items():
        shutil.copytree(VALID, root / name)
        change(root / name)
    run = run_python(OPEN, str(root), "litert")
    assert run.status == 0, run.output
    assert run.peak_mb < 300
    lines = [line.split(" s: ", 1) for line in run.output.splitlines()]
    assert len(lines) == len(HOSTILE), run.output
    return {said.split(": ")[0]: (float(took), said) for took, said in lines}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused(name: str, refusals: dict[str, tuple[float, str]]) -> None:
    took_s, said = refusals[name]
    assert took_s < 2.0
    assert not said.endswith("USED")
    assert len(said) < 1000


def test_a_keras_file_that_unpacks_to_far_more_or_is_deep_is_refused(tmp_path: Path) -> None:
    for name, config in {
        "bomb": b"{}" + b" " * (200 << 20),
        "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "nested": b"[" * 200 + b"]" * 200,
        "text": b"no JSON",
    }.items():
        shutil.copytree(VALID, tmp_path / name)
        network = tmp_path / name / "encoder.keras"
        with zipfile.ZipFile(network, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", config)
        _rehash(network)
    run = run_python(OPEN, str(tmp_path), "keras")
    assert run.status == 0, run.output
    assert run.peak_mb < 300
    lines = run.output.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["bomb", "deep", "nested", "text"]
    for line, says in zip(lines, ("unpacks to", "too deep", "too deep", "no model"), strict=True):
        assert says in line
        assert float(line.split(" s: ")[0]) < 2.0


@pytest.mark.parametrize(
    "n", [pytest.param(30, id="short"), pytest.param(300, id="long", marks=pytest.mark.slow)]
)
def test_mutations_of_a_valid_bundle(tmp_path: Path, n: int) -> None:
    """Half of them in the manifest; half in a network, whose hash then fits."""
    counts = {"used": 0, "refused": 0}
    longest_s = 0.0
    for seed in range(n):
        folder = tmp_path / str(seed)
        shutil.copytree(VALID, folder)
        target = folder / (random.Random(seed).choice(NETWORKS[:2]) if seed % 2 else MANIFEST)
        target.write_bytes(mutate(target.read_bytes(), seed))
        if seed % 2:
            _rehash(target)
        began_s = time.process_time()
        try:
            Recogniser(load_bundle(folder), engine="litert")
            counts["used"] += 1
        except InputError as error:
            assert "\n" not in str(error)
            counts["refused"] += 1
        longest_s = max(longest_s, time.process_time() - began_s)
        shutil.rmtree(folder)
    print(f"bundles: {n} mutations, {counts}, longest {longest_s:.2f} s, 0 tracebacks")
    assert longest_s < 2.0
    assert counts["refused"] > n / 4


def _rehash(network: Path) -> None:
    """Have the manifest agree with a changed file, as a stranger would."""
    sha256 = hashlib.sha256(network.read_bytes()).hexdigest()
    path = network.parent / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["sha256"][network.name] = sha256
    path.write_text(json.dumps(manifest))
