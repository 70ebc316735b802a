"""Extremely randomised trees (Geurts et al. 2006), kept as plain arrays.

scikit-learn grows it; asking it is a few array look-ups, and saving it needs no pickle.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from predictor.estimators.filtering import Array, Index

N_TREES = 100
MIN_LEAF_CASES = 2
MAX_LEAVES = 128
MAX_DEPTH = 24
FEATURE_SHARE = 0.3
"""Share of the features looked at for each cut."""


@dataclass(slots=True)
class Forest:
    """All nodes of all trees; the root of tree t is node t, a leaf leads to itself.

    Kept as small as the numbers allow: a process may hold the forests of a thousand homes.

    Attributes:
        feature: Feature that a node asks for, shape (nodes,).
        threshold: It goes left where the feature is at or below this, same shape.
        left: The left child; the right one lies next to it. Same shape.
        shares: p(outcome | node), shape (nodes, outcomes).
        depth: Steps from a root to the deepest leaf.
    """

    feature: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    threshold: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    left: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    shares: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    depth: int = 0

    def probabilities(self, features: Array) -> Array:
        """Return p(outcome), shape (outcomes,), for features of shape (features,)."""
        asked = features.astype(np.float32).take(self.feature)  # as they were when it grew
        onward = self.left + (asked > self.threshold)
        nodes = onward[:N_TREES]
        for _ in range(self.depth - 1):
            nodes = onward.take(nodes)
        mean: Array = self.shares.take(nodes, axis=0).mean(axis=0, dtype=np.float64)
        return mean


@contextmanager
def few_cases() -> Iterator[None]:
    """Let scikit-learn work on little data.

    In one thread, as several would spend their time waiting for each other, and without its warning
    that there are many classes: in a home's first days each activity was seen but once or twice.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


def grow_forest(features: Array, outcomes: NDArray[Any], importance: Array) -> Forest:
    """Grow a forest.

    Args:
        features: Shape (cases, features).
        outcomes: Index of what happened, shape (cases,).
        importance: Weight of each case, shape (cases,).

    Returns:
        The forest; its outcomes are those up to the largest index given.
    """
    from sklearn.ensemble import ExtraTreesClassifier  # loading it takes a second

    grown = ExtraTreesClassifier(
        N_TREES,
        min_samples_leaf=MIN_LEAF_CASES,
        max_leaf_nodes=MAX_LEAVES,
        max_depth=MAX_DEPTH,
        max_features=FEATURE_SHARE,
        random_state=0,
    ).fit(features, outcomes, sample_weight=importance)
    trees = [each.tree_ for each in grown.estimators_]
    return _planted(trees, grown.classes_)


def _planted(trees: Sequence[Any], outcomes: Index) -> Forest:
    """Lay scikit-learn's trees out: the roots first, then every pair of siblings side by side."""
    n_nodes = sum(tree.node_count for tree in trees)
    forest = Forest(
        np.zeros(n_nodes, np.int16),
        np.full(n_nodes, np.inf, np.float32),
        np.arange(n_nodes, dtype=np.int32),
        np.zeros((n_nodes, int(outcomes.max()) + 1), np.float32),
        max(tree.max_depth for tree in trees),
    )
    n_laid = len(trees)
    for root, tree in enumerate(trees):
        is_cut = tree.children_left >= 0
        place = np.full(tree.node_count, root)
        pairs = n_laid + 2 * np.arange(is_cut.sum())
        place[tree.children_left[is_cut]] = pairs
        place[tree.children_right[is_cut]] = pairs + 1
        n_laid += 2 * len(pairs)
        forest.left[place[is_cut]] = pairs
        forest.feature[place[is_cut]] = tree.feature[is_cut]
        forest.threshold[place[is_cut]] = _at_or_below(tree.threshold[is_cut])
        counts = tree.value[:, 0, :]
        forest.shares[np.ix_(place, outcomes)] = counts / counts.sum(axis=1, keepdims=True)
    return forest


def _at_or_below(thresholds: Array) -> NDArray[np.float32]:
    """Round down, so that numbers in single precision fall on the side on which they fell."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
