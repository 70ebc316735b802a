"""Windows of prepared frames as their definition says, one by one."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from har_stream.core.frame import ClipSpec, Frame, Image
from har_stream.recognition.preprocessing import prepare


def windows(
    frames: Iterable[Frame], spec: ClipSpec, *, hop_frames: int
) -> Iterator[tuple[Frame, Image]]:
    """Roll a window of prepared frames over sampled frames.

    A stream that ends before its first window is full repeats its last frame, as the pipeline does.

    Yields:
        The window's last frame, and the window, shape (n_frames, height, width, 3), uint8.
    """
    ring: deque[Image] = deque(maxlen=spec.n_frames)
    n_seen, last, yielded = 0, None, False
    for frame in frames:
        last = frame
        if frame.resets:
            ring.clear()
            n_seen = 0
        prepared = prepare(frame.image, spec)
        for _ in range(frame.n_ticks):
            ring.append(prepared)
            n_seen += 1
            if n_seen >= spec.n_frames and (n_seen - spec.n_frames) % hop_frames == 0:
                yielded = True
                yield frame, np.stack(ring)
    if last is not None and not yielded and ring:
        ring.extend([ring[-1]] * (spec.n_frames - len(ring)))
        yield last, np.stack(ring)
