"""How fast archives are recognised, beside decoding alone: `python benchmarks/archive.py`.

Recordings as cameras make them (H.264, 25 frames a second, without B frames, or with as many as are
asked for) are recognised by `har-stream --archive`, from the start of the command to its file of
events, and decoded by as many processes, which do nothing else; in turns, so that a busy moment
slows both alike. Prints the frames a second of both, and the ratio. Needs `ffmpeg`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from training.benchmark.stream_cost import count_frames, make_video

FPS = 25


def decode(recordings: list[Path], n_workers: int) -> None:
    """Decode every recording once, each process its share of them."""
    shares = [recordings[n::n_workers] for n in range(n_workers)]
    started = [
        subprocess.Popen([sys.executable, __file__, "--decode", *map(str, share)])  # noqa: S603 - itself
        for share in shares
    ]
    if any(process.wait() for process in started):
        raise SystemExit("a recording could not be decoded")


def recognise(folder: Path, out: Path, bundle: str, n_workers: int) -> None:
    """Recognise all recordings anew."""
    for path in out.parent.glob(f"{out.name}*"):
        path.unlink()
    command = [sys.executable, "-m", "har_stream.commands.stream", "--archive", str(folder)]
    command += ["--out", str(out), "--bundle", bundle, "--workers", str(n_workers)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - no shell


def seconds(do: Callable[[], None]) -> float:
    """Time one call."""
    began_s = time.perf_counter()
    do()
    return time.perf_counter() - began_s


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720", help="of the frames (1280x720)")
    parser.add_argument("--seconds", type=int, default=60, help="of a recording (60)")
    parser.add_argument("--recordings", type=int, default=8, help="how many (8)")
    parser.add_argument("--b-frames", type=int, default=0, help="in a row (0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--rounds", type=int, default=3, help="of both (3)")
    parser.add_argument("--bundle", default="lrcn-ucf", help="who recognises (lrcn-ucf)")
    parser.add_argument("--decode", nargs="+", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.decode:
        sys.exit(not all(count_frames(path) for path in asked.decode))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "recordings"
        folder.mkdir()
        film = make_video(
            Path(scratch) / "film.mp4",
            size=asked.size,
            fps=FPS,
            duration_s=asked.seconds,
            n_b_frames=asked.b_frames,
        )
        recordings = [
            folder / f"2026-01-01_{n // 60:02}-{n % 60:02}-00.mp4" for n in range(asked.recordings)
        ]
        for path in recordings:
            shutil.copyfile(film, path)
        n_frames = asked.recordings * asked.seconds * FPS
        rounds = [
            (
                seconds(lambda: decode(recordings, asked.workers)),
                seconds(
                    lambda: recognise(
                        folder, Path(scratch) / "events.jsonl", asked.bundle, asked.workers
                    )
                ),
            )
            for _ in range(asked.rounds)
        ]
    for name, taken in zip(("decoding alone", "--archive"), zip(*rounds, strict=True), strict=True):
        print(f"{name:15} {n_frames / median(taken):8.0f} frames a second")
    print(f"ratio           {median(alone / whole for alone, whole in rounds):8.2f}")


if __name__ == "__main__":
    main()
