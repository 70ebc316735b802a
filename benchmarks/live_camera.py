"""What a live 720p RTSP camera costs: `PYTHONPATH=tests python benchmarks/live_camera.py`.

A real RTSP server sends 25 frames a second to two processes at once: one decodes them and does
nothing else, the other one watches them as `har-stream` does, up to decisions. Prints the processor
time of both and their ratio. Needs `ffmpeg` and the packages of the tests' RTSP server.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
from support.video.video_source import RtspServer

from har_stream.bundles.bundle import find_bundle, load_bundle
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import Readers
from har_stream.config.camera_settings import CameraSettings
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser
from training.benchmark.stream_cost import make_video

FPS = 25
SETTLE_S = 5.0
"""Opening and loading are over by then."""
MARGIN_S = 10
"""The film lasts longer than the measurement by so much."""


def watch(url: str, until_s: float, bundle: str) -> Callable[[], bool]:
    """Open the whole pipeline on a camera; each call of what is returned goes one step on."""
    loaded = load_bundle(find_bundle(bundle))
    spec = loaded.manifest.clip
    camera = CameraSettings(source=url, name="bench")
    readers = Readers([camera], ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture))
    readers.__enter__()
    news = Pipeline(Recogniser(loaded), [camera]).run(readers)
    return lambda: next(news, None) is not None and time.monotonic() < until_s


def decode(url: str, until_s: float, _bundle: str) -> Callable[[], bool]:
    """Open a camera by PyAV; each call of what is returned decodes one frame, on one thread."""
    container = av.open(url, options={"rtsp_transport": "tcp"})
    container.streams.video[0].codec_context.thread_count = 1
    frames = container.decode(video=0)
    return lambda: next(frames, None) is not None and time.monotonic() < until_s


WAYS = {"decoding alone": decode, "whole pipeline": watch}


def spend(way: str, url: str, seconds: float, bundle: str) -> None:
    """Print the processor time that a way takes for a second of its camera, after it settled."""
    began_s = time.monotonic()
    go_on = WAYS[way](url, began_s + SETTLE_S + seconds, bundle)
    while time.monotonic() < began_s + SETTLE_S and go_on():
        pass
    settled_s, settled_cpu_s = time.monotonic(), time.process_time()
    while go_on():
        pass
    spent_s = time.process_time() - settled_cpu_s
    print(1000 * spent_s / (time.monotonic() - settled_s), flush=True)
    sys.exit(0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long to measure")
    parser.add_argument("--size", default="1280x720", help="of the camera's frames")
    parser.add_argument("--b-frames", type=int, default=0, help="in a row; cameras send none")
    parser.add_argument("--bundle", default="lrcn-ucf", help="who recognises")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        spend(asked.way, asked.url, asked.seconds, asked.bundle)
    with tempfile.TemporaryDirectory() as folder:
        duration_s = int(SETTLE_S) + asked.seconds + MARGIN_S
        film = make_video(
            Path(folder) / "film.mp4",
            size=asked.size,
            fps=FPS,
            duration_s=duration_s,
            n_b_frames=asked.b_frames,
        )
        server = RtspServer(film)
        server.start()
        options = ["--seconds", str(asked.seconds), "--bundle", asked.bundle, "--url", server.url]
        started = {
            way: subprocess.Popen(  # noqa: S603 - this file itself, no shell
                [sys.executable, __file__, *options, "--way", way],
                stdout=subprocess.PIPE,
                text=True,
            )
            for way in WAYS
        }
        ms = {way: float(process.communicate()[0]) for way, process in started.items()}
        server.kill()
    for way, each in ms.items():
        print(f"{way:16} {each:7.1f} ms of processor time a second")
    print(f"ratio            {ms['whole pipeline'] / ms['decoding alone']:7.2f}")


if __name__ == "__main__":
    main()
