"""Interpret sample weights as numbers of rows.

A weight of 2 equals the row twice, so that the sum of the weights is a number of rows,
to which penalties and priors are relative. Weights that are not numbers of rows, such
as weights that sum to one, have a relative meaning only.
"""

import numpy as np

from sklearn_moe._in_memory import check_in_memory
from sklearn_moe._sklearn import check_sample_weight

# Weights that are all below this are not numbers of rows. The largest responsibility,
# by which a mixture weights the rows of an inner mixture, is above it.
LEAST_COUNT = 0.5

# Neither are weights whose mean, weighted by themselves, is below this: a few larger
# weights are not enough.
LEAST_MEAN = 0.1

# Neither are weights whose sum exceeds the integers that floating point numbers count.
MOST_ROWS = 2.0**53


def check_weights(sample_weight, X, *, allow_all_zero=False):
    """Validate weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    X : array-like or frame of shape (n_samples, n_features)
    allow_all_zero : bool, default=False

    Returns
    -------
    weights : ndarray of shape (n_samples,)
    """
    check_in_memory(sample_weight=sample_weight)
    return check_sample_weight(
        sample_weight,
        X,
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=allow_all_zero,
    )


def count_rows(sample_weight, X, unit=None):
    """Validate weights, and turn them into numbers of rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    X : array-like or frame of shape (n_samples, n_features)
    unit : float, default=None
        The weight that counts as one row, if it is known from other rows. None means
        that it is determined from these weights.

    Returns
    -------
    weights : ndarray of shape (n_samples,)
        Weights as numbers of rows.
    unit : float
        The weight that counts as one row.
    """
    weights = check_weights(sample_weight, X)
    if unit is None or sample_weight is None:
        unit = weight_of_one_row(*weight_sums(weights))
    return in_rows(weights, unit), unit


def count_rows_of_batch(sample_weight, X, unit, n_rows_before):
    """Validate weights of a batch, and turn them into numbers of rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    X : array-like or frame of shape (n_samples, n_features)
    unit : float
        The weight that counts as one row in the stream.
    n_rows_before : float
        Number of rows of all batches before, by weight.

    Returns
    -------
    weights : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If the weight of the batch, or of the batches before, is negligible.
    """
    weights = check_weights(sample_weight, X)
    largest, shares, *_ = weight_sums(weights)
    with np.errstate(over="ignore"):
        weight, before = largest * shares, n_rows_before * unit
        growth = largest / unit * (shares / n_rows_before)
    if not 1 / MOST_ROWS <= growth <= MOST_ROWS:
        raise ValueError(
            f"The sample_weight of this batch sums to {weight:.3g}, and that of the "
            f"batches before to {before:.3g}: the smaller is negligible beside the "
            "larger. Give all batches weights of the same unit."
        )
    return in_rows(weights, unit)


def weight_sums(weights):
    """Return the summary of weights that `weight_of_one_row` needs.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)

    Returns
    -------
    largest : float
    shares : float
        Sum of the weights as a multiple of the largest, so that it cannot overflow.
    squares : float
        Sum of their squares as a multiple of the largest square.
    n_rows : int
        Number of positive weights.
    """
    largest = weights.max(initial=0.0)
    relative = weights / largest if largest else weights
    return largest, relative.sum(), np.sum(relative**2), np.count_nonzero(weights)


def weight_of_one_row(largest, shares, squares, n_rows):
    """Return the weight that counts as one row.

    It is 1 for weights that are numbers of rows, and otherwise their mean.

    Parameters
    ----------
    largest, shares, squares, n_rows : float
        See `weight_sums`.

    Returns
    -------
    unit : float
    """
    count = largest >= LEAST_COUNT and largest * (squares / shares) >= LEAST_MEAN
    # Numbers of rows sum to more than one, beyond rounding errors.
    if count and (1 + 1e-9) / largest < shares <= MOST_ROWS / largest:
        return 1.0
    # The mean of tiny numbers may round to zero.
    return max(largest * (shares / n_rows), np.nextafter(0, 1))


def in_rows(weights, unit):
    """Turn weights into numbers of rows.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
    unit : float
        The weight that counts as one row.

    Returns
    -------
    counts : ndarray of shape (n_samples,)
    """
    if unit == 1:
        return weights
    # A positive weight must not round to zero.
    counts = np.maximum(weights / unit, np.finfo(np.float64).tiny)
    return np.where(weights > 0, counts, 0)
