"""The EM algorithm: iterations until convergence."""

import numpy as np

from sklearn_moe._rows import TrainingWeights
from sklearn_moe.em.acceleration import squarem
from sklearn_moe.em.routing import Router
from sklearn_moe.em.step import (
    EMStep,
    Estimates,
    Iteration,
    Posterior,
    e_step,
    fit_likelihood,
)

# Textbook EM trains every expert on every row.
BY_RESPONSIBILITY = Router()


def expectation_maximization(
    rows,
    learners,
    responsibilities,
    *,
    sharing,
    tol,
    router=BY_RESPONSIBILITY,
    first_gate=None,
    first_working_weights=1.0,
    model=None,
    learns=False,
    learnt_sharing=None,
    acceleration=None,
):
    r"""Iterate EM until it converges.

    With `sharing` :math:`\rho` every expert is trained on every row with a small
    additional weight. This is EM on the objective

    .. math::
        \sum_i w_i \log \sum_k g_k(x_i) p_k(y_i | x_i)
        + c \sum_k \sum_i w_i \log p_k(y_i | x_i) - \sum_i w_i \, \Omega(g),
        \qquad c = \frac{\rho}{K (1 - \rho)},

    where :math:`\Omega` is the penalty of the gate. The objective rises in each
    iteration as long as the M-steps of the experts and of the likelihood are exact and
    no expert dies. If the strength of the penalty, or the sharing, is learnt, the
    objective itself differs between iterations: each change of the objective is
    computed under the strengths of one iteration, and excludes the effect of updating
    the strengths.

    Parameters
    ----------
    rows : Rows
    learners : Learners
    responsibilities : column of shape (n_samples, n_experts)
        Initial responsibilities; rows sum to one.
    sharing : float
        In [0, 1). If it is 0, no column of `responsibilities` may be zero throughout,
        since every expert takes part in the first M-step.
    tol : float
        EM converges when the objective, per unit of weight, changes by less than this
        in an iteration.
    router : Router, default=BY_RESPONSIBILITY
        Decides which rows train which expert. Unless each row trains every expert by
        its responsibility, the objective need not rise, and there is no sharing.
    first_gate : object, default=None
        Argument `previous` of the gate's first fit.
    first_working_weights : float or column of shape (n_samples, n_experts), default=1
        Factor on the weights of the experts' first fit.
    model : Iteration, default=None
        The model from which EM starts, if its objective is known: the first change is
        then relative to this objective.
    learns : bool, default=False
        Whether the strengths of penalties are learnt from the first iteration on.
    learnt_sharing : LearntSharing, default=None
        Learns the sharing of the next iteration; `sharing` is that of the first. None
        means that the sharing stays as it is.
    acceleration : {"squarem"}, default=None
        Method that reduces the number of iterations; see `squarem`. None means plain
        EM.

    Yields
    ------
    iteration : Iteration
        The last one has converged; the caller limits their number.
    """
    posterior = Posterior.given(rows, responsibilities)
    n_experts = len(posterior.share)
    reached = ("objective", "drift", "next_drift", "change", "learns", "n_revivals")
    before = {"learns": learns}
    if model is not None:
        before = {name: getattr(model, name) for name in reached}
    step = EMStep(
        rows,
        learners,
        router,
        n_experts,
        tol=tol,
        learnt_sharing=learnt_sharing,
        first_objective=before.get("objective", -np.inf),
        n_revivals=before.get("n_revivals", 0),
    )
    start = Iteration(
        n_iter=0,
        estimates=Estimates(
            gate=first_gate,
            working_weights=first_working_weights,
            next_sharing=router.shared(sharing),
        ),
        posterior=posterior,
        active=np.ones(n_experts, dtype=bool),
        **before,
    )
    iterations = (squarem if acceleration == "squarem" else plain)(step, start)
    # These are large, and are not needed after the first iteration.
    del responsibilities, posterior, start
    for iteration in iterations:
        yield iteration
        if iteration.converged:
            break


def plain(step, state):
    """Yield successive EM iterations from a state, without acceleration."""
    while True:
        state = step(state)
        yield state


def calibrate_likelihood(rows, likelihood, outputs, log_gate, responsibilities, tol):
    """Fit the likelihood alone by EM, with experts and gate fixed.

    Parameters
    ----------
    rows : LocalRows
    likelihood : Likelihood
    outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
        Outputs of the experts.
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    responsibilities : ndarray of shape (n_samples, n_experts)
        Initial responsibilities.
    tol : float
        EM stops when the log-likelihood, per unit of weight, grows by no more than
        this in an iteration.

    Returns
    -------
    fitted : FittedLikelihood
    """
    active = np.ones(log_gate.shape[1], dtype=bool)
    before, improves = -np.inf, True
    while improves:
        weights = rows.map(TrainingWeights.of_block, responsibilities)
        fitted, log_prob = fit_likelihood(rows, likelihood, outputs, weights)
        posterior = e_step(rows, log_gate.copy(), log_prob, active)
        responsibilities = posterior.responsibilities
        improves = posterior.log_likelihood > before + tol * rows.total_weight
        before = posterior.log_likelihood
    return fitted
