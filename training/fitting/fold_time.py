"""The same network, laid out for fast fitting: `TimeDistributed` layers see all frames at once.

Keras runs them frame by frame, with a copy of the clip before and after each: eight times slower
for LRCN on a CPU. Bias and rectifier move behind the pooling that follows them, where up to sixteen
times fewer values are left; they grow with their input, so the largest stays the largest. Layers,
weights and results are those of the original.
"""

from typing import Any

import keras
from keras import layers, ops

LEAST = 1e-12
"""Probability below which no log is taken."""


def fold_time(model: keras.Model) -> keras.Model:
    """Return a model of the same layers that folds time into the batch where each frame is alone.

    A model that is no `Sequential` is returned as it is.
    """
    if not isinstance(model, keras.Sequential):
        return model
    n_frames = model.input_shape[1]
    clip = x = keras.Input(model.input_shape[1:])
    folded = False
    left = list(model.layers)
    while left:
        layer = left.pop(0)
        timed = isinstance(layer, layers.TimeDistributed)
        if timed and not folded:
            x = ops.reshape(x, (-1, *x.shape[2:]))
        elif folded and not timed:
            x = ops.reshape(x, (-1, n_frames, *x.shape[1:]))
        folded = timed
        if timed and left and _rectifies(layer) and _pools(left[0]):
            x = _Pooled(layer.layer, left.pop(0).layer)(x)
        else:
            x = (layer.layer if timed else layer)(x)
    return keras.Model(clip, x, name=model.name)


def fold_logits(model: keras.Model) -> keras.Model:
    """Return the folded network without its last softmax: its step form's logits.

    A network that has only probabilities in the end, as an average of several, gives their logs.
    """
    if not isinstance(model, keras.Sequential):
        logs = ops.log(ops.maximum(model.outputs[0], LEAST))
        return keras.Model(model.inputs, logs, name=model.name)
    *body, last = model.layers
    heads = [layers.Dense(last.units)] if isinstance(last, layers.Dense) else []
    linear = keras.Sequential([keras.Input(model.input_shape[1:]), *body, *heads], name=model.name)
    for head in heads:
        head.set_weights(last.get_weights())
    return fold_time(linear)


def _rectifies(layer: keras.Layer) -> bool:
    inner = layer.layer
    return isinstance(inner, layers.Conv2D) and inner.activation is keras.activations.relu


def _pools(layer: keras.Layer) -> bool:
    return isinstance(layer, layers.TimeDistributed) and isinstance(
        layer.layer, layers.MaxPooling2D
    )


class _Pooled(layers.Layer):  # type: ignore[misc]
    """A rectified convolution and the pooling behind it, in the cheaper order."""

    def __init__(self, convolution: layers.Conv2D, pooling: layers.MaxPooling2D) -> None:
        super().__init__()
        self.convolution = convolution
        self.pooling = pooling

    def call(self, frames: Any) -> Any:
        """Convolve, pool, rectify."""
        convolved = self.convolution.convolution_op(frames, self.convolution.kernel)
        return keras.ops.relu(self.pooling(convolved) + self.convolution.bias)
