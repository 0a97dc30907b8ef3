"""The EM algorithm: iterations until one has converged."""

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

    With `sharing` :math:`\rho` every expert has a little weight on every row. This is
    EM on the objective

    .. math::
        \sum_i w_i \log \sum_k g_k(x_i) p_k(y_i | x_i)
        + c \sum_k \sum_i w_i \log p_k(y_i | x_i) - \sum_i w_i \, \Omega(g),
        \qquad c = \frac{\rho}{K (1 - \rho)},

    where :math:`\Omega` is the penalty of the gate, so that the objective rises as
    long as experts and likelihood maximise exactly and no expert dies. Where the
    strength of the penalty, or the sharing, is learnt, it is another objective in each
    iteration: the growth under the strengths of an iteration is what counts, and what
    their change does to the objective by itself is left out.

    Parameters
    ----------
    rows : Rows
    learners : Learners
    responsibilities : column of shape (n_samples, n_experts)
        Where to begin; rows sum to one.
    sharing : float
        In [0, 1). Without it each column of `responsibilities` must hold something:
        every expert takes part in the first M-step.
    tol : float
        Smallest change of the objective, per unit of weight, that is worth an
        iteration.
    router : Router, default=BY_RESPONSIBILITY
        Which rows train which expert. Where it is not by responsibility the objective
        need not rise, and there is no sharing.
    first_gate : object, default=None
        The `previous` of the gate's first fit.
    first_working_weights : float or column of shape (n_samples, n_experts), default=1
        Factor on the weights of the experts' first fit.
    model : Iteration, default=None
        The model with which EM begins, where its objective is known: the first change
        is the growth since then.
    learns : bool, default=False
        Whether the strengths of penalties are learnt from the first iteration on.
    learnt_sharing : LearntSharing, default=None
        Learns what is shared in the next iteration; `sharing` is that of the first.
        None means that it stays.
    acceleration : {"squarem"}, default=None
        How to need fewer iterations; see `squarem`. None means EM as it is.

    Yields
    ------
    iteration : Iteration
        Until one has converged; the caller decides how many are enough.
    """
    posterior = Posterior.given(rows, responsibilities)
    n_experts = len(posterior.share)
    reached = ("objective", "drift", "next_drift", "change", "learns")
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
    # These are large, and of no use after the first iteration.
    del responsibilities, posterior, start
    for iteration in iterations:
        yield iteration
        if iteration.converged:
            break


def plain(step, state):
    """Yield one EM iteration after the other, beginning at a state."""
    while True:
        state = step(state)
        yield state


def calibrate_likelihood(rows, likelihood, outputs, log_gate, responsibilities, tol):
    """Fit the likelihood alone by EM: experts and gate stay as they are.

    Parameters
    ----------
    rows : LocalRows
    likelihood : Likelihood
    outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
        What the experts predict.
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    responsibilities : ndarray of shape (n_samples, n_experts)
        Where to begin.
    tol : float
        Smallest change of the log-likelihood, per unit of weight, that is worth an
        iteration.

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
