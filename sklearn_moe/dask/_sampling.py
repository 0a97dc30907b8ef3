"""Sample the rows of a partition for an expert."""

import numpy as np

from sklearn_moe._estimators import substantial_rows


def sample_rows(weights, capacity, uniforms, labels=None):
    """Select rows for an expert, with weights that represent all rows.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Weights of the rows for the expert.
    capacity : int
        Maximum number of rows from this partition.
    uniforms : ndarray of shape (n_samples,)
        Uniform numbers between 0 and 1, the same in each iteration, so that the sample
        changes only as the responsibilities change.
    labels : ndarray of shape (n_samples,), default=None
        Classes, each of which the sample must include.

    Returns
    -------
    rows : ndarray of int
        All rows of substantial weight, if the capacity allows, otherwise a sample of
        that size; in addition, at least one row of each class.
    weights : ndarray of shape (n_rows,)
    n_wanted : int
        Number of rows of substantial weight.
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
    """Draw rows so that weighted sums over them are unbiased for all rows [1]_.

    Rows of large weight are always drawn, and keep their weight; the others are drawn
    in proportion to their weight, and all get the same weight.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Non-negative.
    n_rows : int
        Sample size; fewer than there are rows of positive weight.
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
