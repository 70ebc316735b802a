"""How good a bundle is on a stream: clips back to back with cuts, still scenes, an empty hour."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice
from random import Random
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from har_stream.bundles.bundle import Bundle
from har_stream.core.activity import Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.recognition.recogniser import Recogniser
from predictor.evaluation.metrics import group_interval
from training.data.clip import EPOCH, Clip
from training.evaluation.evaluate_clips import stream_clips
from training.evaluation.ordinary_footage import FalseReports, count_false_reports
from training.evaluation.stream_scenes import (
    StreamScene,
    empty_room,
    end_of_frames,
    play_clip,
    still_scene,
    watch,
)
from training.evaluation.stream_score import (
    EventScore,
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


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """What came of playing clips as one stream.

    Attributes:
        events: What was reported, beside what was shown.
        minutes: Length of the stream.
        right: Per clip of at least two windows, whether the majority label inside it is right.
        right_alone: The same clips, each streamed by itself.
        videos: What each of them is a cut of.
        rooms: Clips that were played, in order: their rooms can be shown empty.
    """

    events: EventScore
    minutes: float
    right: tuple[bool, ...]
    right_alone: tuple[bool, ...]
    videos: tuple[str, ...]
    rooms: tuple[Clip, ...]


def evaluate_stream(
    bundle: Bundle, clips: Sequence[Clip], *, ordinary: Sequence[Clip] = ()
) -> dict[str, Any]:
    """Play clips as one camera's stream, then empty rooms for an hour, and score what is said.

    Args:
        bundle: What is evaluated, with its own thresholds.
        clips: As of `play_stream`.
        ordinary: Recordings in which nothing of the bundle's labels happens.

    Returns:
        As of `summarise`.

    Raises:
        InputError: No clip can be read, or none is long enough.
    """
    record = play_stream(bundle, clips)
    return summarise([record], bundle, ordinary=ordinary)


def play_stream(bundle: Bundle, clips: Sequence[Clip]) -> StreamRecord:
    """Play clips back to back as one camera's stream.

    Args:
        bundle: What watches, with its own thresholds.
        clips: Played in a shuffled order that is always the same. Those of labels that the bundle
            does not know are to be `unknown`.

    Raises:
        InputError: No clip can be read, or none is long enough.
    """
    recogniser = Recogniser(bundle)
    spec = bundle.manifest.clip
    order = Random(SEED).sample(list(clips), len(clips))  # noqa: S311 - no secret
    scenes: list[StreamScene] = []
    news = watch(recogniser, _frames(order, bundle, scenes))
    found = majority_labels(
        scenes,
        [item for item in news if isinstance(item, Recognition)],
        span_s=spec.n_frames / spec.sample_hz,
        hop_s=bundle.manifest.hop_frames / spec.sample_hz,
    )
    if not found:
        raise InputError("no clip holds two windows, so a stream cannot be judged")
    judged = [scene.clip for scene in found if scene.clip is not None]
    alone, _ = stream_clips(bundle, judged)
    return StreamRecord(
        events=score_events(shown_activities(scenes), reported_activities(news)),
        minutes=(scenes[-1].ended_at - scenes[0].began_at) / timedelta(minutes=1),
        right=tuple(label == scene.label for scene, label in found.items()),
        right_alone=tuple(clip.said == clip.truth for clip in alone),
        videos=tuple(clip.source for clip in judged),
        rooms=tuple(scene.clip for scene in scenes if scene.clip),
    )


def summarise(
    records: Sequence[StreamRecord], bundle: Bundle, *, ordinary: Sequence[Clip] = ()
) -> dict[str, Any]:
    """Gather the figures of one stream or several, and what a bundle reports where nothing happens.

    Args:
        records: Of streams, each watched by a network that never saw its clips, or so one hopes.
        bundle: Watches the empty rooms and the ordinary footage.
        ordinary: Recordings in which nothing of its labels happens.

    Returns:
        `accuracy`: share of clips of at least two windows whose majority label is right, over
        decisions whose window lies at least 75 % inside the clip; `accuracy_95`: its 95 % interval,
        by bootstrap over videos; `clip_accuracy`: of the same clips, each streamed alone;
        `n_clips`: how many. Of the `n_events` activities shown, `found` is the share that was
        reported and `missed` the number that was not; `latency_s`: median from onset to report,
        none where nothing was found; `event_f1`;
        `changes_per_minute`: reported starts and changes of activity, of which
        `spurious_per_minute` tell of nothing that is shown, or of it again; `minutes`.
        `false_in_empty_hour`: activities reported in an hour of empty rooms. With ordinary
        footage, `false_per_hour` with `false_per_hour_low` and `_high`, its 95 % interval,
        `false_reports` by label, `ordinary_minutes` and `n_ordinary_clips`.
    """
    events = [record.events for record in records]
    minutes = sum(record.minutes for record in records)
    n_true, n_found, n_reported, n_overlapping = (
        sum(getattr(event, name) for event in events)
        for name in ("n_true", "n_found", "n_reported", "n_overlapping")
    )
    latencies = [late for event in events for late in event.latencies_s]
    right = [each for record in records for each in record.right]
    videos = [each for record in records for each in record.videos]
    recogniser = Recogniser(bundle)
    return {
        "accuracy": float(np.mean(right)),
        "accuracy_95": group_interval(right, videos),
        "clip_accuracy": float(np.mean([a for record in records for a in record.right_alone])),
        "n_clips": len(right),
        "n_events": n_true,
        "found": n_found / n_true if n_true else 0.0,
        "missed": n_true - n_found,
        "latency_s": float(np.median(latencies)) if latencies else None,
        "event_f1": 2 * n_overlapping / (n_true + n_reported) if n_true + n_reported else 0.0,
        "changes_per_minute": n_reported / minutes,
        "spurious_per_minute": (n_reported - n_found) / minutes,
        "minutes": minutes,
        "false_in_empty_hour": _count_false(recogniser, records[0].rooms),
        **(_of_ordinary(count_false_reports(recogniser, ordinary)) if ordinary else {}),
    }


def _of_ordinary(reports: FalseReports) -> dict[str, Any]:
    per_hour, low, high = reports.per_hour()
    return {
        "false_per_hour": per_hour,
        "false_per_hour_low": low,
        "false_per_hour_high": high,
        "false_reports": reports.by_label,
        "ordinary_minutes": 60 * reports.hours,
        "n_ordinary_clips": reports.n_clips,
    }


def to_table(scores: Mapping[str, Any]) -> Table:
    """Lay a stream's figures out for people."""
    table = Table("stream", "figure", title=f"{scores['minutes']:.0f} minutes of clips, cut hard")
    late = scores["latency_s"]
    table.add_row("activities shown that were reported", f"{scores['found']:.1%}")
    table.add_row("... missed", f"{scores['missed']} of {scores['n_events']}")
    table.add_row("... from onset to report, median", "none" if late is None else f"{late:.1f} s")
    low, high = scores["accuracy_95"]
    table.add_row(
        "accuracy, by majority label", f"{scores['accuracy']:.1%} (95 %: {low:.1%} to {high:.1%})"
    )
    table.add_row("the same clips, each alone", f"{scores['clip_accuracy']:.1%}")
    table.add_row("clips of two windows or more", str(scores["n_clips"]))
    table.add_row("event F1@25", f"{scores['event_f1']:.3f}")
    table.add_row("changes of activity a minute", f"{scores['changes_per_minute']:.2f}")
    table.add_row("... that were spurious", f"{scores['spurious_per_minute']:.2f}")
    table.add_row("false activities, empty hour", str(scores["false_in_empty_hour"]))
    if "false_per_hour" in scores:
        low, high = scores["false_per_hour_low"], scores["false_per_hour_high"]
        table.add_row(
            f"false activities an hour, {scores['ordinary_minutes']:.1f} min of ordinary footage",
            f"{scores['false_per_hour']:.1f} (95 %: {low:.1f} to {high:.1f})",
        )
        told = ", ".join(f"{n} {label}" for label, n in scores["false_reports"].items())
        table.add_row("... which", told or "none")
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
        n_false += len(reported_activities(watch(recogniser, frames)))
    return n_false
