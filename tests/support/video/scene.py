"""Videos of the simulated home: what the resident does, one thing after the other."""

from pathlib import Path

import cv2
import numpy as np

from har_stream.simulation.renderer import SIZE, Renderer
from har_stream.simulation.routine import PLACES, PlannedActivity

FPS = 5.0


def write_scene(path: Path, *parts: tuple[str, float], home: int, hour: float = 14.0) -> Path:
    """Render activities, each for its number of seconds; a walk leads to the place of the next."""
    planned: list[PlannedActivity] = []
    start_s, origin = 3600 * hour, "door"
    for number, (activity, length_s) in enumerate(parts):
        following = parts[number + 1][0] if number + 1 < len(parts) else "sitting"
        place = PLACES.get(activity, PLACES.get(following, "sofa"))
        planned.append(
            PlannedActivity(activity, place, start_s, start_s + length_s, origin, seed=number)
        )
        start_s, origin = start_s + length_s, place
    at_s = np.arange(planned[0].start_s, start_s, 1 / FPS)
    codec = "mp4v" if path.suffix == ".mp4" else "MJPG"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, SIZE)
    for image in Renderer(home).draw(at_s, planned):
        writer.write(image)
    writer.release()
    return path
