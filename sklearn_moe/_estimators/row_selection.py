"""Select the rows of a weighted fit: all that matter, or a resample."""

import numpy as np

# A row whose weight is below this fraction of the largest is not passed to fit.
NEGLIGIBLE = 1e-10

# Number of rows, in total and of each class, that stay however small their weights are.
# Many estimators refuse fewer: nearest neighbours, and all that hold out rows for
# validation.
MIN_ROWS = 10

# Number of different rows of each class that a resample holds at least: the number of
# folds of scikit-learn's own cross-validation. A larger number would distort the
# proportions of the classes more.
MIN_ROWS_OF_CLASS = 5


def equal_if_zero(weights):
    """Return weights; those that are all zero as equal, since no row tells anything."""
    return weights if weights.any() else np.ones_like(weights)


def substantial_rows(weights, labels=None):
    """Return the numbers of the rows that a fit must not leave out.

    They are the rows whose weight is not negligible, and the heaviest of the others if
    there are fewer than `MIN_ROWS`, in total or, given labels, of one class.
    """
    kept = weights > NEGLIGIBLE * weights.max()
    if kept.all():
        return np.flatnonzero(kept)
    for members in [np.ones_like(kept)] if labels is None else _class_masks(labels):
        if np.count_nonzero(kept & members) < MIN_ROWS:
            kept[_heaviest(members, weights, MIN_ROWS)] = True
    return np.flatnonzero(kept)


def substantial_weights(weights, labels=None):
    """Return the rows that a fit must not leave out, and their weights for it."""
    rows = substantial_rows(weights, labels)
    return rows, np.maximum(weights[rows], NEGLIGIBLE * weights.max())


def systematic_resample(weights, offset, unit=1.0):
    """Draw rows in proportion to their weights, with the least possible variance.

    A row is drawn as often as its share of the draws says, rounded up or down. There
    are ``sum(weights) / unit`` draws, but no fewer than `MIN_ROWS` if as many rows have
    a positive weight; one row must have. The only randomness is `offset`, a number in
    [0, 1). The row numbers are sorted; that of a row drawn twice occurs twice.
    """
    total = weights.sum()
    n_draws = max(round(total / unit), min(MIN_ROWS, np.count_nonzero(weights)))
    edges = np.cumsum(weights) / total * n_draws
    drawn = np.minimum(np.floor(edges + offset), n_draws)
    copies = np.diff(drawn, prepend=0.0).astype(np.intp)
    # Rounding in the sum must not lose the last row that is due.
    copies[np.flatnonzero(weights)[-1]] += n_draws - copies.sum()
    return np.repeat(np.arange(len(weights)), copies)


def with_all_classes(rows, weights, labels, n_rows=MIN_ROWS_OF_CLASS):
    """Add the heaviest rows of the classes of which a resample has too few.

    Given the numbers of its rows, and weights and labels of all rows, return sorted row
    numbers, `n_rows` different ones at least of each class that has as many.
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
    """Return the rows of the largest weights within a mask."""
    members = np.flatnonzero(mask)
    return members[np.argsort(-weights[members], kind="stable")[:n_rows]]
