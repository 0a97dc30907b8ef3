r"""One iteration of the EM algorithm for mixtures of experts.

References
----------
.. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and the EM
   algorithm. Neural Computation 6(2), 181-214, section 3.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_moe import kernels
from sklearn_moe._rows import TrainingWeights, field
from sklearn_moe._statistics import Sums
from sklearn_moe.em.dead_experts import DeadExperts
from sklearn_moe.em.routing import exclude

# Experts that do not maximise the likelihood exactly (trees, resampled or cross-fitted
# ones) need not climb. EM stops after this many iterations without a new best.
PATIENCE = 5


@dataclass(frozen=True)
class Learners:
    """What EM is to learn, bound to the training rows.

    Attributes
    ----------
    experts : Experts
    likelihood : Likelihood
    gate : Gate
        See `sklearn_moe._contracts`.
    """

    experts: Any
    likelihood: Any
    gate: Any


@dataclass(frozen=True)
class Estimates:
    """What an M-step has found.

    Attributes
    ----------
    experts, likelihood, gate : object
        What the M-steps of the learners returned.
    working_weights : float or column of shape (n_samples, n_experts), default=1
        Factor on the weights of the next fit of the experts.
    """

    experts: Any = None
    likelihood: Any = None
    gate: Any = None
    working_weights: Any = 1.0


@dataclass(frozen=True)
class Posterior:
    """What an E-step has found.

    Attributes
    ----------
    responsibilities : column of shape (n_samples, n_experts)
        Rows sum to one.
    share : ndarray of shape (n_experts,)
        Weighted mean of the responsibilities.
    log_likelihood : float
        Weighted sum over the rows.
    row_log_likelihood : column of shape (n_samples,) or None
        None where no E-step has found the responsibilities.
    log_prob : ndarray of shape (n_experts,) or float
        Weighted sum of the log density of the targets under each expert; 0 where it is
        not needed.
    """

    responsibilities: Any
    share: np.ndarray
    log_likelihood: float = -np.inf
    row_log_likelihood: Any = None
    log_prob: Any = 0.0

    @classmethod
    def given(cls, rows, responsibilities):
        """Take responsibilities that no E-step has found."""
        sums = rows.total(_column_sums, responsibilities)
        return cls(responsibilities, sums.responsibilities / rows.total_weight)


@dataclass(frozen=True)
class Iteration:
    """The state of EM after one iteration.

    Attributes
    ----------
    n_iter : int
        Number of iterations so far.
    estimates : Estimates
    posterior : Posterior
        Under the estimates of this very iteration.
    active : ndarray of shape (n_experts,), bool
        False for the experts that were retired.
    objective : float
        The penalised log-likelihood that EM climbs.
    penalty : float
        The gate's term in it, per unit of weight.
    change : float
        Growth of the objective since the iteration that this one went on from, per unit
        of weight; infinite where that is not known, and where an expert was
        reinitialised.
    converged : bool
        Whether the change is below the tolerance, or the objective has stopped rising.
    load : ndarray of shape (n_experts,)
        Fraction of the weight of all rows that each expert was trained on.
    overflow_fraction : float
        Fraction of the weight of all rows that trained no expert.
    interrupted : bool
        Whether dead experts were reinitialised or retired before this iteration.
    """

    n_iter: int
    estimates: Estimates
    posterior: Posterior
    active: np.ndarray
    objective: float = -np.inf
    penalty: float = 0.0
    change: float = np.inf
    converged: bool = False
    load: Any = None
    overflow_fraction: float = 0.0
    interrupted: bool = False


class EMStep:
    """One EM iteration, whatever the learners are and wherever the rows lie.

    Parameters
    ----------
    rows : Rows
    learners : Learners
    router : Router
    n_experts : int
    sharing, tol, first_objective : float
        See `expectation_maximization`.
    """

    def __init__(
        self,
        rows,
        learners,
        router,
        n_experts,
        *,
        sharing,
        tol,
        first_objective=-np.inf,
    ):
        self.rows = rows
        self.learners = learners
        self.router = router
        self.sharing = router.shared(sharing)
        self.tol = tol
        self.dead_experts = DeadExperts(rows, n_experts)
        self._n_iter, self._n_stale, self._best = 0, 0, first_objective

    def __call__(self, previous, ahead=None):
        """Iterate once.

        Parameters
        ----------
        previous : Iteration
            The one to go on from; it is left as it is.
        ahead : Posterior, default=None
            Takes the place of that of `previous`. No expert is reinitialised or retired
            because of it, and EM does not converge there.

        Returns
        -------
        iteration : Iteration
        """
        rows, learners = self.rows, self.learners
        posterior, reinitialised = previous.posterior, []
        if ahead is not None:
            posterior = ahead
        elif previous.n_iter:
            # Not before every expert has been fitted once.
            posterior, reinitialised = self._without_dead_experts(previous.posterior)
        active = self.dead_experts.active
        experts = previous.estimates.experts
        if reinitialised:
            experts = learners.experts.begin_anew(experts, reinitialised)

        # M-step
        routed = self.router.route(rows, posterior)
        experts, outputs = learners.experts.fit(
            rows.map(
                TrainingWeights.of_block,
                routed.weights,
                self.sharing,
                previous.estimates.working_weights,
            ),
            active,
            experts,
        )
        weights = rows.map(TrainingWeights.of_block, routed.weights, self.sharing)
        likelihood, log_prob = fit_likelihood(
            rows, learners.likelihood, outputs, weights
        )
        working_weights = working_weights_of(rows, likelihood, outputs)
        # Memory is counted in arrays of this size: it is released before the next.
        del outputs
        gate, log_gate = learners.gate.fit(routed.targets, previous.estimates.gate)
        estimates = Estimates(experts, likelihood, gate, working_weights)

        # E-step
        interrupted = ahead is None and posterior is not previous.posterior
        posterior = e_step(rows, log_gate, log_prob, active, sums=bool(self.sharing))

        penalty = learners.gate.penalty(gate)
        objective = objective_of(
            posterior, penalty, active, self.sharing, rows.total_weight
        )
        before = -np.inf if reinitialised else previous.objective
        change = (objective - before) / rows.total_weight
        stale = self._is_stale(objective, anew=bool(reinitialised))
        settled = stale or (ahead is None and abs(change) < self.tol)
        self._n_iter += 1
        return Iteration(
            n_iter=self._n_iter,
            estimates=estimates,
            posterior=posterior,
            active=active,
            objective=objective,
            penalty=penalty,
            change=change,
            # A step of what is being built may change little.
            converged=settled and not learners.experts.grows(experts, active),
            load=routed.load,
            overflow_fraction=routed.overflow_fraction,
            interrupted=interrupted,
        )

    def _without_dead_experts(self, posterior):
        """The posterior to go on with, and the experts that were reinitialised."""
        responsibilities, reinitialised = self.dead_experts.reinitialise(posterior)
        if responsibilities is posterior.responsibilities:
            return posterior, []
        return Posterior.given(self.rows, responsibilities), reinitialised

    def _is_stale(self, objective, *, anew):
        """Whether the objective has had no new best for a while."""
        if anew:
            self._best = -np.inf
        improves = objective > self._best + self.tol * self.rows.total_weight
        self._n_stale = 0 if improves else self._n_stale + 1
        self._best = max(self._best, objective)
        return self._n_stale >= PATIENCE


def objective_of(posterior, penalty, active, sharing, total_weight):
    """The penalised log-likelihood; see `expectation_maximization`.

    Parameters
    ----------
    posterior : Posterior
        With the sums of log densities, if there is `sharing`.
    penalty : float
        The gate's term, per unit of weight.
    active : ndarray of shape (n_experts,), bool
    sharing, total_weight : float

    Returns
    -------
    objective : float
    """
    objective = posterior.log_likelihood - total_weight * penalty
    if sharing:
        strength = sharing / (len(active) * (1 - sharing))
        objective += strength * posterior.log_prob[active].sum()
    return objective


def fit_likelihood(rows, likelihood, outputs, weights):
    """M-step of the likelihood.

    Parameters
    ----------
    rows : Rows
    likelihood : Likelihood
    outputs : column of shape (n_samples, n_experts, ...) or of Outputs
    weights : column of TrainingWeights

    Returns
    -------
    fitted : FittedLikelihood
    log_prob : column of shape (n_samples, n_experts)
        Log density of the targets under each expert.
    """
    fitted = likelihood.solve(rows.total(likelihood.summarize, outputs, weights))
    return fitted, rows.map(log_prob_of_block, outputs, fitted)


def log_prob_of_block(block, outputs, fitted):
    """Log density of the targets of a block (n_samples, n_experts)."""
    return fitted.log_prob(block.encoded_y, outputs, block.X)


def working_weights_of(rows, fitted, outputs):
    """Compute the factor on the weights with which the experts are fitted next."""
    if not fitted.has_working_weights:
        return 1.0
    return rows.keep(rows.map(_working_weights_of_block, outputs, fitted))


def _working_weights_of_block(block, outputs, fitted):
    return fitted.working_weights(block.encoded_y, outputs)


def e_step(rows, log_gate, log_prob, active, *, sums=False):
    """Compute the responsibilities, and the log-likelihood of each row and of all.

    Parameters
    ----------
    rows : Rows
    log_gate : column of shape (n_samples, n_experts)
        Logarithm of the gate's weights. It may be overwritten.
    log_prob : column of shape (n_samples, n_experts)
        Log density of the targets under each expert.
    active : ndarray of shape (n_experts,), bool
        The other experts are responsible for nothing.
    sums : bool, default=False
        Whether `log_prob` is to be summed up.

    Returns
    -------
    posterior : Posterior
    """
    found = rows.keep(rows.map(_posterior_of_block, log_gate, log_prob, active, sums))
    total = rows.total(field, found, "sums")
    return Posterior(
        rows.map(field, found, "responsibilities"),
        total.responsibilities / rows.total_weight,
        total.log_likelihood,
        rows.map(field, found, "row_log_likelihood"),
        total.log_prob,
    )


@dataclass(frozen=True)
class PosteriorSums(Sums):
    """Weighted sums over rows of the fields of `Posterior`."""

    log_likelihood: float
    responsibilities: np.ndarray
    log_prob: Any


class BlockPosterior(NamedTuple):
    """What an E-step has found in one block; see `Posterior`."""

    responsibilities: np.ndarray
    row_log_likelihood: np.ndarray
    sums: PosteriorSums


def _posterior_of_block(block, log_gate, log_prob, active, sums):
    weights = block.sample_weight
    responsibilities, row_log_likelihood, log_likelihood = kernels.responsibilities(
        exclude(log_gate, active), log_prob, weights, overwrite_gate=True
    )
    return BlockPosterior(
        responsibilities,
        row_log_likelihood,
        PosteriorSums(
            log_likelihood,
            weights @ responsibilities,
            weights @ log_prob if sums else 0.0,
        ),
    )


def _column_sums(block, responsibilities):
    return PosteriorSums(0.0, block.sample_weight @ responsibilities, 0.0)
