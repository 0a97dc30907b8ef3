"""Any classifier as the gate, and pipelines that end in one."""

import numpy as np
import pandas as pd
import pytest
from _rows import rows_of
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDRegressor,
)
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.gates import bind_gate
from sklearn_moe.gates.bound_classifier import GATE_SHARING

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = np.random.default_rng(0).uniform(-1, 1, (160, 2))
RIGHT = ROWS[:, 0] > 0.2
Y = np.where(RIGHT, 2 + ROWS[:, 1], -2 * ROWS[:, 1])
Y = Y + 0.1 * np.random.default_rng(1).standard_normal(160)
CLASSIFIERS = [
    DecisionTreeClassifier(max_depth=2),
    HistGradientBoostingClassifier(max_iter=10, learning_rate=0.5),
    KNeighborsClassifier(),
    LogisticRegression(C=100),
    MLPClassifier((8,), solver="lbfgs", max_iter=200),
    make_pipeline(StandardScaler(), LogisticRegression(C=100)),
    # It shows no predict_proba until it is fitted.
    StackingClassifier([("tree", DecisionTreeClassifier(max_depth=2))], cv=3),
]
GATES = [
    SoftmaxGate(),
    GaussianGate(),
    make_pipeline(StandardScaler(), SoftmaxGate()),
    *CLASSIFIERS[:1],
    *CLASSIFIERS[2:4],
]


def fitted(gate, X=ROWS, y=Y, **params):
    defaults = {"n_experts": 2, "sharing": 0, "random_state": 0, "max_iter": 20}
    params = {**defaults, **params}
    return MixtureOfExpertsRegressor(Ridge(0.1), gate=gate, **params).fit(X, y)


@pytest.mark.parametrize("gate", CLASSIFIERS)
def test_any_classifier_with_probabilities_is_a_gate(gate):
    mixture = fitted(gate)
    np.testing.assert_allclose(mixture.predict_gate(ROWS).sum(axis=1), 1)
    assert mixture.score(ROWS, Y) > 0.9
    right = RIGHT if mixture.experts_[0].intercept_ < 1 else ~RIGHT
    assert (mixture.apply(ROWS) == right).mean() > 0.9


@pytest.mark.parametrize("gate", [CLASSIFIERS[0], CLASSIFIERS[3]])
def test_a_classifier_is_the_gate_of_classifiers_too(gate):
    y = (np.where(RIGHT, 1, -1) * ROWS[:, 1] > 0).astype(int)
    mixture = MixtureOfExpertsClassifier(n_experts=2, gate=gate, init=RIGHT)
    assert mixture.fit(ROWS, y).score(ROWS, y) > 0.9


def test_logistic_regression_is_nearly_the_softmax_gate():
    X = StandardScaler().fit_transform(ROWS)
    params = {"cv": None, "tol": 1e-8, "max_iter": 200, "init": RIGHT}
    softmax = fitted(SoftmaxGate(alpha=0.01), X, **params)
    logistic = fitted(LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-8), X, **params)
    # What differs is the little weight that a classifier's gate leaves to all experts.
    np.testing.assert_allclose(
        logistic.predict_gate(X), softmax.predict_gate(X), atol=0.03
    )
    np.testing.assert_allclose(logistic.predict(X), softmax.predict(X), atol=0.1)


def test_gate_weights_are_smoothed_a_little():
    mixture = fitted(DecisionTreeClassifier(), cv=None)
    assert mixture.predict_gate(ROWS).min() == pytest.approx(GATE_SHARING / 2)


def bound(classifier, splits, n_experts=2):
    return bind_gate(
        classifier,
        rows_of(ROWS),
        n_experts,
        random_state=np.random.RandomState(0),
        splits=splits,
    )


def test_a_row_is_weighed_by_a_gate_that_has_not_seen_it():
    splits = list(StratifiedKFold(3, shuffle=True, random_state=0).split(ROWS, RIGHT))
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    _, log_weights = bound(tree, splits).fit(np.eye(2)[RIGHT.astype(int)], None)
    seed = tree.random_state
    expected = cross_val_predict(
        DecisionTreeClassifier(max_depth=3, random_state=seed),
        ROWS,
        RIGHT,
        cv=splits,
        method="predict_proba",
    )
    expected = (1 - GATE_SHARING) * expected + GATE_SHARING / 2
    np.testing.assert_allclose(np.exp(log_weights), expected, atol=0.02)


def test_a_gate_that_memorises_is_judged_out_of_fold_by_default():
    noise = np.random.default_rng(0).dirichlet([0.1, 0.1], len(ROWS))
    tree = DecisionTreeClassifier()
    splits = list(StratifiedKFold(3).split(ROWS, RIGHT))
    _, in_sample = bound(tree, None).fit(noise, None)
    _, out_of_fold = bound(tree, splits).fit(noise, None)
    agreement = [
        np.sum(noise * np.exp(log_weights)) / len(noise)
        for log_weights in (in_sample, out_of_fold)
    ]
    assert agreement[0] > 0.9
    assert agreement[1] < 0.65


def test_an_expert_without_rows_has_the_smallest_weight():
    R = np.zeros((len(ROWS), 3))
    R[:, 0], R[:, 2] = RIGHT, ~RIGHT
    _, log_weights = bound(LogisticRegression(), None, 3).fit(R, None)
    np.testing.assert_allclose(np.exp(log_weights).sum(axis=1), 1)
    assert np.exp(log_weights)[:, 1].max() < 0.01


def test_a_pipeline_gives_the_softmax_gate_curved_borders():
    y = np.where(np.abs(ROWS[:, 0]) < 0.5, 3 + ROWS[:, 1], -ROWS[:, 1])
    params = {"init": np.abs(ROWS[:, 0]) < 0.5, "max_iter": 50}
    straight = fitted(SoftmaxGate(), y=y, **params)
    gate = make_pipeline(SplineTransformer(), SoftmaxGate(1e-3))
    curved = fitted(gate, y=y, **params)
    assert straight.score(ROWS, y) < 0.7
    assert curved.score(ROWS, y) > 0.9


@pytest.mark.parametrize(
    "features", [PolynomialFeatures(3, include_bias=False), Nystroem(n_components=20)]
)
@pytest.mark.parametrize("gate", [SoftmaxGate(1e-3), GaussianGate("full")])
def test_the_seed_of_the_mixture_is_that_of_the_gate_s_features(features, gate):
    gate = make_pipeline(features, gate)
    first, second = fitted(gate), fitted(gate)
    assert first.score(ROWS, Y) > 0.9
    np.testing.assert_array_equal(first.predict(ROWS), second.predict(ROWS))


@pytest.mark.parametrize(
    ("X", "columns"),
    [(ROWS, [0]), (pd.DataFrame(ROWS, columns=["where", "what"]), ["where"])],
)
def test_a_gate_may_have_columns_of_its_own(X, columns):
    gate = make_pipeline(
        make_column_transformer(("passthrough", columns)), SoftmaxGate()
    )
    mixture = fitted(gate, X)
    assert mixture.gate_[-1].coef_.shape == (2, 1)
    assert mixture.score(X, Y) > 0.9


@pytest.mark.parametrize("gate", GATES)
def test_the_expert_with_most_rows_comes_first(gate):
    mixture = fitted(gate)
    share = mixture.expert_share_
    assert share[0] > share[1]
    # One third of the rows is to the right of the border.
    first = mixture.experts_[0]
    assert first.intercept_ == pytest.approx(0, abs=0.3)
    owned = mixture.predict_gate(ROWS)[:, 0]
    assert owned[~RIGHT].mean() > 0.8 > 0.2 > owned[RIGHT].mean()
    residuals = (Y - first.predict(ROWS))[~RIGHT]
    assert mixture.noise_.scale_[0] == pytest.approx(residuals.std(), rel=0.5)


@pytest.mark.parametrize("gate", [*GATES, make_pipeline(Nystroem(), SoftmaxGate())])
@pytest.mark.parametrize("seed", range(3))
def test_gate_experts_and_noise_stand_in_one_order(gate, seed):
    # A random start leaves the order to chance; that of EM is not the canonical one.
    mixture = fitted(gate, init="random", cv=None, random_state=seed)
    share = mixture.responsibilities(ROWS, Y).mean(axis=0)
    np.testing.assert_allclose(share, mixture.expert_share_)
    assert (np.diff(share) <= 0).all()
    assert mixture.score_samples(ROWS, Y).sum() == pytest.approx(
        mixture.log_likelihood_
    )


THIRD = np.digitize(ROWS[:, 0], [-0.5, 0.2])
Y_OF_THIRDS = np.array([3, -3, 0])[THIRD] + np.array([-1, 1, 0])[THIRD] * ROWS[:, 1]
NETWORK = MLPClassifier((5,), solver="lbfgs", alpha=0.1)
OF_THREE = pytest.mark.parametrize(
    "gate",
    [None, CLASSIFIERS[1], NETWORK],
    ids=["softmax", "boosting", "network"],
)


@OF_THREE
def test_putting_experts_in_order_changes_no_prediction(gate):
    params = {"gate": gate, "sharing": 0, "max_iter": 4, "random_state": 0}
    clones = fitted(y=Y_OF_THIRDS, n_experts=3, **params)
    named = [(name, Ridge(0.1)) for name in "abc"]
    named = MixtureOfExpertsRegressor(named, **params).fit(ROWS, Y_OF_THIRDS)
    order = np.argsort(-named.expert_share_)
    assert order.tolist() != [0, 1, 2]
    for k, expert in zip(order, clones.experts_):
        np.testing.assert_allclose(expert.coef_, named.experts_[k].coef_)
    # A network that learns other labels ends in an optimum nearby.
    tolerance = 0.05 if gate is NETWORK else 1e-6
    change = clones.predict_gate(ROWS) - named.predict_gate(ROWS)[:, order]
    assert np.abs(change).mean() < tolerance
    change = clones.predict(ROWS) - named.predict(ROWS)
    assert np.abs(change).mean() < tolerance


@OF_THREE
def test_each_column_of_the_gate_is_about_the_expert_in_its_place(gate):
    mixture = fitted(gate, y=Y_OF_THIRDS, n_experts=3, max_iter=4)
    assert (np.diff(mixture.expert_share_) <= 0).all()
    errors = np.abs(mixture.transform(ROWS) - Y_OF_THIRDS[:, np.newaxis])
    assert (errors.argmin(axis=1) == mixture.apply(ROWS)).mean() > 0.9
    # The further to the right, the larger is a third.
    assert (mixture.apply(ROWS) == 2 - THIRD).mean() > 0.9


@pytest.mark.parametrize("gate", GATES)
def test_refits_with_other_seeds_have_the_same_order(gate):
    first, second = fitted(gate, random_state=1), fitted(gate, random_state=2)
    np.testing.assert_array_equal(first.apply(ROWS), second.apply(ROWS))


@pytest.mark.parametrize("gate", [None, GaussianGate()])
def test_refits_of_permuted_rows_have_the_same_order(gate):
    order = np.random.default_rng(0).permutation(len(ROWS))
    first, second = fitted(gate), fitted(gate, ROWS[order], Y[order])
    np.testing.assert_allclose(
        first.predict_gate(ROWS), second.predict_gate(ROWS), atol=1e-5
    )


def test_named_experts_stay_where_they_are():
    experts = [("small", LinearRegression()), ("large", LinearRegression())]
    mixture = MixtureOfExpertsRegressor(experts, init=~RIGHT).fit(ROWS, Y)
    assert list(mixture.named_experts_) == ["small", "large"]
    assert mixture.expert_share_[0] < mixture.expert_share_[1]


def test_experts_that_init_gives_rows_stay_where_they_are():
    mixture = fitted(None, init=~RIGHT)
    assert mixture.expert_share_[0] < mixture.expert_share_[1]


@pytest.mark.parametrize("labels", [RIGHT, ~RIGHT])
@pytest.mark.parametrize("classifier", [LogisticRegression(C=100), SoftmaxGate()])
def test_a_frozen_gate_keeps_its_experts_where_they_are(classifier, labels):
    gate = classifier.fit(ROWS, labels.astype(int))
    mixture = fitted(FrozenEstimator(gate))
    assert mixture.gate_.estimator is gate
    assert mixture.score(ROWS, Y) > 0.9
    assert mixture.experts_[int(labels[RIGHT][0])].intercept_ == pytest.approx(
        2, abs=0.3
    )


@pytest.mark.parametrize("labels", [np.where(RIGHT, "right", "left"), 1 + RIGHT])
def test_a_frozen_gate_of_other_labels_is_refused(labels):
    gate = FrozenEstimator(SoftmaxGate().fit(ROWS, labels))
    with pytest.raises(ValueError, match=r"numbers of experts, 0 to 1; got \["):
        fitted(gate)


def test_a_frozen_gate_may_come_after_steps_that_are_not_fitted():
    scaler = StandardScaler().fit(ROWS)
    last = LogisticRegression().fit(scaler.transform(ROWS), RIGHT.astype(int))
    mixture = fitted(make_pipeline(StandardScaler(), FrozenEstimator(last)))
    assert mixture.gate_[-1].estimator is last
    assert mixture.score(ROWS, Y) > 0.9


# What a classifier predicts
# --------------------------


class Told(ClassifierMixin, BaseEstimator):
    """A classifier that predicts what it is told, of any number of batches."""

    def __init__(self, answer=lambda n_rows: np.full((n_rows, 2), 0.5), batches=9):
        self.answer = answer
        self.batches = batches

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.n_batches_ = 1
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.classes_ = np.arange(2) if classes is None else classes
        self.n_batches_ = getattr(self, "n_batches_", 0) + 1
        return self

    def predict_proba(self, X):
        answer = np.asarray(self.answer(len(X)))
        return answer if self.n_batches_ <= self.batches else np.nan * answer


def rows_of_half(first, dtype=np.float64):
    """Rows in which all but the first number are one half."""
    return lambda n_rows: np.r_[[first], np.full((n_rows - 1, 2), 0.5)].astype(dtype)


@pytest.mark.parametrize("cv", [None, 2])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_gate_that_predicts_nan_or_infinity_is_refused(number, cv):
    gate = Told(rows_of_half([number, 0.5]))
    with pytest.raises(ValueError, match=r"The gate Told\(.*\) predicted NaN or inf"):
        fitted(gate, cv=cv)


def test_a_gate_that_predicts_nan_is_refused_at_prediction():
    mixture = fitted(Told(batches=1), cv=None)
    mixture.gate_.n_batches_ = 2
    for method in (mixture.predict, mixture.predict_gate, mixture.apply):
        with pytest.raises(ValueError, match=r"The gate Told\(.*\) predicted NaN"):
            method(ROWS)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n_rows: np.full((n_rows, 3), 1 / 3), r"shape \(160, 3\)"),
        (lambda n_rows: np.full(n_rows, 0.5), r"shape \(160,\)"),
        (lambda n_rows: np.full((n_rows, 2), "often"), "and numbers"),
        (lambda n_rows: np.tile([-0.5, 1.5], (n_rows, 1)), r"-0\.5, which is not"),
    ],
)
def test_a_gate_that_predicts_no_probabilities_is_refused(answer, message):
    with pytest.raises(ValueError, match=message) as caught:
        fitted(Told(answer), cv=None)
    assert "This is about the gate, Told(" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("row", "weights"),
    [([0.2, 0.3], [0.4, 0.6]), ([0, 0], [0.5, 0.5]), ([3, 1], [0.75, 0.25])],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_of_a_classifier_sum_to_one(row, weights, dtype):
    found = fitted(Told(rows_of_half(row, dtype)), cv=None).predict_gate(ROWS)
    rounding = 1e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=rounding)
    np.testing.assert_allclose(sorted(found[0]), sorted(weights), atol=2e-3)


def test_a_batch_after_which_a_gate_is_nan_changes_nothing():
    mixture = MixtureOfExpertsRegressor(
        SGDRegressor(), n_experts=2, gate=Told(batches=2), random_state=0, max_iter=1
    )
    mixture.partial_fit(ROWS, Y)
    mixture.gate_.n_batches_ = 1
    mixture.partial_fit(ROWS, Y)
    before = mixture.predict(ROWS)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"The gate Told\(.*\) predicted NaN"):
            mixture.partial_fit(ROWS, Y)
    np.testing.assert_array_equal(mixture.predict(ROWS), before)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_probabilities_of_an_expert_that_do_not_sum_to_one_are_divided(dtype):
    answer = rows_of_half([0.2, 0.3], dtype)
    mixture = MixtureOfExpertsClassifier(
        [("a", Told(answer)), ("b", Told(answer))], cv=None, random_state=0
    ).fit(ROWS, RIGHT)
    np.testing.assert_allclose(mixture.predict_proba(ROWS)[0], [0.4, 0.6], rtol=1e-3)
    assert mixture.score_samples(ROWS, RIGHT)[0] == pytest.approx(
        np.log(0.6 if RIGHT[0] else 0.4), rel=1e-3
    )
