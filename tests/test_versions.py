"""What an estimator that another version has saved does when it is loaded."""

import pickle

import numpy as np
import pytest

import sklearn_moe
from sklearn_moe import GaussianGate, MixtureOfExpertsRegressor, _persistence

X = np.linspace(-2, 2, 60).reshape(-1, 1)
Y = np.abs(X[:, 0])


@pytest.mark.parametrize(
    "estimator",
    [
        MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, Y),
        GaussianGate().fit(X, Y > 1),
    ],
    ids=["mixture", "gate"],
)
def test_an_estimator_of_another_version_is_loaded_with_a_warning(
    estimator, monkeypatch
):
    monkeypatch.setattr(_persistence, "__version__", "0.0.9")
    saved = pickle.dumps(estimator)
    monkeypatch.undo()
    # A mixture says so of its gate as well.
    message = r"was saved by sklearn_moe 0\.0\.9 and is loaded by "
    with pytest.warns(UserWarning, match=message + sklearn_moe.__version__):
        loaded = pickle.loads(saved)
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))


def test_an_estimator_of_this_version_is_loaded_without_a_word():
    estimator = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(estimator))
    assert vars(loaded).keys() == vars(estimator).keys()
