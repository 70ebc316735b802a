"""A frozen encoder: it sees every clip once, through the streaming engine, and never again.

What it says of each sampled frame is cached in place of the frame, so that a head learns in
minutes. A backbone with states of its own begins anew where it does when it streams.
"""

import functools
import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from har_stream.bundles import weights
from har_stream.bundles.bundle import ExternalNetwork, Role
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.core.atomic_file import replacing_file, writing
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Image
from har_stream.recognition.engines.litert import FrameEncoder
from har_stream.recognition.engines.tflite_file import Network
from har_stream.recognition.preprocessing import normalise
from training.config import EncoderConfig, RunConfig
from training.data.clip import Features
from training.encoders import pretrained
from training.encoders.to_litert import to_litert


@dataclass(frozen=True, slots=True)
class FrozenEncoder:
    """A frozen encoder, as `training.data.cache` and `training.export.export_bundle` want it.

    Attributes:
        path: Its `.tflite` file.
        identity: All that its features depend on beside the frames.
        clip: What it sees.
        ticks: Cached frames per sampled frame; each of so many streams sees every `ticks`-th.
        reset_frames: After so many frames it begins anew; none: never.
        outside: How a bundle names it; none: it goes into the bundle.
        own: It in Keras, `frames` to `features`, where it goes into the bundle.
    """

    path: Path
    identity: str
    clip: ClipSpec
    ticks: int
    reset_frames: int | None = None
    outside: ExternalNetwork | None = None
    own: dict[Role, keras.Model] = field(default_factory=dict)

    def __call__(self, images: Image) -> Features:
        """Return features of a clip's prepared frames from its beginning, (n, n_features)."""
        encoder = _opened(self.path, self.outside, threading.get_ident())
        rows: dict[int, Features] = {}
        for phase in range(min(self.ticks, len(images))):
            for tick, n in enumerate(range(phase, len(images), self.ticks)):
                begins = tick % (self.reset_frames or len(images)) == 0
                frame = normalise(images[n : n + 1], self.clip)
                rows[n] = encoder.encode(frame, phase, begins=begins).reshape(-1).copy()
        return np.stack([rows[n] for n in range(len(images))])


def make_frozen_encoder(config: RunConfig, *, folder: Path) -> FrozenEncoder | None:
    """Return a run's frozen encoder; none where it has none.

    Args:
        config: Of the run.
        folder: Where its `.tflite` file is put, if it has to be made.

    Raises:
        InputError: Its weights are missing or do not fit, a clip cannot be varied as asked, or
            what is to begin anew and what remembers do not agree.
    """
    encoder = config.encoder
    if config.reset_frames and (encoder is None or encoder.network not in pretrained.BACKBONES):
        raise InputError(
            f"reset_frames: only {' or '.join(pretrained.BACKBONES)} outlasts a window: take it out"
        )
    if encoder is None or not encoder.frozen:
        return None
    augment = config.augment
    if augment.flip or augment.crop or augment.colour or augment.grey:
        raise InputError(
            "augment: a frozen encoder sees every clip once, as it is: leave flip, crop, colour "
            "and grey out, or set encoder.frozen to false"
        )
    if encoder.network in pretrained.BACKBONES:
        return _from_outside(encoder, config)
    model = _of_frames(pretrained.build_encoder(encoder, config.clip))
    content = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights()))
    path = folder / "encoder.tflite"
    made = to_litert(model)
    with writing(path), replacing_file(path) as partial:
        partial.write_bytes(made)
    return FrozenEncoder(
        path, content.hexdigest(), config.clip, augment.ticks, own={"encoder": model}
    )


def _of_frames(cnn: keras.Model) -> keras.Model:
    frames = keras.Input(cnn.input_shape[1:], name="frames")
    return keras.Model({"frames": frames}, {"features": cnn(frames)}, name="encoder")


def _from_outside(encoder: EncoderConfig, config: RunConfig) -> FrozenEncoder:
    backbone = pretrained.BACKBONES[encoder.network]
    pretrained.check_pixels(config.clip, pretrained.BACKBONE_PIXELS)
    _check_size(config, backbone)
    found = weights.find_by_name(encoder.weights, suffixes=(".tflite",), known=WEIGHTS)
    path = weights.keep_copy(found)
    sha256 = weights.hash_of(path)
    outside = ExternalNetwork(
        sha256=sha256,
        how=_how_to_bring(backbone.weights, sha256),
        frames=backbone.frames,
        features=backbone.features,
    )
    ticks = config.augment.ticks
    # What it says of a frame depends on the frames that its stream saw before.
    phases = f" {ticks}" if ticks > 1 else ""
    return FrozenEncoder(
        path,
        f"{outside.sha256} {backbone.features} {config.reset_frames}{phases}",
        config.clip,
        ticks,
        reset_frames=config.reset_frames,
        outside=outside,
    )


def _how_to_bring(name: str, sha256: str) -> str:
    if sha256 == WEIGHTS[name].sha256:
        return weights.how_to_bring(name)
    return f"nobody publishes it: copy it into a folder, and name that with {weights.ENVIRONMENT}"


def _check_size(config: RunConfig, backbone: pretrained.Backbone) -> None:
    clip, size_px = config.clip, backbone.size_px
    if (clip.height_px, clip.width_px) != (size_px, size_px):
        raise InputError(
            f"clip: the encoder sees {size_px} x {size_px} pixels, not "
            f"{clip.height_px} x {clip.width_px}"
        )


@functools.cache
def _opened(path: Path, outside: ExternalNetwork | None, thread: int) -> FrameEncoder:
    """An interpreter of its own for each thread."""
    return FrameEncoder(Network(path, outside=outside))
