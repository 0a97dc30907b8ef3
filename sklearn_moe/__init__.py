"""Mixtures of experts over any scikit-learn estimators."""

from sklearn_moe._distribution import MixtureDistribution
from sklearn_moe._parameters import count_parameters
from sklearn_moe._version import __version__ as __version__
from sklearn_moe.classifier import MixtureOfExpertsClassifier
from sklearn_moe.gates import GaussianGate, SoftmaxGate
from sklearn_moe.likelihoods import (
    BetaNoise,
    BetaRegressor,
    GammaNoise,
    GaussianNoise,
    HeteroscedasticGaussian,
    LaplaceNoise,
    LogNormalNoise,
    NegativeBinomialNoise,
    PoissonNoise,
    StudentTNoise,
)
from sklearn_moe.regressor import MixtureOfExpertsRegressor

__all__ = [
    "BetaNoise",
    "BetaRegressor",
    "GammaNoise",
    "GaussianGate",
    "GaussianNoise",
    "HeteroscedasticGaussian",
    "LaplaceNoise",
    "LogNormalNoise",
    "MixtureDistribution",
    "MixtureOfExpertsClassifier",
    "MixtureOfExpertsRegressor",
    "NegativeBinomialNoise",
    "PoissonNoise",
    "SoftmaxGate",
    "StudentTNoise",
    "count_parameters",
]
