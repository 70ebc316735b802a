"""Teaching, top to bottom: clips, what networks that do not learn say of them, a head, a bundle."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
from rich.progress import track

from har_stream.bundles import weights
from har_stream.bundles.bundle import Bundle, ExternalNetwork, Manifest, Provenance, save_bundle
from har_stream.bundles.fetch_weights import fetch_weights
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS
from har_stream.recognition.person.taught import (
    SCENE_FEATURES,
    SCENE_FRAMES,
    SCENE_WEIGHTS,
    TaughtHead,
    open_taught_head,
)
from training.fitting.teaching.judge import (
    Outcome,
    SeenLesson,
    count,
    count_beside,
    fit_lessons,
    fit_temperature,
    judge_sessions,
)
from training.fitting.teaching.lessons import Lesson
from training.fitting.teaching.seeing import Eyes

TAUGHT_FILE, SCENE_FILE = "taught.npy", "movinet_a0_stream_int8.tflite"
MOST_FRAMES = 300
"""Of a clip, at 5 a second: one minute."""
ORDINARY_FRAMES = 3000
"""Of ordinary footage in all: ten minutes, as much of each file."""


def teach(
    base: Bundle,
    lessons: Sequence[Lesson],
    *,
    folder: Path,
    cache_folder: Path,
    command: str,
    tell: Callable[[int, int], None] | None = None,
    beside: Bundle | None = None,
) -> Outcome:
    """Teach a bundle activities, and write the bundle that knows them, too.

    Args:
        base: Whose postures and falls are told as before.
        lessons: Clips of the activities, and ordinary footage.
        folder: Where the new bundle goes; its name is the folder's.
        cache_folder: Keeps what was seen, so that more clips cost only what is new.
        command: How it was started, for the provenance.
        beside: Another bundle, for what it says of the same clips.
        tell: Told how many clips were seen, of how many; ``None``: a terminal's bar shows it.

    Raises:
        InputError: The bundle cannot be taught, a network is missing, or a clip cannot be read.
    """
    # 1. Every clip once through the networks, which do not learn.
    eyes = open_eyes(base, cache_folder)
    seen = see_lessons(lessons, eyes, tell)
    activities = tuple(sorted({each.activity for each in lessons if each.activity is not None}))
    # 2. Every session by a head that learned from the others; then one from all.
    judged = judge_sessions(seen, activities)
    temperature = fit_temperature(judged, activities)
    outcome = count(judged, activities, base.manifest, temperature=temperature)
    if beside is not None:
        said = count_beside(seen, activities, open_taught_head(beside))
        outcome = replace(outcome, beside=said)
    head = fit_lessons(seen, activities)
    head = TaughtHead(activities, head.weights / np.float32(temperature))
    # 3. The bundle: the base's networks, the one of the whole image by its hash, and the head.
    manifest = _describe(base.manifest, lessons, outcome, name=folder.name, command=command)
    _write(folder, base, manifest, head, eyes.outside)
    return outcome


def open_eyes(base: Bundle, cache_folder: Path) -> Eyes:
    """Return what sees clips as a bundle's camera does; the network of the whole image is fetched.

    Raises:
        InputError: The bundle cannot be taught, or the network cannot be fetched.
    """
    manifest, pose = base.manifest, base.file("pose", "litert")
    if manifest.clip.person != "keypoints" or pose is None or not manifest.outputs:
        raise InputError(
            f"bundle {manifest.name} follows no person by key points, so it cannot be taught; "
            "--bundle home can"
        )
    if manifest.taught:
        raise InputError(
            f"bundle {manifest.name} was taught already; teach the one that it came from, with all "
            "clips"
        )
    scene = fetch_weights(SCENE_WEIGHTS)
    outside = ExternalNetwork(
        sha256=weights.hash_of(scene),
        how=weights.how_to_bring(SCENE_WEIGHTS),
        frames=SCENE_FRAMES,
        features=SCENE_FEATURES,
    )
    return Eyes(manifest.clip, pose, scene, outside, cache_folder)


def see_lessons(
    lessons: Sequence[Lesson], eyes: Eyes, tell: Callable[[int, int], None] | None = None
) -> list[SeenLesson]:
    """See every clip, and as much of each file of ordinary footage."""
    n_ordinary = sum(each.activity is None for each in lessons)
    share = ORDINARY_FRAMES // max(1, n_ordinary)
    most = [MOST_FRAMES if each.activity else max(1, share) for each in lessons]
    found = eyes.see_all([each.path for each in lessons], most_frames=most)
    shown = found if tell else track(found, "seeing clips", total=len(lessons))
    seen = []
    for lesson, pooled in zip(lessons, shown, strict=True):
        seen.append(SeenLesson(lesson, pooled))
        if tell:
            tell(len(seen), len(lessons))
    return seen


def _describe(
    base: Manifest, lessons: Sequence[Lesson], outcome: Outcome, *, name: str, command: str
) -> Manifest:
    """Say of the new bundle what differs from the base's manifest."""
    n_clips, activities = sum(outcome.n_clips), outcome.activities
    n_sessions = len({each.session for each in lessons if each.activity is not None})
    measured = {"taught_accuracy": outcome.accuracy}
    if outcome.ordinary_s:
        measured["taught_false_share"] = outcome.false_s / outcome.ordinary_s
    return base.model_copy(
        update={
            "name": name,
            "about": f"{base.about}; taught at home: {', '.join(activities)}",
            "labels": (*base.labels, *activities),
            "taught": activities,
            "pixels": min(base.pixels, PIXELS),
            "confusion": None,
            "metrics": base.metrics | measured,
            "provenance": Provenance(
                command=command,
                dataset=f"{base.name} ({base.provenance.dataset}), and {n_clips} clips of "
                f"{n_sessions} sessions at home",
                split="taught activities: every session by a head that learned from the others",
                leaks=False,
                seed=base.provenance.seed,
                trained_on=base.provenance.trained_on,
                n_train_clips=base.provenance.n_train_clips + n_clips,
                n_test_clips=n_clips,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                version=version("har-stream"),
                licence=f"{base.provenance.licence}; whole images by MoViNet-A0, Apache-2.0; the "
                "head of the taught activities is yours",
            ),
        }
    )


def _write(
    folder: Path, base: Bundle, manifest: Manifest, head: TaughtHead, scene: ExternalNetwork
) -> None:
    content = BytesIO()
    np.save(content, head.weights, allow_pickle=False)
    files = {TAUGHT_FILE: content.getvalue()}
    for named in manifest.networks.values():
        for name in named.values():
            if name not in manifest.outside:
                files[name] = (base.path / name).read_bytes()
    networks = manifest.networks | {
        "scene": {"litert": SCENE_FILE},
        "taught": {"numpy": TAUGHT_FILE},
    }
    outside = manifest.outside | {SCENE_FILE: scene}
    save_bundle(
        folder, manifest.model_copy(update={"networks": networks, "outside": outside}), files
    )
