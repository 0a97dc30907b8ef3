"""Selection of rows for a weighted fit: all but negligible ones, or a resample."""

import numpy as np

# A row whose weight is at most this fraction of the largest is not passed to fit.
NEGLIGIBLE = 1e-10

# Minimum number of rows, in total and of each class, that are passed to fit however
# small their weights are. Many estimators need several rows, such as nearest neighbours
# and those that hold out rows for validation.
MIN_ROWS = 10

# Minimum number of different rows of each class in a resample: the default number of
# folds in scikit-learn. A larger minimum would distort the class proportions more.
MIN_ROWS_OF_CLASS = 5


def equal_if_zero(weights):
    """Return weights, or equal weights if they are all zero."""
    return weights if weights.any() else np.ones_like(weights)


def substantial_rows(weights, labels=None):
    """Return the indices of the rows that are passed to fit.

    These are the rows whose weight is not negligible, and the heaviest other rows if
    there are fewer than `MIN_ROWS`, in total or, given labels, of a class.
    """
    kept = weights > NEGLIGIBLE * weights.max()
    if kept.all():
        return np.flatnonzero(kept)
    for members in [np.ones_like(kept)] if labels is None else _class_masks(labels):
        if np.count_nonzero(kept & members) < MIN_ROWS:
            kept[_heaviest(members, weights, MIN_ROWS)] = True
    return np.flatnonzero(kept)


def substantial_weights(weights, labels=None):
    """Return the rows that are passed to fit, and their weights."""
    rows = substantial_rows(weights, labels)
    return rows, np.maximum(weights[rows], NEGLIGIBLE * weights.max())


def systematic_resample(weights, offset, unit=1.0, min_rows=MIN_ROWS):
    """Draw rows in proportion to their weights, with the least possible variance.

    The number of draws of a row is proportional to its weight, rounded up or down. The
    total number of draws is ``sum(weights) / unit``, but at least `min_rows`, or the
    number of all rows if this is smaller. At least one weight must be positive. The
    only randomness is `offset`, a number in [0, 1). The returned indices are sorted; a
    row that is drawn twice occurs twice.
    """
    total = weights.sum()
    n_draws = max(round(total / unit), min(min_rows, len(weights)))
    edges = np.cumsum(weights) / total * n_draws
    drawn = np.minimum(np.floor(edges + offset), n_draws)
    copies = np.diff(drawn, prepend=0.0).astype(np.intp)
    # Correct for rounding errors of the cumulative sum.
    copies[np.flatnonzero(weights)[-1]] += n_draws - copies.sum()
    return np.repeat(np.arange(len(weights)), copies)


def with_all_classes(rows, weights, labels, n_rows=MIN_ROWS_OF_CLASS):
    """Add the heaviest rows of classes of which a resample has too few rows.

    Given the indices of the resample, and weights and labels of all rows, return sorted
    indices with at least `n_rows` different rows of each class, or all of its rows if
    it has fewer.
    """
    copies = np.bincount(rows, minlength=len(weights))
    for members in _class_masks(labels):
        n_missing = n_rows - np.count_nonzero(copies[members])
        if n_missing > 0:
            copies[_heaviest(members & (copies == 0), weights, n_missing)] = 1
    return np.repeat(np.arange(len(weights)), copies)


def _class_masks(labels):
    """Yield the mask of the rows of each class."""
    codes = np.unique(labels, return_inverse=True)[1]
    return (codes == code for code in range(codes.max() + 1))


def _heaviest(mask, weights, n_rows):
    """Return the rows with the largest weights within a mask."""
    members = np.flatnonzero(mask)
    return members[np.argsort(-weights[members], kind="stable")[:n_rows]]
