"""Folders of finished runs for tests: a shipped bundle, and decisions as good as a test wants."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.video.clip_maker import write_clip

from har_stream.bundles.bundle import SHIPPED, Provenance, load_bundle
from training import run_folder
from training.config import RunConfig
from training.data.clip import Clip, VideoClip
from training.evaluation import clip_score
from training.evaluation.clip_score import JudgedClip

LABELS = ("WalkingWithDog", "TaiChi", "Swing", "HorseRace")


def write_run(
    folder: Path,
    *,
    seed: int = 27,
    right: float = 0.7,
    first_group: int = 0,
    n_groups: int = 5,
    n_cuts: int = 3,
    leaks: bool = False,
    ungrouped: bool = False,
    clips_at: Path | None = None,
    name: str = "lrcn-ucf",
) -> list[JudgedClip]:
    """Write what `fit` leaves; every clip is recognised rightly with the probability `right`.

    Args:
        folder: Of the run.
        seed: Of the run, and of what is said.
        right: How good it is.
        first_group: Number of the first test video of each label.
        n_groups: Test videos of each label.
        n_cuts: Clips of each video.
        leaks: What it says of its split.
        ungrouped: Whether the names of its clips hold no group.
        clips_at: Where the clips lie; none: they are not there.
        name: Of the bundle; the networks are always those of `lrcn-ucf`.
    """
    clips = [
        VideoClip(
            (clips_at or Path("gone")) / f"v_{label}_g{g:02}_c{c:02}.avi",
            *(label, str(g)),
            ungrouped=ungrouped,
        )
        for label in LABELS
        for g in range(first_group, first_group + n_groups)
        for c in range(n_cuts)
    ]
    if clips_at is not None:
        for n, clip in enumerate(clips):
            write_clip(clip.path, seed=n, n_frames=12)
    torn = (clips_at or Path("gone")) / "torn.avi"
    tested = _judge(clips, right=right, seed=seed)
    config = RunConfig.model_validate(
        {
            "name": name,
            "about": "four activities",
            "network": "lrcn",
            "seed": seed,
            "data": {"path": clips_at},
            "clip": {"n_frames": 20, "height_px": 64, "width_px": 64, "sample_hz": 5.0},
        }
    )
    folder.mkdir(parents=True)
    shutil.copytree(SHIPPED / "lrcn-ucf", folder / run_folder.BUNDLE)
    manifest = load_bundle(folder / run_folder.BUNDLE).manifest
    said = {"leaks": leaks, "seed": seed, "split": "study (random)" if leaks else "group"}
    provenance = Provenance.model_validate(manifest.provenance.model_dump() | said)
    shares = {"passed": 0.5, "wrong_rejected": 0.96, "others_rejected": 0.98}
    metrics = manifest.metrics | shares
    manifest = manifest.model_copy(
        update={"provenance": provenance, "name": name, "metrics": metrics}
    )
    history = [{"loss": 1 / n, "accuracy": 1 - 0.7 / n, "val_loss": 1.1 / n} for n in range(1, 6)]
    history = [row | {"val_accuracy": row["accuracy"] - 0.1} for row in history]
    run_folder.write_figures(
        folder,
        config=config,
        manifest=manifest,
        scores=clip_score.score(tested, LABELS),
        splits=[
            {
                "name": "group",
                "leaks": leaks,
                "n_train": 3,
                "n_validation": 3,
                "n_test": len(clips),
                "n_ungrouped": sum(clip.ungrouped for clip in [*clips[:6], *clips]),
                "best_epoch": 4,
                "history": history,
            }
        ],
        calibrated_on="validation",
        unreadable={replace(clips[0], path=torn): f"{torn}: not a video"},
        short=[clips[1]],
    )
    run_folder.write_decisions(folder, tested)
    return tested


def _judge(clips: Sequence[Clip], *, right: float, seed: int) -> list[JudgedClip]:
    random = np.random.default_rng(seed)
    judged = []
    for clip in clips:
        truth = LABELS.index(clip.label)
        said = truth if random.random() < right else int(random.integers(len(LABELS)))
        probabilities = random.dirichlet(np.where(np.arange(len(LABELS)) == said, 30, 5), size=2)
        judged.append(JudgedClip(clip, truth, probabilities.round(5)))
    return judged
