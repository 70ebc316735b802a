"""Small real videos for tests: a bright square moves over noise in a way that tells classes."""

from pathlib import Path

import cv2
import numpy as np


def write_clip(
    path: Path, *, seed: int = 0, n_frames: int = 40, fps: float = 10.0, vertical: bool = False
) -> Path:
    """Encode one clip of 48x40 pixels; it moves down where vertical, otherwise to the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    background = rng.integers(0, 90, 3) + rng.integers(0, 40, (40, 48, 3))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (48, 40))
    assert writer.isOpened()
    for n in range(n_frames):
        image = background.astype(np.uint8)
        at = (3 * n + seed) % 30
        top, left = (at, 18) if vertical else (14, at)
        image[top : top + 10, left : left + 10] = 250
        writer.write(image)
    writer.release()
    return path


def write_dataset(root: Path, *, n_groups: int = 6, n_cuts: int = 2, n_frames: int = 40) -> Path:
    """Two classes, `Down` and `Right`, named as UCF names its clips."""
    for label, vertical in (("Down", True), ("Right", False)):
        for group in range(1, n_groups + 1):
            for cut in range(1, n_cuts + 1):
                write_clip(
                    root / label / f"v_{label}_g{group:02}_c{cut:02}.avi",
                    seed=100 * vertical + 10 * group + cut,
                    n_frames=n_frames,
                    vertical=vertical,
                )
    return root
