"""Search for the roots of many increasing functions at once."""

import numpy as np

from sklearn_moe import kernels


def increasing_roots(function, lower, upper):
    """Find the roots of increasing functions by Newton's method within brackets.

    ``function(rows, x)`` returns values and derivatives at x for a mask of rows, which
    are the first axis of the brackets. Newton's steps are safeguarded by bisection.
    """
    size = np.maximum(np.abs(lower), np.abs(upper))
    search = np.stack([lower, upper, lower + (upper - lower) / 2, upper - lower])
    pending = lower < upper
    while pending.any():
        rows = pending if pending.ndim == 1 else pending.any(axis=1)
        value, slope = function(rows, search[2, rows])
        search[:, rows] = kernels.bracketed_newton(
            search[:, rows], value, slope, size[rows]
        )
        pending = search[0] < search[1]
    return search[2]


def smallest_integers(condition, lower, upper):
    """Bisect for the smallest whole numbers at which a condition holds.

    The condition, a function of x, holds at `upper`, and at all numbers above one at
    which it holds.
    """
    while np.any(lower < upper):
        middle = np.floor(lower + (upper - lower) / 2)
        holds = condition(middle)
        lower = np.where(holds | (lower >= upper), lower, middle + 1)
        upper = np.where(holds, np.minimum(middle, upper), upper)
    return upper
