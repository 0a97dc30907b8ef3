"""Check that a change of the code does not change the fits of many mixtures.

`python benchmarks/fits.py record before.npz` fits some hundreds of small mixtures, of
all tasks, noises, gates, assignments, starts and kinds of experts, in memory, from
streams and over Dask collections, and records their parameters and their predictions
for new rows. `python benchmarks/fits.py compare before.npz after.npz` prints the
differences of two such files: fits in memory must be the same to the last bit, streams
and fits over collections to one part in ten billion.

Only public names are used, so that the program runs with any version of the package;
`PYTHONPATH=another/clone` records the fits of another clone.
"""

import argparse
import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import gen_batches
from threadpoolctl import threadpool_limits

N_ROWS, N_NEW = 240, 30
BATCH = 80
# Maximum relative difference of two recordings of the same fit; 0 means that all bits
# must be equal.
TOLERANCES = {"local": 0.0, "stream": 1e-10, "dask": 1e-10}

# Aspects of a fit that are recorded, which are the columns of the comparison.
ASPECTS = ("objective", "parameters", "predictions")
OBJECTIVE = ("objective_path_", "log_likelihood_", "n_iter_", "converged_")
SHARES = ("expert_share_", "expert_load_", "overflow_fraction_")
LEARNT = (
    "alpha_",
    "bounds_",
    "class_count_",
    "class_log_prior_",
    "class_prior_",
    "coef_",
    "coefs_",
    "covariances_",
    "feature_log_prob_",
    "feature_mean_",
    "feature_scale_",
    "intercept_",
    "intercepts_",
    "means_",
    "priors_",
    "theta_",
    "var_",
)
# Methods that are called with X, and methods that are called with X and y.
ABOUT_ROWS = ("predict", "predict_proba", "predict_gate", "apply", "transform")
ABOUT_TARGETS = ("responsibilities", "score_samples", "score")


# Rows
# ----


@dataclass(frozen=True)
class Rows:
    """Training rows, and new rows that are not used in training.

    Attributes
    ----------
    X : ndarray, sparse array or DataFrame
    y : ndarray
    X_new, y_new : of the same kind
    sample_weight : ndarray or None
    """

    X: Any
    y: np.ndarray
    X_new: Any
    y_new: np.ndarray
    sample_weight: np.ndarray | None = None

    @classmethod
    def of(cls, X, y):
        """Hold out the last rows as new rows."""
        seen, new = slice(len(y) - N_NEW), slice(len(y) - N_NEW, None)
        return cls(take(X, seen), y[seen], take(X, new), y[new])

    def weighted(self):
        """Return the rows with weights, some of which are zero."""
        weights = np.random.default_rng(1).uniform(0.5, 2, len(self.y))
        weights[::10] = 0
        return replace(self, sample_weight=weights)

    def some(self, kept):
        """Return a part of the training rows, with all new rows."""
        weights = self.sample_weight
        return replace(
            self,
            X=take(self.X, kept),
            y=self.y[kept],
            sample_weight=None if weights is None else weights[kept],
        )


def take(X, kept):
    """Select rows of an array or a frame."""
    return X.iloc[kept] if hasattr(X, "iloc") else X[kept]


def lines(n_rows=N_ROWS, seed=0):
    """Draw features, and targets by a different rule in each of three regions."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_rows + N_NEW, 3))
    region = np.where(X[:, 0] > 0.3, 0, np.where(X[:, 1] > 0, 1, 2))
    rules = [2 * X[:, 1] + 1, -X[:, 1] - X[:, 2], 2 * X[:, 2] + X[:, 0] - 1]
    y = np.choose(region, rules)
    return X, y + 0.3 * rng.standard_normal(len(y))


def numbers(n_rows=N_ROWS):
    return Rows.of(*lines(n_rows))


def changed(make, n_rows=N_ROWS):
    """Return rows changed by `make`, which is given X, y and a random generator."""
    X, y = lines(n_rows)
    return Rows.of(*make(X, y, np.random.default_rng(2)))


def heavy_tails(X, y, rng):
    return X, y + 0.3 * rng.standard_t(2, len(y))


def counts(X, y, rng):
    return X, rng.poisson(np.exp(0.5 * y + 1)).astype(float)


def dispersed_counts(X, y, rng):
    mean = np.exp(0.5 * y + 1)
    return X, rng.poisson(rng.gamma(2, mean / 2)).astype(float)


def positive(X, y, rng):
    return X, np.exp(0.4 * y) * rng.gamma(6, 1 / 6, len(y))


def uneven_noise(X, y, rng):
    return X, y + np.exp(0.7 * X[:, 2]) * rng.standard_normal(len(y))


def two_targets(X, y, rng):
    return X, np.column_stack([y, 10 * X[:, 1] + y + rng.standard_normal(len(y))])


def single_precision(X, y, rng):
    return X.astype(np.float32), y.astype(np.float32)


def sparse_rows(X, y, rng):
    return sparse.csr_array(np.maximum(X, 0)), y


def missing_numbers(X, y, rng):
    X = X.copy()
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def two_classes(X, y, rng):
    return X, (y > 0.3).astype(int)


def three_classes(X, y, rng):
    return X, np.where(y > 1, "high", np.where(y > -0.5, "middle", "low"))


def sparse_classes(X, y, rng):
    return sparse.csr_array(np.maximum(X, 0)), (y > 0.3).astype(int)


def few_distinct(X, y, rng):
    """Return rows with five distinct values only: too few for many experts."""
    places = rng.integers(0, 5, len(y))
    return X[places], np.abs(X[places, 0]) + 0.01 * rng.standard_normal(len(y))


def few_distinct_classes(X, y, rng):
    X, y = few_distinct(X, y, rng)
    return X, (rng.random(len(y)) < 0.3 + 0.4 * (y > y.mean())).astype(int)


def no_noise(X, y, rng):
    """Return two lines without noise, which two experts fit exactly."""
    return X[:, :2], np.abs(X[:, 0])


def mixed_frame(X, y, rng):
    """Return numbers, counts, categories, texts, flags and days, some missing."""
    n_rows = len(y)
    frame = pd.DataFrame(
        {
            "number": X[:, 1],
            "count": pd.array(rng.integers(0, 5, n_rows), dtype="Int64"),
            "letter": pd.Categorical(np.where(X[:, 0] > 0.2, "x", "y")),
            "text": rng.choice(["u", "v", None], n_rows),
            "flag": X[:, 2] > 0,
            "day": pd.date_range("2020-01-01", periods=n_rows),
        }
    )
    frame.loc[3, "number"] = np.nan
    frame.loc[4, "count"] = pd.NA
    frame.loc[5, "day"] = pd.NaT
    frame.loc[6, "letter"] = np.nan
    return frame, y


def mixed_classes(X, y, rng):
    return mixed_frame(X, three_classes(X, y, rng)[1], rng)


def whole_frame(X, y, rng):
    """Return numbers and a text column, without missing values."""
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    return frame.assign(text=np.where(X[:, 0] > 0.2, "u", "v")), y


def whole_classes(X, y, rng):
    return whole_frame(X, three_classes(X, y, rng)[1], rng)


def grades(X, y, rng):
    """Return numbers, and a categorical column whose categories are numbers."""
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    return frame.assign(grade=pd.Categorical((X[:, 0] > 0.2) + 1)), y


def on_mixed_frame(last):
    """Return an estimator with preprocessing for the mixed frame."""
    columns = make_column_transformer(
        (SimpleImputer(), ["number"]),
        (OneHotEncoder(handle_unknown="ignore"), ["letter"]),
    )
    return make_pipeline(columns, last)


def on_whole_frame(last):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["text"]), remainder="passthrough"
    )
    return make_pipeline(columns, last)


# Ways to fit
# -----------


def fit(mixture, rows):
    return mixture.fit(rows.X, rows.y, sample_weight=rows.sample_weight)


def fit_twice(mixture, rows):
    """Fit to one half, then to the other."""
    half = len(rows.y) // 2
    for part in (slice(half), slice(half, None)):
        fit(mixture, rows.some(part))
    return mixture


def stream(mixture, rows):
    """Learn all rows in batches."""
    votes = hasattr(mixture, "predict_proba")
    return go_on(mixture, rows, **({"classes": np.unique(rows.y)} if votes else {}))


def go_on(mixture, rows, **first):
    """Learn batches; `first` holds further arguments of the first call."""
    for batch in gen_batches(len(rows.y), BATCH):
        part = rows.some(batch)
        mixture.partial_fit(part.X, part.y, sample_weight=part.sample_weight, **first)
        first = {}
    return mixture


def fit_then_stream(mixture, rows):
    """Fit to the first half, then learn the other in batches."""
    half = len(rows.y) // 2
    fit(mixture, rows.some(slice(half)))
    return go_on(mixture, rows.some(slice(half, None)))


def fit_spread(mixture, rows):
    """Fit to partitions of different sizes."""
    return mixture.fit(
        spread(rows.X), spread(rows.y), sample_weight=spread(rows.sample_weight)
    )


def spread(values):
    """Return a Dask collection of the values; None stays None."""
    if values is None:
        return None
    if hasattr(values, "iloc"):
        import dask.dataframe as dd

        return dd.from_pandas(values, npartitions=3)
    import dask.array as da

    sizes = (90, 20, 100, len(values) - 210) if len(values) > 210 else (20, 10)
    return da.from_array(
        np.asarray(values), chunks=(sizes, *((n,) for n in values.shape[1:]))
    )


@dataclass(frozen=True)
class Case:
    """A mixture, its training rows, and the way to fit it.

    Attributes
    ----------
    mixture : estimator
        The unfitted mixture.
    rows : Rows
    learn : callable
        ``learn(mixture, rows)`` returns the fitted mixture.
    """

    mixture: Any
    rows: Rows
    learn: Callable


class Cases(dict):
    """Cases by name, which begins with the kind, as in "dask: regressor, trees"."""

    def add(self, name, mixture, rows, learn):
        if name in self:
            raise ValueError(f"Two mixtures have the name {name!r}.")
        self[name] = Case(mixture, rows, learn)


# The mixtures
# ------------

DEFAULTS = {"n_experts": 3, "random_state": 0, "max_iter": 30}


def regressors(cases):
    """Add mixtures of regressors that are fitted to rows in memory."""
    from lightgbm import LGBMRegressor

    import sklearn_moe as moe

    plain = numbers()
    left = (plain.X[:, 0] > 0.2).astype(int)
    shares = np.column_stack([1 - 0.8 * left - 0.1, 0.8 * left + 0.1])
    line, tree = Ridge(), DecisionTreeRegressor(max_depth=3)
    unlike = [("line", line), ("tree", tree), ("near", KNeighborsRegressor())]
    boosting = LGBMRegressor(
        n_estimators=10, num_leaves=5, n_jobs=1, verbose=-1, deterministic=True
    )
    inner = moe.MixtureOfExpertsRegressor(n_experts=2, max_iter=5)
    frozen_line = FrozenEstimator(LinearRegression().fit(plain.X[:60], plain.y[:60]))
    frozen_gate = FrozenEstimator(moe.SoftmaxGate().fit(plain.X, left))
    scaled_gate = make_pipeline(StandardScaler(), moe.SoftmaxGate())
    scaled_regions = make_pipeline(StandardScaler(), moe.GaussianGate())
    tree_gate = DecisionTreeClassifier(max_depth=3)
    frozen_tree = FrozenEstimator(clone(tree_gate).fit(plain.X, left))
    logistic_gate = LogisticRegression()

    def add(name, rows=plain, learn=fit, **params):
        mixture = moe.MixtureOfExpertsRegressor(**DEFAULTS | params)
        cases.add(f"local: regressor, {name}", mixture, rows, learn)

    # Data
    add("default", n_experts=4, max_iter=100)
    add("weights", plain.weighted(), n_experts=4)
    add("two targets", changed(two_targets))
    add("two targets, weights", changed(two_targets).weighted())
    add("two targets, trees", changed(two_targets), experts=tree)
    add("single precision", changed(single_precision))
    add("single precision, trees", changed(single_precision), experts=tree)
    add("sparse", changed(sparse_rows))
    add("sparse, weights", changed(sparse_rows).weighted())
    add("missing numbers", changed(missing_numbers), experts=tree)
    frame = changed(mixed_frame)
    add("frame", frame, experts=on_mixed_frame(line))
    add("frame, weights", frame.weighted(), experts=on_mixed_frame(line))
    add(
        "frame, gaussian gate",
        frame,
        experts=on_mixed_frame(line),
        gate=moe.GaussianGate(),
    )
    add("frame, trees and k-means", frame, experts=on_mixed_frame(tree), init="kmeans")
    add(
        "frame, gate in a pipeline",
        frame,
        experts=on_mixed_frame(line),
        gate=on_mixed_frame(moe.SoftmaxGate()),
    )
    add("one expert", n_experts=1)

    # Noises
    for noise, make in {
        "gaussian": uneven_noise,
        "laplace": heavy_tails,
        "student_t": heavy_tails,
        "poisson": counts,
        "negative_binomial": dispersed_counts,
        "gamma": positive,
        "lognormal": positive,
    }.items():
        rows = changed(make)
        add(f"noise {noise}", rows, noise=noise)
        add(f"noise {noise}, weights", rows.weighted(), noise=noise)
        add(f"noise {noise}, trees", rows, noise=noise, experts=tree, n_experts=2)
    heavy, uneven = changed(heavy_tails), changed(uneven_noise)
    add("noise student_t, df given", heavy, noise=moe.StudentTNoise(df=3))
    add(
        "noise student_t, two targets",
        changed(two_targets),
        noise=moe.StudentTNoise(df=3),
        max_iter=10,
    )
    add("noise laplace, two targets", changed(two_targets), noise="laplace")
    add("noise laplace, single precision", changed(single_precision), noise="laplace")
    add("noise heteroscedastic", uneven, noise=moe.HeteroscedasticGaussian())
    add(
        "noise heteroscedastic, trees",
        uneven.weighted(),
        noise=moe.HeteroscedasticGaussian(DecisionTreeRegressor(max_depth=2)),
    )
    add(
        "noise heteroscedastic, two targets",
        changed(two_targets),
        noise=moe.HeteroscedasticGaussian(),
        max_iter=10,
    )
    add(
        "noise poisson, generalised linear experts",
        changed(counts),
        noise="poisson",
        experts=PoissonRegressor(alpha=1e-3),
    )

    # Gates
    for name, gate in {
        "softmax": moe.SoftmaxGate(),
        "alpha": moe.SoftmaxGate(alpha=0.05),
        "clip": moe.SoftmaxGate(clip=1.2),
        "load balance": moe.SoftmaxGate(load_balance=0.3),
        "gaussian": moe.GaussianGate(),
        "gaussian full": moe.GaussianGate("full", reg_covar=0.01),
        "logistic": logistic_gate,
        "tree": tree_gate,
        "near rows": KNeighborsClassifier(15),
        "pipeline softmax": scaled_gate,
        "pipeline gaussian": scaled_regions,
        "pipeline logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    }.items():
        add(f"gate {name}", gate=gate, max_iter=15)
    add(
        "gate load balance, weights",
        plain.weighted(),
        gate=moe.SoftmaxGate(load_balance=0.3),
    )
    add("gate gaussian, weights", plain.weighted(), gate=moe.GaussianGate())
    add("gate tree, weights", plain.weighted(), gate=tree_gate, max_iter=10)
    add("gate tree, cv=None", gate=tree_gate, cv=None)
    add("gate tree, cv=3", gate=tree_gate, cv=3, max_iter=10)
    add("gate logistic, cv=None", gate=logistic_gate, cv=None)
    add("gate logistic, two starts", gate=logistic_gate, n_init=2, max_iter=8)
    add("gate frozen", gate=frozen_gate, n_experts=2)
    add("gate frozen tree", gate=frozen_tree, n_experts=2)
    add("gate sparse, clip", changed(sparse_rows), gate=moe.SoftmaxGate(clip=1.5))

    # Assignment
    add("hard", assignment="hard")
    add("hard, weights", plain.weighted(), assignment="hard")
    add("hard, trees", assignment="hard", experts=tree)
    for overflow in ("drop", "reroute"):
        tight = {"assignment": "hard", "capacity_factor": 0.9, "overflow": overflow}
        add(f"hard, {overflow}", **tight)
        add(f"hard, {overflow}, weights", plain.weighted(), **tight)
    add("expert choice", assignment="expert_choice")
    add("expert choice, weights", plain.weighted(), assignment="expert_choice")
    add("expert choice, capacity", assignment="expert_choice", capacity_factor=1.5)
    add(
        "expert choice, forest",
        assignment="expert_choice",
        experts=RandomForestRegressor(5, max_depth=3),
        max_iter=5,
    )
    add("hard, gaussian gate", assignment="hard", gate=moe.GaussianGate())
    add("argmax", combination="argmax")
    add("two answer", n_experts=4, top_k=2)

    # Starts
    for init in ("tree", "kmeans", "random"):
        add(f"start {init}", init=init, n_experts=4)
        add(f"start {init}, weights", plain.weighted(), init=init, n_experts=4)
    add("start random, seed 1", init="random", random_state=1)
    add("start labels", init=left, n_experts=2)
    add("start labels, weights", plain.weighted(), init=left, n_experts=2)
    add("start responsibilities", init=shares, n_experts=2)
    add("start KMeans", init=KMeans(3, n_init=1))
    add("start GaussianMixture", init=GaussianMixture(3))
    add("three starts", n_init=3, max_iter=15)
    add("three starts, weights", plain.weighted(), n_init=3, max_iter=15)
    add("three starts, trees", n_init=3, max_iter=8, experts=tree)
    add("three starts, two jobs", n_init=3, max_iter=10, n_jobs=2)
    add("warm start", learn=fit_twice, warm_start=True)
    add("warm start, student_t", heavy, fit_twice, warm_start=True, noise="student_t")
    add(
        "warm start, gaussian gate",
        learn=fit_twice,
        warm_start=True,
        gate=moe.GaussianGate(),
    )
    add("warm start, trees", learn=fit_twice, warm_start=True, experts=tree)
    add("fitted anew", learn=fit_twice)
    add("squarem", acceleration="squarem", max_iter=100)
    add("squarem, laplace", heavy, acceleration="squarem", noise="laplace")
    add("squarem, trees", acceleration="squarem", experts=tree)
    add(
        "squarem, gaussian gate",
        plain.weighted(),
        acceleration="squarem",
        gate=moe.GaussianGate(),
    )
    add("squarem, tree gate", acceleration="squarem", gate=tree_gate, max_iter=8)

    # Experts
    for name, expert in {
        "least squares": LinearRegression(),
        "ridge through the origin": Ridge(fit_intercept=False),
        "least squares through the origin": LinearRegression(fit_intercept=False),
        "strong ridge": Ridge(alpha=10.0),
        "tree": tree,
        "forest": RandomForestRegressor(8, max_depth=3),
        "near rows": KNeighborsRegressor(5),
        "boosting": boosting,
        "pipeline": make_pipeline(StandardScaler(), Ridge()),
        "pipeline of near rows": make_pipeline(StandardScaler(), KNeighborsRegressor()),
    }.items():
        add(f"experts {name}", experts=expert, max_iter=10)
        add(f"experts {name}, weights", plain.weighted(), experts=expert, max_iter=5)
    add("experts least squares, folds", experts=LinearRegression(), cv=3)
    add("experts unlike", experts=unlike)
    add("experts unlike, weights", plain.weighted(), experts=unlike)
    add("experts unlike, specialised", experts=unlike, specialize=True, max_iter=8)
    add("experts unlike, cv=None", experts=unlike, cv=None)
    add("experts unlike, laplace", heavy, experts=unlike, noise="laplace")
    add("experts unlike, two starts", experts=unlike, n_init=2)
    add("experts unlike, two jobs", experts=unlike, n_jobs=2)
    add(
        "experts of two penalties",
        experts=[("weak", Ridge()), ("strong", Ridge(alpha=100.0))],
    )
    add("not specialised", experts=line, specialize=False)
    add("cv=3", experts=tree, cv=3, max_iter=10)
    add("cv=3, weights", plain.weighted(), experts=tree, cv=3, max_iter=10)
    add("cv=3, two jobs", experts=tree, cv=3, n_jobs=2, max_iter=5)
    add("calibrated", calibrate=True)
    add("calibrated, weights", plain.weighted(), calibrate=True)
    add(
        "calibrated trees, laplace",
        heavy,
        experts=tree,
        calibrate=True,
        noise="laplace",
        max_iter=10,
    )
    add(
        "calibrated, heteroscedastic",
        uneven,
        calibrate=True,
        noise=moe.HeteroscedasticGaussian(),
        max_iter=10,
    )
    add("cross-fitted, not calibrated", experts=unlike, calibrate=False)
    add("experts frozen", experts=[("given", frozen_line), ("line", line)])
    add(
        "experts frozen, cv=3",
        experts=[("given", frozen_line), ("tree", tree)],
        cv=3,
        max_iter=10,
    )
    add("hierarchy", experts=inner, n_experts=2, max_iter=5)
    add("hierarchy, weights", plain.weighted(), experts=inner, n_experts=2, max_iter=5)
    add(
        "hierarchy and a line", experts=[("mixture", inner), ("line", line)], max_iter=5
    )
    add("two jobs", experts=tree, n_jobs=2, max_iter=5)
    add("sharing 0", sharing=0)
    add("sharing 0.2", plain.weighted(), sharing=0.2)
    add("few distinct rows", changed(few_distinct), n_experts=8, sharing=0, max_iter=40)
    add(
        "few distinct rows, trees",
        changed(few_distinct),
        n_experts=8,
        sharing=0,
        experts=tree,
        max_iter=40,
    )
    add(
        "few distinct rows, hard",
        changed(few_distinct),
        n_experts=8,
        assignment="hard",
        max_iter=40,
    )
    dying = {"n_experts": 5, "sharing": 0.0, "max_iter": 60, "init": "random"}
    add("dead experts", changed(no_noise), **dying)
    add(
        "dead experts, least squares",
        changed(no_noise),
        experts=LinearRegression(),
        **dying,
    )
    add(
        "dead experts, gaussian gate",
        changed(no_noise),
        gate=moe.GaussianGate(),
        **dying,
    )
    add(
        "dead experts, tree gate",
        changed(no_noise),
        gate=DecisionTreeClassifier(max_depth=3),
        cv=None,
        **dying,
    )
    add("dead experts, squarem", changed(no_noise), acceleration="squarem", **dying)
    add("refused: negative counts", noise="poisson")
    add("refused: too many experts", n_experts=1000)


def classifiers(cases):
    """Add mixtures of classifiers that are fitted to rows in memory."""
    from lightgbm import LGBMClassifier

    import sklearn_moe as moe

    two, three = changed(two_classes), changed(three_classes)
    left = (two.X[:, 0] > 0.2).astype(int)
    tree = DecisionTreeClassifier(max_depth=3)
    logistic = LogisticRegression()
    unlike = [("logistic", logistic), ("tree", tree), ("bayes", GaussianNB())]
    boosting = LGBMClassifier(
        n_estimators=10, num_leaves=5, n_jobs=1, verbose=-1, deterministic=True
    )
    inner = moe.MixtureOfExpertsClassifier(n_experts=2, max_iter=4)
    frozen = FrozenEstimator(LogisticRegression().fit(two.X[:60], two.y[:60]))

    def add(name, rows=two, learn=fit, **params):
        params = DEFAULTS | {"n_experts": 2, "max_iter": 12} | params
        mixture = moe.MixtureOfExpertsClassifier(**params)
        cases.add(f"local: classifier, {name}", mixture, rows, learn)

    # Data
    add("two classes", max_iter=100)
    add("two classes, weights", two.weighted())
    add("three classes", three, n_experts=3)
    add("three classes, weights", three.weighted())
    add("sparse", changed(sparse_classes))
    add("single precision", replace(two, X=two.X.astype(np.float32)))
    add("frame", changed(mixed_classes), experts=on_mixed_frame(logistic))
    add("frame, trees", changed(mixed_classes).weighted(), experts=on_mixed_frame(tree))

    # Gates
    for name, gate in {
        "alpha": moe.SoftmaxGate(alpha=0.05),
        "clip": moe.SoftmaxGate(clip=1.2),
        "load balance": moe.SoftmaxGate(load_balance=0.3),
        "gaussian": moe.GaussianGate(),
        "gaussian full": moe.GaussianGate("full"),
        "logistic": LogisticRegression(),
        "tree": DecisionTreeClassifier(max_depth=2),
        "pipeline": make_pipeline(StandardScaler(), moe.SoftmaxGate()),
    }.items():
        add(f"gate {name}", gate=gate, max_iter=6)
    add("gate tree, cv=None", gate=DecisionTreeClassifier(max_depth=2), cv=None)
    add(
        "gate frozen",
        gate=FrozenEstimator(moe.SoftmaxGate().fit(two.X, left)),
        n_experts=2,
    )

    # Assignment
    for name, params in {
        "hard": {"assignment": "hard"},
        "hard, drop": {"assignment": "hard", "capacity_factor": 0.8},
        "hard, reroute": {
            "assignment": "hard",
            "capacity_factor": 1.05,
            "overflow": "reroute",
        },
        "expert choice": {"assignment": "expert_choice"},
        "expert choice, capacity": {
            "assignment": "expert_choice",
            "capacity_factor": 1.5,
        },
        "argmax": {"combination": "argmax"},
        "two answer": {"top_k": 2, "n_experts": 4},
    }.items():
        add(name, three, **params)

    # Starts
    for init in ("kmeans", "random"):
        add(f"start {init}", three, init=init)
    add("start labels", init=left)
    add("start KMeans", three, init=KMeans(2, n_init=1))
    add("start GaussianMixture", three, init=GaussianMixture(2))
    add("three starts", three, n_init=3, max_iter=8)
    add("warm start", three, fit_twice, warm_start=True)
    add("squarem", three, acceleration="squarem", max_iter=40)

    # Experts
    for name, expert in {
        "tree": tree,
        "forest": RandomForestClassifier(8, max_depth=3),
        "naive Bayes": GaussianNB(),
        "near rows": KNeighborsClassifier(5),
        "boosting": boosting,
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
        "perceptron": Perceptron(),
        "support vectors": LinearSVC(),
        "hinge": SGDClassifier(loss="hinge"),
        "hierarchy": inner,
    }.items():
        add(f"experts {name}", experts=expert, max_iter=6)
        add(
            f"experts {name}, three classes",
            three.weighted(),
            experts=expert,
            max_iter=4,
        )
    add("experts unlike", three, experts=unlike)
    add(
        "experts unlike, specialised",
        three.weighted(),
        experts=unlike,
        specialize=True,
        max_iter=5,
    )
    add(
        "experts unlike, one votes",
        three,
        experts=[("logistic", logistic), ("votes", Perceptron())],
    )
    add("cv=3", three, experts=tree, cv=3, max_iter=6)
    add("cv=3, perceptron", experts=Perceptron(), cv=3, max_iter=5)
    add("experts frozen", experts=[("given", frozen), ("tree", tree)])
    add("two jobs", three, experts=tree, n_jobs=2, max_iter=5)
    add("sharing 0", three, sharing=0)
    add(
        "few distinct rows",
        changed(few_distinct_classes),
        n_experts=6,
        sharing=0,
        experts=tree,
        max_iter=40,
    )
    add("dead experts", three, n_experts=6, sharing=0, init="random", max_iter=60)
    add("refused: one class", replace(two, y=np.zeros_like(two.y)))


def streams(cases):
    """Add mixtures that learn batch after batch."""
    import sklearn_moe as moe

    n_rows = 6 * BATCH
    plain = numbers(n_rows)
    two, three = changed(two_classes, n_rows), changed(three_classes, n_rows)
    inner = moe.MixtureOfExpertsRegressor(SGDRegressor(), n_experts=2, max_iter=4)
    frozen = FrozenEstimator(LinearRegression().fit(plain.X[:60], plain.y[:60]))
    # The steps are small, so that they do not amplify rounding errors.
    log_loss = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01)
    left = (plain.X[:BATCH, 0] > 0.2).astype(int)
    defaults = DEFAULTS | {"n_experts": 2, "max_iter": 15}

    def add(name, rows=plain, learn=stream, **params):
        params = {"experts": SGDRegressor(), **defaults, **params}
        mixture = moe.MixtureOfExpertsRegressor(**params)
        cases.add(f"stream: regressor, {name}", mixture, rows, learn)

    def add_classes(name, rows=two, learn=stream, **params):
        params = {"experts": log_loss, **defaults, **params}
        mixture = moe.MixtureOfExpertsClassifier(**params)
        cases.add(f"stream: classifier, {name}", mixture, rows, learn)

    add("plain")
    add("weights", plain.weighted())
    add(
        "two targets",
        changed(two_targets, n_rows),
        experts=MultiOutputRegressor(SGDRegressor()),
    )
    add("single precision", changed(single_precision, n_rows))
    add("sparse", changed(sparse_rows, n_rows))
    add("frame", changed(grades, n_rows))
    add("frame, gaussian gate", changed(grades, n_rows), gate=moe.GaussianGate())
    add(
        "named experts",
        experts=[("plain", SGDRegressor()), ("robust", SGDRegressor(loss="huber"))],
    )
    add("frozen expert", experts=[("given", frozen), ("learnt", SGDRegressor())])
    add("hierarchy", experts=inner)
    for name, noise, make in (
        ("laplace", "laplace", heavy_tails),
        ("student_t", moe.StudentTNoise(df=4), heavy_tails),
        ("poisson", "poisson", counts),
        ("gamma", "gamma", positive),
        ("lognormal", "lognormal", positive),
        ("student_t of unknown df", "student_t", heavy_tails),
    ):
        add(f"noise {name}", changed(make, n_rows), noise=noise)
    for name, gate in {
        "alpha": moe.SoftmaxGate(alpha=0.05),
        "clip": moe.SoftmaxGate(clip=1.2),
        "load balance": moe.SoftmaxGate(load_balance=0.05),
        "gaussian": moe.GaussianGate(),
        "gaussian full": moe.GaussianGate("full"),
        "classifier": log_loss,
        "naive Bayes": GaussianNB(),
        "pipeline": make_pipeline(StandardScaler(), moe.SoftmaxGate()),
        "frozen": FrozenEstimator(moe.SoftmaxGate().fit(plain.X[:BATCH], left)),
    }.items():
        add(f"gate {name}", gate=gate)
        add(f"gate {name}, weights", plain.weighted(), gate=gate)
    add("half life", half_life=150)
    add("half life, gaussian gate", half_life=150, gate=moe.GaussianGate())
    add("decay 1", learning_decay=1)
    add("hard", assignment="hard", n_experts=3)
    add("hard, capacity", assignment="hard", capacity_factor=0.9)
    add("expert choice", assignment="expert_choice")
    add("sharing 0", sharing=0)
    add("two starts", n_init=2)
    add("start labels", init=left)
    add("fit before", learn=fit_then_stream)
    add("fit before, weights", plain.weighted(), fit_then_stream)
    add(
        "fit before, gaussian gate",
        learn=fit_then_stream,
        gate=moe.GaussianGate("full"),
    )
    add(
        "fit before, laplace",
        changed(heavy_tails, n_rows),
        fit_then_stream,
        noise="laplace",
    )

    add_classes("plain")
    add_classes("weights", two.weighted())
    add_classes("three classes", three)
    in_order = np.argsort(three.y[: 2 * BATCH], kind="stable")
    in_order = np.append(in_order, np.arange(2 * BATCH, n_rows))
    add_classes("a class that comes later", three.some(in_order))
    for name, expert in {
        "naive Bayes": GaussianNB(),
        "Bernoulli": BernoulliNB(),
        "hinge": SGDClassifier(loss="hinge"),
        "perceptron": Perceptron(),
        "network": MLPClassifier((4,), max_iter=5),
    }.items():
        add_classes(f"experts {name}", experts=expert, max_iter=8)
        add_classes(
            f"experts {name}, three classes",
            three.weighted(),
            experts=expert,
            max_iter=8,
        )
    add_classes(
        "naive Bayes, half life",
        three,
        experts=GaussianNB(),
        half_life=150,
        gate=moe.GaussianGate(),
    )
    add_classes(
        "naive Bayes, hard", three, experts=GaussianNB(), assignment="hard", n_experts=3
    )
    add_classes(
        "hinge, half life", three, experts=SGDClassifier(loss="hinge"), half_life=150
    )
    add_classes(
        "sparse", changed(sparse_classes, n_rows), experts=BernoulliNB(binarize=0.5)
    )
    add_classes("classifier gate", three, gate=GaussianNB())
    add_classes("gaussian gate", three, gate=moe.GaussianGate())
    add_classes("decay 1", three, learning_decay=1)
    add_classes("fit before", three, fit_then_stream)
    add_classes(
        "fit before, hinge", three, fit_then_stream, experts=SGDClassifier(loss="hinge")
    )
    add_classes(
        "hierarchy",
        experts=moe.MixtureOfExpertsClassifier(log_loss, n_experts=2, max_iter=4),
    )


def collections(cases):
    """Add mixtures that are fitted to Dask collections."""
    import sklearn_moe as moe
    from sklearn_moe.dask import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

    plain = numbers()
    two, three = changed(two_classes), changed(three_classes)
    tree = DecisionTreeRegressor(max_depth=3)
    given = FrozenEstimator(LinearRegression().fit(plain.X[:60], plain.y[:60]))

    def add(name, rows=plain, **params):
        params = DEFAULTS | {"n_experts": 2, "max_iter": 4} | params
        mixture = MixtureOfExpertsRegressor(**params)
        cases.add(f"dask: regressor, {name}", mixture, rows, fit_spread)

    def add_classes(name, rows=three, **params):
        params = DEFAULTS | {"n_experts": 2, "max_iter": 3} | params
        mixture = MixtureOfExpertsClassifier(**params)
        cases.add(f"dask: classifier, {name}", mixture, rows, fit_spread)

    add("ridge", n_experts=3, max_iter=8)
    add("ridge, weights", plain.weighted(), n_experts=3)
    add("ridge, two targets", changed(two_targets))
    add("ridge, single precision", changed(single_precision))
    add("least squares", experts=LinearRegression())
    add("ridge through the origin", experts=Ridge(fit_intercept=False))
    add("trees", experts=tree)
    add("trees, weights", plain.weighted(), experts=tree)
    add("near rows", experts=KNeighborsRegressor(5), max_iter=2)
    add("pipeline", experts=make_pipeline(StandardScaler(), Ridge()))
    add("named experts", experts=[("line", Ridge()), ("tree", tree)])
    add("frozen expert", experts=[("given", given), ("tree", tree)])
    add(
        "hierarchy",
        experts=moe.MixtureOfExpertsRegressor(n_experts=2, max_iter=2),
        max_iter=2,
    )
    for noise, make in {
        "laplace": heavy_tails,
        "poisson": counts,
        "gamma": positive,
        "lognormal": positive,
        "student_t": heavy_tails,
    }.items():
        add(f"noise {noise}", changed(make), noise=noise)
    add("noise laplace, trees", changed(heavy_tails), noise="laplace", experts=tree)
    add("hard", assignment="hard", n_experts=3)
    add(
        "hard, capacity",
        assignment="hard",
        n_experts=3,
        capacity_factor=0.9,
        max_iter=3,
    )
    add(
        "hard, reroute",
        assignment="hard",
        n_experts=3,
        capacity_factor=1.05,
        overflow="reroute",
        max_iter=3,
    )
    add("expert choice", assignment="expert_choice", n_experts=3)
    add("expert choice, trees", assignment="expert_choice", experts=tree)
    add("capacity", experts=tree, capacity_factor=0.5)
    add("few rows travel", experts=tree, max_rows_per_expert=60)
    add(
        "few rows travel, weights",
        plain.weighted(),
        experts=tree,
        max_rows_per_expert=60,
    )
    add(
        "few rows travel, hard", experts=tree, max_rows_per_expert=60, assignment="hard"
    )
    add(
        "few rows travel, no weights",
        experts=KNeighborsRegressor(5),
        max_rows_per_expert=60,
        max_iter=2,
    )
    for init in ("kmeans", "random"):
        add(f"start {init}", init=init, n_experts=3)
    add("start KMeans", init=KMeans(2, n_init=1))
    add("start AgglomerativeClustering", init=AgglomerativeClustering(2))
    add("two starts", n_init=2, max_iter=3)
    add("rows not kept", persist=False, max_iter=3)
    add("rows not kept, trees", persist=False, max_iter=2, experts=tree)
    add("gate clip", gate=moe.SoftmaxGate(clip=1.2))
    add("gate alpha", gate=moe.SoftmaxGate(alpha=0.05))
    add("gate pipeline", gate=make_pipeline(StandardScaler(), moe.SoftmaxGate()))
    add(
        "gate frozen",
        gate=FrozenEstimator(
            moe.SoftmaxGate().fit(plain.X, (plain.X[:, 0] > 0.2).astype(int))
        ),
    )
    add(
        "frame",
        framed(changed(whole_frame)),
        experts=on_whole_frame(Ridge()),
        max_iter=3,
    )
    add(
        "frame, weights",
        framed(changed(whole_frame).weighted()),
        experts=on_whole_frame(tree),
        max_iter=3,
    )
    add("sharing 0", sharing=0)
    add(
        "dead experts",
        changed(no_noise),
        n_experts=4,
        sharing=0,
        init="random",
        max_iter=18,
    )

    add_classes("two classes", two)
    add_classes("three classes")
    add_classes("weights", three.weighted())
    add_classes("trees", experts=DecisionTreeClassifier(max_depth=3))
    add_classes("naive Bayes", experts=GaussianNB())
    add_classes("perceptron", experts=Perceptron())
    add_classes("support vectors", two, experts=LinearSVC())
    add_classes(
        "few rows travel",
        experts=DecisionTreeClassifier(max_depth=3),
        max_rows_per_expert=60,
    )
    add_classes("hard", assignment="hard")
    add_classes("expert choice", assignment="expert_choice")
    add_classes("gate clip", gate=moe.SoftmaxGate(clip=1.2))
    add_classes("start kmeans", init="kmeans")
    add_classes(
        "hierarchy",
        experts=moe.MixtureOfExpertsClassifier(n_experts=2, max_iter=2),
        max_iter=2,
    )
    add_classes(
        "frame",
        framed(changed(whole_classes)),
        experts=on_whole_frame(LogisticRegression()),
    )


def framed(rows):
    """Return the rows of a frame with targets and weights as series."""
    series = {
        name: pd.Series(values)
        for name, values in (("y", rows.y), ("sample_weight", rows.sample_weight))
        if values is not None
    }
    return replace(rows, y_new=pd.Series(rows.y_new, rows.X_new.index), **series)


# Recording
# ---------


def learnt(part, prefix=""):
    """Yield names and values of fitted parameters of a part and its nested parts."""
    if isinstance(part, Pipeline):
        part = part[-1]
    if isinstance(part, FrozenEstimator):
        part = part.estimator
    for name in (*LEARNT, *SHARES):
        # A property may raise AttributeError.
        value = getattr(part, name, None)
        if isinstance(value, list):
            for k, item in enumerate(value):
                yield f"{prefix}{name}{k}", item
        elif value is not None and not sparse.issparse(value):
            yield f"{prefix}{name}", value
    if hasattr(part, "gate_"):
        yield from learnt(part.gate_, f"{prefix}gate.")
    if hasattr(part, "noise_"):
        for name, value in sorted(vars(part.noise_).items()):
            value = np.asarray(value)
            if name.endswith("_") and value.dtype.kind in "fiub":
                yield f"{prefix}noise.{name}", value
    inner = getattr(part, "experts_", getattr(part, "estimators_", None))
    if isinstance(inner, list):
        for k, expert in enumerate(inner):
            yield from learnt(expert, f"{prefix}{k}.")


def in_memory(answer):
    """Return a result in memory, computed if it is a Dask collection."""
    return answer.compute() if hasattr(answer, "compute") else answer


def said(ask, *arguments, **options):
    """Return the result of a method, or the text of the error that it raises."""
    try:
        answer = in_memory(ask(*arguments, **options))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return answer


def answers(mixture, rows, collection):
    """Yield names and results of the methods of a fitted mixture for new rows."""
    X, y = rows.X_new, rows.y_new
    if collection:
        X, y = spread(X), spread(y)
    for method in ABOUT_ROWS:
        if hasattr(mixture, method):
            yield method, said(getattr(mixture, method), X)
    for method in ABOUT_TARGETS:
        yield method, said(getattr(mixture, method), X, y)
    yield "score_samples of predictions", said(mixture.score_samples, X)
    # The methods below are for rows in memory.
    local = mixture.to_local() if collection else mixture
    X = rows.X_new
    for method in ("bic", "icl"):
        value = said(getattr(local, method), rows.X, rows.y, rows.sample_weight)
        if not isinstance(value, str):
            yield method, value
    if hasattr(local, "predict_distribution"):
        yield "std", said(lambda: local.predict(X, return_std=True)[1])
        yield "interval", said(local.predict_interval, X)
        yield "sample", said(local.sample, X, n_samples=2, random_state=0)


def report(case):
    """Fit a mixture, and return all that is recorded of it.

    Parameters
    ----------
    case : Case

    Returns
    -------
    recorded : dict of ndarray
        Recorded values; keys are "aspect|name".
    """
    try:
        mixture = case.learn(case.mixture, case.rows)
    except Exception as error:
        return {"objective|error": np.asarray(f"{type(error).__name__}: {error}")}
    recorded = {
        f"objective|{name}": getattr(mixture, name)
        for name in OBJECTIVE
        if hasattr(mixture, name)
    }
    for k, path in enumerate(getattr(mixture, "objective_paths_", [])):
        recorded[f"objective|path of start {k}"] = path
    for name, value in learnt(mixture):
        recorded[f"parameters|{name}"] = value
    for name, value in answers(mixture, case.rows, case.learn is fit_spread):
        recorded[f"predictions|{name}"] = value
    return {name: plain_array(value) for name, value in recorded.items()}


def plain_array(value):
    """Return an array that can be saved without pickle."""
    value = np.asarray(value)
    return value.astype(str) if value.dtype == object else value


def cluster():
    """Return a client of a cluster of two workers in this process."""
    import logging

    from distributed import Client

    return Client(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


def record(path, only, with_dask):
    """Fit all mixtures, and save the recordings to a file.

    Parameters
    ----------
    path : str
    only : str
        Regular expression; only cases whose names match are fitted.
    with_dask : bool
    """
    import sklearn_moe

    cases = Cases()
    for add_to in (regressors, classifiers, streams):
        add_to(cases)
    if with_dask:
        collections(cases)
    cases = {name: case for name, case in cases.items() if re.search(only, name)}
    print(f"{len(cases)} mixtures of {sklearn_moe.__file__}", flush=True)
    written = {}
    collected = any(name.startswith("dask") for name in cases)
    with threadpool_limits(1), cluster() if collected else nullcontext():
        for name, case in cases.items():
            begin = time.perf_counter()
            recorded = report(case)
            seconds = time.perf_counter() - begin
            error = recorded.get("objective|error", "")
            print(f"{seconds:6.2f} s  {name}  {error}", flush=True)
            written |= {f"{name}|{key}": value for key, value in recorded.items()}
            written[f"{name}|seconds|"] = np.asarray(seconds)
    with open(path, "wb") as file:
        np.savez_compressed(file, **written)
    total = sum(value for key, value in written.items() if key.endswith("|seconds|"))
    print(f"{len(cases)} mixtures in {total:.0f} s")


# Comparing
# ---------


def load(path, only):
    """Load a recording.

    Returns
    -------
    fits : dict of dict
        Values by the name of the mixture and "aspect|name".
    """
    with np.load(path, allow_pickle=False) as file:
        keys = [key.split("|", 1) for key in file.files]
        return {
            name: {key: file[f"{name}|{key}"] for _, key in own}
            for name, own in groupby(keys, key=lambda pair: pair[0])
            if re.search(only, name)
        }


def difference(before, after):
    """Return the difference of two arrays.

    Parameters
    ----------
    before, after : ndarray or None
        None means that it is missing.

    Returns
    -------
    difference : float or None
        None if all bits are equal. Otherwise the largest difference, relative to the
        largest number in both; infinite if they cannot be compared.
    """
    if before is None or after is None:
        return np.inf
    alike = before.shape == after.shape and before.dtype.kind == after.dtype.kind
    if not alike:
        return np.inf
    if before.dtype == after.dtype and before.tobytes() == after.tobytes():
        return None
    if before.dtype.kind not in "fiub":
        return None if np.array_equal(before, after) else np.inf
    before, after = before.astype(np.float64), after.astype(np.float64)
    finite = np.isfinite(before) & np.isfinite(after)
    if not np.array_equal(before[~finite], after[~finite], equal_nan=True):
        return np.inf
    before, after = before[finite], after[finite]
    size = max(np.abs(before).max(initial=0), np.abs(after).max(initial=0))
    return float(np.abs(before - after).max(initial=0) / (size or 1))


def largest(differences):
    """Return the largest of some differences; None if nothing differs."""
    return max((d for d in differences if d is not None), default=None)


def in_words(value):
    if value is None:
        return "equal"
    return "differs" if np.isinf(value) else f"{value:.1e}"


def compare(before, after, only):
    """Print the differences of two recordings.

    Parameters
    ----------
    before, after : str
        Paths of the recordings.
    only : str
        Regular expression; only cases whose names match are compared.

    Returns
    -------
    same : bool
        Whether all fits are in both recordings, and differ by less than tolerated.
    """
    before, after = load(before, only), load(after, only)
    names = list(before | after)
    width = max(map(len, names), default=4)
    aspects = "".join(f"{aspect:>12}" for aspect in ASPECTS)
    print(f"{'name':{width}}{aspects}   seconds")
    n_equal, wrong = 0, []
    for name in names:
        one, other = before.get(name, {}), after.get(name, {})
        apart = {
            key: difference(one.get(key), other.get(key))
            for key in one | other
            if not key.startswith("seconds")
        }
        cells = [
            largest(d for key, d in apart.items() if key.startswith(f"{aspect}|"))
            for aspect in ASPECTS
        ]
        seconds = " to ".join(
            f"{fit['seconds|']:.2f}" if fit else "none" for fit in (one, other)
        )
        text = "".join(f"{in_words(cell):>12}" for cell in cells)
        tolerance = TOLERANCES[name.partition(":")[0]]
        too_far = {
            key: d
            for key, d in apart.items()
            # If all bits must be equal, a difference of zero is that of a sign bit.
            if d is not None and (d > tolerance or tolerance == 0)
        }
        mark = "  WRONG" if too_far else ""
        print(f"{name:{width}}{text}   {seconds}{mark}")
        n_equal += largest(cells) is None
        if too_far:
            wrong.append((name, too_far))
    print(f"\n{len(names)} mixtures: {n_equal} equal to the last bit", end="")
    print(f", {len(wrong)} not as near as they must be.")
    for name, too_far in wrong:
        print(f"\n{name}")
        for key, d in too_far.items():
            print(f"    {key.replace('|', ', ')}: {in_words(d)}")
    return bool(names) and not wrong


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="fit all mixtures")
    recording.add_argument("file")
    recording.add_argument("--no-dask", action="store_true")
    comparing = commands.add_parser("compare", help="tell how far two files are apart")
    comparing.add_argument("before")
    comparing.add_argument("after")
    for command in (recording, comparing):
        command.add_argument(
            "--only", default="", metavar="REGEX", help='as in "stream|dask: noise"'
        )
    arguments = parser.parse_args()
    if arguments.command == "compare":
        same = compare(arguments.before, arguments.after, arguments.only)
        sys.exit(0 if same else 1)
    # Ignore warnings in all threads, including those of the workers.
    warnings.simplefilter("ignore")
    record(arguments.file, arguments.only, not arguments.no_dask)


if __name__ == "__main__":
    main()
