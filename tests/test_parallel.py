"""The result does not depend on how many fits run at the same time."""

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

ROWS = np.random.default_rng(0).uniform(-1, 1, (80, 2))
Y = np.abs(ROWS[:, 0]) + 0.1 * ROWS[:, 1]
UNLIKE = [
    ("trees", DecisionTreeRegressor(max_depth=3)),
    ("near", KNeighborsRegressor()),
]
MIXTURES = {
    "clones": MixtureOfExpertsRegressor(n_experts=2, max_iter=5),
    "unlike experts": MixtureOfExpertsRegressor(UNLIKE),
    "specialised, cross-fitted": MixtureOfExpertsRegressor(
        UNLIKE, specialize=True, max_iter=3
    ),
    "a classifier as the gate": MixtureOfExpertsRegressor(
        Ridge(), n_experts=2, gate=DecisionTreeClassifier(max_depth=2), max_iter=3
    ),
    "several starts": MixtureOfExpertsRegressor(n_experts=2, n_init=3, max_iter=5),
    "classifiers": MixtureOfExpertsClassifier(
        LogisticRegression(), n_experts=2, cv=3, max_iter=3
    ),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:.*were retired:UserWarning",
)


def predictions(mixture, n_jobs):
    mixture = mixture.set_params(n_jobs=n_jobs, random_state=0)
    if isinstance(mixture, MixtureOfExpertsClassifier):
        return mixture.fit(ROWS, Y > 0.5).predict_proba(ROWS)
    return mixture.fit(ROWS, Y).predict(ROWS)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_same_for_any_number_of_jobs_and_backend(name, backend):
    expected = predictions(MIXTURES[name], None)
    with joblib.parallel_config(backend=backend):
        np.testing.assert_array_equal(predictions(MIXTURES[name], 2), expected)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
def test_a_bad_number_of_jobs_is_refused(n_jobs):
    with pytest.raises(ValueError, match="n_jobs"):
        predictions(MIXTURES["clones"], n_jobs)
