"""What a training run leaves in its folder, beside checkpoints: everything a report needs.

- `bundle/`: what `har-stream --bundle` takes.
- `model.keras`: the window model.
- `run.json`: config, figures, splits, learning curves, clips that were left out.
- `decisions.json`: calibrated probabilities of every test clip, window by window.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from har_stream.bundle import Manifest
from training.cache import Cached
from training.config import RunConfig
from training.learn import Learned
from training.metrics import Judged
from training.splits import Split

BUNDLE, MODEL, RUN, DECISIONS = "bundle", "model.keras", "run.json", "decisions.json"


def write_figures(
    folder: Path,
    *,
    config: RunConfig,
    manifest: Manifest,
    scores: dict[str, Any],
    splits: Sequence[Split],
    learned: Sequence[Learned],
    cached: Cached,
) -> None:
    """Write `run.json`."""
    content = {
        "config": config.model_dump(mode="json"),
        "manifest": manifest.model_dump(mode="json"),
        "scores": scores,
        "splits": [
            {
                "name": split.name,
                "leaks": split.leaks,
                "n_train": len(split.train),
                "n_validation": len(split.validation),
                "n_test": len(split.test),
                "best_epoch": network.best_epoch,
                "history": network.history,
            }
            for split, network in zip(splits, learned, strict=True)
        ],
        "unreadable": {str(clip.path): reason for clip, reason in cached.unreadable.items()},
        "short": [str(clip.path) for clip in cached.short],
    }
    _write(folder / RUN, content)


def write_decisions(folder: Path, tested: Sequence[Judged]) -> None:
    """Write `decisions.json`."""
    content = [
        {
            "path": str(judged.clip.path),
            "label": judged.clip.label,
            "group": judged.clip.group,
            "probabilities": judged.probabilities.round(5).tolist(),
        }
        for judged in tested
    ]
    _write(folder / DECISIONS, content)


def _write(path: Path, content: Any) -> None:
    """Replace a file whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        json.dump(content, file, indent=1)
    Path(file.name).replace(path)
