"""Clip predictions outside the range of the training targets where experts disagree.

An expert that was trained near one border of the data only may predict anything beyond
it, and the gate, which extrapolates as well, may give this expert a large weight.
"""

import numpy as np

# How far outside the training targets a prediction may lie, as a fraction of their
# range.
MARGIN = 0.1

# Experts agree if their distances from the middle of the targets differ by this factor
# at most.
AGREEMENT = 2


def believed(target_range):
    """Return the range of predictions that are accepted without agreement of experts.

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
    """Return a boolean array of which predictions lie outside ``[least, largest]``."""
    return (predictions < least) | (predictions > largest)


def hold(values, least, largest, active):
    """Clip the predictions of experts to a range, in rows where they do not agree.

    Experts agree where all predictions lie on one side of the middle of the targets,
    none of them more than `AGREEMENT` times as far from it as another. So a trend that
    all experts have learnt is extrapolated.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_experts, ...)
    least, largest : ndarray of shape () or (n_outputs,)
        See `believed`.
    active : ndarray of shape (n_experts,), bool
        Other experts have no part in the agreement.

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
