"""The density of the target given an expert's output: p_k(y | x).

In regression it is a noise model around the experts' predictions, see `Noise`, and in
classification the probability of a class, see `Categorical`. `sklearn_moe._contracts`
defines how EM uses them: it fits a `Likelihood`, which returns a `FittedLikelihood`.
"""

from sklearn_moe.likelihoods.beta import BetaNoise, BetaRegressor
from sklearn_moe.likelihoods.categorical import Categorical, CategoricalLikelihood
from sklearn_moe.likelihoods.counts import NegativeBinomialNoise, PoissonNoise
from sklearn_moe.likelihoods.gaussian import GaussianNoise, HeteroscedasticGaussian
from sklearn_moe.likelihoods.heavy_tails import LaplaceNoise, StudentTNoise
from sklearn_moe.likelihoods.mean_error import MeanErrorNoise
from sklearn_moe.likelihoods.names import NOISES, noise_model
from sklearn_moe.likelihoods.nested import NestedDensity, NestedDensityLikelihood
from sklearn_moe.likelihoods.noise import Noise, Target
from sklearn_moe.likelihoods.noise_likelihood import NoiseLikelihood
from sklearn_moe.likelihoods.positive import GammaNoise, LogNormalNoise

__all__ = [
    "NOISES",
    "BetaNoise",
    "BetaRegressor",
    "Categorical",
    "CategoricalLikelihood",
    "GammaNoise",
    "GaussianNoise",
    "HeteroscedasticGaussian",
    "LaplaceNoise",
    "LogNormalNoise",
    "MeanErrorNoise",
    "NegativeBinomialNoise",
    "NestedDensity",
    "NestedDensityLikelihood",
    "Noise",
    "NoiseLikelihood",
    "PoissonNoise",
    "StudentTNoise",
    "Target",
    "noise_model",
]
