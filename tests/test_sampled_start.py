"""On many rows EM begins where it ends on some of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    _sampled_start,
)
from sklearn_moe._sampled_start import ONE_IN, representative_rows

N_ROWS = 2000
RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (N_ROWS, 2))
LINE = np.where(X[:, 0] + 0.3 * RNG.standard_normal(N_ROWS) > 0, X[:, 1], -X[:, 1])
TARGETS = {
    MixtureOfExpertsRegressor: LINE + 0.3 * RNG.standard_normal(N_ROWS),
    MixtureOfExpertsClassifier: (LINE + 0.3 * RNG.standard_normal(N_ROWS) > 0) * 1,
}


@pytest.fixture
def many(monkeypatch):
    """Have the rows of these tests count as many."""
    monkeypatch.setattr(_sampled_start, "MANY_ROWS", N_ROWS)


def fitted(Mixture=MixtureOfExpertsRegressor, X=X, **params):
    mixture = Mixture(**{"n_experts": 2, "random_state": 0, **params})
    return mixture.fit(X, TARGETS[Mixture])


def first_objectives(monkeypatch, **params):
    """Of EM on all rows, where these count as many, and where they do not."""
    found = []
    for least in (N_ROWS, N_ROWS + 1):
        monkeypatch.setattr(_sampled_start, "MANY_ROWS", least)
        with pytest.warns(ConvergenceWarning):
            found.append(fitted(max_iter=2, tol=0, **params).objective_path_)
    return found


@pytest.mark.parametrize("Mixture", TARGETS)
def test_em_ends_no_lower_than_without_a_sample_in_fewer_iterations(
    Mixture, monkeypatch
):
    plain = fitted(Mixture, tol=3e-5)
    monkeypatch.setattr(_sampled_start, "MANY_ROWS", N_ROWS)
    sampled = fitted(Mixture, tol=3e-5)
    assert sampled.n_iter_ < plain.n_iter_ / 2
    assert sampled.log_likelihood_ > plain.log_likelihood_ - 3e-3 * N_ROWS


def test_one_seed_draws_one_sample(many):
    np.testing.assert_array_equal(
        fitted(acceleration=None).objective_path_,
        fitted(acceleration=None).objective_path_,
    )


def test_of_several_starts_that_on_the_sample_is_kept(many):
    assert len(fitted(n_init=3).objective_paths_) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"init": (X[:, 0] > 0) * 1},
        {"assignment": "hard"},
        {"cv": 3},
        {"experts": DecisionTreeRegressor(max_depth=2)},
        {"experts": [("a", Ridge()), ("b", Ridge(10))], "specialize": False},
    ],
    ids=["given start", "hard", "cross-fitted", "trees", "given experts"],
)
def test_all_rows_take_part_from_the_start_where_a_sample_does_not_stand_for_them(
    params, monkeypatch
):
    np.testing.assert_array_equal(*first_objectives(monkeypatch, **params))


def test_an_encoder_that_refuses_a_rare_category_does_not_end_the_fit(monkeypatch):
    flags = np.full(N_ROWS, "common", dtype=object)
    flags[17] = "rare"
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "flag": flags})
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="error"), ["flag"]), remainder="passthrough"
    )
    experts = make_pipeline(encoder, LinearRegression())
    monkeypatch.setattr(_sampled_start, "ONE_IN", 1000)
    np.testing.assert_array_equal(
        *first_objectives(monkeypatch, X=frame, experts=experts)
    )


def test_an_expert_that_cannot_be_fitted_is_named_as_ever(many):
    class Broken(Ridge):
        def fit(self, X, y, sample_weight=None):
            raise ValueError("It is broken.")

    with pytest.raises(ValueError, match="broken") as caught:
        fitted(experts=Broken())
    assert any("expert" in note for note in caught.value.__notes__)


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    seed=st.integers(0, 100),
)
def test_a_sample_has_its_share_of_each_class_and_one_of_a_rare_one(counts, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(range(len(counts)), counts))
    rows = representative_rows(y, np.unique(y), np.random.RandomState(seed))
    found = np.bincount(y[rows], minlength=len(counts))
    assert (np.diff(rows) > 0).all()
    assert (found >= 1).all()
    assert (np.abs(found - np.array(counts) / ONE_IN) < 2).all()


def test_a_sample_of_numbers_is_drawn_without_replacement():
    rows = representative_rows(np.zeros(1000), None, np.random.RandomState(0))
    assert len(np.unique(rows)) == len(rows) == 1000 // ONE_IN


def test_first_objectives_differ_where_there_is_a_sample(monkeypatch):
    with_sample, without = first_objectives(monkeypatch)
    assert with_sample[0] > without[0] + 1
