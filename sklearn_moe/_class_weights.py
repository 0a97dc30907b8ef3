"""Class weights, which multiply the sample weights."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sklearn_moe._weights import check_weights, count_rows


def weigh_classes(class_weight, y, weights, classes=None):
    """Multiply the weights of rows by those of their classes.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        See :func:`sklearn.utils.class_weight.compute_class_weight`. "balanced" leaves
        the sum of the weights as it is.
    y : ndarray of shape (n_samples,)
        Labels.
    weights : ndarray of shape (n_samples,)
    classes : ndarray, default=None
        All classes, sorted. None means the classes of the rows of positive weight.

    Returns
    -------
    weights : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If a weight is not a finite number of at least 0, or a label in `class_weight`
        is not a class.
    """
    if class_weight is None:
        return weights
    if isinstance(class_weight, Mapping):
        _check_weights_of_classes(class_weight)
    kept = weights > 0
    labels = y[kept]
    if classes is None:
        classes = np.unique(labels)
    # A label that is not among the classes raises an error when labels are encoded.
    codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    if class_weight == "balanced":
        # `compute_class_weight` takes no sample weights before scikit-learn 1.9.
        of_class = np.bincount(codes, weights[kept])
        of_classes = of_class.sum() / (len(classes) * of_class)
    else:
        of_classes = compute_class_weight(class_weight, classes=classes, y=classes)
    weights = weights.copy()
    weights[kept] *= of_classes[codes]
    return weights


def count_rows_by_class(class_weight, y, sample_weight, X, classes=None, unit=None):
    """Turn sample weights, multiplied by class weights, into numbers of rows.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    y : ndarray of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,) or None
    X : array-like or frame of shape (n_samples, n_features)
    classes : ndarray, default=None
        See `weigh_classes`.
    unit : float, default=None
        See `count_rows`.

    Returns
    -------
    weights : ndarray of shape (n_samples,)
    unit : float
        See `count_rows`.
    """
    if class_weight is None:
        return count_rows(sample_weight, X, unit)
    if class_weight == "balanced":
        # "balanced" keeps the sum of the weights, so that the unit is found before.
        weights, unit = count_rows(sample_weight, X, unit)
        return weigh_classes(class_weight, y, weights), unit
    weights = check_weights(sample_weight, X)
    return count_rows(weigh_classes(class_weight, y, weights, classes), X, unit)


def _check_weights_of_classes(class_weight):
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(
                "The weights in 'class_weight' must be finite numbers, none below 0; "
                f"got {weight!r} for the class {label!r}."
            )
