"""Number of parameters and deviance of a fitted mixture, for information criteria."""

import numpy as np

from sklearn_moe import gates
from sklearn_moe._estimators import error_note
from sklearn_moe._parameters import count_parameters
from sklearn_moe.experts import has_density


def count_mixture(fitted):
    """Count the free parameters of gate, experts and likelihoods of a FittedMixture.

    An expert that was retired has no parameters.
    """
    with error_note("the gate"):
        total = gates.n_parameters(fitted.gate, fitted.active)
    named = list(fitted.named_experts.items())
    without_density = []
    for k in np.flatnonzero(fitted.active):
        name, expert = named[k]
        with error_note(f"expert {name!r}"):
            total += count_parameters(expert)
        if not has_density(expert):
            without_density.append(k)
    experts = [expert for _, expert in named]
    with error_note("the noise"):
        total += fitted.targets.n_parameters(
            fitted.likelihood, experts, without_density
        )
    return int(total)


def deviance(posterior, sample_weight, *, completed=False, subjects=None):
    """Return minus twice the log-likelihood of rows, given their posterior.

    With `completed`, it is the classification log-likelihood: each row, or subject,
    counts for the expert of its largest responsibility alone.
    """
    responsibilities, log_likelihood = posterior
    if completed:
        certainty = np.log(responsibilities.max(axis=1))
        if subjects is not None:
            certainty = subjects.divided(certainty[subjects.first])
        log_likelihood = log_likelihood + certainty
    return float(-2 * sample_weight @ log_likelihood)
