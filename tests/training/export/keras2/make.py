"""Small models as the tutorials save them under Keras 2, and what Keras 2 makes of one input.

Made with tf_keras 2.21, which the project itself does not need: `python make.py` writes
`lrcn` and `convlstm` as .h5 and .keras, and `answers.npz`.
"""

from pathlib import Path

import numpy as np
import tf_keras
from tf_keras import layers

HERE = Path(__file__).parent


def lrcn() -> tf_keras.Sequential:
    """The frames go through one CNN, its features through an LSTM."""
    model = tf_keras.Sequential()
    first = layers.Conv2D(2, (3, 3), padding="same", activation="relu")
    model.add(layers.TimeDistributed(first, input_shape=(4, 32, 32, 3)))
    model.add(layers.TimeDistributed(layers.MaxPooling2D((4, 4))))
    model.add(layers.TimeDistributed(layers.Dropout(0.25)))
    second = layers.Conv2D(3, (3, 3), padding="same", activation="relu")
    model.add(layers.TimeDistributed(second))
    model.add(layers.TimeDistributed(layers.MaxPooling2D((2, 2))))
    model.add(layers.TimeDistributed(layers.Flatten()))
    model.add(layers.LSTM(5))
    model.add(layers.Dense(3, activation="softmax"))
    return model


def convlstm() -> tf_keras.Sequential:
    """Two layers; Keras 2 gives their gates its own hard sigmoid."""
    model = tf_keras.Sequential([layers.InputLayer((4, 24, 24, 3))])
    for filters in (2, 3):
        model.add(layers.ConvLSTM2D(filters, (3, 3), recurrent_dropout=0.2, return_sequences=True))
        model.add(layers.MaxPooling3D(pool_size=(1, 2, 2), padding="same"))
        model.add(layers.TimeDistributed(layers.Dropout(0.2)))
    model.add(layers.Flatten())
    model.add(layers.Dense(3, activation="softmax"))
    return model


if __name__ == "__main__":
    tf_keras.utils.set_random_seed(1)
    answers = {}
    for model, name in ((lrcn(), "lrcn"), (convlstm(), "convlstm")):
        model.set_weights([3 * weights for weights in model.get_weights()])
        model.compile(loss="categorical_crossentropy", optimizer="Adam", metrics=["accuracy"])
        model.save(HERE / f"{name}.h5", include_optimizer=False)
        model.save(HERE / f"{name}.keras")
        shape = (2, *model.input_shape[1:])
        clips = np.random.default_rng(27).random(shape, dtype=np.float32)
        answers[name] = model.predict(clips, verbose=0)
    np.savez(HERE / "answers.npz", **answers)
