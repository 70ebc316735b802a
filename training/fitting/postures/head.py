"""The head: what a window of features comes to, and a logistic regression on that.

It says the same in NumPy, where it learns, and in Keras, from which it becomes a LiteRT file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from har_stream.recognition.person.geometry import N_FEATURES, POSITIONS
from har_stream.recognition.person.postures import POSTURES

SECOND = 5
"""Frames of the newest second; settings in frames are those of 5 frames a second."""
LAGS = (5, 10)
"""Frames back to which all features but positions are compared."""
POSITION_LAGS = (1, 3, 5, 10, 19)
"""Frames back to which positions are compared."""
SPANS = (5, 15)
"""Frames over which the speed of the hips is averaged."""
HIPS = 2
"""The first two positions are the hips'."""
N_FRAMES = 20


def pool(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what windows come to: the newest frame, its second, changes and speeds.

    Args:
        windows: Shape (n, N_FRAMES, N_FEATURES).
    """
    return np.concatenate(_parts(windows, np.abs, np.mean), axis=-1)


def windows_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the window that ends at every frame; the first frame stands for what was before it.

    Returns:
        Shape (n, N_FRAMES, N_FEATURES).
    """
    padded = np.concatenate([np.repeat(features[:1], N_FRAMES - 1, axis=0), features])
    return np.stack([padded[n : n + N_FRAMES] for n in range(len(features))])


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
        pooled = ops.concatenate(_parts(features, ops.abs, ops.mean), axis=-1)
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


def _parts(windows: Any, absolute: Callable[..., Any], mean: Callable[..., Any]) -> list[Any]:
    """Pool arrays or tensors alike."""
    values, positions = windows[:, :, POSITIONS:], windows[:, :, :POSITIONS]
    steps = absolute(positions[:, 1:, :HIPS] - positions[:, :-1, :HIPS])
    return [
        values[:, -1],
        mean(values[:, -SECOND:], axis=1),
        *(values[:, -1] - values[:, -1 - lag] for lag in LAGS),
        *(mean(steps[:, -span:], axis=1) for span in SPANS),
        *(positions[:, -1] - positions[:, -1 - lag] for lag in POSITION_LAGS),
    ]
