"""Random tables, parameters and parts of mixtures, each drawn from its number.

What is drawn may be refused, but only in words; see `_laws.py`.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_selection import SelectKBest, f_regression
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
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

from sklearn_moe import (
    GaussianGate,
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    StudentTNoise,
)

COUNTS = ("poisson", "negative_binomial")
POSITIVE = ("gamma", "lognormal")


@dataclass(frozen=True)
class Scenario:
    """What a user might do.

    Attributes
    ----------
    number : int
    drawn : dict of {str: str}
        Which kind of each thing there is.
    mixture : estimator
        Not fitted.
    X, y, sample_weight : object
    batches : list of slice or None
        The rows of each batch of a stream; None means `fit`.
    """

    number: int
    mixture: Any
    X: Any
    y: np.ndarray
    sample_weight: Any = None
    batches: Any = None
    drawn: dict = field(default_factory=dict)

    def __str__(self):
        kinds = ", ".join(f"{name} {kind}" for name, kind in self.drawn.items())
        return f"scenario {self.number}: {kinds}; {self.mixture!r}"

    @property
    def regresses(self):
        return isinstance(self.mixture, MixtureOfExpertsRegressor)

    def fit(self, mixture):
        """Fit a mixture to the rows, at once or in batches."""
        if self.batches is None:
            return mixture.fit(self.X, self.y, self.sample_weight)
        known = {} if self.regresses else {"classes": np.unique(self.y)}
        for rows in self.batches:
            weights = None if self.sample_weight is None else self.sample_weight[rows]
            mixture.partial_fit(
                take(self.X, rows), self.y[rows], sample_weight=weights, **known
            )
        return mixture


def take(X, rows):
    """Some rows of a table of any kind: a slice, or numbers."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def draw(number):
    """The scenario of a number.

    Parameters
    ----------
    number : int

    Returns
    -------
    scenario : Scenario
    """
    rng = np.random.default_rng(number)
    drawn = {}

    def one_of(name, kinds):
        """Draw a kind; the values of a dict are functions that make it."""
        names = list(kinds)
        drawn[name] = str(names[rng.integers(len(names))])
        kind = names[[str(n) for n in names].index(drawn[name])]
        return kinds[kind]() if isinstance(kinds, dict) else kind

    n_rows = int(rng.integers(6, 80))
    numbers = rng.normal(size=(n_rows, int(rng.integers(1, 4))))
    regresses = bool(rng.random() < 0.6)
    X = one_of("table", _tables(numbers, rng))
    plain = not hasattr(X, "columns") and drawn["table"] != "missing values"
    # Preprocessing does not learn from batches.
    streams = plain and bool(rng.random() < 0.25)
    noise = "gaussian"
    if regresses:
        noise = one_of("noise", _noises(streams))
        y = one_of("target", _numbers(numbers, noise, rng))
    else:
        y = one_of("target", _labels(numbers, rng))
    weights = one_of("weights", _weights(n_rows, rng))
    kinds = _regressors(noise) if regresses else _classifiers()
    if streams:
        kinds = _learners_of_batches(regresses)
    experts = one_of("experts", kinds)
    if not plain:
        experts = _prepared(experts)
    params = {
        "experts": experts,
        "n_experts": int(rng.integers(1, 5)),
        "gate": one_of("gate", _gates(plain, streams)),
        "combination": one_of("combination", ("weighted", "argmax")),
        "top_k": one_of("top_k", (None, 1, 2)),
        "sharing": one_of("sharing", ("auto", 0.0, 0.3)),
        "cv": one_of("cv", ("auto", None, 2)),
        "init": one_of("init", ("tree", "kmeans", "random")),
        "n_init": int(rng.integers(1, 3)),
        "max_iter": int(rng.integers(1, 8)),
        "random_state": number,
    }
    params["assignment"] = one_of(
        "assignment", ("soft", "soft", "hard", "expert_choice")
    )
    if params["assignment"] == "hard":
        params["capacity_factor"] = one_of("capacity", (None, 1.0, 0.5))
        params["overflow"] = one_of("overflow", ("drop", "reroute"))
    elif params["assignment"] == "expert_choice":
        params["capacity_factor"] = one_of("capacity", (None, 1.0, 0.5))
    elif not streams:
        params["acceleration"] = one_of("acceleration", (None, "squarem"))
    if regresses:
        mixture = MixtureOfExpertsRegressor(noise=noise, **params)
    else:
        mixture = MixtureOfExpertsClassifier(**params)
    batches = None
    if streams:
        half = n_rows // 2
        batches = [slice(half), slice(half, n_rows)]
    return Scenario(number, mixture, X, y, weights, batches, drawn)


def _tables(numbers, rng):
    n_rows = len(numbers)
    names = [f"x{j}" for j in range(numbers.shape[1])]

    def missing():
        X = numbers.copy()
        X[rng.random(X.shape) < 0.2] = np.nan
        return X

    def frame(values=numbers):
        return pd.DataFrame(values, columns=names)

    def mixed(**more):
        return frame().assign(word=rng.choice(["red", "green", "blue"], n_rows), **more)

    def duplicated():
        return numbers[rng.integers(0, max(2, n_rows // 8), n_rows)]

    return {
        "numbers": lambda: numbers,
        "single precision": lambda: numbers.astype(np.float32),
        "whole numbers": lambda: np.round(3 * numbers).astype(int),
        "a constant column": lambda: np.column_stack([numbers, np.full(n_rows, 1.7e9)]),
        "equal columns": lambda: np.column_stack([numbers, numbers]),
        "large units": lambda: 1e12 * numbers + 1e13,
        "small units": lambda: 1e-12 * numbers,
        "duplicate rows": duplicated,
        "an outlier": lambda: np.vstack([numbers[1:], np.full_like(numbers[:1], 1e6)]),
        "missing values": missing,
        "sparse": lambda: sparse.csr_array(np.where(numbers > 0, numbers, 0)),
        "flags": lambda: numbers > 0,
        "half precision": lambda: numbers.astype(np.float16),
        "frame": frame,
        "frame of objects": lambda: frame().astype(object),
        "frame of objects and None": lambda: frame(
            np.where(rng.random(numbers.shape) < 0.2, None, numbers)
        ),
        "frame of nullable numbers": lambda: frame(missing()).convert_dtypes(),
        "frame of decimals": lambda: frame().map(lambda x: Decimal(repr(float(x)))),
        "frame of words": mixed,
        "frame of dates": lambda: mixed(day=pd.date_range("2020", periods=n_rows)),
    }


def _noises(streams):
    adding_up = ("gaussian", "gaussian", "laplace", "gamma", "lognormal", "poisson")
    if streams:
        return adding_up
    return {
        **{name: lambda name=name: name for name in (*adding_up, "negative_binomial")},
        "student_t": StudentTNoise,
        "heteroscedastic": HeteroscedasticGaussian,
    }


def _numbers(numbers, noise, rng):
    n_rows = len(numbers)
    regimes = np.where(numbers[:, 0] > 0, 3.0, -2.0) * numbers[:, -1]
    regimes += 0.1 * rng.normal(size=n_rows)
    if noise in COUNTS:
        counts = rng.poisson(np.exp(np.clip(regimes, -2, 3)))
        return {
            "counts": lambda: counts,
            "all zero": lambda: np.zeros(n_rows),
            "large counts": lambda: 1e9 * counts,
        }
    if noise in POSITIVE:
        return {
            "positive": lambda: np.exp(regimes),
            "of one size": lambda: np.full(n_rows, 3.0),
            "large": lambda: np.exp(regimes) * 1e100,
            "small": lambda: np.exp(regimes) * 1e-100,
        }

    def with_outliers():
        return np.where(rng.random(n_rows) < 0.1, 1e4, regimes)

    return {
        "regimes": lambda: regimes,
        "far from zero": lambda: regimes + 1e6,
        "constant": lambda: np.full(n_rows, 5.0),
        "outliers": with_outliers,
        "large": lambda: 1e100 * regimes,
        "overflowing": lambda: 1e300 * regimes,
        "small": lambda: 1e-100 * regimes,
        "whole numbers": lambda: np.round(regimes).astype(int),
        "two outputs": lambda: np.column_stack([regimes, -regimes]),
    }


def _labels(numbers, rng):
    regimes = (numbers[:, 0] * numbers[:, -1] > 0).astype(int)
    regimes[:2] = 0, 1

    def rare():
        labels = regimes.copy()
        labels[2] = 2
        return labels

    return {
        "codes": lambda: regimes,
        "words": lambda: np.array(["no", "yes"])[regimes],
        "objects": lambda: np.array(["no", "yes"], dtype=object)[regimes],
        "truth values": lambda: regimes.astype(bool),
        "numbers far apart": lambda: np.array([-7, 1000])[regimes],
        "three classes": lambda: regimes + (numbers[:, 0] > 1),
        "a rare class": rare,
    }


def _weights(n_rows, rng):
    uniform = rng.uniform(0.1, 2, n_rows)

    def whole():
        weights = rng.integers(0, 4, n_rows).astype(float)
        weights[:3] = 1
        return weights

    return {
        "none": lambda: None,
        "uniform": lambda: uniform,
        "whole numbers": whole,
        "that sum to one": lambda: uniform / uniform.sum(),
        "one heavy": lambda: np.where(np.arange(n_rows) == 1, 1e9, 1.0),
        "tiny": lambda: np.full(n_rows, 1e-310),
        "huge": lambda: np.full(n_rows, 1e300),
    }


def _regressors(noise):
    if noise in COUNTS:
        return {
            "default": lambda: None,
            "poisson": lambda: PoissonRegressor(alpha=0.1),
            "tree": lambda: DecisionTreeRegressor(max_depth=2),
        }
    return {
        "default": lambda: None,
        "least squares": LinearRegression,
        "tree": lambda: DecisionTreeRegressor(max_depth=2),
        "neighbours": lambda: KNeighborsRegressor(3),
        "mean": DummyRegressor,
        "selection": lambda: make_pipeline(SelectKBest(f_regression, k=1), Ridge()),
        "pipeline": lambda: make_pipeline(StandardScaler(with_mean=False), Ridge()),
        "a list": lambda: [
            ("ridge", Ridge()),
            ("tree", DecisionTreeRegressor(max_depth=2)),
        ],
        "mixture": lambda: MixtureOfExpertsRegressor(n_experts=2, max_iter=3),
    }


def _classifiers():
    return {
        "default": lambda: None,
        "logistic": lambda: LogisticRegression(C=0.1),
        "tree": lambda: DecisionTreeClassifier(max_depth=2),
        "neighbours": lambda: KNeighborsClassifier(3),
        "prior": DummyClassifier,
        "codes alone": lambda: XGBClassifier(n_estimators=2, n_jobs=1),
        "sampler": lambda: make_sampling_pipeline(
            RandomOverSampler(random_state=0), LogisticRegression()
        ),
        "votes": Perceptron,
        "a list": lambda: [
            ("logistic", LogisticRegression()),
            ("tree", DecisionTreeClassifier(max_depth=2)),
        ],
        "mixture": lambda: MixtureOfExpertsClassifier(n_experts=2, max_iter=3),
    }


def _learners_of_batches(regresses):
    if regresses:
        return {"steps": lambda: SGDRegressor(eta0=1e-4)}
    return {"steps": lambda: SGDClassifier(loss="log_loss"), "naive Bayes": GaussianNB}


def _gates(plain, streams):
    own = {
        "default": lambda: None,
        "softmax without penalty": lambda: SoftmaxGate(alpha=0.0),
        "clipped": lambda: SoftmaxGate(clip=2.0),
        "balanced": lambda: SoftmaxGate(load_balance=0.1),
        "gaussian": GaussianGate,
        "full gaussian": lambda: GaussianGate("full", reg_covar=1e-9),
    }
    if streams or not plain:
        return own
    return {
        **own,
        "tree as gate": lambda: DecisionTreeClassifier(max_depth=2),
        "neighbours as gate": lambda: KNeighborsClassifier(5),
    }


def _prepared(expert):
    """An expert that takes words, dates and missing values, behind preprocessing."""
    if expert is None:
        return None
    if isinstance(expert, list):
        return [(name, _prepared(each)) for name, each in expert]
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (words, make_column_selector("word")),
        ("drop", make_column_selector("day")),
        (SimpleImputer(keep_empty_features=True), make_column_selector("x")),
    )
    # A table without names has missing values only.
    return make_pipeline(FunctionTransformer(_with_names), columns, expert)


def _with_names(X):
    """Give the columns of an array names; a frame stays as it is."""
    if hasattr(X, "columns"):
        return X
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(np.shape(X)[1])])
