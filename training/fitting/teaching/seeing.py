"""Clips as a camera's are seen: once, by networks that do not learn; what they say is kept."""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles import weights
from har_stream.bundles.bundle import ExternalNetwork
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.core.atomic_file import replacing_file, writing
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS, ClipSpec
from har_stream.recognition.engines.tflite_file import Network
from har_stream.recognition.person.network import PoseNetwork
from har_stream.recognition.person.pooling import windows_of
from har_stream.recognition.person.stage import PersonStage
from har_stream.recognition.person.taught import SCENE, pool_taught
from training.data.clip import EPOCH

VERSION = 1
"""Raised whenever the same clip comes to other features."""
BLOCK = 50
"""Windows that are pooled at once."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """The networks that see clips, and where what they say is kept.

    Attributes:
        clip: How a camera's frames are sampled.
        pose: File of the key-point network.
        scene: File of the network of the whole image.
        outside: What that calls its input and output.
        folder: Keeps what was seen.
    """

    clip: ClipSpec
    pose: Path
    scene: Path
    outside: ExternalNetwork
    folder: Path
    _local: threading.local = field(default_factory=threading.local, repr=False)

    def see_all(
        self, paths: Sequence[Path], *, most_frames: Sequence[int]
    ) -> Iterator[NDArray[np.float32]]:
        """See clips by all cores, in order; see `see`."""
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        with ThreadPoolExecutor(n_cores) as pool:
            yield from pool.map(self.see, paths, most_frames)

    def see(self, path: Path, most_frames: int) -> NDArray[np.float32]:
        """Return what the window comes to that ends at each of a clip's frames.

        Args:
            path: The clip.
            most_frames: The rest is left out.

        Returns:
            Shape (n_frames, n_pooled).

        Raises:
            InputError: It is no video.
        """
        kept = self.folder / f"taught-{self._identity(path, most_frames)}.npy"
        if kept.exists():
            try:
                seen: NDArray[np.float32] = np.load(kept, allow_pickle=False)
            except (ValueError, EOFError):
                kept.unlink()  # it is seen anew
            else:
                return seen
        pooled = self._pool(path, most_frames)
        with writing(kept):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing_file(kept) as partial, partial.open("wb") as file:
                np.save(file, pooled)
        return pooled

    def _pool(self, path: Path, most_frames: int) -> NDArray[np.float32]:
        stage = PersonStage(self._pose(), sample_hz=self.clip.sample_hz, scene=self._scene())
        frames = read_file(
            path,
            sample_hz=self.clip.sample_hz,
            start_at=EPOCH,
            images=ImageOptions(self.clip.picture),
        )
        ticks = (
            features
            for frame in frames
            for features in [stage.see(frame.image, begins=frame.resets)] * frame.n_ticks
        )
        features = list(islice(ticks, most_frames))
        if not features:
            raise InputError(f"{path}: no frame can be read of it; take it out")
        windows = windows_of(np.stack(features))
        blocks = [pool_taught(windows[n : n + BLOCK]) for n in range(0, len(windows), BLOCK)]
        return np.concatenate(blocks).astype(np.float32)

    def _identity(self, path: Path, most_frames: int) -> str:
        """All that the features of a clip depend on."""
        parts = [weights.hash_of(each) for each in (path, self.pose, self.scene)]
        parts += [str(each) for each in (VERSION, PIXELS, self.clip, most_frames)]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]

    def _pose(self) -> PoseNetwork:
        """A network of its own for each thread."""
        if not hasattr(self._local, "pose"):
            self._local.pose = PoseNetwork(self.pose)
        found: PoseNetwork = self._local.pose
        return found

    def _scene(self) -> Network:
        if not hasattr(self._local, "scene"):
            self._local.scene = Network(self.scene, outside=self.outside, clip=SCENE)
        found: Network = self._local.scene
        return found
