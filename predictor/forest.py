"""A forest of extremely randomised trees (Geurts et al. 2006) kept as plain arrays.

scikit-learn grows it; asking it is a few array look-ups, and saving it needs no pickle.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.filtering import Array

N_TREES = 100
MIN_LEAF_CASES = 2
MAX_LEAVES = 128
MAX_DEPTH = 24
FEATURE_SHARE = 0.3
"""Share of the features looked at for each cut."""


@dataclass(slots=True)
class Forest:
    """The trees, padded to the largest; node 0 is the root, a leaf leads to itself.

    Attributes:
        feature: Feature that a node asks for, shape (trees, nodes).
        threshold: It goes left where the feature is at or below this, same shape.
        children: Left and right node, counted over all trees, shape (trees, nodes, 2).
        shares: p(outcome | node), shape (trees, nodes, outcomes).
        depth: Steps from the root to the deepest leaf.
    """

    feature: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 1), np.int32))
    threshold: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    children: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 1, 2), np.int32))
    shares: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 1, 0), np.float32))
    depth: int = 0

    def probabilities(self, features: Array) -> Array:
        """Return p(outcome), shape (outcomes,), for features of shape (features,)."""
        n_trees, n_nodes = self.feature.shape
        goes_right = (features[self.feature] > self.threshold).ravel()
        nodes = np.arange(n_trees) * n_nodes
        for _ in range(self.depth):
            nodes = self.children.take(2 * nodes + goes_right.take(nodes))
        leaves = self.shares.reshape(n_trees * n_nodes, -1)[nodes]
        mean: Array = leaves.mean(axis=0, dtype=np.float64)
        return mean


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
    n_nodes = max(tree.node_count for tree in trees)
    forest = Forest(
        np.zeros((N_TREES, n_nodes), np.int32),
        np.zeros((N_TREES, n_nodes), np.float32),
        np.zeros((N_TREES, n_nodes, 2), np.int32),
        np.zeros((N_TREES, n_nodes, int(outcomes.max()) + 1), np.float32),
        max(tree.max_depth for tree in trees),
    )
    for index, tree in enumerate(trees):
        nodes = np.arange(tree.node_count)
        is_leaf = tree.children_left < 0
        forest.feature[index, nodes] = np.where(is_leaf, 0, tree.feature)
        forest.threshold[index, nodes] = tree.threshold
        for side, child in enumerate((tree.children_left, tree.children_right)):
            forest.children[index, nodes, side] = index * n_nodes + np.where(is_leaf, nodes, child)
        counts = tree.value[:, 0, :]
        forest.shares[index, nodes[:, None], grown.classes_[None, :]] = counts / counts.sum(
            axis=1, keepdims=True
        )
    return forest
