"""ConvLSTM: stacked convolutional LSTMs (Shi et al. 2015, as in the study).

All pooling is spatial, so the stack is causal: every layer needs the current frame and its own
state alone. The head reads the outputs of all frames at once; its kernel is cut by frame, and the
partial logits are one more state.
"""

import keras
from keras import layers, ops

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.frame import ClipSpec
from training.networks.lrcn import lstm_cell

MEMORY: Memory = "staggered"
POOL = {"pool_size": 2, "padding": "same"}
LEAST_PX = 31  # each convolution takes 2 off, each pooling halves: 29, 15, 13, 7, 5, 3, 1


def build(n_labels: int, clip: ClipSpec) -> keras.Model:
    """Return the window model: (n_frames, height, width, 3) to probabilities."""
    stack = [keras.Input((clip.n_frames, clip.height_px, clip.width_px, 3), name="clip")]
    for filters in (4, 8, 14, 16):
        if len(stack) > 1:
            stack.append(layers.TimeDistributed(layers.Dropout(0.2)))
        stack.append(layers.ConvLSTM2D(filters, 3, recurrent_dropout=0.2, return_sequences=True))
        stack.append(layers.MaxPooling3D((1, 2, 2), padding="same"))
    stack += [layers.Flatten(), layers.Dense(n_labels, activation="softmax")]
    return keras.Sequential(stack, name="convlstm")


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return encoder (the first input convolution, shared by all windows) and advance."""
    recurrent = [layer for layer in model.layers if isinstance(layer, layers.ConvLSTM2D)]
    first, head = recurrent[0], model.layers[-1]
    frames = keras.Input(model.input_shape[2:], name="frames")
    shared = _input_gates(first, frames)
    encoder = keras.Model({"frames": frames}, {"features": shared}, name="encoder")

    features = keras.Input(shared.shape[1:], name="features")
    age = keras.Input((), dtype="int32", name="age")
    lives = ops.cast(age > 0, "float32")[:, None]
    inputs = {"features": features, "age": age}
    states: dict[str, keras.KerasTensor] = {}
    gates = features
    for n, layer in enumerate(recurrent, 1):
        shape = (*gates.shape[1:3], layer.filters)
        hidden, carry = (keras.Input(shape, name=f"{name}_{n}") for name in ("hidden", "carry"))
        inputs |= {f"hidden_{n}": hidden, f"carry_{n}": carry}
        alive = lives[..., None, None]
        recurrence = layers.Conv2D(4 * layer.filters, 3, padding="same", use_bias=False)
        gates = gates + recurrence(hidden * alive)
        hidden, carry = lstm_cell(gates, carry * alive, gate=layer.recurrent_activation)
        recurrence.set_weights([layer.cell.recurrent_kernel])
        states |= {f"hidden_{n}": hidden, f"carry_{n}": carry}
        x = layers.MaxPooling2D(**POOL)(hidden)
        if n < len(recurrent):
            gates = _input_gates(recurrent[n], x)
    partial = keras.Input((head.units,), name="partial")
    logits = partial * lives + _partial_logits(x, age, head=head, n_frames=model.input_shape[1])
    outputs = {"logits": logits, **states, "partial": logits}
    advance = keras.Model(inputs | {"partial": partial}, outputs, name="advance")
    return {"encoder": encoder, "advance": advance}


def _input_gates(layer: layers.ConvLSTM2D, x: keras.KerasTensor) -> keras.KerasTensor:
    """What the current input adds to the gates input, forget, cell and output, in this order."""
    convolution = layers.Conv2D(4 * layer.filters, 3)
    gates = convolution(x)
    convolution.set_weights([layer.cell.kernel, layer.cell.bias])
    return gates


def _partial_logits(
    x: keras.KerasTensor, age: keras.KerasTensor, *, head: layers.Dense, n_frames: int
) -> keras.KerasTensor:
    """What the frame of this age adds to the logits; an `Embedding` looks its kernel slice up."""
    kernel, bias = head.get_weights()
    flat = layers.Flatten()(x)
    slices = layers.Embedding(n_frames, flat.shape[1] * head.units)
    of_age = ops.reshape(slices(age), (-1, flat.shape[1], head.units))
    slices.set_weights([kernel.reshape(n_frames, -1)])
    first = layers.Embedding(n_frames, head.units)
    biases = first(age)
    first.set_weights([ops.concatenate([bias[None], ops.zeros((n_frames - 1, head.units))])])
    return ops.squeeze(flat[:, None] @ of_age, 1) + biases
