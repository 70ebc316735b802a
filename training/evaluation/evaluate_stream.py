"""How good a bundle is on a stream: clips back to back with cuts, still scenes, an empty hour."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import cycle, islice
from random import Random
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.readers import Arrival, EndOfSource
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import Change, News, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser
from training.data.clip import EPOCH, Clip
from training.evaluation.evaluate_clips import stream_clips
from training.evaluation.stream_scenes import (
    StreamScene,
    empty_room,
    end_of_frames,
    play_clip,
    still_scene,
)
from training.evaluation.stream_score import (
    majority_labels,
    reported_activities,
    score_events,
    shown_activities,
)

SEED = 27
N_CLIPS_TO_STILL = 5
"""After so many clips comes a still scene."""
STILL_S = 20.0
N_ROOMS, ROOM_S = 6, 600.0
"""The empty hour: so many rooms, each for so long."""
CAMERA = CameraSettings(source="0", name="stream")


def evaluate_stream(bundle: Bundle, clips: Sequence[Clip]) -> dict[str, Any]:
    """Play clips as one camera's stream, then empty rooms for an hour, and score what is said.

    Args:
        bundle: What is evaluated, with its own thresholds.
        clips: Played in a shuffled order that is always the same. Those of labels that the bundle
            does not know are to be `unknown`.

    Returns:
        `accuracy`: share of clips of at least two windows whose majority label is right, over
        decisions whose window lies at least 75 % inside the clip; `clip_accuracy`: of the same
        clips, each streamed alone; `n_clips`: how many. `event_f1`: of the reported activities;
        `changes_per_minute`: reported starts and changes of activity, of which
        `spurious_per_minute` tell of nothing that is shown_activities, or of it again; `minutes`.
        `false_in_empty_hour`: activities reported in an hour of empty rooms.

    Raises:
        InputError: No clip can be read, or none is long enough.
    """
    recogniser = Recogniser(bundle)
    spec = bundle.manifest.clip
    order = Random(SEED).sample(list(clips), len(clips))  # noqa: S311 - no secret
    scenes: list[StreamScene] = []
    news = _watch(recogniser, _frames(order, bundle, scenes))
    recognitions = [item for item in news if isinstance(item, Recognition)]
    found = majority_labels(
        scenes,
        recognitions,
        span_s=spec.n_frames / spec.sample_hz,
        hop_s=bundle.manifest.hop_frames / spec.sample_hz,
    )
    if not found:
        raise InputError("no clip holds two windows, so a stream cannot be judged")
    changes = [item for item in news if isinstance(item, Change)]
    events = score_events(shown_activities(scenes), reported_activities(changes))
    minutes = (scenes[-1].ended_at - scenes[0].began_at) / timedelta(minutes=1)
    return {
        "accuracy": float(np.mean([label == scene.label for scene, label in found.items()])),
        "clip_accuracy": _clip_accuracy(bundle, [s.clip for s in found if s.clip is not None]),
        "n_clips": len(found),
        "event_f1": events.f1,
        "changes_per_minute": events.n_reported / minutes,
        "spurious_per_minute": events.n_spurious / minutes,
        "minutes": minutes,
        "false_in_empty_hour": _count_false(recogniser, [s.clip for s in scenes if s.clip]),
    }


def to_table(scores: Mapping[str, Any]) -> Table:
    """Lay a stream's figures out for people."""
    table = Table("stream", "figure", title=f"{scores['minutes']:.0f} minutes of clips, cut hard")
    table.add_row("accuracy, by majority label", f"{scores['accuracy']:.1%}")
    table.add_row("the same clips, each alone", f"{scores['clip_accuracy']:.1%}")
    table.add_row("clips of two windows or more", str(scores["n_clips"]))
    table.add_row("event F1@25", f"{scores['event_f1']:.3f}")
    table.add_row("changes of activity a minute", f"{scores['changes_per_minute']:.2f}")
    table.add_row("... that were spurious", f"{scores['spurious_per_minute']:.2f}")
    table.add_row("false activities, empty hour", str(scores["false_in_empty_hour"]))
    return table


def _frames(order: Sequence[Clip], bundle: Bundle, scenes: list[StreamScene]) -> Iterator[Frame]:
    """Play everything; what is shown is noted in `scenes`. Clips that cannot be read are left out.

    A still scene shows the room of the clip before it.
    """
    sample_hz = bundle.manifest.clip.sample_hz
    at = EPOCH
    for n, clip in enumerate(track(order, "streaming all clips as one"), 1):
        try:
            frames = play_clip(clip, bundle.manifest.clip, start_at=at)
        except InputError:
            continue  # named by the evaluation clip by clip
        yield from frames
        until = end_of_frames(frames, sample_hz=sample_hz, start_at=at)
        label = clip.label if clip.label in bundle.manifest.labels else None
        scenes.append(StreamScene(clip, label, at, until))
        at = until
        if n % N_CLIPS_TO_STILL == 0:
            yield from still_scene(
                empty_room(frames), duration_s=STILL_S, sample_hz=sample_hz, start_at=at, seed=n
            )
            until = at + timedelta(seconds=STILL_S)
            scenes.append(StreamScene(None, None, at, until))
            at = until


def _count_false(recogniser: Recogniser, played: Sequence[Clip]) -> int:
    """Activities that are reported in an hour of empty rooms, those of the first clips played.

    Where there are fewer clips than rooms, their rooms come again, with other noise.
    """
    spec = recogniser.bundle.manifest.clip
    n_false, rooms = 0, list(islice(cycle(played), N_ROOMS))
    for n, clip in enumerate(track(rooms, "an hour of empty rooms")):
        room = empty_room(play_clip(clip, spec, start_at=EPOCH))
        frames = still_scene(
            room, duration_s=ROOM_S, sample_hz=spec.sample_hz, start_at=EPOCH, seed=n
        )
        news = _watch(recogniser, frames)
        n_false += len(reported_activities(item for item in news if isinstance(item, Change)))
    return n_false


def _clip_accuracy(bundle: Bundle, clips: Sequence[Clip]) -> float:
    judged, _ = stream_clips(bundle, clips)
    return float(np.mean([clip.probabilities.mean(0).argmax() == clip.truth for clip in judged]))


def _watch(recogniser: Recogniser, frames: Iterable[Frame]) -> list[News]:
    """All that the pipeline says of one camera."""
    pipeline = Pipeline(recogniser, [CAMERA])
    return list(pipeline.run(_Playback(frames)))


class _Playback:
    """One camera's frames, handed to the pipeline one by one."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self.ended = False

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        frame = next(self._frames, None)
        self.ended = frame is None
        return [Arrival(CAMERA.id, frame or EndOfSource(), time.monotonic())]
