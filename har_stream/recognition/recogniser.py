"""Frames in, decisions out: rolling windows of any number of cameras through one engine."""

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle, Manifest
from har_stream.core.activity import IDLE
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS, Frame
from har_stream.recognition.engines import EngineName, open_engine
from har_stream.recognition.engines.engine import Engine, StatesLost
from har_stream.recognition.person.geometry import N_FEATURES
from har_stream.recognition.person.network import PoseFinder, open_pose_network
from har_stream.recognition.person.postures import labels_of
from har_stream.recognition.person.stage import Person, PersonStage, PlaceAt
from har_stream.recognition.person.taught import open_scene_network, open_taught_head
from har_stream.recognition.preprocessing import normalise, prepare
from har_stream.recognition.window_rows import NONE, WindowRows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the recogniser says of one complete window.

    Attributes:
        camera: Name of the camera.
        at: Capture time of the window's last frame.
        probabilities: Calibrated, in the order of the bundle's labels, shape (n_labels,), float64.
        person: Whom it is about, where the bundle follows one.
        energy: Free energy of its logits; see `har_stream.bundles.bundle.Calibration`. Minus
            infinity where no bound holds: nobody, and what a household has taught, are no postures.
        known: Whether it may be something that the bundle was taught.
    """

    camera: str
    at: datetime
    probabilities: NDArray[np.float64]
    person: Person | None = None
    energy: float = -math.inf
    known: bool = True

    @property
    def told(self) -> NDArray[np.float64]:
        """Probabilities as they are told: what was never taught may be any label as well."""
        n_labels = len(self.probabilities)
        return self.probabilities if self.known else np.full(n_labels, 1 / n_labels)


@dataclass(slots=True)
class _Stream:
    """One camera: its slot in the engine, its ticks since the last reset, its newest frame.

    Where the bundle follows a person, the person's features stand for the image; `window` keeps
    those of the newest frames for what a household has taught.
    """

    slot: int
    before: NDArray[Any]
    image: NDArray[Any]
    captured_at: datetime
    stage: PersonStage | None
    shape: tuple[int, ...]
    window: deque[NDArray[Any]]
    ticks: int = 0
    has_decided: bool = False


class Recogniser:
    """Rolls a bundle's window over the sampled frames of any number of cameras.

    Decisions equal those of the window model on the same windows, at the cost of one step a frame.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        engine: EngineName | Engine = "auto",
        hop_frames: int | None = None,
        pose: PoseFinder | None = None,
    ) -> None:
        """Start an engine on the bundle's networks.

        Args:
            bundle: Its clip spec and calibration hold here.
            engine: `auto` takes Keras where a GPU is there for it, otherwise LiteRT; or one that
                was made for this bundle and hop.
            hop_frames: Frames between two decisions; the bundle's own unless given.
            pose: Finds key points; the bundle's own network unless given.

        Raises:
            InputError: The engine is not installed, the bundle has no files for it, or its
                networks do not fit what its manifest says.
        """
        self.bundle = bundle
        check_labels(bundle.manifest, bundle.path)
        self._spec = bundle.manifest.clip
        self._calibration = bundle.manifest.calibration
        self._window_rows = WindowRows.from_manifest(bundle.manifest, hop_frames=hop_frames)
        self._engine = (
            open_engine(bundle, self._window_rows, name=engine)
            if isinstance(engine, str)
            else engine
        )
        self._pose = pose or open_pose_network(bundle)
        self._scene = open_scene_network(bundle)
        self._taught = open_taught_head(bundle)
        self._place_at: dict[str, PlaceAt] = {}
        self._streams: dict[str, _Stream] = {}
        self._check_networks()
        if bundle.manifest.pixels != PIXELS:
            logger.warning(
                "bundle %s was learned from frames that were read another way, with slightly other "
                "pixels; it works, and works best once trained anew with train-har fit",
                bundle.manifest.name,
            )

    @property
    def runs_on(self) -> str:
        """The runtime and the device that compute, for people."""
        return self._engine.runs_on

    def step(self, frames: Sequence[tuple[str, Frame]]) -> list[Decision]:
        """Take at most one frame of each camera; return the decisions that are due with them.

        A frame that answers several ticks counts several times.
        """
        # Cameras that have ticks left go on together, tick by tick.
        decisions: list[Decision] = []
        pending = []
        for camera, frame in frames:
            self._set_newest(camera, frame)
            if self._streams[camera].ticks == 0 and self._takes_features:
                self._fill(camera)
            pending.append((camera, frame.n_ticks))
        while pending := [(camera, n_left) for camera, n_left in pending if n_left > 0]:
            decisions += self._tick([camera for camera, _ in pending])
            pending = [(camera, n_left - 1) for camera, n_left in pending]
        return decisions

    def set_places(self, camera: str, place_at: PlaceAt) -> None:
        """Say where doors are in a camera's image: who is last seen in one has gone."""
        self._place_at[camera] = place_at

    def prime(self, camera: str, frame: Frame) -> None:
        """Fill a camera's window with one image, but for its last frame; it begins anew."""
        self._set_newest(camera, replace(frame, resets=True))
        self._fill(camera)

    def finish(self, camera: str) -> list[Decision]:
        """End a camera's stream, and forget it.

        One that ended before its first window was full repeats its last frame, as in training.
        """
        decisions: list[Decision] = []
        stream = self._streams.get(camera)
        if stream is not None and not stream.has_decided:
            for _ in range(self._spec.n_frames - stream.ticks):
                decisions += self._tick([camera])
        self.forget(camera)
        return decisions

    def forget(self, camera: str) -> None:
        """Drop a camera's windows; the next frame of that name begins anew."""
        self._streams.pop(camera, None)

    def _check_networks(self) -> None:
        """Step over one blank frame: foreign labels or shapes are told at once, in one line."""
        spec = self._spec
        shape = (spec.height_px, spec.width_px, spec.n_channels)
        blank = np.zeros((1, *((N_FEATURES,) if self._takes_features else shape)), np.float32)
        slots = np.zeros(1, np.int64)
        labels = self.bundle.manifest.output_names
        try:
            logits = self._engine.step(
                blank, slots=slots, ages=self._window_rows.ages(slots), rows=slots
            )
        except StatesLost as error:
            raise InputError("the engine in another process went away; try again") from error
        except Exception as error:  # every runtime has its own
            raise InputError(
                f"{self.bundle.path}: its networks do not fit its manifest ({len(labels)} labels, "
                f"frames of {self._spec.width_px}x{self._spec.height_px}); export the bundle anew"
            ) from error
        if logits.shape != (1, len(labels)):
            raise InputError(
                f"{self.bundle.path}: its networks know {logits.shape[-1]} labels, its manifest "
                f"{len(labels)}; export the bundle anew"
            )

    @property
    def _takes_features(self) -> bool:
        return self._spec.person == "keypoints"

    def _fill(self, camera: str) -> None:
        """Let a window begin with its first frame as often as it has room, but for one."""
        for _ in range(self._spec.n_frames - 1):
            self._tick([camera])  # decides nothing: the window is one frame short

    def _set_newest(self, camera: str, frame: Frame) -> None:
        stream = self._streams.get(camera)
        shape = frame.image.shape
        if stream is not None and stream.shape == shape:
            stage = stream.stage
        else:  # a room is learnt in one size of image
            stage = self._open_stage(camera)
        image = self._taken_in(frame, stage)
        if stream is None:
            window: deque[NDArray[Any]] = deque(maxlen=self._spec.n_frames)
            slot = self._free_slot()
            stream = _Stream(slot, image, image, frame.captured_at, stage, shape, window)
            self._streams[camera] = stream
        stream.image, stream.captured_at = image, frame.captured_at
        stream.stage, stream.shape = stage, shape
        if frame.resets:
            stream.ticks = 0

    def _open_stage(self, camera: str) -> PersonStage | None:
        if self._pose is None:
            return None
        return PersonStage(
            self._pose,
            sample_hz=self._spec.sample_hz,
            scene=self._scene,
            place_at=self._place_at.get(camera),
        )

    def _taken_in(self, frame: Frame, stage: PersonStage | None) -> NDArray[Any]:
        if stage is None:
            return prepare(frame.image, self._spec)
        features = stage.see(frame.image, begins=frame.resets)
        return features if self._takes_features else prepare(stage.crop(frame.image), self._spec)

    def _free_slot(self) -> int:
        taken = {stream.slot for stream in self._streams.values()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _tick(self, cameras: Sequence[str]) -> list[Decision]:
        streams = [self._streams[camera] for camera in cameras]
        for stream in streams:
            stream.window.append(stream.image)
        # 1. All cameras go through the networks in one call.
        ticks = np.array([stream.ticks for stream in streams])
        rows = self._window_rows.ending(ticks)
        try:
            logits = self._engine.step(
                self._seen(streams),
                slots=np.array([stream.slot for stream in streams]),
                ages=self._window_rows.ages(ticks),
                rows=rows,
            )
        except StatesLost:
            for stream in self._streams.values():
                stream.ticks = 0
            return []
        # 2. A camera whose row ends with this frame decides.
        decisions = []
        for n in np.flatnonzero(rows != NONE).tolist():
            stream = streams[n]
            stream.has_decided = True
            decisions.append(self._decision(cameras[n], stream, logits[n]))
        # 3. Everybody is one frame older; flow needs the image that is now the last one.
        for stream in streams:
            stream.ticks += 1
            stream.before = stream.image
        return decisions

    def _decision(self, camera: str, stream: _Stream, logits: NDArray[np.floating]) -> Decision:
        energy, manifest = free_energy(logits), self.bundle.manifest
        probabilities = _softmax(logits / self._calibration.temperature)
        person = None
        if stream.stage is not None and self._takes_features:
            outputs = dict(zip(manifest.output_names, probabilities.tolist(), strict=True))
            person, activities = stream.stage.judge(outputs)
            if self._taught is not None:
                activities = self._taught.add_to(activities, stream.window)
            probabilities = np.array([activities[label] for label in manifest.labels])
            if manifest.labels[probabilities.argmax()] in (IDLE, *manifest.taught):
                energy = -math.inf
        return Decision(
            camera,
            stream.captured_at,
            probabilities,
            person,
            energy,
            known=self._calibration.knows(energy),
        )

    def _seen(self, streams: Sequence[_Stream]) -> NDArray[np.float32]:
        """What the network takes in of each camera now; flow needs the frame before, too."""
        if self._takes_features:
            return np.stack([stream.image[:N_FEATURES] for stream in streams])
        n_frames = 2 if self._spec.motion == "flow" else 1
        shown = np.stack([(stream.before, stream.image)[-n_frames:] for stream in streams])
        return normalise(shown, self._spec)[:, -1]


def check_labels(manifest: Manifest, bundle: Path | str) -> None:
    """Check that every label is made of something that the networks tell apart.

    Raises:
        InputError: A label is not; names the bundle and the label.
    """
    if manifest.clip.person != "keypoints":
        return
    known = {*labels_of(manifest.output_names), *manifest.taught}
    foreign = [label for label in manifest.labels if label not in known]
    if foreign:
        raise InputError(
            f"{bundle}: labels: its networks tell nothing of {', '.join(foreign)}; export the "
            "bundle anew"
        )


def free_energy(logits: NDArray[np.floating]) -> float:
    """Minus the log of the sum of exponentials: low where a network knows what it sees.

    Args:
        logits: Shape (n_labels,).
    """
    return -float(np.logaddexp.reduce(logits.astype(np.float64)))


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities
