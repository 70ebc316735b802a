"""The head: what a window of features comes to, and a logistic regression on that.

It says the same in NumPy, where it learns, and in Keras, from which it becomes a LiteRT file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from har_stream.recognition.person.geometry import N_FEATURES
from har_stream.recognition.person.pooling import N_FRAMES, parts, pool
from har_stream.recognition.person.postures import POSTURES


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head: logits = pooled @ kernel + bias.

    Attributes:
        kernel: Shape (n_pooled, len(POSTURES)).
        bias: Shape (len(POSTURES),).
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits of windows, shape (n, len(POSTURES))."""
        return pool(windows) @ self.kernel + self.bias

    def to_keras(self) -> keras.Model:
        """Return the head as `training.networks.registry` wants one: `features` to `logits`."""
        features = keras.Input((N_FRAMES, N_FEATURES), name="features")
        pooled = ops.concatenate(parts(features, ops.abs, ops.mean), axis=-1)
        dense = keras.layers.Dense(len(POSTURES))
        model = keras.Model({"features": features}, {"logits": dense(pooled)}, name="head")
        dense.set_weights([self.kernel, self.bias])
        return model


NEVER = -20.0
"""Logit of a posture that was not among the examples."""


def fit_head(
    windows: Sequence[NDArray[np.float32]],
    postures: Sequence[NDArray[np.int64]],
    *,
    strength: float,
) -> Head:
    """Fit a head; every posture counts as much as any other.

    Args:
        windows: Of every clip, shape (n, N_FRAMES, N_FEATURES).
        postures: Of every window; -1: it does not count.
        strength: C of scikit-learn's LogisticRegression.
    """
    truth = np.concatenate(postures)
    pooled = np.concatenate([pool(each) for each in windows])[truth >= 0]
    scaler = StandardScaler().fit(pooled)
    regression = LogisticRegression(C=strength, max_iter=500, class_weight="balanced")
    regression.fit(scaler.transform(pooled), truth[truth >= 0])
    kernel = np.zeros((pooled.shape[1], len(POSTURES)))
    bias = np.full(len(POSTURES), NEVER)
    # The scaler becomes a part of the weights.
    kernel[:, regression.classes_] = (regression.coef_ / scaler.scale_).T
    bias[regression.classes_] = regression.intercept_ - regression.coef_ @ (
        scaler.mean_ / scaler.scale_
    )
    return Head(kernel.astype(np.float32), bias.astype(np.float32))
