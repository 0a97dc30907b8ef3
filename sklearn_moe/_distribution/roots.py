"""Search for the roots of many increasing functions at once."""

import numpy as np

from sklearn_moe import kernels

# A bracket of numbers up to it has a width that is a number.
LARGEST = np.finfo(np.float64).max / 4

EPS = np.finfo(np.float64).eps

# After so many steps a search goes on by bisection alone, of numbers' magnitudes.
NEWTON_STEPS = 60

# Approximate quantiles of counts are off by about one, and by this part of themselves.
RELATIVE_STEP = 1e-12


def increasing_roots(function, lower, upper, start, accuracy):
    """Find the roots of increasing functions by Newton's method within brackets.

    ``function(rows, x)`` returns values and derivatives at x for the rows of these
    numbers; a value within the accuracy of zero is zero. Newton's steps are safeguarded
    by bisection.

    Parameters
    ----------
    function : callable
    lower, upper, start : ndarray of shape (n_rows,)
        The ends of the brackets, and the points at which the search begins.
    accuracy : float

    Returns
    -------
    roots : ndarray of shape (n_rows,)
    """
    # The ends are those of a bracket but for rounding.
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
    """Search for the smallest whole numbers, from zero, at which a condition holds.

    The search is one of bisection, but its first steps from where it begins are short.

    Parameters
    ----------
    condition : callable
        ``condition(rows, x)`` returns whether it holds at x for the rows of these
        numbers. It holds at all numbers above one at which it holds.
    start : ndarray of shape (n_rows,)
        Whole numbers, which are best near those that are looked for.

    Returns
    -------
    smallest : ndarray of shape (n_rows,)
    """
    search = np.stack([np.zeros_like(start), np.full_like(start, np.inf), start])
    rows, step = np.arange(len(start)), np.floor(1 + RELATIVE_STEP * start)
    while len(rows):
        lower, upper, point = search[:, rows]
        holds = condition(rows, point)
        # Beyond 2**53 the next whole number is not one more.
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
