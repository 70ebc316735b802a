"""Activities that a household has taught: told from a person's key points and the whole image.

What a network that has seen many videos says of the image stands beside the key points: a hand at
a stove and one at a desk look alike without what is around them. The bundle's own head goes on
telling postures, by which falls are found; this one takes its share from what is said of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Image
from har_stream.recognition.engines.litert import FrameEncoder
from har_stream.recognition.engines.tflite_file import Network
from har_stream.recognition.person.geometry import N_FEATURES
from har_stream.recognition.person.pooling import N_FRAMES, pool
from har_stream.recognition.preprocessing import normalise, prepare

SCENE = ClipSpec(n_frames=1, height_px=172, width_px=172, sample_hz=5.0, colour="rgb")
"""What the network of the whole image takes in."""
SCENE_WEIGHTS, SCENE_FRAMES, SCENE_FEATURES = "movinet_a0_stream_int8", "image", "logits"
"""MoViNet-A0 of Kinetics-600 (Kondratyuk et al. 2021), and what it calls its input and output."""
N_SCENE = 600
"""Numbers that it says of a frame: how much it is of each class of Kinetics-600."""
BEGINS_AFTER = 50
"""Frames after which its memory begins anew: 10 s, the length that it learned from."""


class SceneWatch:
    """What one camera's whole image shows, as it goes on.

    Args:
        network: Sees the frames; it may serve many cameras.
    """

    def __init__(self, network: Network) -> None:
        self._encoder = FrameEncoder(network)
        self._n_seen = 0

    def see(self, image: Image, *, begins: bool) -> NDArray[np.float32]:
        """Return what the next frame shows, of mean 0 and deviation 1; shape (N_SCENE,).

        Args:
            image: BGR, shape (height, width, 3), uint8.
            begins: No earlier frame counts.
        """
        self._n_seen = 0 if begins else self._n_seen
        begins = self._n_seen % BEGINS_AFTER == 0
        self._n_seen += 1
        frame = normalise(prepare(image, SCENE)[None], SCENE)
        said = self._encoder.encode(frame, 0, begins=begins).reshape(-1)
        # It says more the longer it has seen: one scale for all.
        scaled: NDArray[np.float32] = (said - said.mean()) / (said.std() + 1e-6)
        return scaled


def pool_taught(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what windows of key points and scenes come to.

    Args:
        windows: Shape (n, n_frames, N_FEATURES + N_SCENE).

    Returns:
        Shape (n, n_pooled).
    """
    person, scene = windows[..., :N_FEATURES], windows[..., N_FEATURES:]
    return np.concatenate([pool(person), scene.mean(axis=1)], axis=-1)


@dataclass(frozen=True, slots=True)
class TaughtHead:
    """A multinomial logistic: everything else first, then the taught activities.

    Attributes:
        activities: Their names.
        weights: The last row is the bias; shape (n_pooled + 1, 1 + n_activities).
    """

    activities: tuple[str, ...]
    weights: NDArray[np.float32]

    def probabilities(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of everything else, then of each activity.

        Args:
            pooled: Shape (n, n_pooled).

        Returns:
            Shape (n, 1 + n_activities).
        """
        logits = (pooled @ self.weights[:-1] + self.weights[-1]).astype(np.float64)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
        return shares

    def add_to(
        self, said: Mapping[str, float], frames: Sequence[NDArray[np.float32]]
    ) -> dict[str, float]:
        """Give the taught activities their share of what is said.

        Args:
            said: Probability of every other activity.
            frames: The window's features, each of shape (N_FEATURES + N_SCENE,).
        """
        others, *own = self.probabilities(pool_taught(np.stack(frames)[None]))[0].tolist()
        shared = {name: others * each for name, each in said.items()}
        return shared | dict(zip(self.activities, own, strict=True))


def open_taught_head(bundle: Bundle) -> TaughtHead | None:
    """Open the head of a household's own activities; none where the bundle has none.

    Raises:
        InputError: It does not fit what the manifest says.
    """
    path = bundle.file("taught", "numpy")
    if path is None:
        return None
    activities = bundle.manifest.taught
    weights = _read(path)
    blank = np.zeros((1, N_FRAMES, N_FEATURES + N_SCENE), np.float32)
    fits = weights.shape == (pool_taught(blank).size + 1, 1 + len(activities))
    if bundle.manifest.clip.n_frames != N_FRAMES or not fits or weights.dtype != np.float32:
        raise InputError(f"{path}: no head of {', '.join(activities)}; teach the bundle anew")
    return TaughtHead(activities, weights)


def open_scene_network(bundle: Bundle) -> Network | None:
    """Open the network of the whole image; none where the bundle has none."""
    path = bundle.file("scene", "litert")
    return Network(path, outside=bundle.outside("scene"), clip=SCENE) if path else None


def _read(path: Path) -> NDArray[np.float32]:
    try:  # mapped first: a header may claim any size
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no array of NumPy ({error}); teach the bundle anew") from error
