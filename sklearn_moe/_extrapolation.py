"""Predictions beyond all targets of the fit, which are not to be believed blindly.

An expert that has learnt a border of the data alone may say anything beyond it, and the
gate, which extrapolates as well, may be sure of this very expert.
"""

import numpy as np

# How far beyond the training targets a prediction may lie, in parts of their range.
MARGIN = 0.1

# How much farther from the middle of the targets than another an expert may be.
AGREEMENT = 2


def believed(target_range):
    """Least and largest prediction on which experts need not agree.

    Parameters
    ----------
    target_range : ndarray of shape (2,) or (2, n_outputs)
        Least and largest target of the fit.

    Returns
    -------
    least, largest : ndarray of shape () or (n_outputs,)
    """
    least, largest = target_range
    margin = MARGIN * (largest - least)
    return least - margin, largest + margin


def beyond(predictions, least, largest):
    """Which predictions are not between two, an array of bool of their shape."""
    return (predictions < least) | (predictions > largest)


def hold(values, least, largest, active):
    """Hold what experts predict to what is believed, in rows where they do not agree.

    They agree where all lie on one side of the middle of the targets, none of them
    more than `AGREEMENT` times as far from it as another: a line that all have learnt
    goes on.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_experts, ...)
    least, largest : ndarray of shape () or (n_outputs,)
        See `believed`.
    active : ndarray of shape (n_experts,), bool
        The others are not asked.

    Returns
    -------
    held : ndarray of the same shape
    """
    from_middle = values[:, active] - (least + largest) / 2
    lowest = from_middle.min(axis=1, keepdims=True)
    highest = from_middle.max(axis=1, keepdims=True)
    agreed = (highest <= AGREEMENT * lowest) | (lowest >= AGREEMENT * highest)
    held = np.clip(values, least, largest).astype(values.dtype, copy=False)
    return np.where(agreed, values, held)
