"""Mixtures of experts over any scikit-learn estimators."""

from sklearn_moe.classifier import MixtureOfExpertsClassifier
from sklearn_moe.gates import GaussianGate, SoftmaxGate
from sklearn_moe.regressor import MixtureOfExpertsRegressor

__version__ = "0.1.0"

__all__ = [
    "GaussianGate",
    "MixtureOfExpertsClassifier",
    "MixtureOfExpertsRegressor",
    "SoftmaxGate",
]
