"""What a decision costs per new frame: the tutorials' loop, one compiled call, and the step."""

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

import numpy as np

from har_stream.bundles.bundle import Bundle, find_bundle, load_bundle
from har_stream.core.frame import Frame
from har_stream.recognition.preprocessing import normalise
from har_stream.recognition.recogniser import Recogniser
from training.networks import registry

BUNDLES = {"lrcn": "lrcn-ucf", "convlstm": "convlstm-ucf"}
"""The shipped bundle of each network that is measured."""
HOPS = (1, 5)
N_STEPS = 10
"""Frames of each fast path to one of the slow ones."""


def measure_steps(
    network: str, *, n_rounds: int, on_round: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Measure all paths in turn, round after round, so that a busy machine slows all alike.

    Args:
        network: `lrcn` or `convlstm`.
        n_rounds: Rounds; the median over them counts.
        on_round: Called after each, for a progress bar.

    Returns:
        Milliseconds of a decision per new frame: `loop_ms`, `tf_function_ms`, `hop1_ms`, `hop5_ms`.
    """
    loaded = load_bundle(find_bundle(BUNDLES[network]))
    paths = _slow_paths(loaded, network) | _step_paths(loaded)
    taken: dict[str, list[float]] = {name: [] for name in paths}
    for name, path in paths.items():
        for _ in range(loaded.manifest.clip.n_frames if "hop" in name else 2):  # fill and warm up
            path()
    for _ in range(n_rounds):
        for name, path in paths.items():
            for _ in range(N_STEPS if "hop" in name else 1):
                began = time.perf_counter()
                path()
                taken[name].append(1000 * (time.perf_counter() - began))
        on_round()
    return {name: median(times) for name, times in taken.items()}


def _slow_paths(loaded: Bundle, network: str) -> dict[str, Callable[[], object]]:
    """`model.predict` on the deque of frames, as tutorials do, and one compiled function."""
    import tensorflow as tf

    clip = loaded.manifest.clip
    model = registry.get_network(network).build(len(loaded.manifest.labels), clip)
    shape = (clip.n_frames, clip.height_px, clip.width_px, 3)
    images = np.random.default_rng(27).integers(0, 256, shape, dtype=np.uint8)
    ring = deque(normalise(images, clip), maxlen=clip.n_frames)
    function = tf.function(
        lambda window: model(window, training=False),
        input_signature=[tf.TensorSpec((1, *shape), tf.float32)],
    )
    return {
        "loop_ms": lambda: model.predict(np.expand_dims(np.array(ring), 0), verbose=0),
        "tf_function_ms": lambda: function(np.expand_dims(np.array(ring), 0)).numpy(),
    }


def _step_paths(loaded: Bundle) -> dict[str, Callable[[], object]]:
    """The recogniser on LiteRT; its frame has the network's size, as the others' do."""
    clip = loaded.manifest.clip
    shape = (clip.height_px, clip.width_px, 3)
    image = np.random.default_rng(27).integers(0, 256, shape, dtype=np.uint8)
    frame = Frame(image, datetime(2026, 1, 1, tzinfo=UTC))

    def path(hop_frames: int) -> Callable[[], object]:
        recogniser = Recogniser(loaded, engine="litert", hop_frames=hop_frames)
        return lambda: recogniser.step([("bench", frame)])

    return {f"hop{hop}_ms": path(hop) for hop in HOPS}
