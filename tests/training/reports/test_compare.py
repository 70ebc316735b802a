"""Runs side by side: every figure by brute force, leaks flagged, chance told from difference."""

import json
import math
import os
import re
from pathlib import Path
from shutil import copytree, rmtree

import numpy as np
import pytest
from scipy import stats
from support.bundles.run_builder import LABELS, write_run
from support.html_page import assert_stands_alone

from har_stream.bundles.bundle import SHIPPED
from har_stream.core.errors import InputError
from training.reports import compare, compare_page, run_report


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one of which leaks, and a sweep of three seeds."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "good", right=0.95, name="good")
    write_run(folder / "bad", right=0.3, name="bad", leaks=True)
    for seed in (1, 2, 3):
        write_run(folder / f"sweep/seed-{seed}", seed=seed, name="swept")
    return folder


@pytest.fixture(scope="module")
def page(runs: Path) -> Path:
    return compare_page.write_comparison(
        [runs / name for name in ("good", "bad", "sweep")], runs / "all.html"
    )


def test_the_page_needs_nothing_beside_it(page: Path) -> None:
    assert_stands_alone(page.read_text())


def test_the_page_says_how_many_threads_every_time_took(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    alone = compare_page.write_comparison([runs / "good"], tmp_path / "alone.html").read_text()
    assert re.search(r"LiteRT on one CPU thread\.\s+Splits:", alone)
    write_run(tmp_path / "conv", name="conv")
    rmtree(tmp_path / "conv/bundle")
    copytree(SHIPPED / "convlstm-ucf", tmp_path / "conv/bundle")
    both = compare_page.write_comparison([runs / "good", tmp_path / "conv"], tmp_path / "both.html")
    said = r"LiteRT on 3 CPU threads \(conv\);\s+LiteRT on one CPU thread \(good\)\."
    assert re.search(said, both.read_text())
    page = " ".join(run_report.write_report(tmp_path / "conv").read_text().split())
    assert "Time: LiteRT on 3 CPU threads," in page
    assert "one thread" not in page


def test_leaks_are_flagged_by_name(page: Path) -> None:
    text = page.read_text()
    assert "Some splits leak." in text
    assert "tested on in bad: the figures" in text
    assert [
        row["leaks"] for row in json.loads(page.with_suffix(".json").read_text())["entries"]
    ] == [
        False,
        True,
        False,
    ]


def test_a_sweep_is_one_row_with_its_interval_over_seeds(runs: Path, page: Path) -> None:
    row = json.loads(page.with_suffix(".json").read_text())["entries"][2]
    accuracies = [entry.runs[0].scores["accuracy"] for entry in compare.seeds_of(runs / "sweep")]
    assert row["seeds"] == [1, 2, 3]
    assert row["accuracy"] == pytest.approx(np.mean(accuracies), rel=1e-3)
    half = stats.t.ppf(0.975, 2) * np.std(accuracies, ddof=1) / math.sqrt(3)
    assert row["accuracy_95"][1] - row["accuracy"] == pytest.approx(half, rel=1e-3)
    assert np.sum(row["confusion"]) == 3 * row["n_clips"] == 180


def test_differences_are_paired_by_clip(runs: Path, page: Path) -> None:
    found = json.loads(page.with_suffix(".json").read_text())
    first = found["differences"][0]
    good, bad = compare.read([runs / "good", runs / "bad"])
    right = [
        [judged.probabilities.mean(0).argmax() == judged.truth for judged in entry.tested]
        for entry in (good, bad)
    ]
    assert first["n_clips"] == 60
    assert first["accuracy"] == pytest.approx(np.mean(right[0]) - np.mean(right[1]), rel=1e-3)
    low, high = first["accuracy_95"]
    assert 0 < low < first["accuracy"] < high
    verdicts = page.read_text()
    assert "unfair: only one split leaks" in verdicts
    assert "first is better" in verdicts or "may be chance" in verdicts


def test_a_run_differs_from_itself_by_nothing(runs: Path) -> None:
    (entry,) = compare.read([runs / "good"])
    same = compare.difference(entry, entry)
    assert (same["accuracy"], same["accuracy_95"]) == (0.0, (0.0, 0.0))


def test_runs_without_a_common_clip_are_not_set_against_each_other(
    runs: Path, tmp_path: Path
) -> None:
    write_run(tmp_path / "else", first_group=90, n_groups=1, n_cuts=1)
    page = compare_page.write_comparison([runs / "good", tmp_path / "else"], tmp_path / "both.html")
    (pair,) = json.loads((tmp_path / "both.json").read_text())["differences"]
    assert pair["accuracy"] is None
    assert "have no test clip in\ncommon" in page.read_text()


def test_clips_are_paired_wherever_the_data_set_lies(runs: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "moved", right=0.95, clips_at=tmp_path / "clips", name="moved")
    here, moved = compare.read([runs / "good", tmp_path / "moved"])
    found = compare.difference(here, moved)
    assert (found["n_clips"], found["accuracy"]) == (60, 0.0)


def test_runs_of_one_name_are_told_apart_by_their_folders(runs: Path) -> None:
    names = [entry.name for entry in compare.read([runs / "sweep/seed-1", runs / "sweep/seed-2"])]
    assert names == [f"swept ({runs / 'sweep' / seed})" for seed in ("seed-1", "seed-2")]


def test_a_sweep_has_a_page_of_its_own(runs: Path) -> None:
    page = compare_page.write_sweep(runs / "sweep")
    text, found = page.read_text(), json.loads((runs / "sweep/report.json").read_text())
    assert_stands_alone(text)
    assert page == runs / "sweep/report.html"
    assert [row["name"] for row in found["entries"]] == ["seed 1", "seed 2", "seed 3"]
    assert found["sweep"]["accuracy"][1] > 0
    for entry in found["entries"]:
        assert entry["name"] in text
        assert len(entry["confusion"]) == len(LABELS)


def test_the_page_of_a_sweep_just_made_leaves_out_older_seeds(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        write_run(tmp_path / f"seed-{seed}", seed=seed, name="swept")
    compare_page.write_sweep(tmp_path, [tmp_path / "seed-3", tmp_path / "seed-2"])
    found = json.loads((tmp_path / "report.json").read_text())
    assert [row["name"] for row in found["entries"]] == ["seed 2", "seed 3"]


def test_what_holds_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the folder of a finished run"):
        compare_page.write_comparison([tmp_path], tmp_path / "none.html")
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_is_told(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="the page cannot be written"):
        compare_page.write_comparison([runs / "good"], tmp_path / "file/page.html")
    assert compare_page.write_comparison([runs / "good"], tmp_path / "new/page.html").exists()


@pytest.mark.parametrize("name", ["page.json", ""])
def test_a_page_with_the_name_of_its_figures_or_none_is_refused(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"give the page's name, FILE\.html"):
        compare_page.write_comparison([runs / "good"], Path(name))
    assert not list(tmp_path.iterdir())


def test_one_seed_is_no_sweep_yet(tmp_path: Path) -> None:
    write_run(tmp_path / "seed-1", seed=1)
    with pytest.raises(InputError, match=f"one seed has no interval; .* {tmp_path / 'seed-1'}$"):
        compare_page.write_sweep(tmp_path)
    assert not (tmp_path / "report.html").exists()
