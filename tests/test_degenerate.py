"""Data at the edge: finite predictions, the right warnings, no surprise."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe.em.starts import initial_responsibilities

RETIRED = "lost their rows repeatedly and were retired"
MEMORIZED = "reproduce their training targets but not others"


def features(n_samples=60, n_features=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n_samples, n_features))


def two_regimes(X, seed=1):
    noise = np.random.default_rng(seed).standard_normal(len(X))
    return np.where(X[:, 0] > 0, 3 * X[:, 0] + 1, -X[:, 0]) + 0.3 * noise


def two_regimes_of_classes(X):
    """The first column decides which way the second tells the classes apart."""
    return (X[:, 0] * X[:, 1] > 0).astype(int)


def fit(model, X, y, sample_weight=None):
    """Fit; no warning is allowed but those that tell how EM ended, if it is so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight)
    others = [
        str(warning.message)
        for warning in caught
        if warning.category is not ConvergenceWarning
        and RETIRED not in str(warning.message)
        and not (MEMORIZED in str(warning.message) and X.shape[1] > len(X))
    ]
    assert others == []
    # Experts may have trouble of their own with such rows.
    unconverged = [w for w in caught if "EM did not converge" in str(w.message)]
    assert len(unconverged) == (not model.converged_)
    assert all("EM did not converge" in str(w.message) for w in unconverged)
    assert not any(word in str(w.message) for w in caught for word in ("nan", "inf "))
    return model


def assert_sound(moe, X, y):
    """Everything that a fitted mixture says is finite and adds up."""
    distributions = [
        moe.predict_gate(X),
        moe.responsibilities(X, y),
        moe.expert_share_[np.newaxis],
    ]
    if hasattr(moe, "predict_proba"):
        distributions.append(moe.predict_proba(X))
        assert set(moe.predict(X)) <= set(moe.classes_)
    else:
        assert np.isfinite(moe.predict(X)).all()
        assert (moe.noise_.scale_ > 0).all()
    for weights in distributions:
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert np.isfinite(moe.transform(X)).all()
    assert np.isfinite(moe.score_samples(X, y)).all()
    assert np.isfinite(moe.objective_path_).all()
    assert np.isfinite(moe.log_likelihood_)


# What is sound after some iterations is so after many.
def regressor(n_experts=2, **params):
    params = {"max_iter": 10, "random_state": 0, **params}
    return MixtureOfExpertsRegressor(n_experts=n_experts, **params)


def classifier(n_experts=2, **params):
    params = {"max_iter": 10, "random_state": 0, **params}
    return MixtureOfExpertsClassifier(n_experts=n_experts, **params)


X = features()
LINE = np.linspace(0, 1, 60)[:, np.newaxis]

TABLES = {
    "duplicate rows": np.repeat(X[:6], 10, axis=0),
    "one row again and again": np.ones((20, 2)),
    "one column": X[:, :1],
    "a constant column": np.column_stack([X, np.full(60, 7.0)]),
    "a large constant column": np.column_stack([X, np.full(60, 1e8)]),
    "two equal columns": np.column_stack([X, X[:, 0]]),
    "more columns than rows": features(100, 500),
    "an offset of 1e8": X + 1e8,
    "tiny units": X * 1e-12,
    "huge units": X * 1e12,
    "units that differ": X * [1e-4, 1.0, 1e4],
    "an outlier": np.vstack([X[:-1], [[1e4, -1e4, 1e4]]]),
    "integers": (5 * X).astype(int),
    "booleans": X > 0,
    "numbers as objects": X.astype(object),
    "float32": X.astype(np.float32),
}
TARGETS = {
    "constant": np.full(60, 3.0),
    "constant at zero": np.zeros(60),
    "constant and large": np.full(60, 1e8),
    "constant but for one row": np.r_[1.0, np.zeros(59)],
    "pieces of lines without noise": np.where(X[:, 0] > 0, 3 * X[:, 0], -X[:, 0]),
    "a line without noise": 2 * X[:, 0] + 1,
    "an outlier": np.r_[1e8, two_regimes(X)[1:]],
    "units of 1e8": 1e8 * two_regimes(X),
    "units of 1e-8": 1e-8 * two_regimes(X),
    "an offset of 1e8": 1e8 + two_regimes(X),
    "integers": (5 * two_regimes(X)).astype(int),
    "booleans": two_regimes(X) > 1,
    "numbers as objects": two_regimes(X).astype(object),
    "float32": two_regimes(X).astype(np.float32),
}
LABELS = {
    "separable by a line": (LINE, LINE[:, 0] > 0.5),
    "one class in each cell": (LINE, np.repeat(["a", "b", "c", "a", "d"], 12)),
    "one row of a class": (X, np.arange(60) == 7),
    "one row of each of two classes": (X, np.r_[0, 1, np.full(58, 2)]),
    "more classes than experts": (X, np.arange(60) % 12),
    "no signal": (X, np.arange(60) % 2),
    "one row again and again": (np.ones((60, 2)), np.arange(60) % 3),
    "booleans": (X, two_regimes_of_classes(X) > 0),
    "objects": (X, np.array(["no", "yes"], dtype=object)[two_regimes_of_classes(X)]),
    "floats": (X, 2.0 * two_regimes_of_classes(X)),
}
WEIGHTS = {
    "from 1e-12 to 1e12": 10 ** np.random.default_rng(0).uniform(-12, 12, 60),
    "one heavy row": np.r_[1e12, np.ones(59)],
    "all 1e-12": np.full(60, 1e-12),
    "all 1e12": np.full(60, 1e12),
    "all 1e300": np.full(60, 1e300),
}
HOW_MANY = pytest.mark.parametrize("n_experts", [1, 4])
ONE_AND_MANY = pytest.mark.parametrize("n_experts", [1, 3])


# Whatever the data
# -----------------


@HOW_MANY
@pytest.mark.parametrize("table", TABLES)
def test_a_regressor_is_sound_whatever_the_features(table, n_experts):
    Z = TABLES[table]
    y = two_regimes(features(len(Z)))
    assert_sound(fit(regressor(n_experts), Z, y), Z, y)


@ONE_AND_MANY
@pytest.mark.parametrize("table", TABLES)
def test_a_classifier_is_sound_whatever_the_features(table, n_experts):
    Z = TABLES[table]
    y = two_regimes_of_classes(features(len(Z)))
    assert_sound(fit(classifier(n_experts), Z, y), Z, y)


@HOW_MANY
@pytest.mark.parametrize("target", TARGETS)
def test_a_regressor_is_sound_whatever_the_target(target, n_experts):
    y = TARGETS[target]
    assert_sound(fit(regressor(n_experts), X, y), X, y)


@ONE_AND_MANY
@pytest.mark.parametrize("labels", LABELS)
def test_a_classifier_is_sound_whatever_the_classes(labels, n_experts):
    Z, y = LABELS[labels]
    assert_sound(fit(classifier(n_experts), Z, y), Z, y)


@HOW_MANY
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_regressor_is_sound_whatever_the_weights(weights, n_experts):
    y = two_regimes(X)
    assert_sound(fit(regressor(n_experts), X, y, WEIGHTS[weights]), X, y)


@ONE_AND_MANY
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_classifier_is_sound_whatever_the_weights(weights, n_experts):
    y = two_regimes_of_classes(X)
    # By default weights of 1e12 are as many rows, which outweigh all penalties.
    mixture = classifier(n_experts, sharing=0.05)
    assert_sound(fit(mixture, X, y, WEIGHTS[weights]), X, y)


@pytest.mark.parametrize("init", ["tree", "random"])
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("n_experts", [1, 2, 3, 5])
def test_as_many_rows_as_experts_are_enough_for_a_regressor(n_experts, extra, init):
    Z = features(n_experts + extra)
    y = two_regimes(Z)
    assert_sound(fit(regressor(n_experts, init=init), Z, y), Z, y)


@pytest.mark.parametrize("init", ["tree", "random"])
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("n_experts", [2, 3, 5])
def test_as_many_rows_as_experts_are_enough_for_a_classifier(n_experts, extra, init):
    Z = features(n_experts + extra)
    y = np.arange(len(Z)) % 2
    assert_sound(fit(classifier(n_experts, init=init), Z, y), Z, y)


@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_equal_rows_are_shared_out_by_any_start(init):
    Z = np.repeat(X[:3], 20, axis=0)
    y = np.repeat([1.0, 2.0, 4.0], 20)
    assert_sound(fit(regressor(5, init=init), Z, y), Z, y)
    y = np.repeat([0, 1, 0], 20)
    assert_sound(fit(classifier(5, init=init), Z, y), Z, y)


# Laws
# ----


@given(exponent=st.floats(-8, 8))
@example(exponent=8)
@example(exponent=-8)
@settings(max_examples=5)
def test_predictions_have_the_unit_of_the_target(exponent):
    unit, y = 10.0**exponent, two_regimes(X)
    one, other = fit(regressor(), X, y), fit(regressor(), X, unit * y)
    np.testing.assert_allclose(other.predict(X), unit * one.predict(X), rtol=1e-6)
    np.testing.assert_allclose(other.noise_.scale_, unit * one.noise_.scale_, rtol=1e-6)
    np.testing.assert_allclose(
        other.score_samples(X, unit * y),
        one.score_samples(X, y) - np.log(unit),
        atol=1e-6,
    )


@pytest.mark.parametrize("unit", [1e-100, 1e-8, 1e8, 1e100])
@pytest.mark.parametrize("init", ["tree", "kmeans", "random"])
def test_the_start_does_not_depend_on_the_unit_of_the_target(init, unit):
    y = two_regimes(X)
    first, other = (
        initial_responsibilities(
            init,
            LocalRows(Block(X, target, target, np.ones(60))),
            SimpleNamespace(features=X, sample_features=X),
            6,
            np.random.RandomState(0),
        )
        for target in (y, unit * y)
    )
    np.testing.assert_allclose(other, first, rtol=0, atol=1e-10)


@given(offset=st.floats(-1e8, 1e8))
@example(offset=1e8)
@settings(max_examples=5)
def test_predictions_have_the_origin_of_the_target(offset):
    y = two_regimes(X)
    one, other = fit(regressor(), X, y), fit(regressor(), X, offset + y)
    np.testing.assert_allclose(other.predict(X), offset + one.predict(X), atol=1e-5)
    np.testing.assert_allclose(other.noise_.scale_, one.noise_.scale_, rtol=1e-5)


@given(offset=st.floats(-1e8, 1e8))
@example(offset=1e8)
@settings(max_examples=5)
def test_the_origin_of_the_features_does_not_matter(offset):
    y = two_regimes(X)
    one, other = fit(regressor(), X, y), fit(regressor(), X + offset, y)
    np.testing.assert_allclose(other.predict(X + offset), one.predict(X), atol=1e-5)


@pytest.mark.parametrize("unit", [1e-100, 1e-8, 1e8, 1e100])
@pytest.mark.parametrize(
    ("model", "expert", "target"),
    [
        (regressor, Ridge(), two_regimes),
        (classifier, LogisticRegression(), two_regimes_of_classes),
    ],
)
def test_the_unit_of_the_features_does_not_matter_to_experts_that_scale(
    model, expert, target, unit
):
    y = target(X)
    scaled = make_pipeline(StandardScaler(), expert)
    one = fit(model(experts=scaled, max_iter=5), X, y)
    other = fit(model(experts=scaled, max_iter=5), unit * X, y)
    np.testing.assert_allclose(other.transform(unit * X), one.transform(X), atol=1e-5)
    np.testing.assert_allclose(
        other.predict_gate(unit * X), one.predict_gate(X), atol=1e-5
    )


@pytest.mark.parametrize("value", [0.0, 7.0, 1e8])
@pytest.mark.parametrize(
    ("model", "target"),
    [(regressor, two_regimes), (classifier, two_regimes_of_classes)],
)
def test_the_gate_ignores_a_constant_column(model, target, value):
    y = target(X)
    Z = np.column_stack([X, np.full(60, value)])
    gate = fit(model(max_iter=5), Z, y).gate_
    np.testing.assert_allclose(gate.coef_[:, -1], 0)


@pytest.mark.parametrize("dtype", [bool, np.int8, int, np.uint16, object])
@pytest.mark.parametrize(
    ("model", "target"),
    [(regressor, two_regimes), (classifier, two_regimes_of_classes)],
)
def test_features_of_any_dtype_count_as_their_numbers(model, target, dtype):
    y = target(X)
    Z = (np.abs(5 * X)).astype(int).astype(dtype)
    np.testing.assert_allclose(
        fit(model(max_iter=5), Z, y).transform(Z),
        fit(model(max_iter=5), Z.astype(float), y).transform(Z.astype(float)),
    )


@pytest.mark.parametrize("dtype", [bool, np.int8, int, object])
def test_targets_of_any_dtype_count_as_their_numbers(dtype):
    y = (5 * two_regimes(X)).astype(int).astype(dtype)
    np.testing.assert_allclose(
        fit(regressor(max_iter=5), X, y).predict(X),
        fit(regressor(max_iter=5), X, y.astype(float)).predict(X),
    )


# What is learnt all the same
# ---------------------------


@HOW_MANY
@pytest.mark.parametrize("value", [-2.5, 0.0, 1e8])
def test_a_constant_target_is_predicted(value, n_experts):
    moe = fit(regressor(n_experts), X, np.full(60, value))
    np.testing.assert_allclose(moe.predict(3 * X), value, rtol=1e-12, atol=1e-12)


def test_two_lines_without_noise_are_found():
    Z = np.linspace(-2, 2, 80)[:, np.newaxis]
    y = np.where(Z[:, 0] > 0, 3 * Z[:, 0] + 1, -2 * Z[:, 0])
    moe = fit(regressor(experts=Ridge(1e-9), sharing=0, max_iter=20), Z, y)
    slopes = sorted(expert.coef_.item() for expert in moe.experts_)
    np.testing.assert_allclose(slopes, [-2, 3], atol=1e-3)


@pytest.mark.parametrize("sharing", [0, 0.05])
def test_classes_that_fill_a_cell_each_are_told_apart(sharing):
    y = np.repeat([0, 1, 0, 1], 15)
    mixture = classifier(4, sharing=sharing, gate=SoftmaxGate(1e-3), max_iter=20)
    moe = fit(mixture, LINE, y)
    assert moe.score(LINE, y) > 0.95


def test_separable_classes_are_separated():
    y = LINE[:, 0] > 0.5
    assert fit(classifier(max_iter=20), LINE, y).score(LINE, y) == 1


def test_an_outlier_in_the_target_gets_an_expert_of_its_own():
    y = np.r_[1e6, two_regimes(X)[1:]]
    moe = fit(regressor(max_iter=20), X, y)
    share = moe.responsibilities(X, y)
    assert share[0].argmax() not in share[1:].argmax(axis=1)


# Warnings
# --------


def test_experts_without_work_are_retired_with_a_warning():
    told = rf"Experts expert\d.* {RETIRED}: predictions do not use them"
    with pytest.warns(UserWarning, match=told):
        regressor(5, max_iter=100).fit(X, 2 * X[:, 0] + 1)


@pytest.mark.parametrize(
    ("model", "target"),
    [(regressor, two_regimes), (classifier, two_regimes_of_classes)],
)
def test_too_few_iterations_warn_with_the_last_change(model, target):
    message = r"max_iter=2 iterations: .*changed by [\d.e-]+ a row. Increase max_iter"
    with pytest.warns(ConvergenceWarning, match=message):
        model(max_iter=2, tol=0).fit(X, target(X))


@pytest.mark.parametrize(
    ("model", "target"),
    [(regressor, two_regimes), (classifier, two_regimes_of_classes)],
)
def test_one_iteration_has_no_change_to_warn_of(model, target, capsys):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 iterations. Increase"):
        model(max_iter=1, verbose=1).fit(X, target(X))
    assert "inf" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "estimator",
    [regressor(max_iter=1), classifier(max_iter=1), SoftmaxGate(max_iter=1)],
)
def test_a_warning_points_to_the_line_that_called_fit(estimator):
    with pytest.warns(ConvergenceWarning) as caught:
        estimator.fit(X, two_regimes_of_classes(X))
    assert [warning.filename for warning in caught] == [__file__]


# Targets of another size
# -----------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("noise", ["gaussian", "laplace", "gamma", "lognormal"])
@pytest.mark.parametrize("size", [2.0**-330, 2.0**330, 2.0**490])
def test_the_unit_of_the_target_does_not_matter(noise, size):
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    y = np.abs(X[:, 0]) + 0.5
    found = [
        MixtureOfExpertsRegressor(
            Ridge(), n_experts=2, noise=noise, random_state=0, max_iter=5
        ).fit(X, unit * y)
        for unit in (1, size)
    ]
    np.testing.assert_allclose(
        found[1].predict(X) / size, found[0].predict(X), rtol=1e-6
    )


@pytest.mark.parametrize("size", [1e151, -1e300])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_targets_whose_squares_overflow_are_refused(size, n_outputs):
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    y = np.column_stack([size * np.abs(X)] * n_outputs).squeeze()
    with pytest.raises(ValueError, match=r"y is too large: it has .* its unit"):
        MixtureOfExpertsRegressor(n_experts=2).fit(X, y)


def test_a_batch_of_targets_whose_squares_overflow_is_refused():
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    mixture = MixtureOfExpertsRegressor(SGDRegressor(), n_experts=2, max_iter=2)
    with pytest.raises(ValueError, match="y is too large: it has"):
        mixture.partial_fit(X, 1e151 * X[:, 0])


@pytest.mark.parametrize("size", [1e-112, 1e-200, 1e-310])
@pytest.mark.parametrize("centre", [0, 1])
def test_targets_whose_squares_underflow_are_refused(size, centre):
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    y = size * (centre + np.sign(X[:, 0]))
    for rows in (20, 60):
        with pytest.raises(ValueError, match=r"y is too small: .* its unit"):
            MixtureOfExpertsRegressor(n_experts=2).fit(X[-rows:], 2 * y[-rows:])


def test_large_float32_targets_are_fitted_in_float64():
    X = np.linspace(-2, 2, 60, dtype=np.float32).reshape(-1, 1)
    y = np.abs(X[:, 0]) * np.float32(1e30)
    mixture = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    predicted = mixture.fit(X, y).predict(X).astype(np.float64) / 1e30
    np.testing.assert_allclose(predicted, np.abs(X[:, 0]), atol=0.2)
    assert np.isfinite(mixture.objective_path_).all()


@pytest.mark.parametrize("specialize", [True, False])
@pytest.mark.parametrize("noise", ["gaussian", "student_t"])
def test_an_expert_whose_squared_predictions_overflow_is_refused(noise, specialize):
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    far = DummyRegressor(strategy="constant", constant=1e160)
    experts = [("line", Ridge()), ("far", far)]
    mixture = MixtureOfExpertsRegressor(experts, specialize=specialize, noise=noise)
    with pytest.raises(ValueError, match=r"Expert 'far' predicted 1e\+160, whose squ"):
        mixture.fit(X, X[:, 0])


def test_large_float32_predictions_of_an_expert_are_squared_in_float64():
    X = np.linspace(-2, 2, 60, dtype=np.float32).reshape(-1, 1)
    far = DummyRegressor(strategy="constant", constant=np.float32(1e30))
    experts = [("line", Ridge()), ("far", far)]
    mixture = MixtureOfExpertsRegressor(experts, specialize=False, random_state=0)
    np.testing.assert_array_equal(mixture.fit(X, X[:, 0]).expert_share_, [1, 0])


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
def test_counts_without_a_probability_are_refused(noise):
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    with pytest.raises(ValueError, match=r"from 0 to 1e\+12, but y has 1e\+18"):
        MixtureOfExpertsRegressor(noise=noise).fit(X, np.full(60, 1e18))
