"""What an expert's answer says about the target: p_k(y | x).

Each likelihood is fitted to the experts' outputs on the training rows and returns
two things: a small immutable object that can score new rows, and the log density of
every training target under every expert. The small object has three methods:

- ``log_prob(y, outputs)``: log density of targets under every expert,
- ``predictive(outputs)``: what each expert expects, which the mixture combines,
- ``take(order)``: the same for the experts in another order.
"""

from sklearn_moe.likelihoods.categorical import Categorical, CategoricalLikelihood
from sklearn_moe.likelihoods.gaussian import GaussianLikelihood, GaussianNoise
from sklearn_moe.likelihoods.own import OwnDensity, OwnDensityLikelihood

__all__ = [
    "Categorical",
    "CategoricalLikelihood",
    "GaussianLikelihood",
    "GaussianNoise",
    "OwnDensity",
    "OwnDensityLikelihood",
]
