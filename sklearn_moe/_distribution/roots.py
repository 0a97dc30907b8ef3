"""Search for the roots of many increasing functions at once."""

import numpy as np

from sklearn_moe import kernels

# A bracket of numbers up to it has a width that is a number.
LARGEST = np.finfo(np.float64).max / 4

ROUNDING = 4 * np.finfo(np.float64).eps

# After so many steps a search goes on by bisection alone, of numbers' magnitudes.
NEWTON_STEPS = 60


def increasing_roots(function, lower, upper, accuracy):
    """Find the roots of increasing functions by Newton's method within brackets.

    ``function(rows, x)`` returns values and derivatives at x for a mask of rows, which
    are the first axis of the brackets; a value within the accuracy of zero is zero.
    Newton's steps are safeguarded by bisection.
    """
    # The ends are those of a bracket but for rounding.
    first, last = np.clip([lower, upper], -LARGEST, LARGEST)
    first, last = first - ROUNDING * np.abs(first), last + ROUNDING * np.abs(last)
    search = np.stack([first, last, first + (last - first) / 2, last - first])
    pending, steps = lower < upper, 0
    while pending.any():
        steps += 1
        rows = pending if pending.ndim == 1 else pending.any(axis=1)
        value, slope = function(rows, search[2, rows])
        search[:, rows] = kernels.bracketed_newton(
            search[:, rows], value, slope, accuracy, bisect=steps > NEWTON_STEPS
        )
        pending = search[0] < search[1]
    return np.where(lower < upper, search[2], lower)


def smallest_integers(condition, lower, upper):
    """Bisect for the smallest whole numbers, from zero, at which a condition holds.

    The condition, a function of x, holds at all numbers above one at which it holds.
    The numbers are between `lower` and `upper`, or near.
    """
    width = 1 + (upper - lower) / 4 + np.sqrt(upper)
    while np.any(wrong := (lower > 0) & condition(lower - 1)):
        lower = np.where(wrong, np.maximum(lower - width, 0), lower)
        width = 2 * width
    width = 1 + (upper - lower) / 4
    while not np.all(holds := condition(upper)):
        # In the end it is infinite, where the condition holds.
        with np.errstate(over="ignore"):
            upper = np.where(holds, upper, upper + width)
            width = 2 * width
    while np.any(lower < upper):
        # Beyond 2**53 the next whole number is not one more.
        middle = np.floor(lower + (upper - lower) / 2)
        middle = np.minimum(middle, np.nextafter(upper, -np.inf))
        holds = condition(middle)
        following = np.maximum(middle + 1, np.nextafter(middle, np.inf))
        lower = np.where(holds | (lower >= upper), lower, following)
        upper = np.where(holds, np.minimum(middle, upper), upper)
    return upper
