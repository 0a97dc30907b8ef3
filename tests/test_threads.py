"""Several threads may ask one fitted mixture, or gate, at the same time."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

N = 120
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (N, 2))
Y = np.abs(X[:, 0]) + 0.1 * RNG.normal(size=N)
COUNTS = RNG.poisson(3, N)
EXPOSURE = RNG.uniform(0.5, 2, N)
FRAME = pd.DataFrame(X, columns=["a", "b"]).assign(
    town=np.where(X[:, 1] > 0, "north", "south")
)

FEW = {"n_experts": 2, "max_iter": 5, "random_state": 0}
UNLIKE = [
    ("boosting", HistGradientBoostingRegressor(max_iter=5)),
    ("tree", DecisionTreeRegressor(max_depth=3)),
]
ENCODED = make_pipeline(
    make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough"),
    Ridge(),
)
SPLINES = make_pipeline(SplineTransformer(), LogisticRegression())


def regressor(experts=None, **params):
    return MixtureOfExpertsRegressor(experts, **(FEW | params))


def classifier(experts=None, **params):
    return MixtureOfExpertsClassifier(experts, **(FEW | params))


# Estimator, rows, targets, and what goes with the rows.
ESTIMATORS = {
    "default": (regressor(), X, Y, {}),
    "top_k": (regressor(n_experts=3, top_k=2), X, Y, {}),
    "argmax": (regressor(combination="argmax", gate=GaussianGate()), X, Y, {}),
    "unlike experts": (regressor(UNLIKE, cv=2), X, Y, {}),
    "hierarchy": (regressor(regressor()), X, Y, {}),
    "heavy tails": (regressor(noise="student_t"), X, Y, {}),
    "counts": (regressor(noise="poisson"), X, COUNTS, {"exposure": EXPOSURE}),
    "subjects": (regressor(), X, Y, {"subjects": np.arange(N) // 4}),
    "frame": (regressor(ENCODED), FRAME, Y, {}),
    "classes": (classifier(), X, np.digitize(Y, [0.3, 0.7]), {}),
    "pipelines": (classifier(SPLINES, gate=SPLINES), X, Y > 0.5, {}),
    "softmax gate": (SoftmaxGate(), FRAME, Y > 0.5, {}),
    "gaussian gate": (GaussianGate(), FRAME, Y > 0.5, {}),
}


def answers(estimator, X, y, given):
    """All that a fitted estimator says of some rows."""
    if isinstance(estimator, (SoftmaxGate, GaussianGate)):
        return estimator.predict_log_proba(X), estimator.predict(X)
    of_gate = {"subjects": given["subjects"]} if "subjects" in given else {}
    said = [
        estimator.predict_gate(X, **of_gate),
        estimator.apply(X, **of_gate),
        estimator.transform(X),
        estimator.score_samples(X, y, **given),
        estimator.responsibilities(X, y, **given),
    ]
    if isinstance(estimator, MixtureOfExpertsClassifier):
        return *said, estimator.predict_proba(X, **given)
    distribution = estimator.predict_distribution(X, **given)
    return (
        *said,
        *estimator.predict(X, return_std=True, **given),
        distribution.interval(0.9),
        distribution.crps(y),
        distribution.sample(2, random_state=0),
    )


@pytest.fixture
def eager_threads():
    """Threads take turns a thousand times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_threads_get_the_answers_of_one_after_the_other(name):
    estimator, X, y, given = ESTIMATORS[name]
    estimator = estimator.fit(X, y, **given)
    # Each thread has rows of its own.
    parts = [slice(start, start + 40) for start in range(0, N, 20) if start <= N - 40]
    tasks = [
        (X[rows], y[rows], {key: value[rows] for key, value in given.items()})
        for rows in parts
    ]
    expected = [answers(estimator, *task) for task in tasks]
    before = pickle.dumps(estimator)
    with ThreadPoolExecutor(len(tasks)) as threads:
        found = list(threads.map(lambda task: answers(estimator, *task), 3 * tasks))
    for said, alone in zip(found, 3 * expected):
        for array, wanted in zip(said, alone, strict=True):
            np.testing.assert_array_equal(array, wanted)
    assert pickle.dumps(estimator) == before
