"""The noise models by name; a name means the model with its default parameters."""

from sklearn_moe.likelihoods.beta import BetaNoise
from sklearn_moe.likelihoods.counts import NegativeBinomialNoise, PoissonNoise
from sklearn_moe.likelihoods.gaussian import GaussianNoise
from sklearn_moe.likelihoods.heavy_tails import LaplaceNoise, StudentTNoise
from sklearn_moe.likelihoods.noise import Noise
from sklearn_moe.likelihoods.positive import GammaNoise, LogNormalNoise

NOISES = {
    "gaussian": GaussianNoise,
    "laplace": LaplaceNoise,
    "student_t": StudentTNoise,
    "poisson": PoissonNoise,
    "negative_binomial": NegativeBinomialNoise,
    "gamma": GammaNoise,
    "lognormal": LogNormalNoise,
    "beta": BetaNoise,
}


def noise_model(noise):
    """Return the noise model that the parameter `noise` of a mixture specifies."""
    if isinstance(noise, Noise):
        return noise
    if isinstance(noise, str) and noise in NOISES:
        return NOISES[noise]()
    names = ", ".join(map(repr, NOISES))
    raise ValueError(
        f"The 'noise' must be a noise model or one of {names}; got {noise!r}."
    )
