"""Detection of experts that interpolate their training targets."""

import numpy as np
from sklearn.model_selection import KFold

from sklearn_moe._fit_warnings import without_warnings
from sklearn_moe._parameters import CannotCountError, count_parameters

# An expert whose normalised error on its training rows is at most this may interpolate
# them ...
SUSPICIOUS = 0.2

# ... and does so if its error on rows that it has not seen exceeds this, and is so many
# times as large. Trees of a few levels and grown boosting stay below.
REVEALING = 0.1
LARGEST_RATIO = 5

# The rows that are held out are one in so many: with much fewer rows any expert of many
# columns would be worse.
N_FOLDS = 5

# Experts with fewer rows than this are not examined, since any expert may interpolate
# so few rows.
ENOUGH_ROWS = 20

# A model with no more parameters than one for so many rows cannot interpolate them.
ROWS_PER_PARAMETER = 5


def find_interpolating(pool, fitted, likelihood, random_state):
    """Find the experts that reproduce their training targets, but not other targets.

    Each expert that seems to do so is fitted again without a random fifth of its rows,
    which it predicts. Its predictions are correct if the data can indeed be predicted
    without error.

    Parameters
    ----------
    pool : ExpertPool
        Its rows lie in one block.
    fitted : list of FittedExpert
    likelihood : Likelihood
        ``likelihood.normalised_error(encoded_y, values, weights)`` is the error of
        predictions relative to that of predicting the mean of the targets.
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
    if len(everything) < ENOUGH_ROWS:
        return interpolates
    folds = KFold(N_FOLDS, shuffle=True, random_state=random_state)
    seen, unseen = next(folds.split(everything))
    for k, expert in enumerate(fitted):
        if pool.frozen[k]:
            continue
        own = expert.weights
        given = block.expert_weight if own is None else own.of(k)
        # An expert that is fitted to a resample has not seen all rows with weight.
        weights = pool.learnt_weights(k, given)
        n_effective = _n_effective(weights)
        if n_effective < ENOUGH_ROWS or _is_rigid(expert.estimator, n_effective):
            continue
        # Warnings of predictions for these rows have been reported before.
        with without_warnings():
            own_error = error(k, expert.estimator, seen, weights)
        if own_error > SUSPICIOUS:
            continue
        # The refitted expert is discarded, and its warnings with it.
        with without_warnings():
            try:
                refitted = pool.refit(k, expert, given, seen)
            except Exception:
                # It was fitted to all rows. Fewer may be too few for it: SMOTE, or
                # folds of its own, need so many rows of each class.
                continue
            unseen_error = error(k, refitted, unseen, weights)
        interpolates[k] = unseen_error > max(REVEALING, LARGEST_RATIO * own_error)
    return interpolates


def _is_rigid(estimator, n_effective):
    """Return whether a model has too few parameters to interpolate its rows."""
    try:
        n_parameters = count_parameters(estimator)
    except CannotCountError:
        return False
    return ROWS_PER_PARAMETER * n_parameters <= n_effective


def _n_effective(weights):
    """Return the effective sample size of weights (Kish, 1965)."""
    largest = weights.max()
    if largest == 0:
        return 0
    shares = weights / largest
    return shares.sum() ** 2 / np.sum(shares**2)
