"""The EM algorithm for mixtures of experts.

Experts, likelihood and gate are known here by these methods only, so that anything
that has them can take part:

- ``experts.fit(weights, active, previous)`` returns what was fitted and the outputs;
  the weights are `TrainingWeights`, an array where one is asked for,
- ``likelihood.fit(outputs, weights)`` returns what was fitted and the log densities of
  the targets; ``likelihood.emphasis(fitted, outputs)`` is a factor on the weights of
  the next fit of the experts, 1 unless the noise has heavy tails,
- ``gate.fit(responsibilities, previous)`` returns what was fitted and the logarithm of
  the gate's weights, a new array; ``gate.penalty(fitted)`` is its part of the
  objective, per unit of weight.

References
----------
.. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and the EM
   algorithm. Neural Computation 6(2), 181-214, section 3.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from sklearn_moe import kernels
from sklearn_moe.acceleration import squarem
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
        Growth of the objective since the iteration that this one went on from, per unit
        of weight; infinite in the first one and where an expert was given new rows.
    converged : bool
        Whether the change is below the tolerance, or the objective has stopped rising.
    load : ndarray of shape (n_experts,)
        Part of the weight of all rows that each expert was trained on.
    overflow_fraction : float
        Part of the weight of all rows that trained no expert.
    emphasis : float or ndarray of shape (n_samples, n_experts)
        Factor on the weights of the next fit of the experts.
    row_log_likelihood : ndarray of shape (n_samples,) or None
        Log-likelihood of each row; None before the first iteration.
    relieved : bool
        Whether starved experts were given rows, or retired, before this iteration.
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
    emphasis: Any
    row_log_likelihood: Any
    relieved: bool


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
    acceleration=None,
    step=None,
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
    acceleration : {"squarem"}, default=None
        How to need fewer iterations; see `squarem`. None means EM as it is.
    step : callable, default=None
        What makes a `Step` of its arguments; None means `Step` itself. Where rows lie
        elsewhere, it knows how to reach them.

    Yields
    ------
    iteration : Iteration
        Until one has converged; the caller decides how many are enough.
    """
    n_experts = responsibilities.shape[1]
    if route.assignment != "soft":
        # An expert that is given its own rows only has no part of the others.
        sharing = 0.0
    iterate = (step or Step)(
        experts, likelihood, gate, sample_weight, sharing, tol, route
    )
    start = Iteration(
        n_iter=0,
        experts=None,
        likelihood=None,
        gate=first_gate,
        active=np.ones(n_experts, dtype=bool),
        responsibilities=responsibilities,
        log_likelihood=-np.inf,
        objective=-np.inf,
        change=np.inf,
        converged=False,
        load=None,
        overflow_fraction=0.0,
        emphasis=first_emphasis,
        row_log_likelihood=None,
        relieved=False,
    )
    iterations = (squarem if acceleration == "squarem" else plain)(iterate, start)
    # Large, and of no use after the first iteration.
    del responsibilities, start
    for iteration in iterations:
        yield iteration
        if iteration.converged:
            break


def plain(step, state):
    """One EM iteration after the other.

    Parameters
    ----------
    step : Step
    state : Iteration
        Where to begin.

    Yields
    ------
    iteration : Iteration
    """
    while True:
        state = step(state)
        yield state


class Step:
    """One EM iteration: what all ways to iterate have in common.

    Parameters
    ----------
    experts, likelihood, gate, sample_weight, sharing, tol, route : object
        As in `expectation_maximization`.
    """

    def __init__(self, experts, likelihood, gate, sample_weight, sharing, tol, route):
        self.experts, self.likelihood, self.gate = experts, likelihood, gate
        self.sample_weight = sample_weight
        self.sharing = sharing
        self.tol = tol
        self.route = route
        self._starvation = None
        self._n_iter, self._n_stale, self._best = 0, 0, -np.inf

    def __call__(self, previous, ahead=None):
        """Iterate once.

        Parameters
        ----------
        previous : Iteration
            The one to go on from; it is left as it is.
        ahead : ndarray of shape (n_samples, n_experts), default=None
            Responsibilities in the place of those of `previous`. No expert is given
            rows or retired because of them, and EM does not converge there.

        Returns
        -------
        iteration : Iteration
        """
        sample_weight, sharing = self.sample_weight, self.sharing
        total_weight = sample_weight.sum()
        n_experts = len(previous.active)
        responsibilities, relieved, revived = ahead, False, False
        if ahead is None:
            responsibilities, relieved, revived = self._relieve(previous)
        active = self._starvation.active

        # M-step
        routed = self.route(responsibilities, sample_weight)
        weights = TrainingWeights(routed.weights, sample_weight, sharing)
        emphasised = replace(weights, emphasis=previous.emphasis)
        experts, outputs = self.experts.fit(emphasised, active, previous.experts)
        likelihood, log_prob = self.likelihood.fit(outputs, weights)
        emphasis = self.likelihood.emphasis(likelihood, outputs)
        # Memory is counted in arrays of this size: let go of it before the next.
        del outputs
        gate, log_gate = self.gate.fit(routed.targets, previous.gate)

        # E-step
        responsibilities, row_log_likelihood, log_likelihood = self._expect(
            log_gate, log_prob, active
        )

        objective = log_likelihood - total_weight * self.gate.penalty(gate)
        if sharing:
            penalty = sharing / (n_experts * (1 - sharing))
            objective += penalty * (sample_weight @ log_prob)[active].sum()
        reached = previous.objective
        if revived:
            reached = self._best = -np.inf
        change = (objective - reached) / total_weight
        improves = objective > self._best + self.tol * total_weight
        self._n_stale = 0 if improves else self._n_stale + 1
        self._best = max(self._best, objective)
        self._n_iter += 1
        return Iteration(
            self._n_iter,
            experts,
            likelihood,
            gate,
            active,
            responsibilities,
            log_likelihood,
            objective,
            change,
            (ahead is None and abs(change) < self.tol) or self._n_stale >= PATIENCE,
            routed.load,
            routed.overflow_fraction,
            emphasis,
            row_log_likelihood,
            relieved,
        )

    def _expect(self, log_gate, log_prob, active):
        """E-step: responsibilities, and the log-likelihood of each row and of all."""
        return kernels.responsibilities(
            exclude(log_gate, active), log_prob, self.sample_weight, overwrite_gate=True
        )

    def _watch(self, n_experts):
        """What looks after experts that lose their rows."""
        return Starvation(n_experts)

    def _relieve(self, previous):
        """Responsibilities to go on with, whether changed, whether to a new start."""
        given = previous.responsibilities
        if previous.row_log_likelihood is None:
            # Every expert is fitted once at least.
            self._starvation = self._watch(len(previous.active))
            return given, False, False
        responsibilities, revived = self._starvation.relieve(
            given, self.sample_weight, previous.row_log_likelihood
        )
        return responsibilities, responsibilities is not given, revived

    def starves(self, responsibilities):
        """Whether an expert would have next to no rows."""
        return self._starvation.starved(responsibilities, self.sample_weight).any()

    def norm(self, logits):
        """Length of a difference of logits; a shift of a row means nothing."""
        centred = logits - logits.mean(axis=1, keepdims=True)
        return np.sqrt(self.sample_weight @ (centred**2).sum(axis=1))


@dataclass(frozen=True)
class TrainingWeights:
    """Weights of the rows for each expert, made when they are asked for.

    Attributes
    ----------
    parts : ndarray of shape (n_samples, n_experts)
        Part of each row that each expert trains on.
    sample_weight : ndarray of shape (n_samples,)
    sharing : float
        Part of each row that is divided evenly.
    emphasis : float or ndarray of shape (n_samples, n_experts), default=1
        A factor on all.
    """

    parts: np.ndarray
    sample_weight: np.ndarray
    sharing: float
    emphasis: Any = 1.0

    def of(self, k, rows=slice(None)):
        """Weights of the rows for one expert, or, one below the other, for several.

        Parameters
        ----------
        k : int or list of int
        rows : slice, default=slice(None)

        Returns
        -------
        weights : ndarray of shape (n_rows,) or (len(k), n_rows)
        """
        sample_weight = self.sample_weight[rows]
        weights = self.parts.T[k, rows] * ((1 - self.sharing) * sample_weight)
        if self.sharing:
            weights += self.sharing / self.parts.shape[1] * sample_weight
        if np.ndim(self.emphasis):
            weights *= self.emphasis.T[k, rows]
        return weights

    def __array__(self, dtype=None, copy=None):
        """Weights for all, shape (n_samples, n_experts)."""
        weights = np.empty(self.parts.shape, dtype, order="F")
        for k in range(self.parts.shape[1]):
            weights[:, k] = self.of(k)
        return weights


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

    def starved(self, responsibilities, sample_weight):
        """Which experts have next to no rows, the retired ones aside."""
        share = sample_weight @ responsibilities / sample_weight.sum()
        return self.active & (share < STARVED_SHARE / len(self.active))

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
        starved = self.starved(responsibilities, sample_weight)
        if not starved.any():
            return responsibilities, False
        given = {}
        bounds = self._bounds(starved.sum(), sample_weight, row_log_likelihood)
        for k, (lower, upper) in zip(np.flatnonzero(starved), bounds):
            # A range that ends where it begins holds no row.
            if self._revivals[k] < MAX_REVIVALS and lower < upper:
                given[k] = lower, upper
                self._revivals[k] += 1
            else:
                self.active = self.active & (np.arange(n_experts) != k)
        return self._redistribute(responsibilities, row_log_likelihood, given), bool(
            given
        )

    def _bounds(self, n_starved, sample_weight, row_log_likelihood):
        """A range of log-likelihoods for each starved expert: its half even share.

        The first has the rows that are explained worst.
        """
        levels = np.quantile(
            explained(row_log_likelihood),
            0.5 * np.arange(1, n_starved + 1) / len(self.active),
            weights=sample_weight,
            method="inverted_cdf",
        )
        return list(pairwise([-np.inf, *levels]))

    def _redistribute(self, responsibilities, row_log_likelihood, given):
        return redistribute(responsibilities, row_log_likelihood, given, self.active)


def redistribute(responsibilities, row_log_likelihood, given, active):
    """Take the experts that are not active out, and give rows to others.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_samples, n_experts)
    row_log_likelihood : ndarray of shape (n_samples,)
    given : dict of tuple
        By the expert, the range of log-likelihoods of the rows of which it gets half;
        the lower end is left out.
    active : ndarray of shape (n_experts,), bool

    Returns
    -------
    responsibilities : ndarray of shape (n_samples, n_experts)
    """
    responsibilities = np.where(active, responsibilities, 0)
    level = explained(row_log_likelihood)
    for k, (lower, upper) in given.items():
        rows = (level > lower) & (level <= upper)
        responsibilities[rows] *= 0.5
        responsibilities[rows, k] += 0.5
    orphaned = responsibilities.sum(axis=1) == 0
    responsibilities[orphaned] = active
    return responsibilities / responsibilities.sum(axis=1, keepdims=True)


def explained(row_log_likelihood):
    """How well rows are explained, those that are explained alike the same.

    Rows of one level stay together, so that their order decides nothing.
    """
    return np.round(row_log_likelihood, 6)
