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
    model = keras.Sequential([pretrained.window_input(clip, encoder)], name="cnn_lstm")
    if not encoder.frozen:
        model.add(layers.TimeDistributed(pretrained.build_encoder(encoder, clip)))
    model.add(layers.Dropout(0.5))
    model.add(layers.LSTM(N_UNITS))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(n_labels, activation="softmax"))
    return model


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return advance (one LSTM step and the head), and the encoder where it learned."""
    *per_frame, _, lstm, _, head = model.layers
    advance: dict[Role, keras.Model] = {"advance": lstm_advance(lstm, head)}
    return {"encoder": frame_encoder(per_frame), **advance} if per_frame else advance
