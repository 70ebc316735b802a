"""CNN and LSTM: a pretrained frame encoder, an LSTM over what it sees (Donahue et al. 2015)."""

import keras
from keras import layers

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.frame import ClipSpec
from training.config import IMAGENET, EncoderConfig
from training.encoders import pretrained
from training.networks.lrcn import frame_encoder, lstm_advance

MEMORY: Memory = "staggered"
N_UNITS = 256


def build(n_labels: int, clip: ClipSpec, *, encoder: EncoderConfig = IMAGENET) -> keras.Model:
    """Return the window model: frames, or a frozen encoder's features of them, to probabilities.

    Raises:
        InputError: The encoder learns too, and its weights are missing or do not fit.
    """
    stack = [pretrained.window_input(clip, encoder)]
    if not encoder.frozen:
        stack.append(layers.TimeDistributed(pretrained.build_encoder(encoder, clip)))
    stack += [layers.Dropout(0.5), layers.LSTM(N_UNITS), layers.Dropout(0.5)]
    stack.append(layers.Dense(n_labels, activation="softmax"))
    return keras.Sequential(stack, name="cnn_lstm")


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return advance (one LSTM step and the head), and the encoder where it learned."""
    *per_frame, _, lstm, _, head = model.layers
    advance: dict[Role, keras.Model] = {"advance": lstm_advance(lstm, head)}
    return {"encoder": frame_encoder(per_frame), **advance} if per_frame else advance
