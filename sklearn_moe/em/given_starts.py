"""Starts that the user gives: labels or responsibilities of the training rows."""

import numpy as np
from sklearn.utils import check_array

from sklearn_moe.em.starting_rules import STARTS, one_hot


def is_learnt(init):
    """Return whether a start is learnt from the rows: a named rule or a clusterer.

    Any other start is given: an array, the name of a column or a function of the rows.
    """
    return hasattr(init, "fit_predict") or (isinstance(init, str) and init in STARTS)


def check_start(values, n_samples, name="init"):
    """Validate the shape of labels or responsibilities given for all rows.

    Parameters
    ----------
    values : array-like of shape (n_samples,) or (n_samples, n_experts)
    n_samples : int
    name : {"init", "start"}, default="init"
        Name of the argument, for error messages.

    Returns
    -------
    values : ndarray

    Raises
    ------
    ValueError
        If there is not one entry for each row, or if a value is NaN.
    """
    values = check_array(
        values,
        ensure_2d=False,
        allow_nd=True,
        dtype=None,
        ensure_min_samples=0,
        ensure_min_features=0,
        input_name=name,
    )
    if values.ndim not in (1, 2) or len(values) != n_samples:
        remedy = ""
        if name == "init" and values.ndim < 3:
            remedy = (
                " For a mixture that is cross-validated, let 'init' be the name of a "
                "column or a function of X, or pass 'start' to fit by metadata routing."
            )
        raise ValueError(
            f"The {name!r} array must have one label, or one row of responsibilities, "
            f"for each row of X: got shape {values.shape} for {n_samples} rows.{remedy}"
        )
    return values


def given_responsibilities(values, n_experts, name="init"):
    """Return the responsibilities that labels or given responsibilities specify.

    Parameters
    ----------
    values : ndarray of shape (n_samples,) or (n_samples, n_experts)
        A label for each row, or responsibilities.
    n_experts : int
    name : {"init", "start"}, default="init"
        Name of the argument, for error messages.

    Returns
    -------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Rows sum to one; no column is zero throughout. The experts are in the sorted
        order of the labels.

    Raises
    ------
    ValueError
        If there is not one distinct label or one column for each expert, or if the
        responsibilities are invalid.
    TypeError
        If labels of different types cannot be sorted.
    """
    if values.ndim == 1:
        return _from_labels(values, n_experts, name)
    return _check_responsibilities(values, n_experts, name)


def _from_labels(labels, n_experts, name):
    try:
        groups, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in labels})
        raise TypeError(
            f"The {name!r} labels must be all numbers or all strings, without missing "
            f"labels; got {types}."
        ) from error
    if len(groups) != n_experts:
        fewer = (
            " If the rows of a cross-validation fold lack a label, use folds that "
            "contain all labels, such as those of StratifiedKFold().split(X, labels)."
        )
        raise ValueError(
            f"The {name!r} labels must have one group for each expert: got "
            f"{len(groups)} groups for {n_experts} experts."
            f"{fewer if len(groups) < n_experts else ''}"
        )
    return one_hot(codes, n_experts)


def _check_responsibilities(array, n_experts, name):
    n_samples = len(array)
    if array.shape[1] != n_experts:
        raise ValueError(
            f"The {name!r} responsibilities must have shape (n_samples, n_experts) = "
            f"({n_samples}, {n_experts}); got {array.shape}."
        )
    array = array.astype(np.float64)
    if array.min() < 0:
        raise ValueError(
            f"The {name!r} responsibilities must not be negative; row "
            f"{array.min(axis=1).argmin()} holds {array.min():.3g}."
        )
    sums = array.sum(axis=1)
    if not np.allclose(sums, 1, rtol=0, atol=1e-5):
        worst = np.abs(sums - 1).argmax()
        raise ValueError(
            f"The {name!r} responsibilities must sum to one in each row; row "
            f"{worst} sums to {sums[worst]:.6g}. Divide each row by its sum."
        )
    idle = np.flatnonzero(array.sum(axis=0) == 0)
    if len(idle):
        raise ValueError(
            f"The {name!r} responsibilities leave experts {idle.tolist()} without a "
            "row; give each expert some rows, or leave these experts out."
        )
    return array / sums[:, np.newaxis]
