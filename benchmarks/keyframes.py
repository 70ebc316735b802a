"""What watching key frames alone costs: `python benchmarks/keyframes.py --clips DIR STATES ...`.

Each clip is encoded as a camera would send it, with a key frame every second (or as asked), and
watched twice, every frame decoded and `decode: keyframes`. Prints falls found, false alarms, the
share of seconds in which both say the same, and the processor time of reading. Clips and the file
of their states are those of `train-har falls`.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from har_stream.bundles.bundle import find_bundle, load_bundle
from har_stream.cameras.camera import read_camera
from har_stream.cameras.read_options import ReadOptions
from har_stream.config.camera_settings import CameraSettings, Decode
from har_stream.core.activity import Change, Recognition
from har_stream.core.frame import Frame
from har_stream.recognition.recogniser import Recogniser
from training.data.clip import EPOCH
from training.evaluation.falls import FallClip, Replayed, count_falls, read_clips
from training.evaluation.stream_scenes import watch

WAYS: tuple[Decode, ...] = ("all", "keyframes")


class Watched(NamedTuple):
    """What was said of one clip, which label was likeliest by second, and what reading took."""

    replayed: Replayed
    by_second: dict[int, str]
    reading_s: float


def encode(source: Path, path: Path, *, every_s: float) -> Path:
    """Encode a clip as H.264 without B frames and with a key frame at every so many seconds."""
    command = ["ffmpeg", "-loglevel", "error", "-y", "-i", str(source), "-an"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-sc_threshold", "0"]
    command += ["-force_key_frames", f"expr:gte(t,n_forced*{every_s})", str(path)]
    subprocess.run(command, check=True)  # noqa: S603 - ffmpeg, no shell
    return path


def watch_clip(recogniser: Recogniser, clip: FallClip, path: Path, decode: Decode) -> Watched:
    """Watch one clip."""
    spec = recogniser.bundle.manifest.clip
    camera = CameraSettings(source=str(path), name="clip", decode=decode)
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, start_at=EPOCH)
    began_s = time.process_time()
    frames = [item for item in read_camera(camera, options) if isinstance(item, Frame)]
    reading_s = time.process_time() - began_s
    by_second: dict[int, str] = {}
    fallen_s, at_s = [], 0.0
    for news in watch(recogniser, frames, camera):
        if isinstance(news, Recognition):
            at_s = (news.at - EPOCH).total_seconds()
            by_second[int(at_s)] = max(news.probabilities, key=news.probabilities.__getitem__)
        elif isinstance(news, Change) and news.ended_at is None and news.fall_stage == "fallen":
            fallen_s.append(at_s)
    seconds = (frames[-1].captured_at - EPOCH).total_seconds()
    return Watched(Replayed(clip, seconds, tuple(fallen_s)), by_second, reading_s)


def share_alike(one: Sequence[Watched], other: Sequence[Watched]) -> float:
    """Share of the seconds about which both decided, and decided alike."""
    pairs = [
        (first.by_second[second], again.by_second[second])
        for first, again in zip(one, other, strict=True)
        for second in first.by_second.keys() & again.by_second.keys()
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", nargs=2, type=Path, action="append", required=True)
    parser.add_argument("--bundle", default="home")
    parser.add_argument("--every", type=float, nargs="+", default=[1.0, 2.0], help="seconds")
    asked = parser.parse_args()
    recogniser = Recogniser(load_bundle(find_bundle(asked.bundle)))
    clips = [clip for folder, states in asked.clips for clip in read_clips(folder, states)]
    for every_s in asked.every:
        watched: dict[str, list[Watched]] = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory() as folder:
            for clip in clips:
                path = encode(clip.path, Path(folder) / "clip.mp4", every_s=every_s)
                for way in WAYS:
                    watched[way].append(watch_clip(recogniser, clip, path, way))
        print(f"a key frame every {every_s:g} s, {len(clips)} clips")
        for way, each in watched.items():
            counted = count_falls([one.replayed for one in each])
            n_false = sum(false["alarms"] for false in counted["false"].values())
            print(
                f"  {way:9} falls {counted['falls']['found']} of {counted['falls']['n']}, "
                f"false alarms {n_false}, seconds alike {share_alike(each, watched['all']):.0%}, "
                f"reading {sum(one.reading_s for one in each):.1f} s of processor time"
            )


if __name__ == "__main__":
    main()
