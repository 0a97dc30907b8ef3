"""Samples of the rows of a partition for an expert."""

import numpy as np

from sklearn_moe._estimators import substantial_rows


def sample_rows(weights, capacity, uniforms, labels=None):
    """Select rows for an expert, and weights that stand for those of all rows.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Of the rows for the expert.
    capacity : int
        How many it takes from this partition.
    uniforms : ndarray of shape (n_samples,)
        Between 0 and 1, the same in each iteration: an expert sees other rows only as
        far as it has become responsible for others.
    labels : ndarray of shape (n_samples,), default=None
        Classes that it should have seen.

    Returns
    -------
    rows : ndarray of int
        All that matter, if the capacity allows, and else no more than that; but
        at least one row of each class.
    weights : ndarray of shape (n_rows,)
    n_wanted : int
        How many rows matter.
    """
    rows = substantial_rows(weights, labels)
    n_wanted = len(rows)
    if n_wanted <= capacity:
        return rows, weights[rows], n_wanted
    weights = priority_sample(weights, capacity, uniforms)
    chosen = weights > 0
    if labels is not None:
        for label in np.setdiff1d(labels, labels[chosen]):
            chosen[np.flatnonzero(labels == label)[0]] = True
    rows = np.flatnonzero(chosen)
    return rows, weights[rows], n_wanted


def priority_sample(weights, n_rows, uniforms):
    """Draw rows so that any weighted sum over them is that over all, on average [1]_.

    Heavy rows are always drawn, and keep their weight; the others are drawn in
    proportion to their weight, and all count the same.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Non-negative.
    n_rows : int
        Fewer than there are rows with a weight.
    uniforms : ndarray of shape (n_samples,)
        Uniform between 0 and 1.

    Returns
    -------
    weights : ndarray of shape (n_samples,)
        Zero for the rows that are not drawn.

    References
    ----------
    .. [1] N. Duffield, C. Lund and M. Thorup (2007). Priority sampling for estimation
       of arbitrary subset sums. Journal of the ACM 54(6), 32.
    """
    priority = weights / uniforms
    threshold = np.partition(priority, -n_rows - 1)[-n_rows - 1]
    return np.where(priority > threshold, np.maximum(weights, threshold), 0.0)
