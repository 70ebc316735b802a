"""What a bundle says of frames read another way: `python benchmarks/pixels.py BUNDLE UCF`.

Every clip of the bundle's labels is streamed twice, shrunk from OpenCV's frames, from which bundles
learned before frames were read by PyAV, and as they are read now. Prints the share of decisions
whose likeliest label stays, how far probabilities move on average, and clips right in both ways.
"""

import argparse
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np

from har_stream.bundles.bundle import find_bundle, load_bundle
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.sampling import Sampler
from har_stream.cameras.video_file import read_file
from har_stream.core.frame import ClipSpec, Frame, Image
from har_stream.recognition.preprocessing import prepare
from har_stream.recognition.recogniser import Recogniser
from training.data.clip import EPOCH


def read_by_opencv(path: Path, spec: ClipSpec) -> Iterator[Frame]:
    """Shrink whole frames as OpenCV converts them."""
    video, sampler = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), Sampler(spec.sample_hz)
    interval = timedelta(seconds=1 / video.get(cv2.CAP_PROP_FPS))
    at = EPOCH
    image: Image
    while (taken := video.read())[0]:
        image = taken[1]  # type: ignore[assignment] # of eight bits
        sample = sampler.sample(at)
        if sample.n_ticks:
            yield Frame(prepare(image, spec), at, sample.n_ticks, sample.resets)
        at += interval
    video.release()


def read_now(path: Path, spec: ClipSpec) -> Iterator[Frame]:
    """Read as cameras and training do."""
    images = ImageOptions(spec.picture)
    return read_file(path, sample_hz=spec.sample_hz, start_at=EPOCH, images=images)


def probabilities(recogniser: Recogniser, frames: Iterator[Frame]) -> np.ndarray:
    """Decide on a clip, shape (n_decisions, n_labels)."""
    decisions = [decision for frame in frames for decision in recogniser.step([("clip", frame)])]
    decisions += recogniser.finish("clip")
    return np.stack([decision.probabilities for decision in decisions])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", help="name or path")
    parser.add_argument("clips", type=Path, help="class folders")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th clip alone")
    options = parser.parse_args()
    recogniser = Recogniser(load_bundle(find_bundle(options.bundle)))
    manifest = recogniser.bundle.manifest
    found = [
        (path, n)
        for n, label in enumerate(manifest.labels)
        for path in sorted((options.clips / label).glob("*.*"))
    ]
    stays: list[bool] = []
    moved: list[float] = []
    right = np.zeros(2, int)
    for path, label in found[:: options.every]:
        both = [
            probabilities(recogniser, read(path, manifest.clip))
            for read in (read_by_opencv, read_now)
        ]
        right += [said.mean(0).argmax() == label for said in both]
        n = min(map(len, both))
        stays += (both[0][:n].argmax(-1) == both[1][:n].argmax(-1)).tolist()
        moved += np.abs(both[0][:n] - both[1][:n]).mean(-1).tolist()
    print(f"decisions whose label stays  {np.mean(stays):.2%} of {len(stays)}")
    print(f"probabilities move by        {np.mean(moved):.4f}")
    print(f"clips right, OpenCV / now    {right[0]} / {right[1]} of {len(found[:: options.every])}")


if __name__ == "__main__":
    main()
