"""Experts that interpolate their training targets."""

import numpy as np
from sklearn.model_selection import KFold

from sklearn_moe._fit_warnings import without_warnings

# An expert whose error on its own rows is below this may interpolate them, ...
SUSPICIOUS = 0.2

# ... and does, if it misses rows that it has not seen by this much, and by so many
# times as much. Trees of a few levels and boosting that has grown stay below.
REVEALING = 0.1
LARGEST_RATIO = 5

# With fewer rows than this, any expert may interpolate all that there is to learn.
ENOUGH_ROWS = 20


def find_interpolating(pool, fitted, likelihood, random_state):
    """Find the experts that reproduce their training targets, and only these.

    Each expert that seems to do so is fitted once more, to every other of its rows, and
    predicts the rest: where the truth is as simple as it says, it will be right.

    Parameters
    ----------
    pool : ExpertPool
        Its rows lie in one block.
    fitted : list of FittedExpert
    likelihood : Likelihood
        ``likelihood.normalised_error(encoded_y, values, weights)`` is the error of
        predictions relative to that of the mean of the targets.
    random_state : RandomState instance

    Returns
    -------
    interpolates : ndarray of shape (n_experts,), bool
    """
    interpolates = np.zeros(len(fitted), dtype=bool)
    if pool.splits is not None or len(fitted) == 1:
        return interpolates
    block, target = pool.rows.block, pool.rows.block.encoded_rate

    def error(k, estimator, rows, weights):
        return likelihood.normalised_error(
            target[rows], pool.predict(k, estimator, rows), weights[rows]
        )

    everything = np.arange(len(block.sample_weight))
    halves = KFold(2, shuffle=True, random_state=random_state)
    seen, unseen = next(halves.split(everything))
    for k, expert in enumerate(fitted):
        if pool.frozen[k]:
            continue
        own = expert.weights
        given = block.expert_weight if own is None else own.of(k)
        # An expert that is resampled has not seen all rows that have weight.
        weights = pool.learnt_weights(k, given)
        if _n_effective(weights) < ENOUGH_ROWS:
            continue
        # What it warns of in predictions of these rows has been told.
        with without_warnings():
            own_error = error(k, expert.estimator, seen, weights)
        if own_error > SUSPICIOUS:
            continue
        # They would be about an expert that nobody will have.
        with without_warnings():
            refitted = pool.refit(k, expert, given, seen)
            unseen_error = error(k, refitted, unseen, weights)
        interpolates[k] = unseen_error > max(REVEALING, LARGEST_RATIO * own_error)
    return interpolates


def _n_effective(weights):
    """How many equal weights say as much as these (Kish, 1965)."""
    largest = weights.max()
    if largest == 0:
        return 0
    shares = weights / largest
    return shares.sum() ** 2 / np.sum(shares**2)
