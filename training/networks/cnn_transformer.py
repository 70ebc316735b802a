"""CNN and transformer: attention over a pretrained encoder's features (Vaswani et al. 2017)."""

import keras
from keras import layers, ops

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.frame import ClipSpec
from training.config import IMAGENET, EncoderConfig
from training.encoders import pretrained
from training.networks.lrcn import frame_encoder

MEMORY: Memory = "ring"
N_UNITS, N_HEADS = 128, 4
N_BLOCKS = 1


def build(n_labels: int, clip: ClipSpec, *, encoder: EncoderConfig = IMAGENET) -> keras.Model:
    """Return the window model: frames, or a frozen encoder's features of them, to probabilities.

    Raises:
        InputError: The encoder learns too, and its weights are missing or do not fit.
    """
    stack = [pretrained.window_input(clip, encoder)]
    if not encoder.frozen:
        stack.append(layers.TimeDistributed(pretrained.build_encoder(encoder, clip)))
    stack.append(_attention(n_labels, clip.n_frames, pretrained.n_features(encoder)))
    stack.append(layers.Softmax())
    return keras.Sequential(stack, name="cnn_transformer")


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return head (attention over the ring's features), and the encoder where it learned."""
    *per_frame, attention, _ = model.layers
    return ring_split(per_frame, attention)


def ring_split(per_frame: list[keras.Layer], head: keras.Model) -> dict[Role, keras.Model]:
    """Return a head on the ring's features, and the encoder before it where that learned."""
    features = keras.Input(head.input_shape[1:], name="features")
    logits = head(features, training=False)
    networks: dict[Role, keras.Model] = {
        "head": keras.Model({"features": features}, {"logits": logits}, name="head")
    }
    return {"encoder": frame_encoder(per_frame), **networks} if per_frame else networks


def _attention(n_labels: int, n_frames: int, n_features: int) -> keras.Model:
    """Pre-norm encoder blocks with learned positions; the mean over frames says the logits."""
    features = keras.Input((n_frames, n_features))
    x = layers.Dense(N_UNITS)(layers.Dropout(0.5)(features))
    x = x + layers.Embedding(n_frames, N_UNITS)(_positions(features))
    for _ in range(N_BLOCKS):
        normed = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(N_HEADS, N_UNITS // N_HEADS)(normed, normed)
        hidden = layers.Dense(2 * N_UNITS, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(N_UNITS)(hidden)
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(features, layers.Dense(n_labels)(layers.Dropout(0.5)(pooled)))


def _positions(features: keras.KerasTensor) -> keras.KerasTensor:
    """0 to n_frames - 1 for each window; made of the input, so that it is saved with the model."""
    ones = ops.ones_like(features[..., 0])
    return ops.cast(ops.cumsum(ones, axis=1) - 1, "int32")
