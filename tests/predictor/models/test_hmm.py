"""The `hmm` model: it learns online, filters exactly, and hmmlearn agrees with it."""

import copy
from datetime import timedelta

import numpy as np
import pytest
from support.regular_home import DAY, START, fitted, home

from har_stream.core.activity import UNKNOWN
from predictor.estimators.evidence import Lengths
from predictor.models import hmmlearn_em
from predictor.models.hmm import HmmForecaster, spread_over_hours
from predictor.models.online import hour_of
from predictor.models.store import create
from predictor.outlook import Observation

CONFUSION = {
    true: {told: 0.9 if true == told else 0.1 / (len(set(DAY)) - 1) for told in set(DAY)}
    for true in set(DAY)
}


def test_it_learns_what_follows_and_tells_the_context_apart() -> None:
    forecaster = fitted(10)
    at = START + timedelta(days=10)
    for hour, activity in enumerate(DAY[:4]):
        forecaster.observe(Observation(activity, at + timedelta(hours=hour)))
    outlook = forecaster.outlook(at + timedelta(hours=3))
    assert max(outlook.next, key=outlook.next.__getitem__) == "work"
    assert sum(outlook.next.values()) == pytest.approx(1.0)
    assert outlook.next[UNKNOWN] > 0
    assert outlook.next["eat"] == 0, "the next one is a different one"
    assert outlook.sequence[:3] == ("work", "cook", "eat")
    assert outlook.next_start_s[1] == pytest.approx(3600, rel=0.05)
    assert outlook.next_room["here"] == pytest.approx(1.0)


def test_an_empty_model_forecasts_the_unknown() -> None:
    outlook = create("hmm").outlook(START)
    assert outlook.next == {UNKNOWN: 1.0}
    assert outlook.sequence == ()


LEARNT = ("follows", "left_for", "began", "clones", "n_clones", "pairs", "gaps", "lengths")
"""What `HmmForecaster` counts, and what sways its belief."""


def _fresh_session(forecaster: HmmForecaster) -> None:
    """Forget what goes on and what lengths and pauses tell, but not what follows what."""
    forecaster.belief[:] = 0.0
    forecaster.since = forecaster.ended_at = forecaster.newest = None
    forecaster.last = forecaster.before = -1
    forecaster.gaps, forecaster.lengths = Lengths(), Lengths()
    for evidence in (forecaster.gaps, forecaster.lengths):
        evidence.grow(len(forecaster.activities))


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("confusion", [{}, CONFUSION])
def test_live_filtering_equals_hmmlearn_on_every_prefix(
    confusion: dict[str, dict[str, float]], repeats: bool
) -> None:
    """`observe` gives the last row of `predict_proba`, while its counts are kept at rest."""
    forecaster = fitted(6, repeats=repeats)
    forecaster.confusion = confusion
    lived = home(2, seed=1)
    _fresh_session(forecaster)
    model = hmmlearn_em.to_hmmlearn(forecaster)
    # Of the first session nobody knows when the one before it ended: no hour is emitted.
    model.startprob_ /= forecaster.tables().hours[int(hour_of(lived[0].started_at))]
    model.startprob_ /= model.startprob_.sum()
    told = hmmlearn_em.symbols(forecaster, lived)
    counts = {name: copy.deepcopy(getattr(forecaster, name)) for name in LEARNT}
    for n_seen, session in enumerate(lived, 1):
        forecaster.observe(Observation(session.activity, session.started_at))
        forecaster.end(session.ended_at)
        for name, count in counts.items():
            setattr(forecaster, name, copy.deepcopy(count))
        forecaster.forget_tables()
        expected = model.predict_proba(told[:n_seen])[-1]
        np.testing.assert_allclose(forecaster.belief.ravel(), expected, atol=1e-9)


@pytest.mark.parametrize("name", ["hmm", "dbn"])
def test_a_long_pause_alone_makes_nothing_else_likely(name: str) -> None:
    """The shop at eight leads to lunch at noon, and a walk that ends past noon to tea."""
    forecaster = create(name)
    for day in range(20):
        for hour, lasts_h, activity in ((7, 1, "out"), (12, 0.1, "lunch"), (12.2, 0.3, "out"),
                                        (13, 1, "tea")):  # fmt: skip
            at = START.replace(hour=0) + timedelta(days=day, hours=hour)
            forecaster.observe(Observation(activity, at))
            forecaster.end(at + timedelta(hours=lasts_h))
        forecaster.refit()
    at = START.replace(hour=0) + timedelta(days=20, hours=7)
    forecaster.observe(Observation("out", at))
    forecaster.end(at + timedelta(hours=1))
    for waited_h in (0, 3):
        outlook = forecaster.outlook(at + timedelta(hours=1 + waited_h))
        assert outlook.next["lunch"] > 0.8
        assert outlook.sequence[0] == "lunch"


def test_soft_probabilities_outweigh_a_doubtful_label() -> None:
    forecaster = fitted(10)
    at = START + timedelta(days=10)
    forecaster.observe(Observation("wake", at))
    doubtful = {"relax": 0.5, "wash": 0.45, "sleep": 0.05}
    forecaster.observe(Observation("relax", at + timedelta(hours=1), probabilities=doubtful))
    assert forecaster.current()["wash"] > 0.9


def test_the_room_says_what_a_doubtful_label_does_not() -> None:
    forecaster = create("hmm", repeats=True)
    for day in range(10):
        at = START + timedelta(days=day)
        forecaster.observe(Observation("cook", at, room="kitchen"))
        forecaster.observe(Observation("read", at + timedelta(hours=2), room="study"))
    torn = {"cook": 0.5, "read": 0.5}
    read = {}
    for room in ("kitchen", "study"):
        doubtful = copy.deepcopy(forecaster)
        at = START + timedelta(days=10)
        doubtful.observe(Observation("cook", at, room=room, probabilities=torn))
        read[room] = doubtful.current()["read"]
    assert read["study"] > 5 * read["kitchen"]


def test_a_bare_label_is_trusted_as_far_as_the_confusion_matrix_says() -> None:
    confusion = {"wake": {"wake": 1.0}, "relax": {"relax": 0.6, "wash": 0.4}, "wash": {"wash": 1.0}}
    forecaster = fitted(10)
    at = START + timedelta(days=10)
    forecaster.observe(Observation("wake", at))
    believed = {}
    for name, given in (("fully", {}), ("little", confusion)):
        trusting = copy.deepcopy(forecaster)
        trusting.confusion = given
        trusting.observe(Observation("relax", at + timedelta(minutes=5)))
        believed[name] = trusting.current()["relax"]
    assert believed["little"] < believed["fully"] == 1.0


def test_the_length_of_a_session_says_what_it_was() -> None:
    forecaster = create("hmm", repeats=True)
    at = START
    for number in range(60):
        activity, minutes = (("nap", 90), ("snack", 5))[number % 2]
        forecaster.observe(Observation(activity, at))
        at += timedelta(minutes=minutes)
        forecaster.end(at)
        at += timedelta(hours=2)
    torn = {"nap": 0.5, "snack": 0.5}
    forecaster.observe(Observation("snack", at, probabilities=torn))
    forecaster.observe(Observation("snack", at, probabilities=torn))
    forecaster.end(at + timedelta(minutes=5))
    assert forecaster.current()["snack"] > 0.85


def test_em_keeps_probabilities_and_raises_the_likelihood() -> None:
    forecaster = fitted(6)
    sessions = home(6)
    before = hmmlearn_em.to_hmmlearn(forecaster).score(
        hmmlearn_em.symbols(forecaster, sessions)
    ) / len(sessions)
    after = hmmlearn_em.refine(forecaster, sessions, 5)
    assert after >= before - 1e-9
    np.testing.assert_allclose(forecaster.tables().rows.sum(axis=1), 1.0)


def test_the_hour_of_an_observation_is_spread_around_midnight() -> None:
    spread = spread_over_hours(23.75)
    assert spread.sum() == pytest.approx(1.0)
    assert spread.argmax() == 23
    assert spread[0] == pytest.approx(spread[23], rel=0.5)


def test_the_past_is_not_told_again() -> None:
    forecaster = fitted(2)
    with pytest.raises(ValueError, match="order"):
        forecaster.observe(Observation("wake", START))


def test_an_activity_that_comes_again_is_no_transition() -> None:
    forecaster = fitted(4)
    follows = copy.deepcopy(forecaster.follows)
    at = START + timedelta(days=5)
    forecaster.observe(Observation("sleep", at))
    assert forecaster.since == at
    np.testing.assert_array_equal(forecaster.follows, follows)
