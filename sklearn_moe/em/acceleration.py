"""Fewer iterations of EM."""

import numpy as np
from scipy.special import softmax

from sklearn_moe.em.step import Posterior

# By which the longest step of extrapolation grows where it is taken with success, and
# falls where it fails.
LIMIT_FACTOR = 4.0


def squarem(step, state):
    r"""Squared extrapolation of EM.

    With logits :math:`J`, of which the responsibilities are the softmax, and the EM
    iteration :math:`F`, one cycle is [1]_, with step length S3,

    .. math::
        J_1 = F(J_0), \quad J_2 = F(J_1), \quad r = J_1 - J_0, \quad
        v = (J_2 - J_1) - r, \quad \alpha = -\|r\| / \|v\|,

        J_0 \leftarrow F(J_0 - 2 \alpha r + \alpha^2 v).

    Where that ends below :math:`J_2` it is thrown away, estimates and all, and the next
    cycle begins at :math:`J_2`, its step no longer than a quarter of the limit before.

    Parameters
    ----------
    step : EMStep
        Its rows lie in one block.
    state : Iteration
        Where to begin.

    Yields
    ------
    iteration : Iteration
        Those that are thrown away, too.

    References
    ----------
    .. [1] R. Varadhan and C. Roland (2008). Simple and globally convergent methods for
       accelerating the convergence of any EM algorithm. Scandinavian Journal of
       Statistics 35(2), 335-353.
    """
    longest = LIMIT_FACTOR
    # The responsibilities to begin with are no EM iterate: they may be labels.
    state = step(state)
    yield state
    while True:
        start, first = state, step(state)
        yield first
        state = step(first)
        yield state
        if first.interrupted or state.interrupted:
            # The iterates before and after do not lie on one path.
            continue
        alpha, ahead = _extrapolate(step.rows, (start, first, state), longest)
        # Memory is counted in arrays of the size of the responsibilities.
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
    """Return the step and where it leads, from three iterations one after the other."""
    ahead, r, v = map(_logits, iterations)
    v -= r
    r -= ahead
    v -= r
    length = _norm(rows, r) / max(_norm(rows, v), np.finfo(float).eps)
    # A step of -1 is the last iteration itself.
    alpha = -np.clip(length, 1, longest)
    r *= -2 * alpha
    v *= alpha**2
    ahead += r
    ahead += v
    return alpha, Posterior.given(rows, softmax(ahead, axis=1))


def _logits(iteration):
    """Logarithm of the responsibilities: the joint logits but for a shift a row."""
    responsibilities = iteration.posterior.responsibilities
    smallest = np.finfo(responsibilities.dtype).tiny
    return np.log(np.maximum(responsibilities, smallest))


def _norm(rows, logits):
    """Length of a difference of logits, in which a shift of a row means nothing."""
    centred = logits - logits.mean(axis=1, keepdims=True)
    return np.sqrt(rows.block.sample_weight @ np.einsum("nk,nk->n", centred, centred))
