"""The key-point network: MobileNet (Howard et al. 2017) and a way back up to maps of joints.

The way back up is that of feature pyramids (Lin et al. 2017), thin: a cell of a map for eight
pixels. Beside the maps it says whether anybody is there at all, which it sees in each cell and in
all of them together.
"""

from typing import Any

import keras
from keras import layers, ops

from training.data.keypoints.examples import SURE
from training.data.keypoints.turned_square import LEFT_RIGHT
from training.encoders.pretrained import load_trunk

STAGES = ("conv_pw_5_relu", "conv_pw_10_relu")
"""Layers whose cells are 8 and 16 pixels wide; another one, of 32 pixels, learns from nothing."""
N_WIDE, N_CHANNELS = 192, 80
SPREAD = 0.9
"""Standard deviation of a joint in its map, cells."""
PEAK = 15.0
"""How much more a cell with a joint counts than one without."""
STRICT = 0.2
"""Weight of the loss in which left is left: of somebody who lies turned away it is hard to say,
and a network that must say it places joints between the two."""
_MOMENTUM = 0.97


def build(size_px: int, *, imagenet: str = "") -> keras.Model:
    """Build the network.

    It takes a uint8 square of RGB and gives logits: maps of shape (size_px / 8, size_px / 8, 17),
    in COCO's order, and whether anybody is there, shape (1,).

    Args:
        size_px: Of the square.
        imagenet: The trunk's weights: a path, or a name that can be downloaded; none: by chance.

    Raises:
        InputError: The weights are missing or another network's.
    """
    if imagenet:
        trunk = load_trunk("mobilenet_v1", imagenet, size_px)
    else:
        shape = (size_px, size_px, 3)
        trunk = keras.applications.MobileNet(shape, include_top=False, weights=None)
    for layer in trunk.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _MOMENTUM
    ends = [trunk.get_layer(name).output for name in STAGES]
    stages = keras.Model(trunk.input, ends, name="trunk")

    square = keras.Input((size_px, size_px, 3), dtype="uint8", name="square")
    pixels = layers.Rescaling(1 / 127.5, offset=-1.0)(square)
    found = stages(pixels)
    wide = _separable(found[-1], N_WIDE, strides=2)
    features, presence = None, []
    for stage in (wide, *reversed(found)):
        side = layers.Conv2D(N_CHANNELS, 1)(stage)
        if features is not None:
            side = layers.Add()([side, layers.UpSampling2D()(features)])
        features = _separable(side, N_CHANNELS)
        presence.append(layers.GlobalMaxPooling2D()(layers.Conv2D(1, 1)(features)))
    pooled = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(wide), layers.GlobalMaxPooling2D()(wide)]
    )
    together = layers.Dense(64, activation="relu6")(layers.Dropout(0.2)(pooled))
    presence.append(layers.Dense(1)(together))
    start = keras.initializers.Constant(-4.0)  # nobody is nearly everywhere
    maps = layers.Conv2D(17, 1, bias_initializer=start, name="maps")(features)
    return keras.Model(square, [maps, layers.Add(name="presence")(presence)], name="keypoints")


def draw_maps(points: Any, n_cells: int) -> Any:
    """Draw joints, (batch, 17, 3) as shares of squares, in maps (batch, n_cells, n_cells, 17)."""
    centres = ops.arange(n_cells, dtype="float32") + 0.5
    apart = centres - points[..., :2, None] * n_cells
    near = ops.exp(-ops.square(apart) / (2 * SPREAD**2))
    maps = near[:, :, 1, :, None] * near[:, :, 0, None, :]
    return ops.transpose(maps, (0, 2, 3, 1))


def map_loss(points: Any, maps: Any) -> Any:
    """Cross-entropy of every cell of every known joint, of which those at a joint count more.

    Args:
        points: Where joints are, (batch, 17, 3): x and y as shares of the square, and how sure
            they are; of those that are not, nothing is learned.
        maps: Logits.

    Returns:
        Shape (batch,).
    """
    as_told, mirrored = (
        _entropy(each, maps) for each in (points, ops.take(points, LEFT_RIGHT, axis=1))
    )
    return (1 - STRICT) * ops.minimum(as_told, mirrored) + STRICT * as_told


def presence_loss(somebody: Any, presence: Any) -> Any:
    """Cross-entropy of whether anybody is there, shape (batch,)."""
    return ops.mean(ops.softplus(presence) - somebody * presence, axis=-1)


def _entropy(points: Any, maps: Any) -> Any:
    """Mean over what is known of each square, shape (batch,)."""
    wanted = draw_maps(points, maps.shape[1])
    known = ops.cast(points[..., 2] >= SURE, "float32")
    entropy = (1 + PEAK * wanted) * (ops.softplus(maps) - wanted * maps)
    by_joint = ops.mean(entropy, axis=(1, 2)) * known
    return ops.sum(by_joint, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)


def _separable(given: Any, n_channels: int, *, strides: int = 1) -> Any:
    across = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(given)
    mixed = layers.Conv2D(n_channels, 1, use_bias=False)(across)
    return layers.ReLU(6.0)(layers.BatchNormalization(momentum=_MOMENTUM)(mixed))
