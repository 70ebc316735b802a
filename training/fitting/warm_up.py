"""A warm-up on single frames, before a network learns from windows.

Behind an LSTM an encoder is slow to find out what to look at: LRCN takes tens of epochs to break
symmetry. Its per-frame layers learn most of it from frames alone, at a twentieth of the cost.
"""

from collections.abc import Sequence
from itertools import takewhile

import keras
import numpy as np
from keras import layers
from rich.progress import track

from har_stream.core.errors import InputError
from har_stream.recognition.preprocessing import normalise
from training.config import RunConfig
from training.data.augment import vary
from training.data.batches import Example

BATCH = 32
_STREAM = 1_000_000
"""Keeps its chance apart from that of the epochs."""


def warm_up(
    model: keras.Model, examples: Sequence[Example], config: RunConfig, *, n_labels: int
) -> None:
    """Fit the layers that see each frame alone to tell the label from one frame.

    Args:
        model: A window model that begins with `TimeDistributed` layers; their weights change.
        examples: Clips to learn from; those of no label are left out.
        config: `fit.warm_up` frames of each clip are drawn, varied as windows are.
        n_labels: Labels there are.

    Raises:
        InputError: The network has no layers that see each frame alone.
    """
    timed = list(takewhile(lambda layer: isinstance(layer, layers.TimeDistributed), model.layers))
    if not timed:
        raise InputError(f"{config.network}: no layer sees each frame alone; set fit.warm_up to 0")
    # With names of our own, later layers are called as after a resume, which warms nothing up.
    frame = x = keras.Input(model.input_shape[2:], name="warm_up_frame")
    for layer in timed:
        x = layer.layer(x)
    flat = layers.Flatten(name="warm_up_flat")(x)
    head = layers.Dense(n_labels, activation="softmax", name="warm_up_head")
    learner = keras.Model(frame, head(flat), name="warm_up")
    adam = keras.optimizers.Adam(config.fit.learning_rate)
    learner.compile(adam, "sparse_categorical_crossentropy")
    adam.build(learner.trainable_variables)  # or TensorFlow traces the first step twice
    labelled = [example for example in examples if example.label is not None]
    rng = np.random.default_rng((config.seed, _STREAM))
    order = np.concatenate([rng.permutation(len(labelled)) for _ in range(config.fit.warm_up)])
    for first in track(range(0, len(order), BATCH), "single frames", transient=True):
        chosen = [labelled[n] for n in order[first : first + BATCH]]
        frames = [example.frames[[rng.integers(len(example.frames))]] for example in chosen]
        varied = np.concatenate([vary(each, config.augment, rng) for each in frames])
        truth = np.array([example.label for example in chosen])
        learner.train_on_batch(normalise(varied, config.clip), truth)
