"""Acceleration of EM by extrapolation, which needs fewer iterations."""

import numpy as np

from sklearn_moe import kernels
from sklearn_moe.em.step import Posterior

# The factor by which the largest allowed step grows after a successful extrapolation
# of that length, and shrinks after a failed one.
LIMIT_FACTOR = 4.0


def squarem(step, state):
    r"""Run EM with squared extrapolation (SQUAREM).

    With logits :math:`J`, of which the responsibilities are the softmax, and the EM
    iteration :math:`F`, one cycle is [1]_, with step length S3,

    .. math::
        J_1 = F(J_0), \quad J_2 = F(J_1), \quad r = J_1 - J_0, \quad
        v = (J_2 - J_1) - r, \quad \alpha = -\|r\| / \|v\|,

        J_0 \leftarrow F(J_0 - 2 \alpha r + \alpha^2 v).

    If the objective there is below that of :math:`J_2`, the extrapolated iteration and
    its estimates are discarded; the next cycle starts at :math:`J_2`, and the largest
    allowed step is divided by four, but stays at one or more.

    Parameters
    ----------
    step : EMStep
        The EM iteration; its rows must lie in one block.
    state : Iteration
        The state from which EM starts.

    Yields
    ------
    iteration : Iteration
        Every iteration, including the discarded ones.

    References
    ----------
    .. [1] R. Varadhan and C. Roland (2008). Simple and globally convergent methods for
       accelerating the convergence of any EM algorithm. Scandinavian Journal of
       Statistics 35(2), 335-353.
    """
    longest = LIMIT_FACTOR
    # The initial responsibilities may be labels (zeros and ones), from which no
    # extrapolation is possible; one plain EM iteration comes first.
    state = step(state)
    yield state
    while True:
        start, first = state, step(state)
        yield first
        state = step(first)
        yield state
        if first.interrupted or state.interrupted:
            # Dead experts were reinitialised or retired: these iterates do not follow
            # one path that could be extrapolated.
            continue
        alpha, ahead = _extrapolate(step.rows, (start, first, state), longest)
        # Release two arrays of the size of the responsibilities, to save memory.
        del start, first
        accepted = not step.dead_experts.dead(ahead.share).any()
        if accepted:
            trial = step(state, ahead)
            yield trial
            accepted = trial.objective >= state.objective
            state = trial if accepted else state
        if not accepted:
            longest = max(longest / LIMIT_FACTOR, 1)
        elif alpha == -longest:
            longest *= LIMIT_FACTOR


def _extrapolate(rows, iterations, longest):
    """Return the step length and the extrapolation of three successive iterations."""
    ahead, r, v = map(_logits, iterations)
    v -= r
    r -= ahead
    v -= r
    length = _norm(rows, r) / max(_norm(rows, v), np.finfo(float).eps)
    # A step of -1 reproduces the last of the three iterations.
    alpha = -np.clip(length, 1, longest)
    r *= -2 * alpha
    v *= alpha**2
    ahead += r
    ahead += v
    responsibilities = kernels.log_softmax(ahead)
    np.exp(responsibilities, out=responsibilities)
    return alpha, Posterior.given(rows, responsibilities)


def _logits(iteration):
    """Return the log responsibilities: the joint logits up to a constant per row."""
    responsibilities = iteration.posterior.responsibilities
    smallest = np.finfo(responsibilities.dtype).tiny
    return np.log(np.maximum(responsibilities, smallest))


def _norm(rows, logits):
    """Return the weighted norm of a difference of logits, each row centred first."""
    centred = logits - logits.mean(axis=1, keepdims=True)
    return np.sqrt(rows.block.sample_weight @ np.einsum("nk,nk->n", centred, centred))
