"""What an expert's answer says about the target: p_k(y | x).

Each likelihood is fitted to the experts' outputs on the training rows and returns
two things: a small object that can score new rows, and the log density of every
training target under every expert. The small object has three methods:

- ``log_prob(y, outputs, X)``: log density of targets under every expert,
- ``predictive(outputs)``: what each expert expects, which the mixture combines,
- ``take(order)``: the same for the experts in another order.

For regression it is a noise model around the experts' predictions, see `Noise`.
"""

from sklearn_moe.likelihoods.categorical import Categorical, CategoricalLikelihood
from sklearn_moe.likelihoods.counts import NegativeBinomialNoise, PoissonNoise
from sklearn_moe.likelihoods.gaussian import GaussianNoise
from sklearn_moe.likelihoods.heteroscedastic import HeteroscedasticGaussian
from sklearn_moe.likelihoods.laplace import LaplaceNoise
from sklearn_moe.likelihoods.noise import (
    MeanErrorNoise,
    Noise,
    NoiseLikelihood,
    Target,
)
from sklearn_moe.likelihoods.own import OwnDensity, OwnDensityLikelihood
from sklearn_moe.likelihoods.positive import GammaNoise, LogNormalNoise
from sklearn_moe.likelihoods.student_t import StudentTNoise

# The noise models by the names that stand for them with their defaults.
NOISES = {
    "gaussian": GaussianNoise,
    "laplace": LaplaceNoise,
    "student_t": StudentTNoise,
    "poisson": PoissonNoise,
    "negative_binomial": NegativeBinomialNoise,
    "gamma": GammaNoise,
    "lognormal": LogNormalNoise,
}


def noise_model(noise):
    """The noise model that a name stands for."""
    # Drawings and tags of a mixture ask as well; fit refuses a wrong name.
    return NOISES.get(noise, GaussianNoise)() if isinstance(noise, str) else noise


__all__ = [
    "NOISES",
    "Categorical",
    "CategoricalLikelihood",
    "GammaNoise",
    "GaussianNoise",
    "HeteroscedasticGaussian",
    "LaplaceNoise",
    "LogNormalNoise",
    "MeanErrorNoise",
    "NegativeBinomialNoise",
    "Noise",
    "NoiseLikelihood",
    "OwnDensity",
    "OwnDensityLikelihood",
    "PoissonNoise",
    "StudentTNoise",
    "Target",
    "noise_model",
]
