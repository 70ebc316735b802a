"""A network learns from the clips of no label, each by its own class, before the labels.

Where those clips share no footage with the labelled ones, one pretraining serves every fold and
leaks into none; where groups span classes, those that a split judges by are left out, otherwise
whoever names the classes answers for that. Only the head, which tells them apart, is thrown away.
"""

from collections.abc import Mapping
from pathlib import Path

import keras

from har_stream.core.errors import InputError
from training.config import PretrainConfig, RunConfig
from training.data.batches import Example
from training.data.cache_file import Footage
from training.data.clip import Clip
from training.fitting.fit_network import fit_network

SEED_STEP = 1_000
"""Keeps its chance apart from that of the labels."""


def pretrain(
    frames: Mapping[Clip, Footage],
    config: RunConfig,
    *,
    pretraining: PretrainConfig,
    folder: Path,
    resume: bool,
) -> keras.Model:
    """Fit the run's network to tell the classes of other clips apart.

    Args:
        frames: Of every clip of no label that could be read.
        config: The run, whose network, windows and fitting are used ...
        pretraining: ... for so long.
        folder: Of the checkpoint.
        resume: Go on from the checkpoint, if there is one.

    Returns:
        The window model; its head names the other classes.

    Raises:
        InputError: There are fewer than two other classes, or the loss diverged.
    """
    index = {label: n for n, label in enumerate(sorted({clip.label for clip in frames}))}
    if len(index) < 2:
        raise InputError(
            "pretrain: needs two other classes at least, with footage that no split judges by; "
            "name them in data.others"
        )
    fit = config.fit.model_copy(
        update={**pretraining.model_dump(), "others": 0.0, "patience": None}
    )
    fitted = fit_network(
        [Example(images, index[clip.label], clip.name) for clip, images in frames.items()],
        (),
        config.model_copy(update={"fit": fit, "seed": config.seed + SEED_STEP}),
        n_labels=len(index),
        folder=folder,
        resume=resume,
    )
    return fitted.model


def start_from(model: keras.Model, pretrained: keras.Model) -> None:
    """Copy all weights but those of the head."""
    for layer, source in zip(_body(model), _body(pretrained), strict=True):
        layer.set_weights(source.get_weights())


def _body(model: keras.Model) -> list[keras.Layer]:
    """Layers with weights but the head, the last of them; models side by side have one each."""
    learned = [layer for layer in model.layers if layer.weights]
    if not isinstance(learned[-1], keras.Model):
        return learned[:-1]
    return [
        inner
        for layer in learned
        for inner in (_body(layer) if isinstance(layer, keras.Model) else [layer])
    ]
