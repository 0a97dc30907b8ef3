"""Searches for the roots of many increasing functions at once."""

import numpy as np

from sklearn_moe import kernels

# Limit on the ends of brackets, whose width must not overflow.
LARGEST = np.finfo(np.float64).max / 4

EPS = np.finfo(np.float64).eps

# After this number of steps a search continues by bisection of magnitudes only.
NEWTON_STEPS = 60

# Approximate relative error of the initial quantiles of counts, in addition to an
# absolute error of about one.
RELATIVE_STEP = 1e-12


def increasing_roots(function, lower, upper, start, accuracy):
    """Find the roots of increasing functions by Newton's method within brackets.

    Newton's steps are safeguarded by bisection.

    Parameters
    ----------
    function : callable
        ``function(rows, x)`` returns values and derivatives at x for the rows with
        these indices.
    lower, upper, start : ndarray of shape (n_rows,)
        The ends of the brackets, and the initial points.
    accuracy : float
        A value whose magnitude is no larger counts as zero.

    Returns
    -------
    roots : ndarray of shape (n_rows,)
    """
    # Widen the brackets slightly: their ends may be affected by rounding.
    first, last = np.clip([lower, upper], -LARGEST, LARGEST)
    first, last = first - 4 * EPS * np.abs(first), last + 4 * EPS * np.abs(last)
    search = np.stack([first, last, np.clip(start, first, last), last - first])
    rows, steps = np.flatnonzero(lower < upper), 0
    while len(rows):
        steps += 1
        value, slope = function(rows, search[2, rows])
        search[:, rows] = kernels.bracketed_newton(
            search[:, rows], value, slope, accuracy, bisect=steps > NEWTON_STEPS
        )
        rows = rows[search[0, rows] < search[1, rows]]
    return np.where(lower < upper, search[2], lower)


def smallest_integers(condition, start):
    """Find the smallest non-negative integers at which a condition holds.

    The search is a bisection whose first steps from the initial point are short.

    Parameters
    ----------
    condition : callable
        ``condition(rows, x)`` returns whether it holds at x for the rows with these
        indices. If it holds at a number, it must hold at all larger numbers.
    start : ndarray of shape (n_rows,)
        Initial whole numbers, which should be close to the result.

    Returns
    -------
    smallest : ndarray of shape (n_rows,)
    """
    search = np.stack([np.zeros_like(start), np.full_like(start, np.inf), start])
    rows, step = np.arange(len(start)), np.floor(1 + RELATIVE_STEP * start)
    while len(rows):
        lower, upper, point = search[:, rows]
        holds = condition(rows, point)
        # Beyond 2**53, adding one does not yield another number.
        following = np.maximum(point + 1, np.nextafter(point, np.inf))
        lower, upper = np.where(holds, lower, following), np.where(holds, point, upper)
        middle = np.floor(lower + (upper - lower) / 2)
        with np.errstate(over="ignore"):
            middle = np.clip(middle, point - step[rows], point + step[rows])
            step *= 4
        middle = np.minimum(middle, np.nextafter(upper, -np.inf))
        search[:, rows] = lower, upper, middle
        rows = rows[lower < upper]
    return search[1]
