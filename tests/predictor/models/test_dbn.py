"""The `dbn` model: context moves it, the future does not, and it comes back from disk."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.regular_home import START, fitted, home

from har_stream.core.errors import InputError
from predictor.estimators.forest import grow_forest
from predictor.estimators.mixing import Mixture
from predictor.estimators.softmax import Softmax
from predictor.models.dbn import DbnForecaster
from predictor.models.replay import replay
from predictor.models.store import NAMES, create, load, save
from predictor.outlook import HORIZONS_S, Observation


@pytest.mark.parametrize("name", NAMES)
def test_deleting_the_future_changes_nothing(name: str) -> None:
    """What is forecast after a prefix does not depend on whether a future was there."""
    sessions = home(5)
    asked = 3 * 9 + 4
    whole, prefix = create(name), create(name)
    forecasts = [
        whole.outlook(sessions[number - 1].ended_at) if number == asked else None
        for number in replay(whole, sessions)
    ]
    for number in replay(prefix, sessions[: asked + 1]):
        if number == asked:
            assert prefix.outlook(sessions[asked - 1].ended_at) == forecasts[asked - 1]


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_forecasts_the_same_and_goes_on_alike(name: str, tmp_path: Path) -> None:
    forecaster = fitted(4, name)
    save(forecaster, tmp_path)
    loaded = load(tmp_path)
    at = START + timedelta(days=4)
    for each in (forecaster, loaded):
        each.observe(Observation("wake", at, room="bedroom"))
        each.set_context("temperature", 19.5, at)
        each.end(at + timedelta(minutes=5))
    assert loaded.outlook(at + timedelta(minutes=9)) == forecaster.outlook(
        at + timedelta(minutes=9)
    )


def test_old_versions_stay_and_a_damaged_one_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forecaster = fitted(3)
    save(forecaster, tmp_path)
    newest = save(forecaster, tmp_path)
    (newest / "arrays.npz").write_bytes(b"not what was written")
    at = START + timedelta(days=3)
    assert load(tmp_path).outlook(at) == forecaster.outlook(at)
    assert "damaged" in caplog.text
    for version in tmp_path.iterdir():
        (version / "model.json").write_text("{}")
    with pytest.raises(InputError, match="no usable model"):
        load(tmp_path)


def test_a_version_that_has_seen_the_future_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = START + timedelta(days=3)
    good = fitted(3)
    save(good, tmp_path)
    future = fitted(3)
    future.observe(Observation("sleeping", now + timedelta(days=26_000)))
    save(future, tmp_path)
    assert load(tmp_path, now=now).seen_until == good.seen_until
    assert "v000002 cannot be used: it has seen the future (209" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"model": "hmm"', '"model": "hmq"', "no model 'hmq'"),
        ('"schema": 5', '"schema": 4', "made by another har-stream; fit it anew"),
        ('"starts": 27', '"starts": 26', "differs from its hash"),
    ],
)
def test_a_version_that_says_nonsense_gives_way(
    old: str, new: str, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forecaster = fitted(3)
    save(forecaster, tmp_path)
    model = save(forecaster, tmp_path) / "model.json"
    assert old in model.read_text()
    model.write_text(model.read_text().replace(old, new))
    at = START + timedelta(days=3)
    assert load(tmp_path).outlook(at) == forecaster.outlook(at)
    assert says in caplog.text


def test_a_context_topic_moves_the_forecast() -> None:
    forecaster = create("dbn")
    at = datetime(2026, 1, 1, 8, tzinfo=UTC)
    for number in range(120):
        if number % 2 == 0:
            forecaster.set_context("rain", "wet" if number % 4 else "dry", at)
            activity = "wait"
        else:
            activity = "read" if number % 4 == 3 else "garden"
        forecaster.observe(Observation(activity, at))
        at += timedelta(hours=1)
    forecaster.refit()
    forecaster.observe(Observation("wait", at))
    likely = {}
    for weather in ("wet", "dry"):
        forecaster.set_context("rain", weather, at)
        likely[weather] = forecaster.outlook(at).next
    assert likely["wet"]["read"] > 2 * likely["dry"]["read"]


@pytest.mark.parametrize("name", NAMES)
@given(minutes=st.integers(0, 3000))
def test_an_outlook_is_made_of_probabilities_whenever_it_is_asked(name: str, minutes: int) -> None:
    forecaster = _FITTED[name]
    asked = START + timedelta(days=3) + timedelta(minutes=minutes)
    outlook = forecaster.outlook(asked)
    for distribution in (outlook.current, outlook.next, outlook.next_room):
        assert sum(distribution.values()) == pytest.approx(1.0)
        assert min(distribution.values()) >= 0
    p10_s, p50_s, p90_s = outlook.next_start_s
    assert 0 <= p10_s <= p50_s <= p90_s
    nearest, middle, farthest = (outlook.within[name] for name in HORIZONS_S)
    assert all(nearest[label] <= middle[label] <= farthest[label] <= 1 for label in nearest)


_FITTED = {name: fitted(3, name) for name in NAMES}


def test_time_that_passes_moves_the_forecast() -> None:
    forecaster = _FITTED["dbn"]
    began = forecaster.since
    early = forecaster.outlook(began + timedelta(hours=10))
    late = forecaster.outlook(began + timedelta(hours=14))
    assert late.next_start_s[1] < early.next_start_s[1]
    assert late.within["180min"]["wake"] > early.within["180min"]["wake"]


def test_the_forest_as_arrays_says_what_scikit_learn_says() -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    random = np.random.default_rng(0)
    features = random.normal(size=(200, 6)).astype(np.float32).astype(float)
    outcomes = (features[:, 0] > 0).astype(int) + 2 * (features[:, 1] > 0.5)
    forest = grow_forest(features, outcomes, np.ones(200))
    theirs = ExtraTreesClassifier(
        100, min_samples_leaf=2, max_leaf_nodes=128, max_depth=24, max_features=0.3, random_state=0
    ).fit(features, outcomes)
    cuts = np.concatenate([tree.tree_.threshold for tree in theirs.estimators_])
    at_cuts = np.sort(cuts).astype(np.float32).astype(float)[::40].repeat(6).reshape(-1, 6)
    for row in (*features[:20], *at_cuts):
        np.testing.assert_allclose(
            forest.probabilities(row), theirs.predict_proba(row[None])[0], atol=1e-6
        )


def test_a_home_weighs_little_and_its_snapshot_too() -> None:
    forecaster = create("dbn")
    assert isinstance(forecaster, DbnForecaster)
    for _ in replay(forecaster, home(12)):
        pass
    forecaster.refit()
    forest = forecaster.fitted.forest
    n_nodes, n_outcomes = forest.shares.shape
    arrays = (forest.feature, forest.threshold, forest.left, forest.shares)
    assert 0 < sum(each.nbytes for each in arrays) <= n_nodes * (10 + 4 * n_outcomes)
    assert forecaster.book.rows.itemsize == 4


def test_the_softmax_finds_what_the_prior_does_not_know() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3))
    prior = np.full((400, 3), 1 / 3)
    prior[:, 2] = 0.0
    outcomes = (features[:, 1] > 0).astype(int)
    fitted_softmax = Softmax().fit(features, prior, np.eye(3)[outcomes], np.ones(400))
    shares = fitted_softmax.probabilities(features, prior)
    assert (shares.argmax(axis=1) == outcomes).mean() > 0.95
    assert shares[:, 2].max() == 0.0
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=30))
def test_a_mixture_never_gives_an_expert_up(expected: list[float]) -> None:
    mixture = Mixture(np.array([0.5, 0.5]))
    for p in expected:
        mixture.learn(np.array([[p, 1 - p], [0.01, 0.99]]), np.array([1.0, 0.0]))
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert mixture.weights.min() >= 0.02
    assert mixture.weights[0] >= mixture.weights[1] - 1e-12
