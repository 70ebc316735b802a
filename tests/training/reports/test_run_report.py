"""The report of a run: a page that needs nothing beside it, and figures as scikit-learn's."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn import metrics as reference
from support.bundles.run_builder import LABELS, write_run
from support.html_page import assert_stands_alone

from har_stream.core.errors import InputError
from predictor.evaluation.metrics import group_interval
from training import run_folder
from training.data.simulated import draw_clip
from training.evaluation import clip_score
from training.reports import clip_strips, plots, run_report
from training.reports.findings import shorten_paths, worst_confusions


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_run(folder / "run", clips_at=folder / "clips")
    run_report.write_report(folder / "run")
    return folder / "run"


def test_nobodys_folders_are_in_it(run: Path) -> None:
    """A report is sent to others: clips are named from their data set's folder on."""
    for name in ("report.html", "report.json"):
        assert str(run.parent) not in (run / name).read_text()


def test_clips_lose_the_root_that_they_begin_with_alone(run: Path) -> None:
    record = run_folder.read_run(run)
    data = record.config.data.model_copy(update={"path": Path("a")})
    record = replace(record, config=record.config.model_copy(update={"data": data}))
    assert (
        shorten_paths("a/Yoga/v_Yoga_g01.avi: no video", record) == "Yoga/v_Yoga_g01.avi: no video"
    )
    assert shorten_paths("Yoga/v_Yoga_g01.avi", record) == "Yoga/v_Yoga_g01.avi"


def test_the_page_needs_nothing_beside_it(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert_stands_alone(page)
    assert len(page) < 2_000_000


def test_the_page_says_what_matters(run: Path) -> None:
    page = (run / "report.html").read_text()
    for said in (*LABELS, "73,060", "3,416,576", "torn.avi: not a video", "1 have less footage"):
        assert said in page
    assert "No video lies on both sides" in page
    assert "This split leaks" not in page
    assert page.count("data:image/jpeg") == len(
        json.loads((run / "report.json").read_text())["worst"]
    )


def test_a_leaking_split_is_flagged(tmp_path: Path) -> None:
    write_run(tmp_path / "run", leaks=True)
    page = run_report.write_report(tmp_path / "run").read_text()
    assert "This split leaks" in page
    assert "No video lies on both sides" not in page
    assert "the clip is not there any more" in page


def test_a_split_by_groups_that_nobody_knows_claims_no_more(tmp_path: Path) -> None:
    write_run(tmp_path / "run", ungrouped=True)
    page = run_report.write_report(tmp_path / "run").read_text()
    assert "The names of 66 clips do not say which video" in page
    assert "No video lies on both sides" not in page


def test_figures_equal_scikit_learn(run: Path) -> None:
    found = json.loads((run / "report.json").read_text())
    tested = run_folder.read_run(run).tested
    truth = [judged.truth for judged in tested]
    said = [judged.probabilities.mean(0).argmax() for judged in tested]
    scores = found["scores"]
    assert found["confusion"] == reference.confusion_matrix(truth, said).tolist()
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(truth, said), rel=1e-3)
    assert scores["macro_f1"] == pytest.approx(
        reference.f1_score(truth, said, average="macro"), rel=1e-3
    )
    precision, recall, f1, n = reference.precision_recall_fscore_support(truth, said)
    for k, label in enumerate(LABELS):
        expected = {"precision": precision[k], "recall": recall[k], "f1": f1[k], "n_clips": n[k]}
        assert scores["per_class"][label] == pytest.approx(expected, rel=1e-3)
    low, high = scores["accuracy_95"]
    assert low < scores["accuracy"] < high
    assert scores["n_groups"] == 20
    assert found["cost"]["ms_per_frame"]["median_ms"] > 0


def test_reliability_adds_up_to_the_calibration_error(run: Path) -> None:
    found = json.loads((run / "report.json").read_text())
    bins = found["reliability"]
    n = sum(row["n"] for row in bins)
    gap = sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in bins)
    assert n == found["scores"]["n_windows"]
    assert gap / n == pytest.approx(found["scores"]["ece"], rel=1e-3)


def test_worst_confusions_by_brute_force(run: Path) -> None:
    tested = run_folder.read_run(run).tested
    wrong = [
        (LABELS[judged.truth], LABELS[int(mean.argmax())], float(mean.max()), str(judged.clip.path))
        for judged in tested
        if judged.truth is not None
        and (mean := judged.probabilities.mean(0)).argmax() != judged.truth
    ]
    worst = worst_confusions(tested, LABELS)
    assert [row["n"] for row in worst] == sorted((row["n"] for row in worst), reverse=True)
    for row in worst:
        alike = [each for each in wrong if each[:2] == (row["truth"], row["said"])]
        assert row["n"] == len(alike)
        assert row["of"] == 15
        assert (row["confidence"], row["path"]) == max(each[2:] for each in alike)


def test_plots_are_pictures(run: Path) -> None:
    for name in ("curves", "confusion", "reliability"):
        picture = cv2.imread(str(run / "plots" / f"{name}.png"))
        assert picture is not None
        assert min(picture.shape[:2]) > 300


def test_many_labels_have_a_matrix_too() -> None:
    counts = np.eye(101, dtype=int).tolist()
    picture = plots.confusion(counts, [f"label {n}" for n in range(101)])
    assert not picture.axes[0].texts, "no room for counts"
    assert len(plots.confusion([[3, 1], [0, 2]], ["A", "B"]).axes[0].texts) == 3


def test_strips_of_files_and_of_simulated_clips(run: Path) -> None:
    paths = [draw_clip(3).path, run_folder.read_run(run).tested[0].clip.path]
    for path in paths:
        encoded = clip_strips.strip(path)
        assert encoded is not None
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[0] == clip_strips.HEIGHT_PX
    assert clip_strips.strip(Path("gone.avi")) is None


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    tested = write_run(tmp_path / "run")
    record = run_folder.read_run(tmp_path / "run")
    assert [judged.clip for judged in record.tested] == [judged.clip for judged in tested]
    for found, expected in zip(record.tested, tested, strict=True):
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert record.scores == clip_score.score(tested, LABELS)


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"run\.json: cannot be read .*give the folder of a finished"
    ):
        run_report.write_report(tmp_path)
    write_run(tmp_path / "run")
    (tmp_path / "run/run.json").write_text('{"config": {}}')
    with pytest.raises(
        InputError, match="of another version of har-stream; run train-har fit again"
    ):
        run_report.write_report(tmp_path / "run")


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    written = json.loads(path.read_text())
    change(written)
    path.write_text(json.dumps(written))


def test_groups_that_span_classes_are_counted_once(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    _rewrite(
        tmp_path / "run/run.json",
        lambda run: run["config"]["data"].update(groups_span_classes=True),
    )
    sources = {judged.clip.source for judged in run_folder.read_run(tmp_path / "run").tested}
    assert sources == {f"*/{group}" for group in range(5)}
    page = " ".join(run_report.write_report(tmp_path / "run").read_text().split())
    assert "Tested on 60 clips of 5 videos" in page


@pytest.mark.parametrize("key", ["unreadable", "short"])
def test_a_run_that_lacks_a_figure_is_of_another_version(tmp_path: Path, key: str) -> None:
    write_run(tmp_path / "run")
    _rewrite(tmp_path / "run/run.json", lambda run: run.pop(key))
    with pytest.raises(InputError, match="of another version of har-stream; run train-har fit"):
        run_folder.read_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "made_by"),
    [("run.json", "fit"), ("decisions.json", "fit"), ("formats.json", "export")],
)
@pytest.mark.parametrize("content", [b"[{", b'"\xff"'])
def test_a_damaged_file_is_told(tmp_path: Path, name: str, made_by: str, content: bytes) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: damaged .*; run train-har {made_by} again"):
        run_report.write_report(tmp_path / "run")


def test_where_no_decision_is_wrong_the_page_rejects_none_of_them(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    wrong = "of the wrong ones"
    assert wrong in run_report.write_report(tmp_path / "run").read_text()
    _rewrite(
        tmp_path / "run/run.json", lambda run: run["manifest"]["metrics"].pop("wrong_rejected")
    )
    assert wrong not in run_report.write_report(tmp_path / "run").read_text()
    rejecting = json.loads((tmp_path / "run/report.json").read_text())["rejecting"]
    assert rejecting["wrong_rejected"] is None
    assert rejecting["passed"] is not None


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run/report.html").write_text("old")
    (tmp_path / "run/plots").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be written .*then run train-har report"):
        run_report.write_report(tmp_path / "run")
    assert (tmp_path / "run/report.html").read_text() == "old"


def test_the_interval_draws_videos_not_clips() -> None:
    """Clips of one video are alike: the interval must be as wide as few videos make it."""
    random = np.random.default_rng(0)
    of_video = random.normal(size=10)
    videos = np.repeat(np.arange(10), 50)
    low, high = group_interval(of_video[videos].tolist(), [str(v) for v in videos])
    assert low < of_video.mean() < high
    assert high - low > 2 * of_video.std() / np.sqrt(10)
