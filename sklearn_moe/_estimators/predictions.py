"""Validation of the predictions of any estimator."""

import numpy as np

from sklearn_moe._estimators.nested import copy_if_overwriting
from sklearn_moe._sklearn import num_samples

# Probabilities whose sum differs from one by no more than this are not rescaled.
ROUNDING = 1e-5


def check_output(output, shape, method, kinds="biuf"):
    """Raise ValueError if predictions have another shape, or are not numbers."""
    if output.shape != shape or (kinds and output.dtype.kind not in kinds):
        raise ValueError(
            f"{method} returned an array of shape {output.shape} and dtype "
            f"{output.dtype}; the mixture needs shape {shape}"
            + (" and numbers." if kinds else ".")
        )


def distributions(shares):
    """Divide rows by their sums; a row of zeros becomes uniform.

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
    """Return the probabilities of a fitted classifier, with rows that sum to one.

    Rows with NaN or infinity are not changed: the caller raises the error, since it
    knows the name of the classifier.

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
        If the predictions are not probabilities of the classes.
    """
    shape = num_samples(X), len(classifier.classes_)
    found = np.asarray(classifier.predict_proba(copy_if_overwriting(X, classifier)))
    check_output(found, shape, "predict_proba")
    if found.dtype == np.float16:
        found = found.astype(np.float64)
    if found.min(initial=0) < -ROUNDING:
        raise ValueError(
            f"predict_proba returned {found.min():.3g}, which is not a probability."
        )
    off = np.abs(found.sum(axis=1) - 1) > ROUNDING
    if off.any():
        found = found.astype(np.result_type(found, np.float32))
        off &= np.isfinite(found).all(axis=1)
        found[off] = distributions(np.maximum(found[off], 0))
    return found
