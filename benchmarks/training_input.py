"""What clips cost before and while a network learns: `python benchmarks/training_input.py UCF`.

Ratios, each taken in this one run, in turns, so that a busy machine slows both sides alike:
building the cache of prepared frames against decoding the same clips alone, and against OpenCV's
`read` of every frame, which converts it to BGR as well, on two cores; fitting on drawn windows
against fitting on one batch held in memory, and drawing a batch beside a step. And the memory that
all of it takes.
With `--as-ucf` the clips are first brought to UCF's own 320x240 pixels and MPEG-4; with `--copies`
each counts several times, for the memory that a larger data set takes.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

# As train-har sets it; 0 shows what it is worth.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import cv2
import keras

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.video_file import VideoFile, read_file
from training import config
from training.config import RunConfig
from training.data import cache
from training.data.batches import QUEUED, Batch, Batches, Example, sampling_of
from training.data.clip import ALL_HZ, EPOCH, Clip
from training.data.dataset import read_dataset
from training.fitting.fold_time import fold_time
from training.networks import registry

N_STEPS = 50
"""At most so many steps are timed at once."""


class OneBatch(keras.utils.PyDataset):  # type: ignore[misc]
    """The same batch again and again: input that costs nothing."""

    def __init__(self, batch: Batch, n_batches: int) -> None:
        super().__init__(**QUEUED)
        self._batch = batch
        self._n_batches = n_batches

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._n_batches

    def __getitem__(self, _: int) -> Batch:
        """Return the batch."""
        return self._batch


def seconds(do: Callable[[], object]) -> tuple[float, float]:
    """Time one call: by the clock, and of all cores together."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    do()
    return time.perf_counter() - began_s, time.process_time() - began_cpu_s


def over(rounds: Sequence[tuple[tuple[float, float], tuple[float, float]]], which: int) -> float:
    """Median over rounds of the first time over the second; 0: by the clock, 1: of the cores."""
    return round(median(first[which] / second[which] for first, second in rounds), 3)


def as_ucf(clip: Clip, folder: Path) -> Clip:
    """Write a clip at UCF's size, in its codec."""
    path = folder / f"{clip.path.stem}.avi"
    codec = cv2.VideoWriter.fourcc(*"XVID")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25.0, (320, 240))
    for frame in read_file(clip.path, sample_hz=ALL_HZ, start_at=EPOCH):
        writer.write(cv2.resize(frame.image, (320, 240)))
    writer.release()
    return replace(clip, path=path)


def copies(clips: Sequence[Clip], folder: Path, *, n: int) -> list[Clip]:
    """Return every clip n times, as n files."""
    made = []
    for clip, each in product(clips, range(n)):
        path = folder / f"{each}-{clip.path.name}"
        shutil.copyfile(clip.path, path)
        made.append(replace(clip, path=path))
    return made


def decode(clips: Sequence[Clip]) -> None:
    """Decode every frame of every clip and keep nothing, as many at a time as the cache does."""

    def one(clip: Clip) -> int:
        return sum(1 for _ in VideoFile(clip.path, SourceCounts()).frames())

    with ThreadPoolExecutor(cache.N_WORKERS) as pool:
        list(pool.map(one, clips))


def read(clips: Sequence[Clip]) -> None:
    """Take every frame of every clip by OpenCV's usual loop and keep nothing, as many at a time."""

    def one(clip: Clip) -> None:
        video = cv2.VideoCapture(str(clip.path), cv2.CAP_FFMPEG)
        while video.read()[0]:
            pass

    with ThreadPoolExecutor(cache.N_WORKERS) as pool:
        list(pool.map(one, clips))


def build(clips: Sequence[Clip], run: RunConfig) -> None:
    """Build the cache from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        cache.read_clips(clips, sampling_of(run), folder=Path(folder))


def own_memory_mb() -> float:
    """Memory of this process that is not mapped from files."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def fitting(clips: Sequence[Clip], run: RunConfig, n_rounds: int) -> dict[str, Any]:
    """Time fitting on windows drawn from the cache against fitting on one batch."""
    labels = sorted({clip.label for clip in clips})
    with tempfile.TemporaryDirectory() as folder:
        before_mb = own_memory_mb()
        cached = cache.read_clips(clips, sampling_of(run), folder=Path(folder))
        cache_mb = own_memory_mb() - before_mb
        disk_mb = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        examples = [Example(images, labels.index(c.label)) for c, images in cached.frames.items()]
        batches = Batches(examples, run, n_labels=len(labels))
        model = fold_time(registry.get_network(run.network).build(len(labels), run.clip))
        model.compile(optimizer="adam", loss="categorical_crossentropy")
        n_steps = min(len(batches), N_STEPS)
        held = OneBatch(batches[0], n_steps)

        def fit(data: keras.utils.PyDataset) -> Callable[[], object]:
            return lambda: model.fit(data, steps_per_epoch=n_steps, verbose=0, shuffle=False)

        for data in (held, batches):
            fit(data)()  # traces
        rounds = [(seconds(fit(held)), seconds(fit(batches))) for _ in range(n_rounds)]
        drawing = [seconds(lambda: [batches[n] for n in range(n_steps)]) for _ in rounds]
    return {
        "step_ms": round(1000 * median(held[0] for held, _ in rounds) / n_steps, 2),
        "draw_ms": round(1000 * median(drawn[0] for drawn in drawing) / n_steps, 2),
        "held_batch_over_fitting": over(rounds, 0),
        "held_batch_over_fitting_of_cpu": over(rounds, 1),
        "memory_of_cache_mb": round(cache_mb, 1),
        "memory_of_process_mb": round(own_memory_mb(), 1),
        "cache_on_disk_mb": round(disk_mb, 1),
    }


def main() -> None:
    """Print the figures, also as JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="class folders")
    parser.add_argument("--config", type=Path, default=Path("configs/lrcn-ucf.yaml"))
    parser.add_argument("--n-clips", type=int, default=200, help="of all classes (default 200)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    parser.add_argument("--as-ucf", action="store_true", help="at UCF's own size and codec")
    parser.add_argument("--copies", type=int, default=1, help="files per clip (default 1)")
    parser.add_argument("--ticks", type=int, help="cached frames per sampled one (the config's)")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    run = config.read_config(options.config)
    if options.ticks:
        augment = run.augment.model_copy(update={"ticks": options.ticks})
        run = run.model_copy(update={"augment": augment})
    data = config.DataConfig(path=options.clips)
    every_clip = read_dataset(data).clips
    clips = every_clip[:: max(1, len(every_clip) // options.n_clips)]
    with tempfile.TemporaryDirectory() as folder:
        if options.as_ucf:
            clips = tuple(as_ucf(clip, Path(folder)) for clip in clips)
        if options.copies > 1:
            clips = tuple(copies(clips, Path(folder), n=options.copies))
        report(clips, run, options)


def report(clips: Sequence[Clip], run: RunConfig, options: argparse.Namespace) -> None:
    """Time, and print."""
    decode(clips)  # from now on the files are in memory
    rounds = [
        (
            seconds(lambda: decode(clips)),
            seconds(lambda: build(clips, run)),
            seconds(lambda: read(clips)),
        )
        for _ in range(options.rounds)
    ]
    decoding = [(decoded, built) for decoded, built, _ in rounds]
    reading = [(taken, built) for _, built, taken in rounds]
    figures = {
        "clips": len(clips),
        "network": run.network,
        "decode_s": round(median(decoded[0] for decoded, _ in decoding), 2),
        "cache_over_decode": over(decoding, 0),
        "cache_over_decode_of_cpu": over(decoding, 1),
        "cache_over_read": over(reading, 0),
        "cache_over_read_of_cpu": over(reading, 1),
        **fitting(clips, run, options.rounds),
    }
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
