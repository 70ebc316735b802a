"""The key-point network: MobileNetV2 (Sandler et al. 2018) and a way back up to maps of joints.

The way back up is that of feature pyramids (Lin et al. 2017), thin: a cell of a map for eight
pixels. Beside the maps it says whether anybody is there at all. What the trunk's first layers have
learned of edges from ImageNet stays as it is: squares pass through them once, and the rest learns
at a third of the time.
"""

from pathlib import Path
from typing import Any

import keras
from keras import layers, ops

from training.data.keypoints.turned_square import LEFT_RIGHT

EDGES = "block_2_add"
"""Where the part that stays ends: cells of 4 pixels, 8 channels."""
STAGES = ("block_6_expand_relu", "block_13_expand_relu", "block_16_project_BN")
"""Layers of the rest whose cells are 8, 16 and 32 pixels wide."""
N_CHANNELS = 64
PEAK = 15.0
"""How much more a cell with a joint counts than one without."""
STRICT = 0.2
"""Weight of the loss in which left is left: of somebody who lies turned away it is hard to say,
and a network that must say it places joints between the two."""
PRESENCE = 0.6
"""What the question whether anybody is there weighs against the maps."""
_MOMENTUM = 0.97


def build_halves(size_px: int, *, imagenet: Path | None = None) -> tuple[keras.Model, keras.Model]:
    """Build the part that stays, a uint8 square of RGB to edges, and the part that learns.

    The second gives logits: maps of shape (size_px / 8, size_px / 8, 17), in COCO's order, and
    whether anybody is there, shape (1,).
    """
    trunk = keras.applications.MobileNetV2(
        (size_px, size_px, 3), alpha=0.35, include_top=False, weights=None
    )
    if imagenet is not None:
        trunk.load_weights(imagenet)
    for layer in trunk.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _MOMENTUM
    square = keras.Input((size_px, size_px, 3), dtype="uint8", name="square")
    pixels = layers.Rescaling(1 / 127.5, offset=-1.0)(square)
    found = trunk.get_layer(EDGES).output
    first = keras.Model(square, keras.Model(trunk.input, found)(pixels))

    stages = keras.Model(found, [trunk.get_layer(name).output for name in STAGES])
    edges = keras.Input(found.shape[1:], name="edges")
    features, presence = None, []
    for stage in reversed(stages(edges)):
        side = layers.Conv2D(N_CHANNELS, 1)(stage)
        if features is not None:
            side = layers.Add()([side, layers.UpSampling2D()(features)])
        side = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(side)
        side = layers.Conv2D(N_CHANNELS, 1, use_bias=False)(side)
        features = layers.ReLU(6.0)(layers.BatchNormalization(momentum=_MOMENTUM)(side))
        presence.append(layers.GlobalMaxPooling2D()(layers.Conv2D(1, 1)(features)))
    start = keras.initializers.Constant(-4.0)  # nobody is nearly everywhere
    maps = layers.Conv2D(17, 1, bias_initializer=start, name="maps")(features)
    return first, keras.Model(edges, [maps, layers.Add()(presence)], name="second")


def loss_of(truth: Any, logits: Any) -> Any:
    """Cross-entropy of every cell, joints counting more, and of whether anybody is there.

    Args:
        truth: Maps in 0..1; what is not known is below 0 and counts nothing.
        logits: Maps and presence.
    """
    maps, presence = logits
    as_told, mirrored = (_map_loss(each, maps) for each in (truth, _swap(truth)))
    easier = ops.minimum(as_told, mirrored)
    somebody = ops.cast(ops.max(truth, axis=(1, 2, 3)) > 0, "float32")[:, None]
    asked = ops.softplus(presence) - somebody * presence
    joints = (1 - STRICT) * easier + STRICT * as_told
    return ops.mean(joints) + PRESENCE * ops.mean(asked)


def _map_loss(truth: Any, maps: Any) -> Any:
    """Mean over what is known of each square, shape (batch,)."""
    known = ops.cast(truth >= 0, "float32")
    wanted = ops.maximum(truth, 0.0)
    entropy = known * (1 + PEAK * wanted) * (ops.softplus(maps) - wanted * maps)
    n_known = ops.maximum(ops.sum(known, axis=(1, 2, 3)), 1.0)
    return ops.sum(entropy, axis=(1, 2, 3)) / n_known


def _swap(truth: Any) -> Any:
    """Let left and right change places."""
    return ops.take(truth, LEFT_RIGHT, axis=-1)
