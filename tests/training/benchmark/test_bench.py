"""`har-bench` measures everything it names, and our step is far ahead of the tutorials' loop."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.bundles.random_bundle import random_bundle
from support.repository import ROOT

from har_stream.core.frame import ClipSpec
from training.benchmark import bench, capacity, stream_cost
from training.benchmark.steps import BUNDLES

STUDY = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)
FILMS = {"240p": ("320x240", 0), "240p_b": ("320x240", 3)}
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="no ffmpeg here: apt-get install ffmpeg"
)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles of random weights in place of the shipped ones: they cost the same."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    for network, name in BUNDLES.items():
        (folder / name).symlink_to(random_bundle(network, STUDY)[0].path)
    monkeypatch.setattr("har_stream.bundles.bundle.SHIPPED", folder)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.usefixtures("shipped")
def test_one_run_measures_all_and_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    effort = bench.Effort(n_rounds=2, film_s=5, n_readings=1, live_s=5, many_s=5, precision=1.0)
    monkeypatch.setattr(bench, "QUICK", effort)
    monkeypatch.setattr(bench, "FILMS", FILMS)
    monkeypatch.setattr(bench, "CAMERAS", (1, 2))
    monkeypatch.setattr(capacity, "MOST", 4)
    path = tmp_path / "figures.json"
    assert bench.main(["--quick", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    for network in ("lrcn", "convlstm"):
        taken = figures[network]
        assert taken.keys() == {"loop_ms", "tf_function_ms", "hop1_ms", "hop5_ms"}
        assert taken["loop_ms"] > 3 * taken["hop1_ms"]
        assert taken["loop_ms"] > 10 * taken["hop5_ms"]
    for size in FILMS:
        found = figures["pipeline"][size]
        assert found.keys() == {"decode_fps", "sample_fps", "pipeline_fps", "needed_fps"}
        assert min(found.values()) > 10
    for n in (1, 2):
        found = figures["cameras"][str(n)]
        assert (found["decisions"], found["missed"]) == (2 * n, 0)
        assert 0 <= found["p95_lateness_ms"] <= found["max_lateness_ms"]
        assert abs(found["drift_ms"]) <= found["max_lateness_ms"]
    assert figures["cameras"]["capacity"] >= 1
    assert figures["cameras"]["decode_capacity"] >= 1
    assert 0.1 < figures["startup_s"] < 60
    assert 50 < figures["rss_mb"] < 350
    assert 0 < figures["mqtt_p95_ms"] < 5000
    printed = capsys.readouterr().out
    assert "lrcn: step, every 5th" in printed
    assert "2/2 decided" in printed
    assert "cameras held: whole pipeline" in printed


def test_the_plot_is_made_from_the_figures(tmp_path: Path) -> None:
    figures = ROOT / "benchmarks/two-cores.json"
    plot = tmp_path / "plot.svg"
    command = [sys.executable, ROOT / "benchmarks/plot.py", figures, plot]
    subprocess.run(command, check=True)
    assert plot.read_text().startswith("<?xml")
    lrcn = json.loads(figures.read_text())["lrcn"]
    assert f"{lrcn['loop_ms'] / lrcn['hop1_ms']:.0f} x" in plot.read_text()


def test_figures_that_cannot_be_written_are_told_before_measuring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "measure", lambda _: pytest.fail("measured all the same"))
    assert bench.main(["--json", str(tmp_path / "gone/figures.json")]) == 2
    said = f"har-bench: {tmp_path}/gone/figures.json: there is no folder {tmp_path}/gone; make it"
    assert capsys.readouterr().err.startswith(said)


def test_figures_that_cannot_be_written_after_all_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = json.loads((ROOT / "benchmarks/two-cores.json").read_text())
    monkeypatch.setattr(bench, "measure", lambda _: figures)
    assert bench.main(["--json", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(f"{tmp_path}: cannot be written: Is a directory\n")


def test_ctrl_c_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measure", lambda _: signal.raise_signal(signal.SIGINT))
    assert bench.main([]) == 130
    assert capsys.readouterr().err == "har-bench: interrupted\n"


def test_without_ffmpeg_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(stream_cost.shutil, "which", lambda _: None)
    monkeypatch.setattr(bench, "find_bundle", lambda _: random_bundle("lrcn", STUDY)[0].path)
    assert bench.main(["--json", str(tmp_path / "f.json")]) == 2
    assert "apt-get install ffmpeg" in capsys.readouterr().err


def test_without_the_extra_the_command_that_installs_it_is_named() -> None:
    lacking = "import sys; sys.modules['keras'] = None"
    call = "from training.benchmark.bench import main; sys.exit(main(['--quick']))"
    command = [sys.executable, "-c", f"{lacking}; {call}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = "har-bench: keras is not installed: pip install 'har-stream[train]'"
    assert run.stderr.splitlines()[-1] == said
    assert "Traceback" not in run.stderr
    assert run.returncode == 2
