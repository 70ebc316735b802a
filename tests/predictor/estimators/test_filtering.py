"""Filtering equals enumeration of every state path, and hmmlearn's posterior of the last state."""

from itertools import product

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM
from hypothesis import given
from hypothesis import strategies as st

from predictor.estimators.filtering import gather, predict, update


def _chain(seed: int, n_states: int, n_symbols: int) -> CategoricalHMM:
    random = np.random.default_rng(seed)
    model = CategoricalHMM(n_components=n_states, n_features=n_symbols)
    model.startprob_ = random.dirichlet(np.ones(n_states))
    model.transmat_ = random.dirichlet(np.ones(n_states), n_states)
    model.emissionprob_ = random.dirichlet(np.ones(n_symbols), n_states)
    return model


def _filtered(model: CategoricalHMM, symbols: list[int]) -> tuple[np.ndarray, float]:
    belief, evidence = update(model.startprob_, model.emissionprob_[:, symbols[0]])
    log_likelihood = np.log(evidence)
    successors = np.tile(np.arange(model.n_components), (model.n_components, 1))
    for symbol in symbols[1:]:
        joint, evidence = update(
            predict(belief, model.transmat_), model.emissionprob_[:, symbol][None]
        )
        belief = gather(joint, successors, model.n_components)
        log_likelihood += np.log(evidence)
    return belief, log_likelihood


def _enumerated(model: CategoricalHMM, symbols: list[int]) -> tuple[np.ndarray, float]:
    last = np.zeros(model.n_components)
    for path in product(range(model.n_components), repeat=len(symbols)):
        p = model.startprob_[path[0]] * model.emissionprob_[path[0], symbols[0]]
        for before, after, symbol in zip(path, path[1:], symbols[1:], strict=False):
            p *= model.transmat_[before, after] * model.emissionprob_[after, symbol]
        last[path[-1]] += p
    return last / last.sum(), np.log(last.sum())


@given(
    seed=st.integers(0, 10**6),
    n_states=st.integers(2, 4),
    symbols=st.lists(st.integers(0, 2), min_size=1, max_size=5),
)
def test_it_equals_brute_force(seed: int, n_states: int, symbols: list[int]) -> None:
    model = _chain(seed, n_states, 3)
    belief, log_likelihood = _filtered(model, symbols)
    expected, expected_log_likelihood = _enumerated(model, symbols)
    np.testing.assert_allclose(belief, expected, atol=1e-10)
    assert log_likelihood == pytest.approx(expected_log_likelihood)


def test_it_equals_the_last_row_of_hmmlearn_on_every_prefix() -> None:
    model = _chain(3, 6, 5)
    symbols = np.random.default_rng(4).integers(5, size=60).tolist()
    for n_seen in range(1, len(symbols) + 1):
        expected = model.predict_proba(np.array(symbols[:n_seen])[:, None])[-1]
        np.testing.assert_allclose(_filtered(model, symbols[:n_seen])[0], expected, atol=1e-10)


def test_an_impossible_observation_changes_nothing_and_says_so() -> None:
    predicted = np.array([0.3, 0.7])
    belief, evidence = update(predicted, np.zeros(2))
    assert evidence == 0.0
    np.testing.assert_array_equal(belief, predicted)
