"""Score a mixture on a Dask collection, from moments of the partitions."""

import numpy as np
from dask import delayed
from sklearn.base import is_classifier

from sklearn_moe._statistics import Moments
from sklearn_moe.dask._cluster import add_up


def score(mixture, partitions):
    """Return the coefficient of determination or accuracy of a local mixture.

    Each partition is a tuple of Delayed: rows, targets, and weights or None.
    """
    shared = delayed(mixture)
    found = [delayed(_moments)(shared, *own) for own in partitions]
    mean, variance = delayed(_mean_and_variance)(found).compute()
    if is_classifier(mixture):
        return float(mean[0])
    error, spread = mean[0], variance[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        determination = 1 - error / spread
    # With constant targets, the score is 1 for exact predictions and 0 otherwise.
    determination = np.where(spread > 0, determination, error == 0)
    return float(determination.mean())


def _moments(mixture, X, y, sample_weight):
    """Return moments of hits, or of squared errors and targets; None if no weight."""
    y = np.asarray(y)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    if not weights.any():
        return None
    predicted = mixture.predict(X)
    values = [predicted == y] if is_classifier(mixture) else [(y - predicted) ** 2, y]
    return Moments.of(np.stack(values, axis=1), weights)


def _mean_and_variance(moments):
    moments = [own for own in moments if own is not None]
    if not moments:
        raise ValueError(
            "There is nothing to score: X has no rows, or sample_weight is zero for "
            "all of them."
        )
    total = add_up(moments)
    return total.mean, total.variance
