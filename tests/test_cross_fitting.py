"""How experts are judged: by rows they have not seen, and as far as they err."""

import re
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._estimators import isolates_rows
from sklearn_moe.experts import Probabilities

may_stop_early = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)
may_retire_experts = pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")


def regression(n_samples=80, seed=0):
    """Two planes, to the left and to the right."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 2))
    y = np.where(X[:, 0] > 0, 2 + 3 * X[:, 1], -2 - 3 * X[:, 1])
    return X, y + 0.3 * rng.standard_normal(n_samples)


def classification(n_samples=80, seed=0):
    """Two boundaries, opposite to the left and to the right."""
    X, _ = regression(n_samples, seed)
    return X, np.where((X[:, 0] > 0) == (X[:, 1] > 0), "no", "yes")


PROBLEMS = {
    MixtureOfExpertsRegressor: regression,
    MixtureOfExpertsClassifier: classification,
}
UNLIKE = {
    MixtureOfExpertsRegressor: [
        ("linear", Ridge()),
        ("tree", DecisionTreeRegressor(max_depth=3)),
    ],
    MixtureOfExpertsClassifier: [
        ("linear", LogisticRegression()),
        ("tree", DecisionTreeClassifier(max_depth=3)),
    ],
}
both = pytest.mark.parametrize("Mixture", PROBLEMS)


def unlike(Mixture, **params):
    params = {"specialize": True, "max_iter": 5, "random_state": 0, **params}
    return Mixture(UNLIKE[Mixture], **params)


def alike(Mixture, **params):
    params = {"specialize": True, "max_iter": 5, "random_state": 0, **params}
    return Mixture(n_experts=2, **params)


def assert_same_model(one, other, X):
    np.testing.assert_allclose(one.transform(X), other.transform(X), rtol=1e-10)
    np.testing.assert_allclose(one.predict_gate(X), other.predict_gate(X), rtol=1e-10)
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-10)


def assert_another_model(one, other):
    assert abs(one.log_likelihood_ - other.log_likelihood_) > 0.1


# When it is done unasked
# -----------------------

TREES = {
    MixtureOfExpertsRegressor: DecisionTreeRegressor(max_depth=3),
    MixtureOfExpertsClassifier: DecisionTreeClassifier(max_depth=2),
}


def trees(Mixture, experts=None, **params):
    params = {"n_experts": 2, "max_iter": 10, "random_state": 0, **params}
    return Mixture(TREES[Mixture] if experts is None else experts, **params)


@both
@may_stop_early
def test_clones_that_learn_rows_by_heart_are_judged_by_halves(Mixture):
    X, y = PROBLEMS[Mixture]()
    unasked = trees(Mixture).fit(X, y)
    assert_same_model(unasked, trees(Mixture, cv=2).fit(X, y), X)
    assert_another_model(unasked, trees(Mixture, cv=None).fit(X, y))


@both
@may_stop_early
def test_so_are_named_experts_of_one_such_kind_in_pipelines(Mixture):
    X, y = PROBLEMS[Mixture]()
    deep = make_pipeline(
        StandardScaler(), clone(TREES[Mixture]).set_params(max_depth=4)
    )
    named = [("shallow", TREES[Mixture]), ("deep", deep)]
    unasked = trees(Mixture, named).fit(X, y)
    assert_same_model(unasked, trees(Mixture, named, cv=2).fit(X, y), X)


@both
@may_stop_early
@pytest.mark.filterwarnings("ignore:Experts .* reproduce")
def test_few_rows_are_not_divided_unasked(Mixture):
    X, y = PROBLEMS[Mixture](39)
    unasked = trees(Mixture).fit(X, y)
    assert_same_model(unasked, trees(Mixture, cv=None).fit(X, y), X)


@pytest.mark.parametrize(
    ("Mixture", "cv"),
    [(MixtureOfExpertsRegressor, 2), (MixtureOfExpertsClassifier, None)],
)
def test_one_expert_alone_is_cross_fitted_unasked_where_it_has_noise(Mixture, cv):
    X, y = PROBLEMS[Mixture]()
    unasked = trees(Mixture, n_experts=1).fit(X, y)
    assert_same_model(unasked, trees(Mixture, n_experts=1, cv=cv).fit(X, y), X)


@pytest.mark.parametrize(
    "expert",
    [
        DecisionTreeRegressor(random_state=0),
        KNeighborsRegressor(1),
        RandomForestRegressor(10, random_state=0),
        HistGradientBoostingRegressor(max_iter=30),
    ],
    ids=lambda expert: type(expert).__name__,
)
def test_intervals_of_one_expert_that_memorises_its_rows_hold_new_ones(expert):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 3))
    y = X @ [1, 2, -1] + rng.standard_normal(800)
    mixture = MixtureOfExpertsRegressor(expert, n_experts=1, random_state=0)
    low, high = mixture.fit(X[:400], y[:400]).predict_interval(X[400:], coverage=0.8).T
    held = (low < y[400:]) & (y[400:] < high)
    assert held.mean() == pytest.approx(0.8, abs=0.08)


def test_forests_are_better_for_being_judged_by_rows_not_seen():
    X, y = regression(300, seed=1)
    test, truth = regression(300, seed=2)
    y = y + np.random.default_rng(0).standard_normal(300)
    forest = RandomForestRegressor(20, random_state=0)
    params = {"gate": SoftmaxGate(alpha=1e-4), "sharing": 0, "max_iter": 40}

    def error(**others):
        mixture = trees(MixtureOfExpertsRegressor, forest, **params, **others)
        return np.mean((mixture.fit(X, y).predict(test) - truth) ** 2)

    assert error() < 0.9 * error(cv=None)


# What cv may be
# --------------


@both
@may_stop_early
def test_a_splitter_equals_its_folds(Mixture):
    X, y = PROBLEMS[Mixture]()
    splitter = StratifiedKFold if Mixture is MixtureOfExpertsClassifier else KFold
    splitter = splitter(4, shuffle=True, random_state=3)
    given = unlike(Mixture, cv=list(splitter.split(X, y))).fit(X, y)
    assert_same_model(unlike(Mixture, cv=splitter).fit(X, y), given, X)


@both
@may_stop_early
def test_masks_of_rows_are_folds_as_well(Mixture):
    X, y = PROBLEMS[Mixture]()
    first = np.arange(len(X)) % 2 == 0
    masks = [(first, ~first), (~first, first)]
    rows = [tuple(np.flatnonzero(mask) for mask in split) for split in masks]
    assert_same_model(
        unlike(Mixture, cv=masks).fit(X, y), unlike(Mixture, cv=rows).fit(X, y), X
    )


@both
@may_stop_early
def test_the_order_of_the_folds_and_of_their_rows_does_not_matter(Mixture):
    X, y = PROBLEMS[Mixture]()
    splits = list(KFold(4).split(X))
    shuffled = [(train, test[::-1]) for train, test in splits[::-1]]
    assert_same_model(
        unlike(Mixture, cv=splits).fit(X, y), unlike(Mixture, cv=shuffled).fit(X, y), X
    )


@both
@may_stop_early
def test_a_number_of_folds_shuffles_by_random_state(Mixture):
    X, y = PROBLEMS[Mixture]()
    first, again = (unlike(Mixture, cv=3).fit(X, y) for _ in range(2))
    assert_same_model(first, again, X)
    assert_another_model(first, unlike(Mixture, cv=3, random_state=1).fit(X, y))


@may_stop_early
def test_a_sorted_table_is_no_trouble_to_a_number_of_folds():
    X, y = classification()
    by_class = np.argsort(y)
    mixture = unlike(MixtureOfExpertsClassifier, cv=2, max_iter=10)
    mixture.fit(X[by_class], y[by_class])
    assert mixture.score(X, y) > 0.8


@both
@may_stop_early
def test_auto_is_five_folds_for_unlike_experts(Mixture):
    X, y = PROBLEMS[Mixture]()
    assert_same_model(
        unlike(Mixture, cv="auto").fit(X, y), unlike(Mixture, cv=5).fit(X, y), X
    )


@both
@may_stop_early
def test_auto_is_no_folds_for_clones_that_specialize(Mixture):
    X, y = PROBLEMS[Mixture]()
    in_sample = alike(Mixture, cv=None).fit(X, y)
    assert_same_model(alike(Mixture, cv="auto").fit(X, y), in_sample, X)
    assert_another_model(alike(Mixture, cv=5).fit(X, y), in_sample)


@both
@may_stop_early
@may_retire_experts
def test_auto_is_five_folds_for_experts_that_do_not_specialize(Mixture):
    X, y = PROBLEMS[Mixture]()
    assert_same_model(
        alike(Mixture, cv="auto", specialize=False).fit(X, y),
        alike(Mixture, cv=5, specialize=False).fit(X, y),
        X,
    )


@both
@pytest.mark.parametrize("n_samples", [2, 3, 4])
@pytest.mark.filterwarnings("ignore:R.2 score:UserWarning")
@may_stop_early
@may_retire_experts
def test_auto_makes_fewer_folds_of_fewer_rows(Mixture, n_samples):
    X = np.arange(n_samples, dtype=float)[:, np.newaxis]
    y = np.arange(n_samples)
    mixture = unlike(Mixture, cv="auto").fit(X, y)
    assert np.isfinite(mixture.predict(X)).all()


@may_stop_early
@may_retire_experts
def test_a_class_with_fewer_rows_than_folds_is_no_trouble():
    X, y = classification()
    y[:2] = "rare"
    mixture = unlike(MixtureOfExpertsClassifier, cv=5).fit(X, y)
    assert mixture.predict_proba(X).shape == (80, 3)
    assert np.isfinite(mixture.log_likelihood_)


@pytest.mark.parametrize("n_rare", [1, 20])
@may_stop_early
@may_retire_experts
def test_folds_of_one_class_are_no_trouble_to_a_mixture_in_a_mixture(n_rare):
    X, _ = classification()
    rare = np.arange(80) < n_rare
    inner = MixtureOfExpertsClassifier(n_experts=1)
    mixture = MixtureOfExpertsClassifier(
        [("inner", inner), ("other", clone(inner))],
        cv=[(rare, ~rare), (~rare, rare)],
        random_state=0,
    ).fit(X, rare)
    assert np.isfinite(mixture.score_samples(X, rare)).all()
    assert np.isfinite(mixture.log_likelihood_)


@both
@may_stop_early
def test_folds_that_are_given_count_rows_without_weight(Mixture):
    X, y = PROBLEMS[Mixture]()
    weights = np.arange(80) % 4 != 1
    splits = list(KFold(5).split(X))
    position = np.cumsum(weights) - 1
    kept = [[position[part[weights[part]]] for part in split] for split in splits]
    assert_same_model(
        unlike(Mixture, cv=splits).fit(X, y, weights.astype(float)),
        unlike(Mixture, cv=kept).fit(X[weights], y[weights]),
        X,
    )


@both
@may_stop_early
def test_a_fold_whose_rows_have_no_weight_is_left_out(Mixture):
    X, y = PROBLEMS[Mixture]()
    weights = np.where(np.arange(80) < 16, 0.0, 1.0)
    splits = list(KFold(5).split(X))
    mixture = unlike(Mixture, cv=splits).fit(X, y, weights)
    rest = [[part[part >= 16] - 16 for part in split] for split in splits[1:]]
    assert_same_model(mixture, unlike(Mixture, cv=rest).fit(X[16:], y[16:]), X)


EVERYTHING = np.arange(80)
HALVES = [(EVERYTHING[:40], EVERYTHING[40:]), (EVERYTHING[40:], EVERYTHING[:40])]


@both
@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (ShuffleSplit(3), r"cv=ShuffleSplit.* each row out exactly once"),
        (TimeSeriesSplit(3), r"cv=TimeSeriesSplit.* holds out 60 rows of 80"),
        (RepeatedKFold(n_repeats=2), r"RepeatedKFold.* out 160 rows of 80, 80 of them"),
        (HALVES[:1], "'cv' must hold each row out .* out 40 rows of 80, 40 of them"),
        (HALVES + HALVES, "'cv' must hold each row out .* out 160 rows of 80, 80 of"),
        ([], "'cv' must hold each row out .* out 0 rows of 80"),
        (iter([]), "'cv' must hold each row out .* out 0 rows of 80"),
        ([(EVERYTHING[:0], EVERYTHING)], "'cv' leaves a fold without rows to train"),
        ([(EVERYTHING, EVERYTHING + 1)], "'cv' must yield .* rows given, 80: .* 80"),
        ([(EVERYTHING.astype(float), EVERYTHING)], "'cv' must yield pairs of row ind"),
    ],
)
def test_folds_that_are_no_partition_are_refused(Mixture, cv, message):
    X, y = PROBLEMS[Mixture]()
    with pytest.raises(ValueError, match=message):
        unlike(Mixture, cv=cv).fit(X, y)


@both
@pytest.mark.parametrize("cv", [1, 0, "five", 2.5])
def test_a_bad_number_of_folds_is_refused(Mixture, cv):
    with pytest.raises(ValueError, match=r"cv|k-fold|n_splits"):
        unlike(Mixture, cv=cv).fit(*PROBLEMS[Mixture]())


# What the E-step sees
# --------------------

SHARING = 0.1
FOLDS = list(KFold(4, shuffle=True, random_state=0).split(np.zeros(80)))


def first_iteration(Mixture, experts, specialize, cv, **parameters):
    """The mixture after one iteration, and what its parts were fitted with."""
    X, y = PROBLEMS[Mixture]()
    right = (X[:, 0] > 0).astype(int)
    mixture = Mixture(
        experts,
        init=right,
        sharing=SHARING,
        specialize=specialize,
        cv=cv,
        max_iter=1,
        **parameters,
    )
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        mixture.fit(X, y)
    judging = (1 - SHARING) * np.eye(2)[right] + SHARING / 2
    fitting = judging if specialize else np.ones((80, 2))
    return mixture, X, y, fitting, judging


@pytest.mark.parametrize("specialize", [True, False])
@pytest.mark.parametrize("cv", [FOLDS, None], ids=["out-of-fold", "in-sample"])
def test_noise_and_likelihood_are_those_of_the_rows_held_out(specialize, cv):
    experts = [("ridge", Ridge()), ("line", make_pipeline(LinearRegression()))]
    mixture, X, y, fitting, judging = first_iteration(
        MixtureOfExpertsRegressor, experts, specialize, cv, calibrate=False
    )
    log_density = []
    for k, expert in enumerate([Ridge(), LinearRegression()]):
        weights = {"sample_weight": fitting[:, k]}
        fitted = clone(expert).fit(X, y, **weights)
        predicted = fitted.predict(X)
        np.testing.assert_allclose(mixture.transform(X)[:, k], predicted)
        if cv is not None:
            predicted = cross_val_predict(expert, X, y, cv=cv, params=weights)
        scale = np.sqrt(np.average((y - predicted) ** 2, weights=judging[:, k]))
        assert mixture.noise_.scale_[k] == pytest.approx(scale)
        log_density.append(norm.logpdf(y, predicted, scale))
    joint = np.log(mixture.predict_gate(X)) + np.transpose(log_density)
    by_row = logsumexp(joint, axis=1)
    assert mixture.log_likelihood_ == pytest.approx(by_row.sum())
    share = np.exp(joint - by_row[:, np.newaxis]).mean(axis=0)
    np.testing.assert_allclose(mixture.expert_share_, share)


@pytest.mark.parametrize("specialize", [True, False])
@pytest.mark.parametrize("cv", [FOLDS, None], ids=["out-of-fold", "in-sample"])
def test_error_rates_and_likelihood_are_those_of_the_rows_held_out(specialize, cv):
    logistic = LogisticRegression(tol=1e-8)
    experts = [("machine", LinearSVC()), ("logistic", logistic)]
    mixture, X, y, fitting, judging = first_iteration(
        MixtureOfExpertsClassifier, experts, specialize, cv
    )
    right = []
    for k, method in enumerate(["predict", "predict_proba"]):
        weights = {"sample_weight": fitting[:, k]}
        expert = experts[k][1]
        if cv is None:
            answer = getattr(clone(expert).fit(X, y, **weights), method)(X)
        else:
            answer = cross_val_predict(
                expert, X, y, cv=cv, params=weights, method=method
            )
        if method == "predict":
            error_rate = np.average(answer != y, weights=judging[:, k])
            right.append(np.where(answer == y, 1 - error_rate, error_rate))
        else:
            right.append(answer[np.arange(80), (y == "yes").astype(int)])
    log_density = np.log(mixture.predict_gate(X)) + np.log(np.transpose(right))
    by_row = logsumexp(log_density, axis=1)
    assert mixture.log_likelihood_ == pytest.approx(by_row.sum())
    votes = mixture.experts_[0].predict(X)[:, np.newaxis] == mixture.classes_
    np.testing.assert_allclose(
        mixture.transform(X)[:, :2], np.where(votes, 1 - error_rate, error_rate)
    )


def test_folds_tell_an_expert_that_interpolates_its_rows_from_one_that_learns():
    X, y = regression(200)
    experts = [("ridge", Ridge()), ("tree", DecisionTreeRegressor())]
    noise = {}
    for cv in (None, 5):
        mixture = MixtureOfExpertsRegressor(
            experts, specialize=False, cv=cv, max_iter=1, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            noise[cv] = mixture.fit(X, y).noise_.scale_[1]
    # As small as it may be, and at least that of the data.
    assert noise[None] == pytest.approx(0.01 * y.std())
    assert noise[5] > 0.3


# Experts that are fitted once
# ----------------------------


class CountedMixin:
    """Counts its fits; `counts` survives cloning because it is shared by name."""

    counts = {}

    def fit(self, X, y, sample_weight=None):
        self.counts[self.tag] = self.counts.get(self.tag, 0) + 1
        return super().fit(X, y, sample_weight)


class CountedRegressor(CountedMixin, Ridge):
    def __init__(self, alpha=1.0, tag=""):
        super().__init__(alpha)
        self.tag = tag


class CountedClassifier(CountedMixin, LogisticRegression):
    def __init__(self, C=1.0, tag=""):
        super().__init__(C=C)
        self.tag = tag


@pytest.fixture
def counts():
    CountedMixin.counts.clear()
    return CountedMixin.counts


def counted(Mixture):
    make = {
        MixtureOfExpertsRegressor: CountedRegressor,
        MixtureOfExpertsClassifier: CountedClassifier,
    }[Mixture]
    return [("weak", make(1e-3, tag="weak")), ("strong", make(10.0, tag="strong"))]


@both
@pytest.mark.parametrize(("cv", "n_fits"), [(None, 1), (4, 5), ("auto", 6)])
@may_stop_early
@may_retire_experts
def test_experts_that_do_not_specialize_are_fitted_once(Mixture, cv, n_fits, counts):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(counted(Mixture), specialize=False, cv=cv, n_init=2).fit(X, y)
    assert mixture.n_iter_ > 2
    assert counts == {"weak": n_fits, "strong": n_fits}


@both
@may_stop_early
@may_retire_experts
def test_experts_that_do_not_specialize_know_all_rows(Mixture):
    X, y = PROBLEMS[Mixture]()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(X))
    expert = Mixture()._targets().default_expert()
    mixture = Mixture(expert, 2, specialize=False, random_state=0).fit(X, y, weights)
    alone = clone(expert).fit(X, y, weights)
    for member in mixture.experts_:
        np.testing.assert_allclose(member.coef_, alone.coef_, rtol=1e-4)


@both
@may_stop_early
def test_experts_that_specialize_are_fitted_in_each_iteration(Mixture, counts):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(
        counted(Mixture),
        specialize=True,
        cv=3,
        sharing=0,
        max_iter=4,
        tol=0,
        random_state=0,
    ).fit(X, y)
    assert mixture.n_iter_ == 4
    assert counts == {"weak": 4 * 3 + 1, "strong": 4 * 3 + 1}


# Frozen experts
# --------------


def half(Mixture, right):
    """An expert for one side, fitted and frozen."""
    X, y = PROBLEMS[Mixture](seed=1)
    side = (X[:, 0] > 0) == right
    return FrozenEstimator(Mixture()._targets().default_expert().fit(X[side], y[side]))


@both
@pytest.mark.parametrize("specialize", [True, False])
@pytest.mark.parametrize("cv", [None, 3])
def test_the_gate_learns_where_frozen_experts_are_good(Mixture, specialize, cv):
    X, y = PROBLEMS[Mixture]()
    left, right = half(Mixture, False), half(Mixture, True)
    before = left.coef_.copy(), right.coef_.copy()
    mixture = Mixture(
        [("left", left), ("right", right)],
        specialize=specialize,
        cv=cv,
        random_state=0,
    ).fit(X, y)
    assert mixture.experts_[0] is left
    assert mixture.experts_[1] is right
    np.testing.assert_array_equal(left.coef_, before[0])
    np.testing.assert_array_equal(right.coef_, before[1])
    assert np.mean(mixture.apply(X) == (X[:, 0] > 0)) > 0.9
    assert mixture.score(X, y) > max(left.score(X, y), right.score(X, y)) + 0.2


@both
@pytest.mark.parametrize("specialize", [True, False])
def test_a_frozen_expert_is_joined_by_one_that_is_fitted(Mixture, specialize, counts):
    X, y = PROBLEMS[Mixture]()
    left = half(Mixture, False)
    experts = [("left", left), counted(Mixture)[0]]
    mixture = Mixture(experts, specialize=specialize, cv=None, random_state=0)
    mixture.fit(X, y)
    assert mixture.named_experts_["left"] is left
    assert mixture.named_experts_["weak"] is not experts[1][1]
    assert counts["weak"] >= 1
    if specialize:
        assert np.mean(mixture.apply(X) == (X[:, 0] > 0)) > 0.9


@both
@may_stop_early
@may_retire_experts
def test_one_frozen_expert_may_stand_for_several(Mixture):
    X, y = PROBLEMS[Mixture]()
    left = half(Mixture, False)
    mixture = Mixture(left, n_experts=2, random_state=0).fit(X, y)
    assert all(expert is left for expert in mixture.experts_)


@both
def test_a_clone_of_the_mixture_keeps_its_frozen_experts(Mixture):
    left = half(Mixture, False)
    mixture = clone(Mixture([("left", left), ("right", half(Mixture, True))]))
    assert mixture.experts[0][1] is left


# Classifiers without probabilities
# ---------------------------------

VOTERS = pytest.mark.parametrize(
    "voter", [LinearSVC(), RidgeClassifier(), Perceptron()], ids=str
)


def three_classes(n_samples=90):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n_samples, 2))
    turned = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1])
    turned += 0.2 * rng.standard_normal(n_samples)
    return X, np.digitize(turned, [-0.4, 0.4])


@VOTERS
def test_a_classifier_that_only_votes_is_believed_as_far_as_it_errs(voter):
    X, y = three_classes()
    alone = make_pipeline(StandardScaler(), voter)
    mixture = MixtureOfExpertsClassifier([("voter", alone)], cv=None).fit(X, y)
    predicted = mixture.experts_[0].predict(X)
    error_rate = np.mean(predicted != y)
    assert 0.05 < error_rate < 0.9
    error_rate = min(error_rate, 2 / 3)
    named = predicted[:, np.newaxis] == [0, 1, 2]
    expected = np.where(named, 1 - error_rate, error_rate / 2)
    np.testing.assert_allclose(mixture.predict_proba(X), expected)


@VOTERS
@pytest.mark.parametrize("cv", [None, 3])
@may_stop_early
@may_retire_experts
def test_probabilities_of_voters_sum_to_one(voter, cv):
    X, y = three_classes()
    mixture = MixtureOfExpertsClassifier(voter, 2, cv=cv, max_iter=10, random_state=0)
    mixture.fit(X, y)
    probabilities = mixture.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities > 0).all()
    if cv is None:
        total = mixture.score_samples(X, y).sum()
        assert mixture.log_likelihood_ == pytest.approx(total)


def test_voters_of_two_regimes_are_better_than_one():
    X, y = three_classes(300)
    mixture = MixtureOfExpertsClassifier(LinearSVC(), 2, random_state=0).fit(X, y)
    assert mixture.score(X, y) > LinearSVC().fit(X, y).score(X, y) + 0.2


# Experts that know other classes
# -------------------------------


def knowing(classifier, *labels):
    """A frozen classifier that has met these classes only, in steps along a line."""
    X = np.repeat(np.linspace(-1, 1, len(labels)), 10)[:, np.newaxis]
    X = X + np.random.default_rng(0).uniform(-0.2, 0.2, X.shape)
    return FrozenEstimator(classifier.fit(X, np.repeat(labels, 10)))


CLASSES = {
    "some of the classes": ("a", "b"),
    "more classes": ("a", "b", "c", "z"),
    "some, and others": ("a", "z"),
}


@pytest.mark.parametrize("classifier", [LogisticRegression(), LinearSVC()])
@pytest.mark.parametrize("labels", CLASSES)
@pytest.mark.parametrize("cv", [None, 3])
@may_stop_early
@may_retire_experts
def test_experts_may_know_other_classes(labels, classifier, cv):
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    y = np.repeat(["a", "b", "c"], 20)
    stranger = knowing(clone(classifier), *CLASSES[labels])
    experts = [("stranger", stranger), ("own", LogisticRegression())]
    mixture = MixtureOfExpertsClassifier(
        experts, cv=cv, max_iter=10, random_state=0
    ).fit(X, y)
    for probabilities in (
        mixture.predict_proba(X),
        *np.split(mixture.transform(X), 2, axis=1),
    ):
        assert probabilities.shape == (60, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.isfinite(mixture.score_samples(X, y)).all()
    assert set(mixture.predict(X)) <= set("abc")


def test_probability_of_unknown_classes_is_shared_by_the_known():
    expert = knowing(LogisticRegression(), "a", "b", "z")
    X = np.linspace(-1, 1, 7)[:, np.newaxis]
    said = expert.predict_proba(X)
    expected = np.column_stack([said[:, :2], np.zeros(7)]) / (1 - said[:, 2:])
    answer = Probabilities(np.array(["a", "b", "c"]))(expert, X)
    np.testing.assert_allclose(answer, expected)


class Rule(ClassifierMixin, BaseEstimator):
    """Says one thing or another, and not what its labels are."""

    def __init__(self, labels):
        self.labels = labels

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return np.where(X[:, 0] < 0, *self.labels)


STRANGERS = {
    "probabilities": lambda labels: knowing(LogisticRegression(), *labels),
    "votes": lambda labels: knowing(LinearSVC(), *labels),
    "a pipeline": lambda labels: make_pipeline(
        StandardScaler(), knowing(LogisticRegression(), *labels)
    ),
    "a rule": lambda labels: FrozenEstimator(Rule(labels)),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize(
    ("known", "own"),
    [
        ((0, 1), ("no", "yes")),
        (("0", "1"), (0, 1)),
        ((False, True), ("False", "True")),
        (("y", "z"), ("a", "b")),
    ],
)
def test_an_expert_that_knows_no_class_of_the_mixture_is_refused(stranger, known, own):
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    experts = [("own", LogisticRegression()), ("stranger", stranger(known))]
    mixture = MixtureOfExpertsClassifier(experts, cv=None)
    message = rf"{re.escape(str(list(known)))} knows none .*{re.escape(str(list(own)))}"
    with pytest.raises(ValueError, match=message) as caught:
        mixture.fit(X, np.repeat(own, 30))
    assert caught.value.__notes__ == ["This is about expert 'stranger'."]
    assert not hasattr(mixture, "experts_")


def test_an_inner_mixture_refuses_such_an_expert_too():
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    experts = [("own", GaussianNB()), ("stranger", knowing(LogisticRegression(), 0, 1))]
    mixture = MixtureOfExpertsClassifier(MixtureOfExpertsClassifier(experts))
    with pytest.raises(ValueError, match=r"\[0, 1\] knows none .*\['no', 'yes'\]"):
        mixture.fit(X, np.repeat(["no", "yes"], 30))


def test_a_stream_refuses_an_expert_that_knows_none_of_its_classes():
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    experts = [("own", GaussianNB()), ("stranger", knowing(LogisticRegression(), 0, 1))]
    mixture = MixtureOfExpertsClassifier(experts)
    with pytest.raises(ValueError, match=r"\[0, 1\] knows none .*\['no', 'yes'\]"):
        mixture.partial_fit(X, np.repeat(["no", "yes"], 30), classes=["no", "yes"])
    assert not hasattr(mixture, "experts_")


@pytest.mark.parametrize(
    ("known", "own"),
    [
        ((0, 1), (False, True)),
        ((0.0, 1.0), (0, 1)),
        (np.array(["a", "b"], object), ("a", "b")),
        (("a", "b"), np.array(["a", "b"], object)),
    ],
)
@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
@may_retire_experts
def test_labels_of_another_type_are_the_same_where_they_are_equal(stranger, known, own):
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    mixture = MixtureOfExpertsClassifier([("stranger", stranger(known))], cv=None)
    mixture.fit(X, np.repeat(own, 30))
    assert mixture.score(X, np.repeat(own, 30)) > 0.9


def test_an_expert_of_several_targets_is_refused():
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    y = np.column_stack([X[:, 0] > 0, X[:, 0] > 0.5]).astype(int)
    several = FrozenEstimator(KNeighborsClassifier().fit(X, y))
    with pytest.raises(ValueError, match="2 targets at once; the mixture has one"):
        MixtureOfExpertsClassifier([("several", several)]).fit(X, y[:, 0])


def test_probabilities_without_classes_are_refused():
    class Unlabelled(Rule):
        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    stranger = FrozenEstimator(Unlabelled(("a", "b")))
    with pytest.raises(TypeError, match="predict_proba, but no classes_"):
        Probabilities(np.array(["a", "b"]))(stranger, np.zeros((4, 1)))


# Experts that interpolate
# ------------------------

MEMORIZES = {
    MixtureOfExpertsRegressor: DecisionTreeRegressor(),
    MixtureOfExpertsClassifier: DecisionTreeClassifier(),
}


def noisy(Mixture, n_samples=120):
    """Targets of which half is noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n_samples, 2))
    y = X[:, 0] + rng.standard_normal(n_samples)
    return X, (y > 0) if Mixture is MixtureOfExpertsClassifier else y


@both
@may_stop_early
def test_experts_that_know_their_rows_by_heart_are_named_with_the_remedy(Mixture):
    message = "Experts expert0, expert1 reproduce their training targets but.*Set cv=5"
    mixture = Mixture(MEMORIZES[Mixture], 2, cv=None, random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match=message):
        mixture.fit(*noisy(Mixture))


@may_stop_early
@pytest.mark.parametrize(
    ("Mixture", "neighbor"),
    [
        (MixtureOfExpertsRegressor, KNeighborsRegressor(1)),
        (MixtureOfExpertsClassifier, KNeighborsClassifier(1)),
    ],
)
def test_an_expert_that_knows_its_resample_by_heart_is_named(Mixture, neighbor):
    mixture = Mixture(neighbor, 2, cv=None, random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="expert0.* reproduce their training targets"):
        mixture.fit(*noisy(Mixture))


@both
@pytest.mark.parametrize("specialize", [True, False])
@may_stop_early
@may_retire_experts
def test_only_the_expert_that_interpolates_its_rows_is_named(Mixture, specialize):
    experts = [
        ("linear", Mixture()._targets().default_expert()),
        ("parrot", MEMORIZES[Mixture]),
    ]
    mixture = Mixture(
        experts, specialize=specialize, cv=None, random_state=0, max_iter=5
    )
    with pytest.warns(UserWarning, match="Experts parrot reproduce their training"):
        mixture.fit(*noisy(Mixture))


NEAR_PARROT = SVR(C=1000, gamma=30)


@may_stop_early
@pytest.mark.parametrize(
    "expert",
    [
        NEAR_PARROT,
        KernelRidge(alpha=1e-3, kernel="rbf", gamma=30),
        ExtraTreesRegressor(5, random_state=0),
        make_pipeline(StandardScaler(), NEAR_PARROT),
        GridSearchCV(NEAR_PARROT, {"C": [1000]}, cv=2),
        TransformedTargetRegressor(NEAR_PARROT),
    ],
    ids=lambda expert: type(expert).__name__,
)
def test_so_are_experts_that_nearly_do_so_whatever_their_class(expert):
    cv = None if isolates_rows(expert) else "auto"
    mixture = MixtureOfExpertsRegressor(expert, 2, cv=cv, random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="error is more than 5 times as large"):
        mixture.fit(*noisy(MixtureOfExpertsRegressor))


@may_stop_early
def test_so_is_a_classifier_that_nearly_does_so():
    expert = make_pipeline(
        Nystroem(gamma=100, random_state=0), LogisticRegression(C=1000)
    )
    mixture = MixtureOfExpertsClassifier(expert, 2, random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="error is more than 5 times as large"):
        mixture.fit(*noisy(MixtureOfExpertsClassifier))


@pytest.mark.parametrize(
    "expert",
    [
        Ridge(),
        DecisionTreeRegressor(max_depth=3),
        KNeighborsRegressor(5),
        SVR(),
        HistGradientBoostingRegressor(max_iter=20),
    ],
    ids=lambda expert: type(expert).__name__,
)
@may_stop_early
def test_experts_that_err_on_their_own_rows_as_well_are_not_suspected(expert):
    mixture = MixtureOfExpertsRegressor(expert, 2, cv=None, random_state=0, max_iter=5)
    X, y = noisy(MixtureOfExpertsRegressor)
    assert no_warning_of_memory(mixture, X, 5 * X[:, 0] + 0.2 * y)


class NeedsAllRows(DecisionTreeRegressor):
    """A tree that refuses to be fitted to fewer rows than 120."""

    def fit(self, X, y, sample_weight=None):
        if len(X) < 120:
            raise ValueError("too few rows")
        return super().fit(X, y, sample_weight)


@may_stop_early
def test_an_expert_that_cannot_do_without_some_rows_is_not_suspected():
    experts = [("greedy", NeedsAllRows()), ("ridge", Ridge())]
    mixture = MixtureOfExpertsRegressor(
        experts, specialize=False, cv=None, random_state=0, max_iter=5
    )
    assert no_warning_of_memory(mixture, *noisy(MixtureOfExpertsRegressor))


@both
def test_the_remedy_silences_the_warning(Mixture):
    mixture = Mixture(MEMORIZES[Mixture], 2, cv=5, random_state=0, max_iter=5)
    assert no_warning_of_memory(mixture, *noisy(Mixture))


@pytest.mark.parametrize(
    "expert", [LinearRegression(), DecisionTreeRegressor(), KNeighborsRegressor(1)]
)
def test_a_target_that_is_as_simple_as_it_looks_is_not_suspected(expert):
    X = np.repeat(np.linspace(-1, 1, 15), 8)[:, np.newaxis]
    y = np.where(X[:, 0] > 0, 3 * X[:, 0], -X[:, 0])
    mixture = MixtureOfExpertsRegressor(expert, 2, cv=None, random_state=0)
    assert no_warning_of_memory(mixture, X, y)


def test_classes_that_are_as_simple_as_they_look_are_not_suspected():
    X = np.linspace(-1, 1, 120)[:, np.newaxis]
    mixture = MixtureOfExpertsClassifier(
        KNeighborsClassifier(1), 2, cv=None, random_state=0
    )
    assert no_warning_of_memory(mixture, X, X[:, 0] > 0.3)


def test_frozen_experts_are_not_suspected():
    X, y = noisy(MixtureOfExpertsRegressor)
    parrot = FrozenEstimator(DecisionTreeRegressor().fit(X, y))
    experts = [("parrot", parrot), ("ridge", Ridge())]
    mixture = MixtureOfExpertsRegressor(experts, cv=None, random_state=0)
    assert no_warning_of_memory(mixture, X, y)


def no_warning_of_memory(mixture, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture.fit(X, y)
    return not any("reproduce" in str(warning.message) for warning in caught)


# Experts that lose their rows
# ----------------------------


def one_expert_is_enough(Mixture, n_samples=120):
    """A problem, an expert that solves it, and one that has nothing to say."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n_samples, 2))
    if Mixture is MixtureOfExpertsClassifier:
        y = np.where(X[:, 0] > 0, "yes", "no")
        X[:, 0] += np.sign(X[:, 0])
        idle = DummyClassifier(strategy="uniform")
        return X, y, DecisionTreeClassifier(max_depth=1), idle
    y = X @ [1, 2] + rng.uniform(-0.1, 0.1, n_samples)
    return X, y, Ridge(1e-3), DummyRegressor(strategy="constant", constant=1e3)


@both
@pytest.mark.parametrize("specialize", [True, False])
@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("k", [0, 1])
def test_an_expert_without_rows_is_retired(Mixture, specialize, cv, k):
    X, y, good, idle = one_expert_is_enough(Mixture)
    experts = [("good", good)]
    experts.insert(k, ("idle", idle))
    mixture = Mixture(
        experts,
        gate=SoftmaxGate(alpha=0.01),
        specialize=specialize,
        cv=cv,
        sharing=0,
        random_state=0,
        tol=1e-6,
    )
    warns = pytest.warns(UserWarning, match="idle lost .*retired.*raise 'sharing'")
    with warns if specialize else nullcontext():
        mixture.fit(X, y)
    assert mixture.expert_share_[k] == 0
    assert (mixture.predict_gate(X)[:, k] == 0).all()
    assert (mixture.responsibilities(X, y)[:, k] == 0).all()
    assert (mixture.apply(X) == 1 - k).all()
    good = mixture.named_experts_["good"]
    np.testing.assert_array_equal(mixture.predict(X), good.predict(X))
    log_density = mixture.score_samples(X, y)
    assert np.isfinite(log_density).all()
    if cv is None:
        assert mixture.log_likelihood_ == pytest.approx(log_density.sum(), abs=1e-8)


@both
@pytest.mark.parametrize("cv", [None, 3])
def test_predictions_stay_finite_where_clones_are_retired(Mixture, cv):
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    y = X[:, 0] > 0 if Mixture is MixtureOfExpertsClassifier else 2 * X[:, 0]
    mixture = Mixture(
        n_experts=8,
        gate=SoftmaxGate(alpha=0.01),
        sharing=0.25,
        cv=cv,
        random_state=0,
        tol=1e-3,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture.fit(X, y)
    [message] = [str(w.message) for w in caught if "were retired" in str(w.message)]
    idle = [int(name[-1]) for name in re.findall(r"expert\d", message)]
    np.testing.assert_array_equal(np.flatnonzero(mixture.expert_share_ == 0), idle)
    assert (mixture.predict_gate(X)[:, idle] == 0).all()
    assert np.isfinite(mixture.transform(X)).all()
    assert mixture.score(X, y) > 0.9
    if cv is None:
        total = mixture.score_samples(X, y).sum()
        assert mixture.log_likelihood_ == pytest.approx(total)


# Experts that fail
# -----------------


class Failing(BaseEstimator):
    """Does one thing wrong."""

    def __init__(self, fault="fit"):
        self.fault = fault

    def fit(self, X, y, sample_weight=None):
        if self.fault == "fit":
            raise RuntimeError("I cannot.")
        self.shape_ = y.shape[1:]
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        if self.fault == "predict":
            raise RuntimeError("I cannot.")
        n_rows = len(X) - (self.fault == "too few rows")
        shape = (n_rows, 2) if self.fault == "too many columns" else (n_rows,)
        return np.full(shape, "?" if self.fault == "words" else 0.0)


class FailingRegressor(RegressorMixin, Failing):
    pass


class FailingVoter(ClassifierMixin, Failing):
    pass


class FailingClassifier(FailingVoter):
    def predict_proba(self, X):
        predicted = self.predict(X)
        shape = (len(predicted), len(self.classes_) + (predicted.ndim > 1))
        if self.fault == "words":
            return np.full(shape, "?")
        return np.full(shape, 1 / len(self.classes_))


WRONG = r"an array of shape .* and dtype .*; the mixture needs shape"
FAULTS = {
    "fit": (RuntimeError, "I cannot"),
    "predict": (RuntimeError, "I cannot"),
    "too few rows": (ValueError, WRONG),
    "too many columns": (ValueError, WRONG),
    "words": (ValueError, f"{WRONG} .* and numbers"),
}
CASES = [
    (failing, fault)
    for failing in (FailingRegressor, FailingClassifier, FailingVoter)
    for fault in FAULTS
    if not (failing is FailingVoter and fault == "words")
]


def failing_experts(failing, fault):
    Mixture = MixtureOfExpertsClassifier
    if failing is FailingRegressor:
        Mixture = MixtureOfExpertsRegressor
    good = Mixture()._targets().default_expert()
    return Mixture, [("good", good), ("bad", failing(fault))]


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize(("failing", "fault"), CASES)
def test_an_expert_that_fails_in_fit_is_named(failing, fault, cv):
    Mixture, experts = failing_experts(failing, fault)
    error, message = FAULTS[fault]
    with pytest.raises(error, match=f"(?s){message}.*This is about expert 'bad'"):
        Mixture(experts, cv=cv).fit(*PROBLEMS[Mixture]())


@pytest.mark.parametrize("cv", ["auto", 2])
def test_an_expert_that_needs_more_rows_than_a_fold_leaves_is_told_of_cv(cv):
    X = np.linspace(-2, 2, 40).reshape(-1, 1)
    neighbors = KNeighborsRegressor(n_neighbors=31)
    mixture = MixtureOfExpertsRegressor(neighbors, n_experts=2, random_state=0)
    with pytest.raises(ValueError, match="n_neighbors = 31") as caught:
        mixture.set_params(cv=cv).fit(X, X[:, 0])
    assert "fitted to 20 rows, without those of a fold" in caught.value.__notes__[1]
    mixture.set_params(cv=None).fit(X, X[:, 0])


@pytest.mark.parametrize(("failing", "fault"), CASES)
@may_stop_early
@may_retire_experts
def test_an_expert_that_fails_to_predict_is_named(failing, fault):
    if fault == "fit":
        fault = "predict"
    Mixture, experts = failing_experts(failing, None)
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(experts, cv=None, max_iter=2, random_state=0).fit(X, y)
    mixture.named_experts_["bad"].fault = fault
    error, message = FAULTS[fault]
    with pytest.raises(error, match=f"(?s){message}.*This is about expert 'bad'"):
        mixture.predict(X)


def test_a_frozen_expert_of_another_problem_is_named():
    X, y = regression()
    frozen = FrozenEstimator(Ridge().fit(X[:, :1], y))
    mixture = MixtureOfExpertsRegressor([("good", Ridge()), ("bad", frozen)])
    with pytest.raises(ValueError, match=r"(?s)1 features.*about expert 'bad'"):
        mixture.fit(X, y)


def test_an_expert_that_fails_in_another_process_is_named():
    X, y = regression()
    experts = [("good", Ridge()), ("bad", Ridge(solver="lsqr", alpha=1e3, tol=-1.0))]
    mixture = MixtureOfExpertsRegressor(experts, cv=None, n_jobs=2)
    with pytest.raises(ValueError, match=r"(?s)'tol' parameter.*about expert 'bad'"):
        mixture.fit(X, y)


def test_a_column_of_predictions_is_as_good_as_a_row_of_them():
    class Column(Ridge):
        def predict(self, X):
            return super().predict(X)[:, np.newaxis]

    X, y = regression()
    flat, column = (
        MixtureOfExpertsRegressor(expert, 2, random_state=0).fit(X, y)
        for expert in (Ridge(solver="svd"), Column(solver="svd"))
    )
    np.testing.assert_array_equal(flat.predict(X), column.predict(X))
