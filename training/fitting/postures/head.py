"""The head: what a window of features comes to, and two logistic regressions on that.

One tells postures apart; the other tells footage of which no posture can be told. They say the
same in NumPy, where they learn, and in Keras, from which they become a LiteRT file.
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
    """A fitted head: pooled @ kernel + bias are a logit of every posture, and one of strangeness.

    Attributes:
        kernel: Shape (n_pooled, len(POSTURES) + 1).
        bias: Shape (len(POSTURES) + 1,).
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits of windows, shape (n, len(POSTURES)).

        Their softmax is that of the postures, and their free energy the logit of strangeness.
        """
        values = pool(windows) @ self.kernel + self.bias
        told, strange = values[:, :-1], values[:, -1:]
        logits: NDArray[np.float32] = told - np.logaddexp.reduce(told, axis=1, keepdims=True)
        return logits - strange

    def to_keras(self) -> keras.Model:
        """Return the head as `training.networks.registry` wants one: `features` to `logits`."""
        features = keras.Input((N_FRAMES, N_FEATURES), name="features")
        pooled = ops.concatenate(parts(features, ops.abs, ops.mean), axis=-1)
        dense = keras.layers.Dense(len(POSTURES) + 1)
        values = dense(pooled)
        logits = ops.log_softmax(values[:, :-1]) - values[:, -1:]
        model = keras.Model({"features": features}, {"logits": logits}, name="head")
        dense.set_weights([self.kernel, self.bias])
        return model


NEVER = -20.0
"""Logit of a posture that was not among the examples."""


def fit_head(
    windows: Sequence[NDArray[np.float32]],
    postures: Sequence[NDArray[np.int64]],
    *,
    strength: float,
    strange: Sequence[NDArray[np.float32]] = (),
) -> Head:
    """Fit a head; every posture counts as much as any other, and what is strange as all of them.

    Args:
        windows: Of every clip, shape (n, N_FRAMES, N_FEATURES).
        postures: Of every window; -1: it does not count.
        strength: C of scikit-learn's LogisticRegression.
        strange: Windows of footage of which no posture can be told; none: nothing is strange.
    """
    truth = np.concatenate(postures)
    pooled = np.concatenate([pool(each) for each in windows])[truth >= 0]
    classes, coefficients, intercepts = _regress(pooled, truth[truth >= 0], strength)
    kernel = np.zeros((pooled.shape[1], len(POSTURES) + 1))
    bias = np.full(len(POSTURES) + 1, NEVER)
    kernel[:, classes], bias[classes] = coefficients, intercepts
    if strange:
        others = np.concatenate([pool(each) for each in strange])
        is_strange = np.repeat([0, 1], [len(pooled), len(others)])
        _, kernel[:, -1:], bias[-1:] = _regress(
            np.concatenate([pooled, others]), is_strange, strength
        )
    return Head(kernel.astype(np.float32), bias.astype(np.float32))


def _regress(
    pooled: NDArray[np.float32], truth: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Classes, weights (n_pooled, n) and biases; of two classes the second's alone."""
    scaler = StandardScaler().fit(pooled)
    regression = LogisticRegression(C=strength, max_iter=500, class_weight="balanced")
    regression.fit(scaler.transform(pooled), truth)
    # The scaler becomes a part of the weights.
    weights = regression.coef_ / scaler.scale_
    return regression.classes_, weights.T, regression.intercept_ - weights @ scaler.mean_
