"""What any estimator predicts, checked."""

import numpy as np

from sklearn_moe._estimators.nested import copy_if_overwriting
from sklearn_moe._sklearn import num_samples

# Probabilities of a row that sum to one but for this are left as they are.
ROUNDING = 1e-5


def check_output(output, shape, method, kinds="biuf"):
    """Raise ValueError where an array of another shape was predicted, or no numbers."""
    if output.shape != shape or (kinds and output.dtype.kind not in kinds):
        raise ValueError(
            f"{method} returned an array of shape {output.shape} and dtype "
            f"{output.dtype}; the mixture needs shape {shape}"
            + (" and numbers." if kinds else ".")
        )


def distributions(shares):
    """Divide rows by their sums; a row of zeros is shared equally.

    Parameters
    ----------
    shares : ndarray of shape (n_samples, n_classes)

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_classes)
    """
    sums = shares.sum(axis=1, keepdims=True)
    return np.where(sums > 0, shares / np.where(sums > 0, sums, 1), 1 / shares.shape[1])


def predict_probabilities(classifier, X):
    """Probabilities of the classes of a fitted classifier, whose rows sum to one.

    Rows of NaN or infinity stay what they are: the caller knows whose they are.

    Parameters
    ----------
    classifier : fitted classifier
    X : array-like or frame of shape (n_samples, n_features)

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If these are no probabilities of the classes.
    """
    shape = num_samples(X), len(classifier.classes_)
    found = np.asarray(classifier.predict_proba(copy_if_overwriting(X, classifier)))
    check_output(found, shape, "predict_proba")
    if found.dtype == np.float16:
        found = found.astype(np.float64)
    if found.min(initial=0) < -ROUNDING:
        raise ValueError(
            f"predict_proba returned {found.min():.3g}, which is no probability."
        )
    off = np.abs(found.sum(axis=1) - 1) > ROUNDING
    if off.any():
        found = found.astype(np.result_type(found, np.float32))
        off &= np.isfinite(found).all(axis=1)
        found[off] = distributions(np.maximum(found[off], 0))
    return found
