"""The `hmm` model as hmmlearn's CategoricalHMM: for EM, for comparison, and to look inside."""

from collections.abc import Sequence

import numpy as np
from hmmlearn.hmm import CategoricalHMM

from har_stream.core.errors import InputError
from predictor.estimators.filtering import Array, Index
from predictor.models.hmm import N_CLONES, HmmForecaster
from predictor.models.online import hour_of
from predictor.sessions import Session

N_HOURS = 24
UNKNOWN_SHARE = 1e-3
"""Probability of the reserved symbol: a label that the model has never seen."""
TRANSMAT_PRIOR = 1.02
"""Above one, or a state that is never left would make hmmlearn divide by zero."""


def to_hmmlearn(forecaster: HmmForecaster) -> CategoricalHMM:
    """Return the model as it stands now; its parameters no longer learn.

    A symbol is a label (``unknown`` last) and an hour: label x 24 + hour.
    """
    n_states, n_labels = forecaster.n_states, len(forecaster.activities)
    states = np.arange(n_states)
    transmat = np.zeros((n_states, n_states))
    tables = forecaster.tables()
    transmat[states[:, None], tables.successors] = tables.rows
    hours = tables.hours.T[:, None]
    reported = _reported(forecaster)[states // N_CLONES, :, None]
    model = CategoricalHMM(
        n_components=n_states,
        n_features=(n_labels + 1) * N_HOURS,
        transmat_prior=TRANSMAT_PRIOR,
        params="t",
        init_params="",
    )
    model.startprob_ = np.where(states % N_CLONES == 0, 1.0 / n_labels, 0.0)
    model.transmat_ = transmat / transmat.sum(axis=1, keepdims=True)
    model.emissionprob_ = (reported * hours).reshape(n_states, -1)
    return model


def symbols(forecaster: HmmForecaster, sessions: Sequence[Session]) -> Index:
    """Return what hmmlearn would be told of sessions, shape (symbols, 1).

    Where an activity cannot follow itself, its coming again is no new symbol.
    """
    index = {label: number for number, label in enumerate(forecaster.activities)}
    unknown = len(index)
    told = []
    before = None
    for session in sessions:
        if before is None or forecaster.repeats or session.activity != before.activity:
            label = index.get(session.activity, unknown)
            left_at = min(before.ended_at, session.started_at) if before else session.started_at
            told.append(label * N_HOURS + int(hour_of(left_at)))
        before = session
    return np.array(told, np.intp)[:, None]


def refine(forecaster: HmmForecaster, sessions: Sequence[Session], n_iterations: int) -> float:
    """Run EM (Baum-Welch) on the transitions alone; emissions and start stay as they are.

    Args:
        forecaster: Fitted; its transition counts are replaced by expected ones of equal weight.
        sessions: The log that it was fitted to.
        n_iterations: At most so many.

    Returns:
        The log-likelihood per session after it, in nats.

    Raises:
        InputError: The model has seen too little.
    """
    if forecaster.n_states < N_CLONES * 2 or len(sessions) < 2:
        raise InputError("EM needs a log with at least two activities")
    model = to_hmmlearn(forecaster)
    model.n_iter = n_iterations
    told = symbols(forecaster, sessions)
    model.fit(told)
    shares = np.take_along_axis(model.transmat_, forecaster.tables().successors, axis=1)
    shares = shares.reshape(forecaster.follows.shape)
    n_left = forecaster.follows.sum(axis=-1, keepdims=True)
    forecaster.follows = n_left * shares / shares.sum(axis=-1, keepdims=True)
    forecaster.pairs = forecaster.follows.sum(axis=1)
    forecaster.forget_tables()
    return float(model.score(told)) / len(told)


def _reported(forecaster: HmmForecaster) -> Array:
    """Return p(label reported | activity), ``unknown`` last, shape (activities, labels)."""
    labels = forecaster.activities
    confusion = np.eye(len(labels))
    for row, activity in enumerate(labels):
        if activity in forecaster.confusion:
            given = forecaster.confusion[activity]
            confusion[row] = [given.get(label, 0.0) for label in labels]
    confusion /= np.maximum(confusion.sum(axis=1, keepdims=True), 1e-12)
    reported: Array = np.pad((1.0 - UNKNOWN_SHARE) * confusion, ((0, 0), (0, 1)))
    reported[:, -1] = UNKNOWN_SHARE
    return reported
