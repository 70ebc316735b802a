"""The report of a run, in its folder: one HTML page that needs nothing beside it, PNGs, JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from har_stream.bundles.bundle import load_bundle
from har_stream.core.atomic_file import figures_text, replacing, replacing_file
from har_stream.core.errors import InputError
from training import run_folder
from training.evaluation import compute_cost, speed
from training.reports import clip_strips
from training.reports import plots as report_plots
from training.reports.findings import make_findings
from training.reports.page import Picture, embed, render
from training.run_folder import RunRecord

PAGE, FIGURES, PLOTS = "report.html", "report.json", "plots"


def write_report(folder: Path) -> Path:
    """Write `report.html`, `report.json` and `plots/` of a finished run; return the page.

    Raises:
        InputError: The folder holds no finished run, or cannot be written to.
    """
    record = run_folder.read_run(folder)
    loaded = load_bundle(folder / run_folder.BUNDLE)
    found = make_findings(
        record,
        exported=loaded.manifest,
        work=compute_cost.count_compute(loaded),
        speed=speed.measure_speed(loaded),
        formats=run_folder.read_formats(folder),
        stream=run_folder.read_stream(folder),
    )
    plots = {
        "curves": report_plots.curves(record.splits),
        "confusion": report_plots.confusion(found["confusion"], record.manifest.labels),
        "reliability": report_plots.reliability(found["reliability"]),
    }
    images = {name: report_plots.to_png(figure) for name, figure in plots.items()}
    try:
        _write_plots(folder / PLOTS, images)
        with replacing(folder / FIGURES) as file:
            file.write(figures_text(found))
        with replacing(folder / PAGE) as file:
            file.write(_page(record, found, images))
    except OSError as error:
        raise InputError(
            f"{folder}: the report cannot be written ({error.strerror}); make room, then run "
            f"train-har report {folder}"
        ) from error
    return folder / PAGE


def _write_plots(folder: Path, images: Mapping[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, image in images.items():
        with replacing_file(folder / f"{name}.png") as part:
            part.write_bytes(image)


def _page(record: RunRecord, found: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    root = record.config.data.path or Path()
    pictures = [clip_strips.strip(root / row["path"]) for row in found["worst"]]
    config = record.config.model_dump(
        mode="json", exclude_defaults=True, exclude={"data": {"path", "lists"}}
    )
    return render(
        "report.html",
        title=found["name"],
        run=found,
        pictures=[embed(picture, "jpeg") if picture else None for picture in pictures],
        plots={name: Picture.of(image) for name, image in images.items()},
        unseen_curves=any("val_loss" in row for part in record.splits for row in part["history"]),
        config=yaml.safe_dump(config, sort_keys=False),
    )
