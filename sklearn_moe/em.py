"""The EM algorithm for mixtures of experts.

Experts, likelihood and gate are known here by these methods only, so that anything
that has them can take part:

- ``experts.fit(weights, active, previous)`` returns what was fitted and the outputs,
- ``likelihood.fit(outputs, weights)`` returns what was fitted and the log densities of
  the targets; ``likelihood.emphasis(fitted, outputs)`` is a factor on the weights of
  the next fit of the experts, 1 unless the noise has heavy tails,
- ``gate.fit(responsibilities, previous)`` returns what was fitted and the logarithm of
  the gate's weights; ``gate.penalty(fitted)`` is its part of the objective, per unit of
  weight.

References
----------
.. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and the EM
   algorithm. Neural Computation 6(2), 181-214, section 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_moe import kernels
from sklearn_moe.routing import Router, exclude

# An expert whose part of the rows is below this part of an even share is starved.
STARVED_SHARE = 0.01

# Experts that do not maximise the likelihood exactly (trees, resampled or cross-fitted
# ones) need not climb. EM stops after this many iterations without a new best.
PATIENCE = 5

# How often one starved expert is given new rows before it is retired.
MAX_REVIVALS = 2


# Textbook EM: every expert is trained on every row.
BY_RESPONSIBILITY = Router()


@dataclass(frozen=True)
class Iteration:
    """The state of EM after one iteration.

    Attributes
    ----------
    n_iter : int
        Number of iterations so far.
    experts, likelihood, gate : object
        What the parts' `fit` returned.
    active : ndarray of shape (n_experts,), bool
        False for the experts that were retired.
    responsibilities : ndarray of shape (n_samples, n_experts)
        Under the parts of this very iteration.
    log_likelihood : float
        Weighted sum over the rows.
    objective : float
        The penalised log-likelihood that EM climbs.
    change : float
        Growth of the objective in this iteration, per unit of weight; infinite in the
        first one and where an expert was given new rows.
    converged : bool
        Whether the change is below the tolerance, or the objective has stopped rising.
    load : ndarray of shape (n_experts,)
        Part of the weight of all rows that each expert was trained on.
    overflow_fraction : float
        Part of the weight of all rows that trained no expert.
    """

    n_iter: int
    experts: Any
    likelihood: Any
    gate: Any
    active: np.ndarray
    responsibilities: np.ndarray
    log_likelihood: float
    objective: float
    change: float
    converged: bool
    load: np.ndarray
    overflow_fraction: float


def expectation_maximization(
    experts,
    likelihood,
    gate,
    responsibilities,
    sample_weight,
    *,
    sharing,
    tol,
    route=BY_RESPONSIBILITY,
    first_gate=None,
    first_emphasis=1.0,
):
    r"""Iterate EM until it converges.

    With `sharing` :math:`\rho` every expert has a little weight on every row. This is
    EM on the objective

    .. math::
        \sum_i w_i \log \sum_k g_k(x_i) p_k(y_i | x_i)
        + c \sum_k \sum_i w_i \log p_k(y_i | x_i) - \sum_i w_i \, \Omega(g),
        \qquad c = \frac{\rho}{K (1 - \rho)},

    where :math:`\Omega` is the penalty of the gate, so that the objective rises as
    long as experts and likelihood maximise exactly and no expert starves.

    Parameters
    ----------
    experts, likelihood, gate : object
        The parts; see the module.
    responsibilities : ndarray of shape (n_samples, n_experts)
        Where to begin; rows sum to one.
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    sharing : float
        In [0, 1). Without it each column of `responsibilities` must hold something:
        every expert takes part in the first M-step.
    tol : float
        Smallest change of the objective, per unit of weight, that is worth an
        iteration.
    route : Router, default=BY_RESPONSIBILITY
        Which rows train which expert. Where it is not by responsibility the objective
        need not rise, and there is no sharing.
    first_gate : object, default=None
        The `previous` of the gate's first fit.
    first_emphasis : float or ndarray of shape (n_samples, n_experts), default=1
        The `emphasis` of the experts' first fit.

    Yields
    ------
    iteration : Iteration
        Until one has converged; the caller decides how many are enough.
    """
    n_experts = responsibilities.shape[1]
    if route.assignment != "soft":
        # An expert that is given its own rows only has no part of the others.
        sharing = 0.0
    total_weight = sample_weight.sum()
    sharing_penalty = sharing / (n_experts * (1 - sharing))
    starvation = Starvation(n_experts)
    row_log_likelihood, revived = None, False
    fitted_experts, fitted_gate, emphasis = None, first_gate, first_emphasis
    objective, best, n_iter, n_stale, converged = -np.inf, -np.inf, 0, 0, False

    while not converged:
        n_iter += 1
        if row_log_likelihood is not None:
            responsibilities, revived = starvation.relieve(
                responsibilities, sample_weight, row_log_likelihood
            )
        active = starvation.active

        # M-step
        routed = route(responsibilities, sample_weight)
        weights = shared_weights(routed.weights, sample_weight, sharing)
        emphasised = weights * emphasis if np.ndim(emphasis) else weights
        fitted_experts, outputs = experts.fit(emphasised, active, fitted_experts)
        fitted_likelihood, log_prob = likelihood.fit(outputs, weights)
        emphasis = likelihood.emphasis(fitted_likelihood, outputs)
        fitted_gate, log_gate = gate.fit(routed.targets, fitted_gate)

        # E-step
        log_gate = exclude(log_gate, active)
        responsibilities, row_log_likelihood, log_likelihood = kernels.responsibilities(
            log_gate, log_prob, sample_weight
        )

        previous, best = (-np.inf, -np.inf) if revived else (objective, best)
        objective = log_likelihood - total_weight * gate.penalty(fitted_gate)
        if sharing:
            objective += sharing_penalty * (sample_weight @ log_prob[:, active]).sum()
        change = (objective - previous) / total_weight
        n_stale = 0 if objective > best + tol * total_weight else n_stale + 1
        best = max(best, objective)
        converged = abs(change) < tol or n_stale >= PATIENCE
        yield Iteration(
            n_iter,
            fitted_experts,
            fitted_likelihood,
            fitted_gate,
            active,
            responsibilities,
            log_likelihood,
            objective,
            change,
            converged,
            routed.load,
            routed.overflow_fraction,
        )


def shared_weights(weights, sample_weight, sharing):
    """Weights of the rows for each expert.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_experts)
        Part of each row that each expert trains on.
    sample_weight : ndarray of shape (n_samples,)
    sharing : float
        Part of each row that is divided evenly.

    Returns
    -------
    weights : ndarray of shape (n_samples, n_experts)
        The weights of each expert are one piece of memory, as its fit takes them.
    """
    shared = np.empty(weights.shape, order="F")
    own = ((1 - sharing) * sample_weight)[:, np.newaxis]
    np.multiply(weights, own, out=shared)
    if sharing:
        shared += (sharing / weights.shape[1] * sample_weight)[:, np.newaxis]
    return shared


def fit_likelihood(likelihood, outputs, log_gate, responsibilities, sample_weight, tol):
    """EM over the likelihood alone: experts and gate stay as they are.

    Parameters
    ----------
    likelihood : object
        As in `expectation_maximization`.
    outputs : ndarray of shape (n_samples, n_experts, ...)
        Answers of the experts.
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    responsibilities : ndarray of shape (n_samples, n_experts)
        Where to begin.
    sample_weight : ndarray of shape (n_samples,)
    tol : float
        Smallest change of the log-likelihood, per unit of weight, that is worth an
        iteration.

    Returns
    -------
    fitted : object
        What the likelihood's `fit` returned last.
    """
    reached, improves = -np.inf, True
    while improves:
        weights = sample_weight[:, np.newaxis] * responsibilities
        fitted, log_prob = likelihood.fit(outputs, weights)
        responsibilities, _, log_likelihood = kernels.responsibilities(
            log_gate, log_prob, sample_weight
        )
        improves = log_likelihood > reached + tol * sample_weight.sum()
        reached = log_likelihood
    return fitted


class Starvation:
    """Watches over experts that lose their rows.

    A starved expert is given the rows that the mixture explains worst, a bounded number
    of times; then it is retired.

    Parameters
    ----------
    n_experts : int
    """

    def __init__(self, n_experts):
        self.active = np.ones(n_experts, dtype=bool)
        self._revivals = np.zeros(n_experts, dtype=int)

    def relieve(self, responsibilities, sample_weight, row_log_likelihood):
        """Give rows to the starved experts, or retire them.

        Parameters
        ----------
        responsibilities : ndarray of shape (n_samples, n_experts)
        sample_weight : ndarray of shape (n_samples,)
        row_log_likelihood : ndarray of shape (n_samples,)

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, n_experts)
            A new array where something changed.
        revived : bool
            Whether an expert was given rows, so that the objective may have fallen.
        """
        n_experts = len(self.active)
        share = sample_weight @ responsibilities / sample_weight.sum()
        starved = self.active & (share < STARVED_SHARE / n_experts)
        if not starved.any():
            return responsibilities, False
        worst_rows = self._worst_rows(starved.sum(), sample_weight, row_log_likelihood)
        responsibilities = responsibilities.copy()
        revived = False
        for k, rows in zip(np.flatnonzero(starved), worst_rows):
            if self._revivals[k] < MAX_REVIVALS and rows.any():
                responsibilities[rows] *= 0.5
                responsibilities[rows, k] += 0.5
                self._revivals[k] += 1
                revived = True
            else:
                self.active = self.active & (np.arange(n_experts) != k)
                responsibilities[:, k] = 0
        orphaned = responsibilities.sum(axis=1) == 0
        responsibilities[orphaned] = self.active
        responsibilities /= responsibilities.sum(axis=1, keepdims=True)
        return responsibilities, revived

    def _worst_rows(self, n_starved, sample_weight, row_log_likelihood):
        """Yield a mask for each starved expert: half of an even share of the rows.

        Rows that are explained alike stay together, so that their order decides
        nothing.
        """
        explained = np.round(row_log_likelihood, 6)
        levels = np.quantile(
            explained,
            0.5 * np.arange(1, n_starved + 1) / len(self.active),
            weights=sample_weight,
            method="inverted_cdf",
        )
        lower = -np.inf
        for upper in levels:
            yield (explained > lower) & (explained <= upper)
            lower = upper
