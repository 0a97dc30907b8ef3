"""Standard errors and tests of the parameters of linear experts and the gate."""

import re
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from scipy.special import expit, log_softmax, logsumexp
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import _information, summary, uncertainty

DATA = Path(__file__).parent / "data"

LOGISTIC = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
POISSON = PoissonRegressor(alpha=0, tol=1e-9, max_iter=1000)
each_covariance = pytest.mark.parametrize("covariance", uncertainty.COVARIANCES)


def maximum_likelihood(experts, n_experts, gate=None, **parameters):
    """A mixture without any penalty, that climbs to the top."""
    classification = isinstance(experts, LogisticRegression)
    mixture = (
        MixtureOfExpertsClassifier if classification else MixtureOfExpertsRegressor
    )
    defaults = {"sharing": 0, "cv": None, "tol": 1e-9, "max_iter": 2000}
    return mixture(
        experts,
        n_experts,
        gate=SoftmaxGate(alpha=0) if gate is None else gate,
        random_state=0,
        **{**defaults, **parameters},
    )


def problem(kind, n_experts, n_samples=400):
    """Rows whose rule depends on a wave of the first column, in part."""
    rng = np.random.default_rng(1)
    X = rng.uniform(-2, 2, size=(n_samples, 2))
    logits = np.column_stack([np.zeros(n_samples), 2 * X[:, 0], X[:, 0] ** 2 - 2])
    if kind in ("binary", "classes"):
        # Classes tell little of the rule that they follow; the gate must.
        logits *= 3
    noisy = logits[:, :n_experts] + rng.gumbel(size=(n_samples, n_experts))
    rule = noisy.argmax(axis=1)
    slope = np.array([2.0, -2.0, 0.0])[rule]
    level = np.array([0.0, 1.0, 6.0])[rule]
    if kind == "gaussian":
        y = level + slope * X[:, 1] + rng.normal(scale=0.5, size=n_samples)
    elif kind == "poisson":
        y = rng.poisson(np.exp(1 + level / 3 + slope / 2 * X[:, 1]))
    elif kind == "binary":
        y = rng.uniform(size=n_samples) < expit(level / 3 - 1 + 2 * slope * X[:, 1])
    else:
        pull = np.column_stack([np.zeros(n_samples), slope * X[:, 1], level / 2])
        y = (pull + rng.gumbel(size=pull.shape)).argmax(axis=1)
    return X, y, rule


PARAMETERS = {
    "gaussian": {"experts": LinearRegression()},
    "poisson": {"experts": POISSON, "noise": "poisson"},
    "binary": {"experts": LOGISTIC},
    "classes": {"experts": LOGISTIC},
}


def fitted(kind, n_experts, n_samples=400, tol=1e-9):
    X, y, rule = problem(kind, n_experts, n_samples)
    mixture = maximum_likelihood(
        n_experts=n_experts, init=rule, tol=tol, **PARAMETERS[kind]
    )
    return mixture.fit(X, y), X, y


# The closed form against a numerical one
# ---------------------------------------


def log_likelihood(theta, kind, n_experts, X, y):
    """That of a mixture, from the definition; scales enter by their logarithms."""
    design = np.column_stack([np.ones(len(X)), X])
    n_classes = {"binary": 2, "classes": 3}.get(kind, 2)
    at, log_prob = 0, []
    for _ in range(n_experts):
        size = 3 * (n_classes - 1)
        numbers = design @ theta[at : at + size].reshape(-1, 3).T
        at += size
        if kind == "gaussian":
            log_prob.append(stats.norm.logpdf(y, numbers[:, 0], np.exp(theta[at])))
            at += 1
        elif kind == "poisson":
            log_prob.append(stats.poisson.logpmf(y, np.exp(numbers[:, 0])))
        else:
            logits = np.column_stack([np.zeros(len(X)), numbers])
            log_prob.append(
                log_softmax(logits, axis=1)[np.arange(len(y)), y.astype(int)]
            )
    gate = design @ theta[at:].reshape(-1, 3).T
    log_gate = log_softmax(np.column_stack([np.zeros(len(X)), gate]), axis=1)
    return logsumexp(log_gate + np.column_stack(log_prob), axis=1).sum()


def numerical_hessian(function, at, step=2e-4):
    steps = step * np.eye(len(at))
    hessian = np.zeros((len(at), len(at)))
    for i, j in zip(*np.tril_indices(len(at))):
        a, b = steps[i], steps[j]
        same = function(at + a + b) + function(at - a - b)
        opposite = function(at + a - b) + function(at - a + b)
        hessian[i, j] = hessian[j, i] = (same - opposite) / (4 * step**2)
    return hessian


@pytest.mark.parametrize(
    ("kind", "n_experts"),
    [*product(["gaussian", "poisson", "binary"], [1, 2, 3]), ("classes", 2)],
)
def test_the_information_is_the_hessian_of_the_log_likelihood(kind, n_experts):
    n_samples = 400 if kind in ("gaussian", "poisson") else 1000
    mixture, X, y = fitted(kind, n_experts, n_samples, tol=1e-6)
    table = summary(mixture, X, y)
    is_scale = table.index.get_level_values("parameter") == "(scale)"
    at = np.where(is_scale, np.log(table["estimate"].abs()), table["estimate"])

    def function(theta):
        return log_likelihood(theta, kind, n_experts, X, y)

    assert function(at) == pytest.approx(mixture.log_likelihood_, rel=1e-6)
    information = -numerical_hessian(function, at)
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    expected *= np.where(is_scale, table["estimate"], 1)
    np.testing.assert_allclose(table["std_error"], expected, rtol=1e-4)


def test_rows_are_taken_in_batches(monkeypatch):
    mixture, X, y = fitted("gaussian", 2)
    at_once = summary(mixture, X, y, covariance="sandwich")
    monkeypatch.setattr(_information, "BATCH_SIZE", 7)
    in_batches = summary(mixture, X, y, covariance="sandwich")
    pd.testing.assert_frame_equal(in_batches, at_once)


# One expert: the textbook
# ------------------------


def design_of(X):
    return np.column_stack([np.ones(len(X)), X])


def test_one_gaussian_expert_has_the_standard_errors_of_least_squares():
    mixture, X, y = fitted("gaussian", 1)
    table = summary(mixture, X, y).loc["expert0"]
    design = design_of(X)
    [scale] = mixture.noise_.scale_
    expected = scale * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    np.testing.assert_allclose(table["std_error"].iloc[:3], expected)
    assert table["std_error"]["(scale)"] == pytest.approx(scale / np.sqrt(2 * len(y)))


def test_one_poisson_expert_has_the_standard_errors_of_the_glm():
    mixture, X, y = fitted("poisson", 1)
    design, mean = design_of(X), mixture.predict(X)
    information = design.T @ (mean[:, np.newaxis] * design)
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(summary(mixture, X, y)["std_error"], expected)


def test_one_logistic_expert_has_the_standard_errors_of_the_glm():
    mixture, X, y = fitted("binary", 1)
    design, probability = design_of(X), mixture.predict_proba(X)[:, [1]]
    information = design.T @ (probability * (1 - probability) * design)
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(summary(mixture, X, y)["std_error"], expected)


def test_the_sandwich_of_one_gaussian_expert_is_that_of_white():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = X[:, 0] + np.exp(X[:, 1]) * rng.normal(size=300)
    mixture = maximum_likelihood(LinearRegression(), 1).fit(X, y)
    design, error = design_of(X), (y - mixture.predict(X))[:, np.newaxis]
    bread = np.linalg.inv(design.T @ design)
    expected = bread @ (design.T @ (error**2 * design)) @ bread
    table = summary(mixture, X, y, covariance="sandwich")
    std_error = table["std_error"].iloc[:3]
    np.testing.assert_allclose(std_error, np.sqrt(np.diag(expected)))


def test_the_outer_products_of_one_logistic_expert_are_those_of_its_gradients():
    mixture, X, y = fitted("binary", 1)
    gradient = (y - mixture.predict_proba(X)[:, 1])[:, np.newaxis] * design_of(X)
    expected = np.sqrt(np.diag(np.linalg.inv(gradient.T @ gradient)))
    table = summary(mixture, X, y, covariance="opg")
    np.testing.assert_allclose(table["std_error"], expected)


# Several experts
# ---------------


@pytest.fixture(scope="module")
def bootstrap():
    """A fit, its rows, and the spread of its parameters over resamples of these."""
    mixture, X, y = fitted("gaussian", 2)
    responsibilities = mixture.responsibilities(X, y)
    rng = np.random.default_rng(0)
    estimates = []
    for _ in range(80):
        rows = rng.integers(len(y), size=len(y))
        again = clone(mixture).set_params(init=responsibilities[rows], tol=1e-6)
        again.fit(X[rows], y[rows])
        estimates.append(summary(again, X[rows], y[rows])["estimate"])
    return mixture, X, y, np.std(estimates, axis=0)


@each_covariance
def test_standard_errors_are_about_those_of_a_bootstrap(bootstrap, covariance):
    mixture, X, y, spread = bootstrap
    table = summary(mixture, X, y, covariance=covariance)
    np.testing.assert_allclose(table["std_error"], spread, rtol=0.3)


def test_not_knowing_the_expert_costs_information():
    mixture, X, y = fitted("gaussian", 2)
    table = summary(mixture, X, y)["std_error"]
    design = design_of(X)
    for k, name in enumerate(mixture.named_experts_):
        weights = mixture.responsibilities(X, y)[:, [k]]
        known = np.linalg.inv(design.T @ (weights * design))
        alone = mixture.noise_.scale_[k] * np.sqrt(np.diag(known))
        assert np.all(table[name].iloc[:3] > alone)


def sees(columns, last):
    seen = make_column_transformer(
        ("passthrough", columns), verbose_feature_names_out=False
    )
    return make_pipeline(seen, last)


CURVE = make_pipeline(PolynomialFeatures(2, include_bias=False), LinearRegression())
PATENTS = {
    "data": "patent.csv",
    "target": "Patents",
    "experts": sees(["lgRD"], POISSON),
    "gate": sees(["RDS"], SoftmaxGate(alpha=0)),
}
FITS_OF_FLEXMIX = {
    "curves": {"data": "NPreg.csv", "target": "yn", "experts": CURVE, "gate": None},
    "curves with a constant gate": {
        "data": "NPreg.csv",
        "target": "yn",
        "experts": CURVE,
        "gate": DummyClassifier(strategy="prior"),
    },
    "counts": {"data": "NPreg.csv", "target": "yp", "experts": POISSON, "gate": None},
    "patents by 2": PATENTS,
    "patents by 3": PATENTS,
}


def rows_nearest_to(lines, x, y, link):
    """The expert of flexmix whose answer is nearest to each target."""
    coefficients = lines.drop("(scale)", level="parameter", errors="ignore")
    answers = [
        link(np.polynomial.Polynomial(line.to_numpy())(x))
        for _, line in coefficients.groupby("part")
    ]
    return np.abs(y - np.array(answers)).argmin(axis=0)


@pytest.mark.parametrize("fit", FITS_OF_FLEXMIX)
def test_standard_errors_are_those_of_flexmix(fit):
    case = FITS_OF_FLEXMIX[fit]
    data = pd.read_csv(DATA / case["data"])
    X = data[["x"] if "x" in data else ["lgRD", "RDS"]]
    y = data[case["target"]]
    theirs = pd.read_csv(DATA / "flexmix_refit.csv", index_col=["part", "parameter"])
    theirs = theirs[theirs.pop("fit") == fit]
    experts = theirs[~theirs.index.get_level_values("part").str.startswith("gate")]
    gaussian = case["target"] == "yn"
    ours = summary(
        maximum_likelihood(
            case["experts"],
            experts.index.get_level_values("part").nunique(),
            case["gate"],
            noise="gaussian" if gaussian else "poisson",
            init=rows_nearest_to(
                experts["estimate"],
                X.iloc[:, 0].to_numpy(),
                y.to_numpy(),
                np.positive if gaussian else np.exp,
            ),
            tol=1e-11,
        ).fit(X, y),
        X,
        y,
    )[["estimate", "std_error"]]
    # flexmix is about the logarithm of a scale.
    is_scale = ours.index.get_level_values("parameter") == "(scale)"
    scale = ours.loc[is_scale, "estimate"]
    ours.loc[is_scale, "std_error"] /= scale
    ours.loc[is_scale, "estimate"] = np.log(scale)
    assert list(ours.index) == list(theirs.index)
    # It takes second derivatives by differences, with steps of 0.001.
    error = (ours - theirs).abs().div(theirs["std_error"], axis=0)
    assert error.max(axis=None) < 2e-3


# Weights
# -------


@pytest.mark.parametrize("covariance", ["observed", "opg"])
def test_a_weight_of_two_equals_the_row_twice(covariance):
    mixture, X, y = fitted("gaussian", 2)
    times = np.random.default_rng(0).integers(0, 4, size=len(y))
    weighted = summary(mixture, X, y, times, covariance=covariance)
    rows = np.repeat(np.arange(len(y)), times)
    repeated = summary(mixture, X[rows], y[rows], covariance=covariance)
    pd.testing.assert_frame_equal(weighted, repeated)


@each_covariance
def test_a_weight_of_zero_equals_no_row(covariance):
    mixture, X, y = fitted("gaussian", 2)
    kept = X[:, 1] < 1.5
    weighted = summary(mixture, X, y, kept.astype(float), covariance=covariance)
    without = summary(mixture, X[kept], y[kept], covariance=covariance)
    pd.testing.assert_frame_equal(weighted, without)


def test_the_sandwich_does_not_depend_on_the_unit_of_the_weights():
    mixture, X, y = fitted("gaussian", 2)
    weights = np.random.default_rng(0).uniform(1, 2, size=len(y))
    small = summary(mixture, X, y, weights, covariance="sandwich")
    large = summary(mixture, X, y, 100 * weights, covariance="sandwich")
    pd.testing.assert_frame_equal(small, large)


# The table
# ---------


def test_z_and_p_values_are_those_of_a_two_sided_normal_test():
    mixture, X, y = fitted("poisson", 2)
    table = summary(mixture, X, y)
    z = table["estimate"] / table["std_error"]
    np.testing.assert_allclose(table["z"], z)
    np.testing.assert_allclose(table["p_value"], 2 * stats.norm.cdf(-np.abs(z)))


def test_a_scale_is_not_tested():
    mixture, X, y = fitted("gaussian", 2)
    table = summary(mixture, X, y)
    scales = table.xs("(scale)", level="parameter")
    np.testing.assert_array_equal(scales["estimate"], mixture.noise_.scale_)
    assert scales["std_error"].gt(0).all()
    assert scales[["z", "p_value"]].isna().all(axis=None)
    assert table.drop(scales.index, level="part").notna().all(axis=None)


def test_estimates_are_those_of_the_experts_and_of_the_gate_against_the_first():
    mixture, X, y = fitted("gaussian", 3)
    estimate = summary(mixture, X, y)["estimate"]
    gate = mixture.gate_
    for k, (name, expert) in enumerate(mixture.named_experts_.items()):
        ours = [expert.intercept_, *expert.coef_, mixture.noise_.scale_[k]]
        np.testing.assert_array_equal(estimate[name], ours)
        if k > 0:
            against = [
                gate.intercept_[k] - gate.intercept_[0],
                *(gate.coef_[k] - gate.coef_[0]),
            ]
            np.testing.assert_array_equal(estimate[f"gate: {name}"], against)
    assert "gate: expert0" not in estimate


def test_several_classes_stand_against_the_first():
    X, y, rule = problem("classes", 2)
    names = np.array(["apple", "pear", "plum"])
    mixture = maximum_likelihood(LOGISTIC, 2, init=rule).fit(X, names[y])
    part = summary(mixture, X, names[y]).loc["expert1", "estimate"]
    expert = mixture.experts_[1]
    assert list(part.index) == [
        f"{name}: {column}"
        for name in ("pear", "plum")
        for column in ("(intercept)", "x0", "x1")
    ]
    assert part["plum: x1"] == expert.coef_[2, 1] - expert.coef_[0, 1]
    assert part["pear: (intercept)"] == expert.intercept_[1] - expert.intercept_[0]


def test_parameters_have_the_names_of_columns():
    X, y, rule = problem("gaussian", 2)
    frame = pd.DataFrame(X, columns=["day", "wind"])
    experts = [("line", sees(["wind"], LinearRegression())), ("curve", CURVE)]
    mixture = maximum_likelihood(
        experts,
        2,
        sees(["day"], SoftmaxGate(alpha=0)),
        init=rule,
        specialize=True,
    ).fit(frame, y)
    names = summary(mixture, frame, y).index.to_frame()["parameter"]
    assert list(names["line"]) == ["(intercept)", "wind", "(scale)"]
    powers = ["day", "wind", "day^2", "day wind", "wind^2"]
    assert list(names["curve"]) == ["(intercept)", *powers, "(scale)"]
    assert list(names["gate: curve"]) == ["(intercept)", "day"]


def test_columns_that_a_step_does_not_name_are_counted():
    X, y, rule = problem("gaussian", 2)
    expert = make_pipeline(FunctionTransformer(np.exp), LinearRegression())
    mixture = maximum_likelihood(expert, 2, init=rule).fit(X, y)
    names = list(summary(mixture, X, y).loc["expert0"].index)
    assert names == ["(intercept)", "x0", "x1", "(scale)"]


def test_the_gate_has_the_columns_of_its_encoder():
    X, y, rule = problem("gaussian", 2)
    side = np.where(X[:, 0] > 0, "right", "left")
    frame = pd.DataFrame({"side": side, "wind": X[:, 1]})
    mixture = maximum_likelihood(
        sees(["wind"], LinearRegression()), 2, SoftmaxGate(alpha=1e-3), init=rule
    ).fit(frame, y)
    with pytest.warns(UserWarning, match=r"no finite standard error of .*side_left"):
        # Each side is the other's complement.
        gate = summary(mixture, frame, y).loc["gate: expert1"]
    assert set(gate.index) == {"(intercept)", "wind", "side_left", "side_right"}
    assert gate["std_error"].notna().to_dict() == {
        "(intercept)": False,
        "wind": True,
        "side_left": False,
        "side_right": False,
    }


def test_an_expert_without_an_intercept_has_none():
    X, y, rule = problem("gaussian", 2)
    expert = LinearRegression(fit_intercept=False)
    mixture = maximum_likelihood(expert, 2, init=rule).fit(X, y)
    table = summary(mixture, X, y)
    assert list(table.loc["expert0"].index) == ["x0", "x1", "(scale)"]
    alone = maximum_likelihood(expert, 1).fit(X + 5, y)
    known = np.linalg.inv((X + 5).T @ (X + 5))
    expected = alone.noise_.scale_ * np.sqrt(np.diag(known))
    std_error = summary(alone, X + 5, y)["std_error"].iloc[:2]
    np.testing.assert_allclose(std_error, expected)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_a_mean_is_an_expert_with_an_intercept_alone(kind):
    X, y, _ = problem(kind, 2)
    linear = LinearRegression() if kind == "gaussian" else POISSON
    ones = FunctionTransformer(lambda X: np.ones((len(X), 1)))
    alone = make_pipeline(ones, clone(linear).set_params(fit_intercept=False))
    tables = [
        summary(
            maximum_likelihood(
                [("level", level), ("line", linear)], 2, specialize=True, noise=kind
            ).fit(X, y),
            X,
            y,
        )
        for level in (DummyRegressor(), alone)
    ]
    dummy, expected = tables
    assert dummy.index[0] == ("level", "(intercept)")
    np.testing.assert_allclose(dummy, expected, rtol=1e-3, atol=1e-4)


def test_a_constant_that_was_given_has_its_scale_alone():
    X, y, _ = problem("gaussian", 2)
    zero = DummyRegressor(strategy="constant", constant=0)
    mixture = maximum_likelihood(
        [("zero", zero), ("line", LinearRegression())], 2, specialize=True
    ).fit(X, y)
    table = summary(mixture, X, y)
    assert table.loc["zero"].index.tolist() == ["(scale)"]
    assert (table["std_error"] > 0).all()


def test_sparse_rows_give_the_table_of_dense_ones():
    mixture, X, y = fitted("gaussian", 2)
    dense = summary(mixture, X, y)
    pd.testing.assert_frame_equal(summary(mixture, sparse.csr_array(X), y), dense)


def test_lists_give_the_table_of_arrays():
    mixture, X, y = fitted("binary", 2)
    table = summary(mixture, X.tolist(), y.tolist())
    pd.testing.assert_frame_equal(table, summary(mixture, X, y))


@pytest.mark.parametrize(("origin", "unit"), [(1e6, 1.0), (0.0, 1e-6), (-1e5, 1e4)])
def test_standard_errors_follow_the_unit_of_a_column(origin, unit):
    mixture, X, y = fitted("gaussian", 2)
    moved = origin + unit * X
    again = clone(mixture).fit(moved, y)
    ours = summary(again, moved, y)["std_error"].drop("(intercept)", level=1)
    expected = summary(mixture, X, y)["std_error"].drop("(intercept)", level=1)
    is_scale = expected.index.get_level_values("parameter") == "(scale)"
    expected[~is_scale] /= unit
    np.testing.assert_allclose(ours, expected, rtol=1e-3)


# Where there is no standard error
# --------------------------------


def test_collinear_columns_have_no_standard_error():
    X, y, rule = problem("gaussian", 2)
    X = np.column_stack([X, 2 * X[:, 1] - 1])
    mixture = maximum_likelihood(
        sees([0, 1, 2], LinearRegression()),
        2,
        sees([0], SoftmaxGate(alpha=0)),
        init=rule,
    ).fit(X, y)
    message = (
        "no finite standard error of expert0 (intercept); expert0 x1; expert0 x2; "
        "expert1 (intercept); expert1 x1; expert1 x2."
    )
    with pytest.warns(UserWarning, match=re.escape(message)):
        table = summary(mixture, X, y)
    assert table["std_error"].notna().sum() == 6
    assert table["z"].isna().equals(table["p_value"].isna())


def test_a_gate_that_separates_its_rows_has_no_standard_error():
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 3, size=(100, 1)) * np.tile([[1], [-1]], (50, 1))
    y = X[:, 0] + 3 * np.sign(X[:, 0]) + 0.1 * rng.normal(size=100)
    mixture = maximum_likelihood(LinearRegression(), 2).fit(X, y)
    message = "no finite standard error of gate: expert1 (intercept); gate: expert1 x0."
    with pytest.warns(UserWarning, match=re.escape(message)):
        table = summary(mixture, X, y)
    assert table.loc["gate: expert1", "std_error"].isna().all()
    assert table.drop("gate: expert1", level="part")["std_error"].notna().all()


def test_a_retired_expert_has_no_standard_error():
    X, y, _ = problem("gaussian", 1)
    experts = [
        ("line", LinearRegression()),
        ("idle", LinearRegression(fit_intercept=False)),
    ]
    mixture = maximum_likelihood(experts, 2, specialize=True)
    with pytest.warns(UserWarning, match="Experts idle .* were retired"):
        mixture.fit(X, y + 1e3)
    message = (
        "no finite standard error of idle x0; idle x1; idle (scale); "
        "gate: idle (intercept); gate: idle x0; gate: idle x1."
    )
    with pytest.warns(UserWarning, match=re.escape(message)):
        table = summary(mixture, X, y + 1e3)
    alone = maximum_likelihood(LinearRegression(), 1).fit(X, y + 1e3)
    np.testing.assert_allclose(
        table.loc["line", "std_error"],
        summary(alone, X, y + 1e3).loc["expert0", "std_error"],
    )


def test_a_fit_that_is_no_maximum_has_no_standard_error():
    mixture, X, y = fitted("gaussian", 3)
    with pytest.warns(UserWarning, match="standard error of any parameter"):
        table = summary(mixture, X, -5 * y)
    assert table["std_error"].isna().all()


# What is refused
# ---------------


@pytest.mark.parametrize(
    ("expert", "noise"),
    [
        (DecisionTreeRegressor(max_depth=2), "gaussian"),
        (make_pipeline(PolynomialFeatures(2), DecisionTreeRegressor()), "gaussian"),
        (TransformedTargetRegressor(LinearRegression()), "gaussian"),
        (PoissonRegressor(), "gaussian"),
        (LinearRegression(), "poisson"),
    ],
)
def test_an_expert_that_is_not_linear_is_named(expert, noise):
    X, y, _ = problem("poisson", 2)
    mixture = MixtureOfExpertsRegressor(
        [("odd", expert)], noise=noise, specialize=True, cv=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        mixture.fit(X, y)
    with pytest.raises(TypeError, match=r"summary needs linear experts.*'odd'"):
        summary(mixture, X, y)


def test_a_classifier_that_is_not_linear_is_named():
    X, y, _ = problem("binary", 2)
    mixture = MixtureOfExpertsClassifier(DecisionTreeClassifier(max_depth=1), 2)
    mixture.fit(X, y)
    with pytest.raises(TypeError, match=r"LogisticRegression.*'expert0'"):
        summary(mixture, X, y)


def test_a_frozen_expert_has_no_uncertainty():
    X, y, _ = problem("gaussian", 2)
    given = FrozenEstimator(LinearRegression().fit(X, y))
    mixture = MixtureOfExpertsRegressor([("given", given)]).fit(X, y)
    with pytest.raises(TypeError, match=r"EM has fitted.*'given'"):
        summary(mixture, X, y)


def test_other_noise_is_refused():
    X, y, _ = problem("gaussian", 1)
    mixture = MixtureOfExpertsRegressor(n_experts=1, noise="student_t").fit(X, y)
    with pytest.raises(TypeError, match=r"Poisson noise, and gaussian .*StudentTNoise"):
        summary(mixture, X, y)


def test_another_gate_is_refused():
    X, y, _ = problem("gaussian", 2)
    mixture = MixtureOfExpertsRegressor(n_experts=2, gate=GaussianGate()).fit(X, y)
    with pytest.raises(TypeError, match=r"needs a SoftmaxGate.*GaussianGate"):
        summary(mixture, X, y)


def test_several_targets_are_refused():
    X, y, _ = problem("gaussian", 2)
    y = np.column_stack([y, y**2])
    mixture = MixtureOfExpertsRegressor(LinearRegression(), 2).fit(X, y)
    with pytest.raises(ValueError, match="one target; y has 2"):
        summary(mixture, X, y)


def test_an_unknown_covariance_is_refused():
    mixture, X, y = fitted("gaussian", 1)
    with pytest.raises(ValueError, match=r"'covariance' must be one of.*'hessian'"):
        summary(mixture, X, y, covariance="hessian")


def test_a_mixture_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        summary(MixtureOfExpertsRegressor(), [[0.0]], [0.0])


def test_without_pandas_it_says_what_to_install(monkeypatch):
    mixture, X, y = fitted("gaussian", 1)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        summary(mixture, X, y)
