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
from sklearn_moe._parallel import in_one_blas_thread
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._rows import TrainingWeights, field
from sklearn_moe._statistics import Sums
from sklearn_moe.em.dead_experts import DeadExperts
from sklearn_moe.em.routing import exclude

# The strengths of penalties are learnt once the objective has changed by less than
# SMALL_CHANGE (nats per row), or by less than LEAST_FACTOR times the tolerance, and in
# any case after LATEST_LEARNING iterations. Until then the gate is strongly penalised
# and its borders are soft, while the experts find their rows.
# With larger thresholds EM may stop on a plateau, before the experts have found theirs.
SMALL_CHANGE = 1e-3
LEAST_FACTOR = 2
LATEST_LEARNING = 30

# The strengths have settled when updating them changes the objective by less than this
# fraction of the tolerance. It is small because a strength changes by a factor of two
# at most in an iteration and may still be far from its optimum.
SETTLED = 0.1

# The objective need not rise with experts that do not maximise the likelihood exactly
# (trees, resampled or cross-fitted ones). EM stops after this many iterations without
# improvement over the best one.
PATIENCE = 5


@dataclass(frozen=True)
class Learners:
    """The parts of a mixture that EM fits, bound to the training rows.

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


@saved_as_dict
@dataclass(frozen=True)
class Estimates:
    """Result of an M-step.

    Attributes
    ----------
    experts, likelihood, gate : object
        Results of the M-steps of the learners.
    working_weights : float or column of shape (n_samples, n_experts), default=1
        Factor on the weights of the next fit of the experts.
    sharing : float, default=0
        The sharing of this M-step; see `expectation_maximization`.
    next_sharing : float, default=0
        The sharing of the next M-step.
    """

    experts: Any = None
    likelihood: Any = None
    gate: Any = None
    working_weights: Any = 1.0
    sharing: float = 0.0
    next_sharing: float = 0.0


@dataclass(frozen=True)
class Posterior:
    """Result of an E-step.

    Attributes
    ----------
    responsibilities : column of shape (n_samples, n_experts)
        Rows sum to one.
    share : ndarray of shape (n_experts,)
        Weighted mean of the responsibilities.
    log_likelihood : float
        Weighted sum over the rows.
    row_log_likelihood : column of shape (n_samples,) or None
        None if the responsibilities are not those of an E-step.
    log_prob : ndarray of shape (n_experts,) or float
        Weighted sum of the log density of the targets under each expert; 0 if it is not
        needed.
    squares : ndarray of shape (n_experts,) or float
        Weighted sum of the squared responsibilities; 0 if it is not needed.
    """

    responsibilities: Any
    share: np.ndarray
    log_likelihood: float = -np.inf
    row_log_likelihood: Any = None
    log_prob: Any = 0.0
    squares: Any = 0.0

    @classmethod
    def given(cls, rows, responsibilities):
        """Wrap responsibilities that are not those of an E-step."""
        sums = rows.total(_column_sums, responsibilities)
        return cls(responsibilities, sums.responsibilities / rows.total_weight)


@saved_as_dict
@dataclass(frozen=True)
class Iteration:
    """The state of EM after one iteration.

    Attributes
    ----------
    n_iter : int
        Number of iterations so far.
    estimates : Estimates
    posterior : Posterior
        Posterior under the estimates of this iteration.
    active : ndarray of shape (n_experts,), bool
        False for the experts that were retired.
    objective : float
        The penalised log-likelihood that EM maximises, minus the `drift`.
    drift : float
        The part of the penalised log-likelihood's change that is due to updated
        strengths of penalties, not to updated estimates. Without it, the objectives of
        different iterations can be compared.
    next_drift : float
        The drift of the next iteration.
    level : float
        The log-likelihood minus the penalty of the gate and, if the sharing is learnt,
        its strength times the divergence (see `LearntSharing`); the objective without
        drift if the sharing is fixed. It can be compared between starts.
    penalty : float
        The gate's penalty in the objective, per unit of weight.
    next_penalty : float
        The same penalty with the strength of the next M-step.
    change : float
        Increase of the objective since the previous iteration, per unit of weight;
        infinite if it is unknown or if an expert was reinitialised.
    learns : bool
        Whether the strengths of penalties are learnt.
    converged : bool
        Whether the change is below the tolerance, or the objective has stopped rising.
    load : ndarray of shape (n_experts,)
        Fraction of the weight of all rows that each expert was trained on.
    overflow_fraction : float
        Fraction of the weight of all rows that trained no expert.
    interrupted : bool
        Whether dead experts were reinitialised or retired before this iteration.
    n_revivals : ndarray of shape (n_experts,), int, or 0
        How often each expert has been reinitialised up to now.
    """

    n_iter: int
    estimates: Estimates
    posterior: Posterior
    active: np.ndarray
    objective: float = -np.inf
    drift: float = 0.0
    next_drift: float = 0.0
    level: float = -np.inf
    penalty: float = 0.0
    next_penalty: float = 0.0
    change: float = np.inf
    learns: bool = False
    converged: bool = False
    load: Any = None
    overflow_fraction: float = 0.0
    interrupted: bool = False
    n_revivals: Any = 0


class EMStep:
    """The EM iteration, for any learners and any storage of the rows.

    Parameters
    ----------
    rows : Rows
    learners : Learners
    router : Router
    n_experts : int
    tol : float
    learnt_sharing : LearntSharing or None
        See `expectation_maximization`.
    first_objective : float
        Objective of the model from which EM starts.
    n_revivals : ndarray of shape (n_experts,), int, or 0
        See `DeadExperts`.
    """

    def __init__(
        self,
        rows,
        learners,
        router,
        n_experts,
        *,
        tol,
        learnt_sharing=None,
        first_objective=-np.inf,
        n_revivals=0,
    ):
        self.rows = rows
        self.learners = learners
        self.router = router
        self.learnt_sharing = learnt_sharing
        self.tol = tol
        self._learns_strengths = (
            learnt_sharing is not None or learners.gate.learns_penalty
        )
        self.dead_experts = DeadExperts(
            rows,
            n_experts,
            learners.experts.is_noise,
            n_revivals,
            are_given=learners.experts.are_given,
        )
        self._n_iter, self._n_stale, self._best = 0, 0, first_objective

    def __call__(self, previous, ahead=None):
        """Run one iteration.

        Parameters
        ----------
        previous : Iteration
            The iteration from which to continue; it is not modified.
        ahead : Posterior, default=None
            Extrapolated posterior that replaces that of `previous`. It leads to no
            reinitialisation or retirement of experts, and a small change after it does
            not count as convergence.

        Returns
        -------
        iteration : Iteration
        """
        rows, learners = self.rows, self.learners
        posterior, reinitialised = previous.posterior, []
        if ahead is not None:
            posterior = ahead
        elif previous.n_iter:
            # Experts are reinitialised or retired only after a first fit.
            posterior, reinitialised = self._without_dead_experts(previous.posterior)
        active = self.dead_experts.active
        before = previous.estimates
        experts, sharing = before.experts, before.next_sharing
        if reinitialised:
            experts = learners.experts.begin_anew(experts, reinitialised)

        # M-step
        routed = self.router.route(rows, posterior)
        experts, outputs = learners.experts.fit(
            rows.map(
                TrainingWeights.of_experts,
                routed.weights,
                sharing,
                before.working_weights,
            ),
            active,
            experts,
        )
        weights = rows.map(TrainingWeights.of_block, routed.weights, sharing)
        likelihood, log_prob = fit_likelihood(
            rows, learners.likelihood, outputs, weights
        )
        working_weights = working_weights_of(rows, likelihood, outputs)
        # Release this large array before the next one is allocated.
        del outputs
        learns = previous.learns or self._begins_to_learn(previous)
        gate, log_gate = learners.gate.fit(
            routed.targets, before.gate, learn_penalty=learns
        )

        # E-step
        interrupted = ahead is None and posterior is not previous.posterior
        posterior = e_step(rows, log_gate, log_prob, active, sums=bool(sharing))
        del log_gate, log_prob

        # Strengths of the penalties
        next_sharing, divergence = sharing, None
        if sharing and self.learnt_sharing is not None:
            # The level, by which starts are compared, needs it in each iteration.
            divergence = self.learnt_sharing.divergence(posterior, likelihood, active)
            if learns:
                next_sharing = self.learnt_sharing.learn(
                    sharing, divergence, posterior, active
                )
        estimates = Estimates(
            experts, likelihood, gate, working_weights, sharing, next_sharing
        )

        penalty = learners.gate.penalty(gate)
        penalised = objective_of(posterior, penalty, active, sharing, rows.total_weight)
        level = penalised
        if divergence is not None:
            strength = sharing_strength(sharing, len(active))
            level = objective_of(posterior, penalty, active, 0.0, rows.total_weight)
            level -= strength * divergence
        next_penalty = learners.gate.penalty(gate, ahead=True)
        ahead_of = objective_of(
            posterior, next_penalty, active, next_sharing, rows.total_weight
        )
        objective = penalised - previous.next_drift
        change = (objective - previous.objective) / rows.total_weight
        if reinitialised:
            change = np.inf
        stale = self._is_stale(objective, anew=bool(reinitialised))
        still = abs(change) < self.tol and self._has_settled(previous)
        settled = stale or (ahead is None and still)
        self._n_iter += 1
        return Iteration(
            n_iter=self._n_iter,
            estimates=estimates,
            posterior=posterior,
            active=active,
            objective=objective,
            drift=previous.next_drift,
            next_drift=ahead_of - objective,
            level=level,
            penalty=penalty,
            next_penalty=next_penalty,
            change=change,
            learns=learns,
            # Growing experts may continue to grow after a small change.
            converged=settled and not learners.experts.grows(experts, active),
            load=routed.load,
            overflow_fraction=routed.overflow_fraction,
            interrupted=interrupted,
            n_revivals=self.dead_experts.n_revivals.copy(),
        )

    def _begins_to_learn(self, previous):
        """Return whether the strengths of the penalties are learnt from now on."""
        if not self._learns_strengths:
            return True
        experts = previous.estimates.experts
        if experts is not None and self.learners.experts.grows(
            experts, previous.active
        ):
            # Each step of growing experts is fitted under the current borders, which
            # therefore have to be learnt from the beginning.
            return True
        small = max(SMALL_CHANGE, LEAST_FACTOR * self.tol)
        return previous.change < small or previous.n_iter >= LATEST_LEARNING

    def _has_settled(self, previous):
        """Return whether the strengths of the penalties have stopped changing."""
        if self._learns_strengths and not previous.learns:
            return False
        drift = previous.next_drift - previous.drift
        return abs(drift) < SETTLED * self.tol * self.rows.total_weight

    def _without_dead_experts(self, posterior):
        """Return the posterior to continue with, and the reinitialised experts."""
        responsibilities, reinitialised = self.dead_experts.reinitialise(posterior)
        if responsibilities is posterior.responsibilities:
            return posterior, []
        return Posterior.given(self.rows, responsibilities), reinitialised

    def _is_stale(self, objective, *, anew):
        """Return whether the objective has not improved for `PATIENCE` iterations.

        `anew` says that experts were reinitialised: the comparison starts again then.
        """
        if anew:
            self._best = -np.inf
        improves = objective > self._best + self.tol * self.rows.total_weight
        self._n_stale = 0 if improves else self._n_stale + 1
        self._best = max(self._best, objective)
        return self._n_stale >= PATIENCE


def objective_of(posterior, penalty, active, sharing, total_weight):
    """Return the penalised log-likelihood; see `expectation_maximization`.

    Parameters
    ----------
    posterior : Posterior
        It must have the sums of log densities if there is `sharing`.
    penalty : float
        The gate's penalty, per unit of weight.
    active : ndarray of shape (n_experts,), bool
    sharing, total_weight : float

    Returns
    -------
    objective : float
    """
    objective = posterior.log_likelihood - total_weight * penalty
    if sharing:
        strength = sharing_strength(sharing, len(active))
        log_prob = posterior.log_prob[active]
        # An expert for which some target is impossible (a point mass) is left out, as
        # it would make the objective infinite.
        objective += strength * log_prob[np.isfinite(log_prob)].sum()
    return objective


def sharing_strength(sharing, n_experts):
    """Return the strength c of sharing; see `expectation_maximization`."""
    return sharing / (n_experts * (1 - sharing))


def fit_likelihood(rows, likelihood, outputs, weights):
    """Run the M-step of the likelihood.

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
    """Return the log density of a block's targets, of shape (n_samples, n_experts)."""
    return _of_rows(fitted, block).log_prob(block.encoded_y, outputs, block.X)


def working_weights_of(rows, fitted, outputs):
    """Return the factor on the weights of the next fit of the experts."""
    if not fitted.has_working_weights:
        return 1.0
    return rows.keep(rows.map(_working_weights_of_block, outputs, fitted))


def _working_weights_of_block(block, outputs, fitted):
    return _of_rows(fitted, block).working_weights(block.encoded_y, outputs)


def _of_rows(fitted, block):
    return fitted if block.exposure is None else fitted.at(block.exposure)


@in_one_blas_thread
def e_step(rows, log_gate, log_prob, active, *, sums=False):
    """Compute the responsibilities, and the log-likelihood of each row and their sum.

    Parameters
    ----------
    rows : Rows
    log_gate : column of shape (n_samples, n_experts)
        Logarithm of the gate's weights. It may be overwritten.
    log_prob : column of shape (n_samples, n_experts)
        Log density of the targets under each expert.
    active : ndarray of shape (n_experts,), bool
        The other experts get zero responsibilities.
    sums : bool, default=False
        Whether to compute the sums that sharing needs.

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
        total.squares,
    )


@dataclass(frozen=True)
class PosteriorSums(Sums):
    """Weighted sums over rows of the fields of `Posterior`."""

    log_likelihood: float
    responsibilities: np.ndarray
    log_prob: Any = 0.0
    squares: Any = 0.0


class BlockPosterior(NamedTuple):
    """Result of an E-step for one block; see `Posterior`."""

    responsibilities: np.ndarray
    row_log_likelihood: np.ndarray
    sums: PosteriorSums


def _posterior_of_block(block, log_gate, log_prob, active, sums):
    weights, log_gate = block.sample_weight, exclude(log_gate, active)
    if block.subjects is None:
        found = kernels.responsibilities(
            log_gate, log_prob, weights, overwrite_gate=True
        )
    else:
        found = block.subjects.posterior(log_gate, log_prob)
    responsibilities, row_log_likelihood, log_likelihood = found
    return BlockPosterior(
        responsibilities,
        row_log_likelihood,
        PosteriorSums(
            log_likelihood,
            weights @ responsibilities,
            weights @ log_prob if sums else 0.0,
            _weighted_squares(weights, responsibilities) if sums else 0.0,
        ),
    )


def _weighted_squares(weights, responsibilities):
    # einsum needs no temporary array of the size of the responsibilities.
    return np.einsum("n,nk,nk->k", weights, responsibilities, responsibilities)


def _column_sums(block, responsibilities):
    return PosteriorSums(0.0, block.sample_weight @ responsibilities)
