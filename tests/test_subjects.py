"""Subjects: rows that belong together share an expert, as in ``y ~ x | id``."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _versions import needs
from joblib import parallel_config
from scipy.special import gammaln, logsumexp
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    SGDRegressor,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._folds import out_of_fold_splits
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe._subjects import Subjects, check_subjects
from sklearn_moe.em.dead_experts import DeadExperts
from sklearn_moe.em.step import e_step
from sklearn_moe.inspection import ResponsibilityDisplay, describe, diagnose, summary
from sklearn_moe.model_selection import (
    log_likelihood_scorer,
    neg_crps_scorer,
    select_n_experts,
)

DATA = Path(__file__).parent / "data"
PRIOR = DummyClassifier(strategy="prior")
LINEAR, LOGISTIC = LinearRegression(), LogisticRegression(C=np.inf, tol=1e-8)


def mixture(experts=LINEAR, n_experts=2, gate=PRIOR, **parameters):
    """A mixture without any penalty, whose gate is constant."""
    kind = MixtureOfExpertsRegressor
    if isinstance(experts, LogisticRegression):
        kind = MixtureOfExpertsClassifier
    defaults = {"sharing": 0, "cv": None, "random_state": 0, "extrapolation": "free"}
    if kind is MixtureOfExpertsClassifier:
        del defaults["extrapolation"]
    return kind(experts, n_experts, gate=gate, **defaults | parameters)


def repeated_measures(n_subjects=40, n_rows=6, seed=0):
    """Lines that rise for every other subject, and fall for the others."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(n_subjects), n_rows)
    rises = subjects % 2 == 0
    x = rng.uniform(-2, 2, size=len(subjects))
    X = np.column_stack([x, rng.normal(size=len(x))])
    y = np.where(rises, x, -x) + rng.normal(size=len(x))
    return X, y, subjects, rises


def agreement(chosen, truth):
    return max(np.mean(chosen == truth), np.mean(chosen != truth))


def log_likelihood_by_hand(moe, X, y, subjects, weights=None, features=None):
    """That of each subject, and the posterior, from their definitions."""
    weights = np.ones(len(y)) if weights is None else weights
    means = np.stack([expert.predict(X) for expert in moe.experts_], axis=1)
    log_prob = weights[:, np.newaxis] * norm.logpdf(
        np.asarray(y)[:, np.newaxis], means, moe.noise_.scale_
    )
    features = X if features is None else features
    terms = []
    for label in pd.unique(np.asarray(subjects)):
        own = np.asarray(subjects) == label
        mean = np.average(features[own], axis=0, weights=weights[own])
        gate = np.log(moe.gate_.predict_proba(mean[np.newaxis])[0])
        terms.append(gate + log_prob[own].sum(axis=0))
    terms = np.array(terms)
    total = logsumexp(terms, axis=1)
    return total, np.exp(terms - total[:, np.newaxis])


# The likelihood
# --------------


def test_rows_of_a_subject_share_an_expert():
    X, y, subjects, rises = repeated_measures()
    apart = mixture(init="random", n_init=3).fit(X, y)
    together = clone(apart).fit(X, y, subjects=subjects)
    chosen = together.responsibilities(X, y, subjects=subjects).argmax(axis=1)
    assert agreement(apart.responsibilities(X, y).argmax(axis=1), rises) < 0.85
    assert agreement(chosen, rises) > 0.9
    assert all(len(set(chosen[subjects == s])) == 1 for s in range(40))
    slopes = sorted(expert.coef_[0] for expert in together.experts_)
    np.testing.assert_allclose(slopes, [-1, 1], atol=0.2)


@pytest.mark.parametrize("gate", [SoftmaxGate(alpha=0.1), GaussianGate()])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_likelihood_and_the_posterior_are_those_of_subjects(gate, weighted):
    X, y, subjects, _ = repeated_measures()
    weights = np.resize([1.0, 2.0, 0.5], len(y)) if weighted else None
    moe = mixture(gate=gate, tol=1e-8).fit(X, y, weights, subjects=subjects)
    total, posterior = log_likelihood_by_hand(moe, X, y, subjects, weights)
    given = {"subjects": subjects, "sample_weight": weights}
    assert moe.log_likelihood_ == pytest.approx(total.sum())
    found = moe.responsibilities(X, y, **given)
    np.testing.assert_allclose(found, posterior[subjects], atol=1e-8)
    of_rows = moe.score_samples(X, y, **given)
    counts = np.ones(len(y)) if weights is None else weights
    np.testing.assert_allclose(np.bincount(subjects, counts * of_rows), total)


@pytest.mark.parametrize("gate", [None, PRIOR, GaussianGate()])
def test_em_climbs(gate):
    X, y, subjects, _ = repeated_measures(seed=1)
    gate = SoftmaxGate(alpha=0.01) if gate is None else gate
    moe = mixture(gate=gate, tol=1e-9, acceleration=None, init="kmeans")
    path = moe.fit(X, y, subjects=subjects).objective_path_
    assert len(path) > 4
    assert np.all(np.diff(path) > -1e-9 * np.abs(path[1:]))


@pytest.mark.parametrize("gate", [PRIOR, SoftmaxGate(alpha=0.1), GaussianGate()])
def test_subjects_of_one_row_are_rows(gate):
    X, y, *_ = repeated_measures()
    init = np.arange(len(y)) % 2
    plain = mixture(gate=gate, init=init).fit(X, y)
    alone = mixture(gate=gate, init=init).fit(X, y, subjects=np.arange(len(y)))
    assert alone.log_likelihood_ == pytest.approx(plain.log_likelihood_)
    np.testing.assert_allclose(alone.predict(X), plain.predict(X))
    same = alone.score_samples(X, y, subjects=-1 - np.arange(len(y)))
    np.testing.assert_allclose(same, plain.score_samples(X, y))


@pytest.mark.parametrize("gate", [PRIOR, SoftmaxGate(alpha=0.1), GaussianGate()])
def test_a_weight_of_two_equals_the_row_twice(gate):
    X, y, subjects, rises = repeated_measures()
    weights = np.resize([1, 2, 1, 3], len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    moe = mixture(gate=gate, init=rises, tol=1e-8)
    weighted = clone(moe).fit(X, y, weights, subjects=subjects)
    repeated = moe.set_params(init=rises[twice])
    repeated.fit(X[twice], y[twice], subjects=subjects[twice])
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-5)
    known = (moe.predict_gate(X, subjects=subjects) for moe in (weighted, repeated))
    np.testing.assert_allclose(*known, atol=1e-5)


def test_rows_without_weight_are_no_rows():
    X, y, subjects, rises = repeated_measures()
    weights = np.where(subjects < 30, 1.0, 0.0)
    weights[::7] = 0
    kept = weights > 0
    moe = mixture(init=rises).fit(X, y, weights, subjects=subjects)
    other = mixture(init=rises[kept]).fit(X[kept], y[kept], subjects=subjects[kept])
    assert moe.log_likelihood_ == other.log_likelihood_
    bic = moe.bic(X, y, weights, subjects=subjects)
    assert bic == pytest.approx(other.bic(X[kept], y[kept], subjects=subjects[kept]))
    # None of the last subjects is known.
    new = moe.predict_gate(X, subjects=subjects)[subjects >= 30]
    np.testing.assert_allclose(new, moe.predict_gate(X)[:1].repeat(len(new), axis=0))


def test_the_order_of_rows_and_the_names_of_subjects_mean_nothing():
    X, y, subjects, rises = repeated_measures()
    order = np.random.default_rng(3).permutation(len(y))
    names = np.array([f"patient {-s}" for s in subjects])
    moe = mixture(init=rises).fit(X, y, subjects=subjects)
    other = mixture(init=rises[order]).fit(X[order], y[order], subjects=names[order])
    assert other.log_likelihood_ == pytest.approx(moe.log_likelihood_)
    np.testing.assert_allclose(
        other.predict(X, subjects=names), moe.predict(X, subjects=subjects)
    )


# Other people's software
# -----------------------


@pytest.fixture(scope="module")
def npreg():
    table = pd.read_csv(DATA / "NPreg.csv")
    return table.assign(id2=np.repeat(np.arange(50), 4))


def exact(experts, **parameters):
    return mixture(experts, tol=1e-10, max_iter=1000, **parameters)


def test_curves_of_subjects_are_those_of_flexmix(npreg):
    X, y = np.column_stack([npreg.x, npreg.x**2]), npreg.yn
    moe = exact(LINEAR).fit(X, y, subjects=npreg.id2)
    # It divides the variances by n - p.
    assert -561.5650519 < moe.log_likelihood_ < -561.55
    found = [[expert.intercept_, *expert.coef_] for expert in moe.experts_]
    expected = [
        [-0.12981208761, 4.70503137251, 0.04514014195],
        [14.6390493580, 9.8812341124, -0.9737477196],
    ]
    np.testing.assert_allclose(sorted(found), expected, rtol=1e-6)
    scales = np.sort(moe.noise_.scale_) * np.sqrt(200 / 197)
    np.testing.assert_allclose(scales, [3.38959417086, 3.4058334397], rtol=1e-6)
    errors = summary(moe, X, y, subjects=npreg.id2).std_error
    of_smaller = 0 if moe.experts_[0].intercept_ < 0 else 1
    np.testing.assert_allclose(
        errors[f"expert{of_smaller}"][:3],
        [0.9333417226778, 0.4541630594001, 0.0451082139562],
        # With their larger variances.
        rtol=1e-3,
    )


def test_counts_of_subjects_are_those_of_flexmix(npreg):
    X, y, given = npreg[["x"]], npreg.yp, {"subjects": npreg.id2}
    poisson = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000)
    moe = exact(poisson, noise="poisson").fit(X, y, **given)
    assert moe.log_likelihood_ == pytest.approx(-420.0813829, abs=1e-6)
    assert moe.aic(X, y, **given) == pytest.approx(850.1627659, abs=1e-5)
    assert moe.bic(X, y, **given) == pytest.approx(866.6543527, abs=1e-5)
    assert moe.icl(X, y, **given) == pytest.approx(875.4495058, abs=1e-3)
    np.testing.assert_allclose(
        moe.predict_gate(X, **given)[0], [0.7506282915, 0.2493717085], atol=1e-4
    )
    table = summary(moe, X, y, **given)
    np.testing.assert_allclose(
        table.estimate,
        [1.92823356, -0.17486833, 1.03946644, 0.09374312, -0.13995463],
        atol=2e-4,
    )
    np.testing.assert_allclose(
        table.std_error,
        [0.09668577, 0.02218705, 0.12373088, 0.01990523, 0.33107293],
        rtol=1e-3,
    )


def binomial_rows(X, successes, trials, observation):
    """Each observation as a row of successes and a row of failures, with weights."""
    n = len(successes)
    return {
        "X": np.concatenate([X, X]),
        "y": np.repeat([1, 0], n),
        "sample_weight": np.concatenate([successes, trials - successes]),
        "subjects": np.concatenate([observation, observation]),
    }


def log_binomials(n, k):
    return np.sum(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def test_successes_out_of_trials_are_rows_with_weights_as_flexmix_has_them():
    table = pd.read_csv(DATA / "betablocker.csv")
    treated = (table[["Treatment"]] == "Treated").to_numpy(float)
    rows = binomial_rows(treated, table.Deaths, table.Total, table.Center)
    moe = exact(LOGISTIC).fit(**rows)
    constant = log_binomials(table.Total, table.Deaths)
    assert moe.log_likelihood_ + constant == pytest.approx(-180.8607846, abs=1e-4)
    found = [[expert.intercept_[0], *expert.coef_[0]] for expert in moe.experts_]
    expected = [[-2.4093655823, -0.2210064094], [-1.617636293, -0.325970268]]
    np.testing.assert_allclose(sorted(found), expected, atol=1e-4)
    known = moe.predict_gate(rows["X"], subjects=rows["subjects"])
    np.testing.assert_allclose(known[0], [0.9275299677, 0.0724700323], atol=2e-4)
    assert moe.icl(**rows) - 2 * constant == pytest.approx(
        383.2084186 + 5 * np.log(rows["sample_weight"].sum() / 44), abs=1e-2
    )
    errors = summary(moe, **rows).std_error.loc[["expert0", "expert1"]]
    np.testing.assert_allclose(
        errors,
        [0.0436273566995, 0.0611663805927, 0.0666428282747, 0.0884181346488],
        rtol=1e-3,
    )


def test_successes_of_one_observation_each_are_a_mixture_of_binomials():
    table = pd.read_csv(DATA / "tribolium.csv")
    nothing = np.zeros((len(table), 1))
    rows = binomial_rows(nothing, table.Remaining, table.Total, table.index)
    moe = exact(LOGISTIC).fit(**rows)
    constant = log_binomials(table.Total, table.Remaining)
    assert moe.log_likelihood_ + constant == pytest.approx(-86.59471098, abs=1e-5)
    shares = np.sort(moe.predict_gate(nothing[:1])[0])
    np.testing.assert_allclose(shares, [0.4780521593, 0.5219478407], atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_sandwich_of_one_line_is_clustered_by_subject(weighted):
    X, y, subjects, _ = repeated_measures()
    weights = np.resize([1.0, 2.0, 0.5], len(y)) if weighted else np.ones(len(y))
    given = {"sample_weight": weights, "subjects": subjects}
    moe = mixture(n_experts=1).fit(X, y, **given)
    table = summary(moe, X, y, covariance="sandwich", **given)
    design = np.column_stack([np.ones(len(y)), X])
    error = y - moe.experts_[0].predict(X)
    scores = [np.bincount(subjects, weights * error * column) for column in design.T]
    bread = np.linalg.inv(design.T @ (weights[:, np.newaxis] * design))
    covariance = bread @ (np.array(scores) @ np.transpose(scores)) @ bread
    # Least squares leave no correlation with the errors, so that the scale is apart.
    np.testing.assert_allclose(
        table.std_error[:3], np.sqrt(np.diag(covariance)), rtol=1e-6
    )


# The gate sees subjects
# ----------------------


def by_level(n_subjects=60, n_rows=5, seed=0):
    """Subjects whose line depends on the mean of a column, which varies within them."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(n_subjects), n_rows)
    level = rng.normal(size=n_subjects)
    x = rng.uniform(-2, 2, size=len(subjects))
    X = np.column_stack([x, level[subjects] + rng.normal(size=len(x))])
    rises = level > 0
    y = np.where(rises[subjects], 2 * x, -2 * x) + rng.normal(size=len(x))
    return X, y, subjects, rises


@pytest.mark.parametrize("gate", [None, GaussianGate(), LogisticRegression()])
def test_a_new_subject_has_the_gate_at_all_of_its_rows(gate):
    X, y, subjects, _ = by_level()
    moe = mixture(gate=gate).fit(X, y, subjects=subjects)
    new_X, new_y, new, rises = by_level(seed=1)
    labels = new + 1000
    weights = moe.predict_gate(new_X, subjects=labels)
    assert all(np.ptp(weights[new == s], axis=0).max() == 0 for s in range(60))
    together = agreement(moe.apply(new_X, subjects=labels), rises[new])
    assert together > agreement(moe.apply(new_X), rises[new]) + 0.05
    assert moe.score(new_X, new_y, subjects=labels) > moe.score(new_X, new_y)


def test_a_known_subject_has_what_its_own_rows_have_told():
    X, y, subjects, rises = repeated_measures()
    moe = mixture().fit(X, y, subjects=subjects)
    posterior = moe.responsibilities(X, y, subjects=subjects)
    np.testing.assert_allclose(
        moe.predict_gate(X, subjects=subjects), posterior, atol=1e-10
    )
    rng = np.random.default_rng(5)
    more_X = rng.normal(size=(len(X), 2))
    chosen = moe.apply(more_X, subjects=subjects)
    np.testing.assert_array_equal(chosen, posterior.argmax(axis=1))
    truth = np.where(rises, more_X[:, 0], -more_X[:, 0])
    known = moe.predict(more_X, subjects=subjects)
    assert np.corrcoef(known, truth)[0, 1] > 0.9
    assert abs(np.corrcoef(moe.predict(more_X), truth)[0, 1]) < 0.5


def test_without_subjects_each_row_is_a_new_one():
    X, y, subjects, _ = by_level()
    moe = mixture(gate=SoftmaxGate()).fit(X, y, subjects=subjects)
    alone = np.arange(len(y)) + 1000
    for method in ("predict", "predict_gate", "apply", "predict_interval"):
        ask = getattr(moe, method)
        np.testing.assert_allclose(ask(X), ask(X, subjects=alone))


def test_every_prediction_takes_subjects():
    X, y, subjects, _ = repeated_measures()
    moe = mixture().fit(X, y, subjects=subjects)
    given = {"subjects": subjects}
    weights = moe.predict_gate(X, **given)
    mean = np.sum(weights * moe.transform(X), axis=1)
    np.testing.assert_allclose(moe.predict(X, **given), mean)
    predicted, std = moe.predict(X, return_std=True, **given)
    distribution = moe.predict_distribution(X, **given)
    np.testing.assert_allclose(distribution.mean(), predicted)
    np.testing.assert_allclose(distribution.std(), std)
    quantiles = moe.predict_quantiles(X, [0.05, 0.95], **given)
    np.testing.assert_allclose(moe.predict_interval(X, **given), quantiles)
    draws = moe.sample(X, 3, 0, **given)
    assert draws.shape == (len(y), 3)
    own = moe.score_samples(X, predicted, **given)
    np.testing.assert_allclose(moe.score_samples(X, **given), own)
    best = moe.set_params(combination="argmax").predict(X, **given)
    chosen = moe.transform(X)[np.arange(len(y)), weights.argmax(axis=1)]
    np.testing.assert_allclose(best, chosen)


def test_predictions_beyond_the_targets_ask_the_gate_about_whole_subjects():
    X, y, subjects, _ = by_level()
    moe = mixture(gate=SoftmaxGate(), extrapolation="agreed")
    moe.fit(X, y, subjects=subjects)
    far = X * [20, 1]
    labels = subjects + 1000
    weights = moe.predict_gate(far, subjects=labels)
    free = np.sum(weights * moe.transform(far), axis=1)
    held = moe.predict(far, subjects=labels)
    assert (np.abs(held) < np.abs(free) - 1).any()
    mean = moe.predict_distribution(far, subjects=labels).mean()
    np.testing.assert_allclose(held, mean)


def test_a_classifier_takes_subjects():
    X, y, subjects, _ = repeated_measures()
    labels = np.where(y > 0, "up", "down")
    moe = mixture(LogisticRegression()).fit(X, labels, subjects=subjects)
    given = {"subjects": subjects}
    known = moe.predict_proba(X, **given)
    np.testing.assert_allclose(np.log(known), moe.predict_log_proba(X, **given))
    predicted = moe.classes_[known.argmax(axis=1)]
    np.testing.assert_array_equal(moe.predict(X, **given), predicted)
    assert moe.score(X, labels, **given) == np.mean(predicted == labels)
    assert moe.score(X, labels, **given) > moe.score(X, labels) + 0.1


@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.05, 1: 0.1}])
def test_the_posterior_and_criteria_of_subjects_weigh_classes_as_the_fit(class_weight):
    X, y, subjects, _ = repeated_measures()
    labels = (y > 0.5).astype(int)
    moe = mixture(LOGISTIC, class_weight=class_weight).fit(X, labels, subjects=subjects)
    np.testing.assert_allclose(
        moe.responsibilities(X, labels, subjects=subjects),
        moe.predict_gate(X, subjects=subjects),
        atol=1e-6,
    )
    aic = moe.aic(X, labels, subjects=subjects)
    assert aic == pytest.approx(2 * (moe.n_parameters() - moe.log_likelihood_))


def test_a_frozen_gate_is_asked_about_the_rows_of_a_subject():
    X, y, subjects, rises = by_level()
    gate = LogisticRegression().fit(X, rises[subjects].astype(int))
    moe = mixture(gate=FrozenEstimator(gate)).fit(X, y, subjects=subjects)
    new = moe.predict_gate(X, subjects=subjects + 1000)
    of_rows = moe.predict_gate(X)
    expected = np.stack([of_rows[subjects == s].mean(axis=0) for s in range(60)])
    np.testing.assert_allclose(new, expected[subjects])


def test_a_gate_in_a_pipeline_sees_the_mean_of_what_comes_out_of_it():
    X, y, subjects, _ = by_level()
    head = PolynomialFeatures(include_bias=False)
    gate = make_pipeline(head, SoftmaxGate(alpha=0.1))
    moe = mixture(gate=gate, tol=1e-8).fit(X, y, subjects=subjects)
    columns = head.fit_transform(X)
    last = clone(mixture(gate=SoftmaxGate(alpha=0.1), tol=1e-8))
    last.fit(columns, y, subjects=subjects)
    labels = subjects + 1000
    means = np.stack([columns[subjects == s].mean(axis=0) for s in range(60)])
    expected = moe.gate_[-1].predict_proba(means)[subjects]
    np.testing.assert_allclose(moe.predict_gate(X, subjects=labels), expected)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_gate_sees_the_mean_of_the_categories_and_numbers_of_a_frame(make):
    X, y, subjects, _ = by_level()
    kind = np.where(X[:, 1] > 0, "high", "low")
    columns = {"x": X[:, 0], "kind": kind}
    frame = make(columns)
    lines = make_column_transformer(("passthrough", ["x"]))
    moe = mixture(make_pipeline(lines, LINEAR), gate=SoftmaxGate(alpha=0.1), tol=1e-8)
    moe.fit(frame, y, subjects=subjects)
    numbers = np.column_stack([X[:, 0], kind == "high", kind == "low"]).astype(float)
    same = mixture(
        make_pipeline(make_column_transformer(("passthrough", [0])), LINEAR),
        gate=SoftmaxGate(alpha=0.1),
        tol=1e-8,
    ).fit(numbers, y, subjects=subjects)
    labels = subjects + 1000
    np.testing.assert_allclose(
        moe.predict_gate(frame, subjects=labels),
        same.predict_gate(numbers, subjects=labels),
        atol=1e-6,
    )


def test_what_is_missing_is_left_out_of_the_mean_of_a_subject():
    X, y, subjects, _ = by_level()
    X = np.column_stack([X, np.where(np.arange(len(y)) % 3, X[:, 1], np.nan)])
    X[subjects == 4, 2] = np.nan
    lines = make_column_transformer(("passthrough", [0]))
    moe = mixture(make_pipeline(lines, LINEAR), gate=SoftmaxGate(alpha=0.1))
    moe.fit(X, y, subjects=subjects)
    means = np.stack(
        [
            [np.nan if np.isnan(c).all() else np.nanmean(c) for c in X[subjects == s].T]
            for s in range(60)
        ]
    )
    expected = moe.gate_.predict_proba(means)[subjects]
    np.testing.assert_allclose(moe.predict_gate(X, subjects=subjects + 99), expected)


def test_sparse_rows_have_subjects():
    from scipy import sparse

    X, y, subjects, _ = by_level()
    X[X < 0] = 0
    dense = mixture(gate=SoftmaxGate(alpha=0.1), tol=1e-8)
    thin = clone(dense).fit(sparse.csr_array(X), y, subjects=subjects)
    dense.fit(X, y, subjects=subjects)
    assert thin.log_likelihood_ == pytest.approx(dense.log_likelihood_, rel=1e-4)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="'subjects'"):
        thin.predict_gate(sparse.csr_array(X), subjects=subjects)


# Labels
# ------


@pytest.mark.parametrize(
    "make",
    [
        list,
        pd.Series,
        pl.Series,
        lambda s: pd.Series(s).astype("category"),
        lambda s: pd.Series(s, dtype="Int64"),
        lambda s: pd.Series(s).astype("string"),
        lambda s: [f"p{k}" for k in s],
        lambda s: np.array([f"p{k}" for k in s], dtype=object),
        lambda s: pd.to_datetime("2020-01-01") + pd.to_timedelta(s, unit="D"),
        lambda s: s.astype(float),
        lambda s: pd.DataFrame({"id": s}),
        lambda s: pd.Series([("clinic", int(k)) for k in s]),
    ],
)
def test_labels_of_any_kind_name_subjects(make):
    X, y, subjects, rises = repeated_measures(12)
    labels = make(subjects)
    moe = mixture(init=rises).fit(X, y, subjects=labels)
    expected = mixture(init=rises).fit(X, y, subjects=subjects)
    assert moe.log_likelihood_ == pytest.approx(expected.log_likelihood_)
    np.testing.assert_allclose(
        moe.predict_gate(X, subjects=labels),
        expected.predict_gate(X, subjects=subjects),
    )


@pytest.mark.parametrize(
    "labels",
    [
        lambda s: np.where(s == 3, np.nan, s),
        lambda s: [None if k == 3 else f"p{k}" for k in s],
        lambda s: pd.Series(s, dtype="Int64").mask(s == 3),
        lambda s: pl.Series([None if k == 3 else int(k) for k in s]),
        lambda s: pd.to_datetime(pd.Series(s).mask(s == 3)),
        lambda s: pd.Series([f"p{k}" for k in s]).astype("category").where(s != 3),
    ],
)
def test_a_subject_without_a_label_is_refused(labels):
    X, y, subjects, _ = repeated_measures(12)
    moe = mixture()
    with pytest.raises(ValueError, match=r"'subjects' has no label for row 18"):
        moe.fit(X, y, subjects=labels(subjects))
    assert not hasattr(moe, "experts_")


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.zeros((72, 2)), ValueError),
        (np.zeros(5), ValueError),
        (3, ValueError),
        ([{} for _ in range(72)], TypeError),
    ],
)
def test_what_are_no_labels_of_rows_is_refused(labels, error):
    X, y, subjects, _ = repeated_measures(12)
    with pytest.raises(error, match="'subjects' must"):
        mixture().fit(X, y, subjects=labels)
    moe = mixture().fit(X, y, subjects=subjects)
    with pytest.raises(error, match="'subjects' must"):
        moe.predict(X, subjects=labels)


def test_labels_of_another_kind_than_in_fit_are_refused():
    X, y, subjects, _ = repeated_measures(12)
    moe = mixture().fit(X, y, subjects=subjects)
    with pytest.raises(ValueError, match=r"'subjects' has labels that are strings"):
        moe.predict(X, subjects=subjects.astype(str))
    # Floats are the same numbers.
    np.testing.assert_array_equal(
        moe.predict(X, subjects=subjects.astype(float)),
        moe.predict(X, subjects=subjects),
    )


def test_a_mixture_that_was_fitted_without_subjects_knows_of_none():
    X, y, subjects, _ = repeated_measures()
    moe = mixture().fit(X, y, subjects=subjects)
    with pytest.raises(ValueError, match="'subjects'"):
        moe.bic(X, y)
    with pytest.raises(ValueError, match="'subjects'"):
        summary(moe, X, y)
    moe.fit(X, y)
    assert moe.bic(X, y) > 0
    for method in (moe.predict, moe.predict_gate, moe.apply):
        with pytest.raises(ValueError, match="'subjects' were given"):
            method(X, subjects=subjects)


def test_a_diagnosis_of_rows_apart_is_refused():
    X, y, subjects, _ = repeated_measures(12)
    with pytest.raises(ValueError, match="'subjects'"):
        diagnose(mixture().fit(X, y, subjects=subjects), X, y)


def test_experts_are_described_by_the_rows_of_their_subjects():
    X, y, subjects, _ = repeated_measures()
    moe = mixture().fit(X, y, subjects=subjects)
    table = describe(moe, X, y, subjects=subjects)
    known = moe.predict_gate(X, subjects=subjects)
    np.testing.assert_allclose(table["gate_weight"], known.mean(axis=0))
    assert (table["score"] > table["score_elsewhere"] + 0.3).all()


def test_rootograms_are_those_of_subjects():
    X, y, subjects, _ = repeated_measures(12)
    moe = mixture().fit(X, y, subjects=subjects)
    display = ResponsibilityDisplay.from_estimator(moe, X, y, subjects=subjects)
    expected = moe.responsibilities(X, y, subjects=subjects)
    np.testing.assert_array_equal(display.responsibilities, expected)


def test_there_are_no_more_experts_than_subjects():
    X, y, subjects, _ = repeated_measures(3)
    with pytest.raises(ValueError, match=r"n_experts=4 .* 'subjects'"):
        mixture(n_experts=4).fit(X, y, subjects=subjects)


# How EM begins, routes and goes on
# ---------------------------------


@pytest.mark.parametrize(
    "init", ["tree", "kmeans", "random", KMeans(2, random_state=0)]
)
def test_every_start_has_whole_subjects_and_finds_them(init):
    X, y, subjects, rises = repeated_measures()
    moe = mixture(init=init).fit(X, y, subjects=subjects)
    best = mixture(init=rises).fit(X, y, subjects=subjects)
    assert moe.log_likelihood_ == pytest.approx(best.log_likelihood_, abs=0.5)


def test_labels_to_begin_with_are_shared_within_a_subject():
    X, y, subjects, rises = repeated_measures()
    rows = rises.astype(int)
    rows[::6] = 1 - rows[::6]
    shared = np.array(
        [np.bincount(rows[subjects == s], minlength=2) for s in range(40)]
    )
    by_rows = mixture(init=rows, tol=1)
    by_shares = mixture(init=shared[subjects] / 6, tol=1)
    by_rows.fit(X, y, subjects=subjects)
    by_shares.fit(X, y, subjects=subjects)
    assert by_rows.log_likelihood_ == pytest.approx(by_shares.log_likelihood_)


def test_hard_assignment_is_that_of_subjects():
    X, y, subjects, rises = repeated_measures()
    moe = mixture(assignment="hard").fit(X, y, subjects=subjects)
    chosen = moe.responsibilities(X, y, subjects=subjects).argmax(axis=1)
    own = LinearRegression().fit(X[chosen == 0], y[chosen == 0])
    np.testing.assert_allclose(moe.experts_[0].coef_, own.coef_)
    assert agreement(chosen, rises) > 0.9


@pytest.mark.parametrize(
    "parameters",
    [
        {"assignment": "expert_choice"},
        {"assignment": "hard", "capacity_factor": 1.0},
    ],
)
def test_rows_are_not_chosen_one_by_one_where_they_have_subjects(parameters):
    X, y, subjects, _ = repeated_measures()
    with pytest.raises(ValueError, match=r"divide 'subjects'"):
        mixture(**parameters).fit(X, y, subjects=subjects)


def test_acceleration_keeps_subjects_whole():
    X, y, subjects, _ = repeated_measures()
    plain = mixture(tol=1e-10, max_iter=1000, acceleration=None)
    fast = clone(plain).set_params(acceleration="squarem")
    plain.fit(X, y, subjects=subjects)
    fast.fit(X, y, subjects=subjects)
    assert fast.log_likelihood_ == pytest.approx(plain.log_likelihood_)


def test_dead_experts_are_given_whole_subjects():
    X, y, subjects, _ = repeated_measures()
    weights = np.resize([1.0, 2.0], len(y))
    own = check_subjects(subjects, X).weighted(weights)
    rows = LocalRows(Block(X, y, y, weights, own))
    # Nothing is trusted to the last expert.
    log_gate = np.log([[0.5, 0.5, 1e-30]]).repeat(len(y), axis=0)
    log_prob = norm.logpdf(y[:, np.newaxis], X[:, [0]] * [1, -1, 0], 1)
    posterior = e_step(rows, log_gate, log_prob, np.ones(3, dtype=bool))
    found, reinitialised = DeadExperts(rows, 3).reinitialise(posterior)
    assert reinitialised == [2]
    assert 0.05 < np.average(found[:, 2], weights=weights) < 0.2
    assert all(np.ptp(found[subjects == s], axis=0).max() == 0 for s in range(40))


def test_a_warm_start_goes_on():
    X, y, subjects, _ = repeated_measures()
    moe = mixture(warm_start=True, tol=1e-6).fit(X, y, subjects=subjects)
    before, known = moe.log_likelihood_, moe.predict_gate(X, subjects=subjects)
    moe.fit(X, y, subjects=subjects)
    assert moe.log_likelihood_ >= before
    np.testing.assert_allclose(moe.predict_gate(X, subjects=subjects), known, atol=1e-3)
    # Other subjects are another likelihood, which has no model before.
    moe.fit(X, y, subjects=subjects // 2)
    assert moe.log_likelihood_ < before
    assert moe.n_iter_ > 0


def test_starts_in_parallel_have_subjects():
    X, y, subjects, _ = repeated_measures()
    with parallel_config(backend="threading"):
        moe = mixture(n_init=3, n_jobs=2).fit(X, y, subjects=subjects)
    same = mixture(n_init=3).fit(X, y, subjects=subjects)
    assert moe.log_likelihood_ == same.log_likelihood_


def test_a_fitted_mixture_is_pickled_with_what_it_knows():
    X, y, subjects, _ = repeated_measures()
    moe = mixture().fit(X, y, subjects=subjects)
    copy = pickle.loads(pickle.dumps(moe))
    np.testing.assert_array_equal(
        copy.predict(X, subjects=subjects), moe.predict(X, subjects=subjects)
    )


def test_single_precision_stays_what_it_is():
    X, y, subjects, _ = repeated_measures()
    moe = mixture(gate=SoftmaxGate()).fit(X, y, subjects=subjects)
    single = X.astype(np.float32)
    assert moe.predict_gate(single, subjects=subjects + 99).dtype == np.float32


def test_a_mixture_within_has_a_density_for_each_row():
    X, y, subjects, _ = repeated_measures()
    inner = MixtureOfExpertsRegressor(LINEAR, 2, sharing=0, random_state=0)
    moe = mixture(inner).fit(X, y, subjects=subjects)
    chosen = moe.responsibilities(X, y, subjects=subjects)
    of_rows = [expert.score_samples(X, y) for expert in moe.experts_]
    own = np.array([np.bincount(subjects, log_prob) for log_prob in of_rows]).T
    expected = np.log(moe.predict_gate(X[:1])) + own
    expected = np.exp(expected - logsumexp(expected, axis=1, keepdims=True))
    np.testing.assert_allclose(chosen, expected[subjects], atol=1e-8)


# Folds
# -----


class Recording(DecisionTreeRegressor):
    """A tree that notes how many rows each fit has had."""

    seen = []

    def fit(self, X, y, sample_weight=None):
        Recording.seen.append(set(X[:, -1].astype(int)))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("cv", ["auto", 3])
def test_folds_keep_subjects_whole(cv):
    X, y, subjects, _ = repeated_measures(20)
    X = np.column_stack([X, np.arange(len(y))])
    Recording.seen.clear()
    tree = Recording(max_depth=3)
    moe = mixture(tree, gate=SoftmaxGate(), cv=cv, tol=1)
    moe.fit(X, y, subjects=subjects)
    # Some fits are to few rows, and find out whether trees memorise them.
    some = [rows for rows in Recording.seen if len(y) / 2 <= len(rows) < len(y)]
    assert some
    for rows in some:
        held_out = set(range(len(y))) - rows
        assert not set(subjects[list(rows)]) & set(subjects[list(held_out)])


@needs("1.9", "shuffled folds of groups that are stratified")
@pytest.mark.parametrize("cv", ["auto", 4])
def test_folds_of_classes_keep_subjects_whole_and_are_stratified(cv):
    X, _, subjects, rises = repeated_measures(40)
    own = check_subjects(subjects, X)
    splits = out_of_fold_splits(
        cv,
        X,
        rises,
        np.arange(len(X)),
        len(X),
        np.random.RandomState(0),
        classification=True,
        subjects=own,
    )
    for train, test in splits:
        assert not set(subjects[train]) & set(subjects[test])
        assert np.mean(rises[test]) == 0.5


@pytest.mark.parametrize("cv", [KFold(3), [(np.arange(60, 120), np.arange(60))] * 1])
def test_folds_that_divide_subjects_are_refused(cv):
    X, y, subjects, _ = repeated_measures(20)
    tree = DecisionTreeRegressor(max_depth=3)
    with pytest.raises(ValueError, match=r"'subjects'|exactly once"):
        mixture(tree, gate=SoftmaxGate(), cv=cv).fit(X, y, subjects=subjects[::-1] // 2)


def test_more_folds_than_subjects_are_refused():
    X, y, subjects, _ = repeated_measures(4)
    with pytest.raises(ValueError, match=r"cv=5 needs 5 'subjects'"):
        mixture(cv=5).fit(X, y, subjects=subjects)


def test_experts_of_known_subjects_are_judged_by_folds():
    X, y, subjects, _ = repeated_measures(seed=2)
    tree = DecisionTreeRegressor(max_depth=4)
    moe = mixture(tree, gate=PRIOR, cv=5).fit(X, y, subjects=subjects)
    known = moe.predict_gate(X, subjects=subjects)
    # Trees are as sure of their own rows as they can be.
    seen = moe.responsibilities(X, y, subjects=subjects)
    assert known.max(axis=1).mean() < seen.max(axis=1).mean()


def test_the_number_of_experts_is_chosen_by_whole_subjects():
    X, y, subjects, _ = repeated_measures(60)
    moe = mixture(n_experts="auto").fit(X, y, subjects=subjects)
    assert moe.n_experts_ == 2
    # What is told is of subjects, of six rows.
    assert moe.n_experts_path_["log_likelihood"].max() < -6


def test_a_choice_among_numbers_knows_how_few_subjects_there_are():
    X, y, subjects, _ = repeated_measures(3, n_rows=40)
    moe = mixture(n_experts="auto").fit(X, y, subjects=subjects)
    assert moe.n_experts_path_["n_experts"].max() <= 2


def test_calibration_is_of_subjects():
    X, y, subjects, rises = repeated_measures()
    moe = mixture(gate=SoftmaxGate(), calibrate=True).fit(X, y, subjects=subjects)
    chosen = moe.responsibilities(X, y, subjects=subjects).argmax(axis=1)
    assert agreement(chosen, rises) > 0.9
    np.testing.assert_allclose(moe.noise_.scale_, 1, atol=0.2)


def test_a_fit_knows_nothing_of_the_one_before():
    X, y, subjects, _ = repeated_measures()
    moe = mixture(gate=SoftmaxGate(), calibrate=True).fit(X, y, subjects=subjects)
    again = moe.fit(X, -y[::-1], subjects=subjects // 2)
    fresh = clone(moe).fit(X, -y[::-1], subjects=subjects // 2)
    np.testing.assert_array_equal(again.noise_.scale_, fresh.noise_.scale_)
    np.testing.assert_array_equal(
        again.predict(X, subjects=subjects), fresh.predict(X, subjects=subjects)
    )


def test_a_fit_that_fails_leaves_what_is_known():
    X, y, subjects, _ = repeated_measures()
    moe = mixture().fit(X, y, subjects=subjects)
    known = moe.predict(X, subjects=subjects)
    with pytest.raises(ValueError, match="'subjects'"):
        moe.fit(X, y, subjects=subjects[:-1])
    np.testing.assert_array_equal(moe.predict(X, subjects=subjects), known)


def test_given_experts_are_chosen_by_subject():
    X, y, subjects, rises = repeated_measures()
    up = FrozenEstimator(LINEAR.__class__().fit(X[rises], y[rises]))
    down = FrozenEstimator(LINEAR.__class__().fit(X[~rises], y[~rises]))
    moe = MixtureOfExpertsRegressor([("up", up), ("down", down)], random_state=0)
    moe.fit(X, y, subjects=subjects)
    known = moe.predict_gate(X, subjects=subjects)
    assert np.mean((known[:, 0] > 0.5) == rises) > 0.9


# Streams
# -------


@pytest.mark.parametrize("gate", [SoftmaxGate(), GaussianGate()])
def test_a_stream_has_whole_subjects_in_each_batch(gate):
    X, y, subjects, rises = by_level(200)
    learner = SGDRegressor(random_state=0)
    moe = MixtureOfExpertsRegressor(learner, 2, gate=gate, sharing=0, random_state=0)
    for batch in np.split(np.arange(len(y)), 4):
        moe.partial_fit(X[batch], y[batch], subjects=subjects[batch])
    known = moe.predict_gate(X, subjects=subjects)
    assert all(np.ptp(known[subjects == s], axis=0).max() == 0 for s in range(200))
    assert agreement(known.argmax(axis=1), rises[subjects]) > 0.9
    batch = np.arange(10)
    with pytest.raises(ValueError, match=r"'subjects' .* in a batch before: \[0, 1\]"):
        moe.partial_fit(X[batch], y[batch], subjects=subjects[batch])
    with pytest.raises(ValueError, match=r"began with 'subjects', .* is without"):
        moe.partial_fit(X[batch], y[batch])


def test_a_stream_knows_subjects_by_counts_of_their_exposure():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(40), 5)
    X, exposure = rng.normal(size=(200, 1)), rng.uniform(0.2, 5, 200)
    y = rng.poisson(exposure * np.exp(np.where(subjects % 2, X[:, 0], -X[:, 0])))
    moe = MixtureOfExpertsRegressor(
        SGDRegressor(), 2, noise="poisson", cv=None, random_state=0
    )
    moe.partial_fit(X, y, subjects=subjects, exposure=exposure)
    np.testing.assert_allclose(
        moe.predict_gate(X, subjects=subjects),
        moe.responsibilities(X, y, subjects=subjects, exposure=exposure),
    )


def test_a_stream_that_began_without_subjects_goes_on_without():
    X, y, subjects, _ = by_level()
    moe = MixtureOfExpertsRegressor(SGDRegressor(), 2, random_state=0)
    moe.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"began without 'subjects', .* is with"):
        moe.partial_fit(X, y, subjects=subjects)


# Conventions of scikit-learn
# ---------------------------


def test_a_pipeline_and_a_search_hand_subjects_over():
    X, y, subjects, _ = repeated_measures()
    piped = make_pipeline(StandardScaler(), mixture())
    piped.fit(X, y, mixtureofexpertsregressor__subjects=subjects)
    known = piped.predict(X, subjects=subjects)
    assert known.shape == y.shape
    search = GridSearchCV(mixture(), {"n_experts": [1, 2]}, cv=3)
    search.fit(X, y, subjects=subjects)
    best = search.best_estimator_
    assert best.predict_gate(X, subjects=subjects).shape[0] == len(y)


def test_subjects_are_routed_to_fit_and_score():
    X, y, subjects, _ = repeated_measures()
    with config_context(enable_metadata_routing=True):
        moe = mixture().set_fit_request(subjects=True)
        known = clone(moe).set_score_request(subjects=True)
        folds, params = KFold(3, shuffle=True, random_state=0), {"subjects": subjects}
        # Unless they are asked for, scores are those of new subjects.
        as_new = cross_val_score(moe, X, y, cv=folds, params=params)
        as_known = cross_val_score(known, X, y, cv=folds, params=params)
        whole = {"subjects": subjects, "groups": subjects}
        by_group = cross_val_score(known, X, y, cv=GroupKFold(3), params=whole)
    assert as_known.mean() > as_new.mean() + 0.2
    assert by_group.mean() < as_known.mean() - 0.2


# The subjects themselves
# -----------------------


def test_some_rows_have_some_of_the_subjects():
    codes, weights = np.array([2, 0, 2, 1]), np.array([1.0, 2, 3, 4])
    subjects = Subjects(["a", "b", "c"], codes, weights).take(np.array([0, 3, 2]))
    assert subjects.labels == ["b", "c"]
    np.testing.assert_array_equal(subjects.codes, [1, 0, 1])
    np.testing.assert_array_equal(subjects.weights, [1, 4, 3])
    np.testing.assert_array_equal(subjects.shares, [0.25, 1, 0.75])


def test_some_subjects_have_the_posterior_that_they_have_among_all():
    X, y, subjects, _ = repeated_measures()
    # The ratios of these weights count, not the weights.
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(y))
    weights /= weights.sum()
    fitted = mixture(max_iter=20).fit(X, y, weights, subjects=subjects)
    of_all = fitted.responsibilities(X, y, subjects=subjects, sample_weight=weights)
    few = subjects < 3
    of_few = fitted.responsibilities(
        X[few], y[few], subjects=subjects[few], sample_weight=weights[few]
    )
    np.testing.assert_allclose(of_few, of_all[few])


# What judges densities
# ---------------------


def test_the_number_of_experts_is_selected_by_whole_subjects():
    X, y, subjects, _ = repeated_measures()
    table = select_n_experts(
        mixture(), X, y, [1, 2, 3], subjects=subjects, random_state=0
    )
    assert table["cv_log_likelihood"].idxmax() == 2
    fitted = mixture().fit(X, y, subjects=subjects)
    assert table.loc[2, "bic"] == pytest.approx(fitted.bic(X, y, subjects=subjects))
    assert table.loc[2, "log_likelihood"] == pytest.approx(fitted.log_likelihood_)


def test_its_folds_are_judged_as_new_subjects():
    X, y, subjects, _ = repeated_measures()
    weights = np.random.default_rng(0).integers(1, 3, len(y))
    cv = list(GroupKFold(2).split(X, y, subjects))
    table = select_n_experts(
        mixture(), X, y, [2], cv=cv, subjects=subjects, sample_weight=weights
    )
    expected = []
    for train, test in cv:
        fitted = mixture().fit(
            X[train], y[train], weights[train], subjects=subjects[train]
        )
        given = {"subjects": subjects[test], "sample_weight": weights[test]}
        total = weights[test] @ fitted.score_samples(X[test], y[test], **given)
        expected.append(total / len(np.unique(subjects[test])))
    assert table.loc[2, "cv_log_likelihood"] == pytest.approx(np.mean(expected))


def test_subjects_reach_the_mixture_in_a_pipeline_whose_number_is_selected():
    X, y, subjects, _ = repeated_measures()
    given = {"subjects": subjects, "random_state": 0, "cv": 2}
    table = select_n_experts(
        make_pipeline(StandardScaler(), mixture()), X, y, "auto", **given
    )
    plain = select_n_experts(
        mixture(), StandardScaler().fit_transform(X), y, "auto", **given
    )
    np.testing.assert_allclose(
        table["log_likelihood"], plain["log_likelihood"], rtol=1e-6
    )


@pytest.mark.parametrize("kind", ["splitter", "generator"])
def test_folds_that_divide_subjects_select_nothing(kind):
    cv = KFold(3) if kind == "splitter" else KFold(3).split(np.zeros(240))
    X, y, subjects, _ = repeated_measures()
    with pytest.raises(ValueError, match=r"divide"):
        select_n_experts(mixture(), X, y, [1], cv=cv, subjects=subjects)


def test_what_was_fitted_with_subjects_is_not_judged_without():
    X, y, subjects, _ = repeated_measures()
    fitted = mixture().fit(X, y, subjects=subjects)
    for judge in (
        fitted.bic,
        lambda X, y: log_likelihood_scorer(fitted, X, y),
        lambda X, y: select_n_experts(fitted, X, y, [1]),
        lambda X, y: summary(fitted, X, y),
        lambda X, y: diagnose(fitted, X, y),
    ):
        with pytest.raises(
            ValueError, match=r"'subjects'.* fitted|fitted with 'subjects'"
        ):
            judge(X, y)


def test_scorers_take_subjects():
    X, y, subjects, _ = repeated_measures()
    weights = np.random.default_rng(0).integers(1, 3, len(y))
    fitted = mixture().fit(X, y, weights, subjects=subjects)
    score = log_likelihood_scorer(fitted, X, y, weights, subjects=subjects)
    assert score == pytest.approx(fitted.log_likelihood_ / weights.sum())
    known = neg_crps_scorer(fitted, X, y, subjects=subjects)
    assert known > neg_crps_scorer(fitted, X, y)


def test_a_search_hands_subjects_to_scorers():
    X, y, subjects, _ = repeated_measures()
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            mixture().set_fit_request(subjects=True),
            {"n_experts": [1, 2]},
            cv=GroupKFold(3),
            scoring={"density": log_likelihood_scorer, "crps": neg_crps_scorer},
            refit="density",
        )
        search.fit(X, y, subjects=subjects, groups=subjects)
    assert search.best_params_ == {"n_experts": 2}
    train, test = next(GroupKFold(3).split(X, y, subjects))
    fitted = mixture().fit(X[train], y[train], subjects=subjects[train])
    assert search.cv_results_["split0_test_density"][1] == pytest.approx(
        log_likelihood_scorer(fitted, X[test], y[test], subjects=subjects[test])
    )


def test_scorers_weigh_the_classes_of_subjects_as_the_fit():
    X, y, subjects, _ = repeated_measures()
    labels = np.where(y > 0.5, "high", "low")
    moe = mixture(LOGISTIC, class_weight={"high": 3, "low": 1})
    moe.fit(X, labels, subjects=subjects)
    score = log_likelihood_scorer(moe, X, labels, subjects=subjects)
    total = np.where(labels == "high", 3, 1).sum()
    assert score == pytest.approx(moe.log_likelihood_ / total)
    table = select_n_experts(moe, X, labels, [2], cv=None, subjects=subjects)
    assert table.loc[2, "log_likelihood"] == pytest.approx(moe.log_likelihood_)
