"""Pictures of the clips behind the worst confusions: a few frames each, as a strip."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Image
from har_stream.simulation.simulated_camera import N_SEEDS
from training.data import simulated
from training.data.clip import EPOCH, Sampling

N_SHOWN = 4
"""Frames of a strip, evenly spread from the first to the last."""
HEIGHT_PX = 108
GAP_PX = 2
JPEG_QUALITY = 80
LOOK_HZ = 4.0
"""Rate at which a clip is looked through for the frames of its strip."""
SIMULATED = ClipSpec(n_frames=N_SHOWN, height_px=144, width_px=192, sample_hz=1.0)


def strip(path: Path) -> bytes | None:
    """Return a JPEG of some frames of a clip side by side; none where it is not there any more."""
    frames = _frames(path)
    if not frames:
        return None
    chosen = np.linspace(0, len(frames) - 1, N_SHOWN).round().astype(int)
    shown = [_shrunk(frames[n]) for n in chosen]
    gap = np.full((HEIGHT_PX, GAP_PX, 3), 255, np.uint8)
    row = np.hstack([part for image in shown for part in (gap, image)][1:])
    _, encoded = cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def _frames(path: Path) -> Sequence[Image]:
    home = path.name.removeprefix("sim-")
    if path == Path(f"sim-{home}") and home.isdecimal():
        return list(simulated.draw_clip(int(home) - N_SEEDS).frames(Sampling(SIMULATED)))
    try:
        return [frame.image for frame in read_file(path, sample_hz=LOOK_HZ, start_at=EPOCH)]
    except InputError:
        return []


def _shrunk(image: Image) -> Image:
    height, width = image.shape[:2]
    size = (round(width * HEIGHT_PX / height), HEIGHT_PX)
    shrunk: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return shrunk
