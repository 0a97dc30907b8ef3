"""Predictions that ask few experts about each row."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._prediction import rows_not_finite

ROWS = np.random.default_rng(0).uniform(-1, 1, (120, 3))
TARGETS = {
    MixtureOfExpertsRegressor: np.abs(ROWS[:, 0]) + 0.1 * ROWS[:, 1],
    MixtureOfExpertsClassifier: (ROWS[:, 0] * ROWS[:, 1] > 0).astype(int),
}
both = pytest.mark.parametrize("Mixture", TARGETS)


def fitted(Mixture, X=ROWS, y=None, **params):
    params = {"n_experts": 3, "sharing": 0.1, "random_state": 0, **params}
    return Mixture(**params).fit(X, TARGETS[Mixture] if y is None else y)


def respond(mixture, X):
    classifies = hasattr(mixture, "predict_proba")
    return mixture.predict_proba(X) if classifies else mixture.predict(X)


def expected(mixture, X, n_kept):
    """By definition: the mean of the experts under the largest weights."""
    weights = mixture.predict_gate(X)
    cut = np.sort(weights, axis=1)[:, [-n_kept]]
    weights = np.where(weights >= cut, weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    outputs = mixture.transform(X).reshape(len(weights), weights.shape[1], -1)
    return np.einsum("nk,nkc->nc", weights, outputs).squeeze()


class Counting(RegressorMixin, BaseEstimator):
    """Predicts the mean, and counts the rows it is asked about."""

    def fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        self.asked_ = []
        return self

    def predict(self, X):
        self.asked_.append(len(X))
        return np.full(len(X), self.mean_)


@both
@pytest.mark.parametrize("top_k", [1, 2, 3, 5])
def test_top_k_is_the_mean_under_the_largest_weights(Mixture, top_k):
    mixture = fitted(Mixture, top_k=top_k)
    np.testing.assert_allclose(
        respond(mixture, ROWS), expected(mixture, ROWS, min(top_k, 3)), atol=1e-12
    )


@both
def test_argmax_equals_the_top_one(Mixture):
    np.testing.assert_array_equal(
        respond(fitted(Mixture, combination="argmax"), ROWS),
        respond(fitted(Mixture, top_k=1), ROWS),
    )


@pytest.mark.parametrize("params", [{"combination": "argmax"}, {"top_k": 1}])
def test_each_row_costs_one_answer(params):
    mixture = fitted(MixtureOfExpertsRegressor, experts=Counting(), **params)
    for expert in mixture.experts_:
        expert.asked_.clear()
    mixture.predict(ROWS)
    asked = [expert.asked_ for expert in mixture.experts_]
    chosen = np.bincount(mixture.apply(ROWS), minlength=3)
    assert asked == [[n] if n else [] for n in chosen]


def test_top_two_cost_two_answers_a_row():
    mixture = fitted(MixtureOfExpertsRegressor, experts=Counting(), top_k=2)
    for expert in mixture.experts_:
        expert.asked_.clear()
    mixture.predict(ROWS)
    assert sum(sum(expert.asked_) for expert in mixture.experts_) == 2 * len(ROWS)


@both
def test_the_prediction_of_a_row_does_not_depend_on_the_others(Mixture):
    mixture = fitted(Mixture, combination="argmax")
    alone = np.concatenate([respond(mixture, ROWS[[i]]) for i in range(20)])
    np.testing.assert_allclose(respond(mixture, ROWS[:20]), alone, rtol=1e-12)


@both
@pytest.mark.parametrize(
    "container", [lambda X: pd.DataFrame(X, columns=list("abc")), sparse.csr_array]
)
def test_frames_and_sparse_rows_are_dispatched(Mixture, container):
    X = container(ROWS)
    mixture = fitted(Mixture, X, combination="argmax")
    np.testing.assert_allclose(
        respond(mixture, X), expected(mixture, X, 1), rtol=1e-12, atol=1e-12
    )


def test_several_targets_are_dispatched():
    y = np.column_stack([TARGETS[MixtureOfExpertsRegressor], ROWS[:, 2]])
    mixture = fitted(MixtureOfExpertsRegressor, y=y, combination="argmax")
    chosen = mixture.apply(ROWS)
    outputs = mixture.transform(ROWS).reshape(len(ROWS), 3, 2)
    np.testing.assert_allclose(
        mixture.predict(ROWS), outputs[np.arange(len(ROWS)), chosen]
    )


@both
def test_a_search_can_choose_top_k(Mixture):
    expert = Ridge() if Mixture is MixtureOfExpertsRegressor else LogisticRegression()
    mixture = Mixture(expert, n_experts=3, random_state=0)
    search = GridSearchCV(mixture, {"top_k": [1, None]}, cv=2, error_score="raise")
    assert search.fit(ROWS, TARGETS[Mixture]).best_params_["top_k"] in (1, None)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "two"])
def test_a_bad_top_k_is_refused(top_k):
    with pytest.raises(ValueError, match="The 'top_k' parameter"):
        fitted(MixtureOfExpertsRegressor, top_k=top_k)


@pytest.mark.parametrize("combination", ["weighted", "argmax"])
def test_answers_of_whole_numbers_do_not_round_those_of_other_experts(combination):
    X = np.linspace(-1, 1, 40).reshape(-1, 1)
    y = np.where(X[:, 0] < 0, 3, X[:, 0])
    three = DummyRegressor(strategy="constant", constant=3).fit(X, [3] * 40)
    whole = FrozenEstimator(three)
    assert three.predict(X).dtype.kind == "i"
    mixture = MixtureOfExpertsRegressor(
        [("whole", whole), ("line", LinearRegression())],
        gate=SoftmaxGate(1e-3),
        sharing=0.05,
        specialize=True,
        cv=None,
        init=(X[:, 0] > 0).astype(int),
        combination=combination,
        random_state=0,
    ).fit(X, y)
    predictions = mixture.predict([[-0.5], [0.5]])
    np.testing.assert_allclose(predictions, [3, 0.5], atol=0.1)


# Missing and infinite values
# ---------------------------


def apart(Mixture, X=ROWS, **params):
    """A mixture of an expert that takes missing values, and one that does not."""
    linear, tree = {
        MixtureOfExpertsRegressor: (Ridge(), DecisionTreeRegressor(max_depth=2)),
        MixtureOfExpertsClassifier: (
            LogisticRegression(),
            DecisionTreeClassifier(max_depth=2),
        ),
    }[Mixture]
    # Each is trusted on its side of zero, and not at all on the other.
    gate = SoftmaxGate(alpha=1e-9).fit(ROWS[:, :1], ROWS[:, 0] > 0)
    gate.coef_ *= 1e4
    experts = [("linear", linear), ("tree", tree)]
    gate = make_pipeline(FunctionTransformer(_first_column), FrozenEstimator(gate))
    return fitted(Mixture, X, experts=experts, gate=gate, cv=None, **params)


def _first_column(X):
    return np.asarray(X)[:, :1]


@both
@pytest.mark.parametrize("params", [{"combination": "argmax"}, {"top_k": 1}, {}])
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "contains NaN"), (np.inf, "contains infinity")]
)
@pytest.mark.parametrize("side", [-1, 1])
def test_missing_values_are_refused_whatever_the_route_of_their_row(
    Mixture, params, value, message, side
):
    mixture = apart(Mixture, **params)
    rows = np.abs(ROWS) * side
    rows[5, 1] = value
    assert len(np.unique(mixture.apply(rows))) == 1
    for X in (rows, rows[[5]]):
        with pytest.raises(ValueError, match=message):
            mixture.predict(X)
    mixture.predict(rows[:5])


FRAMES = {
    "pandas": pd.DataFrame,
    "polars": lambda rows: pytest.importorskip("polars").DataFrame(rows),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_missing_values_in_a_frame_are_refused_whatever_their_route(frame):
    rows = np.abs(ROWS)
    mixture = apart(MixtureOfExpertsRegressor, frame(ROWS), combination="argmax")
    rows[5, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        mixture.predict(frame(rows))


def test_missing_values_are_welcome_where_every_expert_copes_with_them():
    experts = [
        ("imputed", make_pipeline(SimpleImputer(), Ridge())),
        ("tree", DecisionTreeRegressor(max_depth=2)),
    ]
    X = ROWS.copy()
    X[::7, 1] = np.nan
    mixture = fitted(
        MixtureOfExpertsRegressor, X, experts=experts, combination="argmax"
    )
    assert np.isfinite(mixture.predict(X)).all()


VALUES = np.array(
    [[0.0, 1.0, 2.0], [0.0, np.nan, 2.0], [0.0, np.nan, 2.0], [np.nan, np.inf, 2.0]]
)


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        sparse.csr_array,
        pd.DataFrame,
        lambda rows: pd.DataFrame(rows, columns=["a", "a", "b"]),
        lambda rows: pd.DataFrame(rows).astype("Float64"),
        lambda rows: rows.astype(object),
        lambda rows: pd.DataFrame(rows).astype(object),
        lambda rows: pytest.importorskip("polars").DataFrame(rows),
    ],
)
def test_a_row_of_each_column_with_missing_and_infinite_values_is_found(kind):
    assert rows_not_finite(kind(VALUES)).tolist() == [1, 3]
    assert rows_not_finite(kind(VALUES[:1])).tolist() == []


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_object_is_found(missing):
    rows = np.array([["a", 1], ["b", missing], [missing, missing]], dtype=object)
    assert rows_not_finite(rows).tolist() == [1, 2]
    assert rows_not_finite(pd.DataFrame(rows)).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("part", "params"),
    [
        ("the gate", {"gate": GaussianGate()}),
        (
            "expert 'trees'",
            {
                "experts": [
                    ("line", Ridge()),
                    ("trees", HistGradientBoostingRegressor()),
                ]
            },
        ),
    ],
)
def test_the_part_that_takes_no_sparse_rows_is_named(part, params):
    with pytest.raises(TypeError, match="Sparse data was passed") as caught:
        fitted(MixtureOfExpertsRegressor, sparse.csr_array(ROWS), **params)
    assert caught.value.__notes__[0] == f"This is about {part}."
