"""What a graphics card brings: `KERAS_BACKEND=jax python benchmarks/graphics_card.py FILM...`.

Every film is decoded whole by `decode_on: cpu`, `cuda`, `vaapi` and `auto`, frame by frame as a
camera's is, by one reader and by many at once; what cannot decode it says so, and the processor
does. Then a thousand cameras are recognised in batches on the Keras engine, and one batch after the
other is timed, all of the recogniser and the networks alone. Frames are noise: what they show costs
nothing. Prints a table, and JSON with `--json`.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np

from har_stream.bundles.bundle import Bundle, find_bundle, load_bundle
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.video_file import VideoFile
from har_stream.config.camera_settings import DecodeOn
from har_stream.core.frame import Frame
from har_stream.recognition.engines import EngineName, open_engine
from har_stream.recognition.recogniser import Recogniser
from har_stream.recognition.window_rows import WindowRows
from training.data.clip import EPOCH

WAYS: tuple[DecodeOn, ...] = get_args(DecodeOn)


def decode(film: Path, decode_on: DecodeOn) -> int:
    """Decode a film, and count its frames."""
    video = VideoFile(film, SourceCounts(), decode_on=decode_on)
    try:
        return sum(1 for _ in video.frames())
    finally:
        video.close()


def measure_decoding(film: Path, decode_on: DecodeOn, *, n_readers: int) -> float:
    """Frames a second of several readers of one film together; the first is not counted."""
    n_frames = decode(film, decode_on)
    with ThreadPoolExecutor(n_readers) as pool:
        began_s = time.perf_counter()
        counts = list(pool.map(decode, [film] * n_readers, [decode_on] * n_readers))
        taken_s = time.perf_counter() - began_s
    if counts != [n_frames] * n_readers:
        raise SystemExit(f"{film}: {decode_on} brought {counts} frames, not {n_frames} each")
    return sum(counts) / taken_s


def measure_cameras(
    bundle: Bundle, engine: EngineName, *, n_cameras: int, n_batches: int
) -> dict[str, float]:
    """Recognise frames of many cameras, a batch of one frame of each after the other.

    Returns:
        Decisions a second; milliseconds a batch, median and 95 %, and of the networks alone.
    """
    spec = bundle.manifest.clip
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_cameras, spec.height_px, spec.width_px, 3), np.uint8)
    recogniser = Recogniser(bundle, engine=engine)
    taken_s: list[float] = []
    n_decisions = 0
    for n in range(spec.n_frames + n_batches):
        at = EPOCH + timedelta(seconds=n / spec.sample_hz)
        frames = [(f"cam{k}", Frame(image, at, resets=n == 0)) for k, image in enumerate(images)]
        began_s = time.perf_counter()
        made = recogniser.step(frames)
        if n >= spec.n_frames:  # until then it is compiled
            taken_s.append(time.perf_counter() - began_s)
            n_decisions += len(made)
    median_ms, p95_ms = (1000 * np.quantile(taken_s, [0.5, 0.95])).tolist()
    return {
        "decisions_a_second": round(n_decisions / sum(taken_s), 1),
        "batch_ms": round(median_ms, 2),
        "batch_p95_ms": round(p95_ms, 2),
        "networks_ms": round(_networks_ms(bundle, engine, images, n_batches=n_batches), 2),
    }


def _networks_ms(
    bundle: Bundle, engine: EngineName, images: np.ndarray[Any, Any], *, n_batches: int
) -> float:
    rows = WindowRows.from_manifest(bundle.manifest)
    opened = open_engine(bundle, rows, name=engine)
    frames = images.astype(np.float32) / 255
    slots, taken_s = np.arange(len(frames)), []
    for n in range(3 + n_batches):
        ages = np.full(len(frames), n)
        began_s = time.perf_counter()
        opened.step(frames, slots=slots, ages=rows.ages(ages), rows=rows.ending(ages))
        taken_s.append(time.perf_counter() - began_s)
    return 1000 * float(np.median(taken_s[3:]))


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path, nargs="*", metavar="FILM")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 16], help="(1 16)")
    parser.add_argument("--cameras", type=int, default=1000, help="in a batch (1000)")
    parser.add_argument("--batches", type=int, default=100, help="that are timed (100)")
    parser.add_argument("--bundle", nargs="*", default=["lrcn-ucf", "convlstm-ucf"])
    parser.add_argument("--engine", choices=["keras", "litert"], default="keras")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {"pyav": av.__version__}
    for film in options.films:
        for decode_on in WAYS:
            for n in options.readers:
                fps = round(measure_decoding(film, decode_on, n_readers=n), 1)
                figures[f"decode.{film.stem}.{decode_on}.{n}_fps"] = fps
                print(f"{film.stem:16} {decode_on:6} {n:3} readers {fps:9.1f} frames/s", flush=True)
    for name in options.bundle:
        bundle = load_bundle(find_bundle(name))
        found = measure_cameras(
            bundle, options.engine, n_cameras=options.cameras, n_batches=options.batches
        )
        figures[f"cameras.{name}"] = found
        print(f"{name}, {options.cameras} cameras, {options.engine}: {found}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
