"""Base class of the gates of the package, as estimators."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._documentation import Documented
from sklearn_moe._in_memory import check_in_memory
from sklearn_moe._persistence import SavedAsDicts
from sklearn_moe._rows import Block
from sklearn_moe._sklearn import fit_context
from sklearn_moe._weights import count_rows
from sklearn_moe.gates._features import gate_features


class BaseGate(Documented, ClassifierMixin, SavedAsDicts, BaseEstimator):
    """Base of the gates: classifiers that can also be fitted to soft targets.

    A subclass defines the methods `_fit_block` and `_log_weights_of`, and the attribute
    `_accept_sparse`.
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the gate.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            NaN is replaced by the mean of its column. Categorical columns of a frame
            are one-hot encoded. Only a softmax gate accepts sparse matrices.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or soft targets: non-negative rows that sum to one.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; None means equal weights.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is only one class, or if soft targets are negative or do not sum to
            one.
        """
        check_in_memory(y=y)
        with all_or_nothing(self):
            y_given = None if y is None else "no_validation"
            X = gate_features(self, X, y_given, reset=True)
            self.classes_, targets = _soft_targets(self, y, X.shape[0])
            sample_weight, _ = count_rows(sample_weight, X)
            self._fit_block(Block(X, targets, targets, sample_weight))
            return self

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the weights of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        log_weights : ndarray of shape (n_samples, n_classes)
        """
        return self._log_proba_of(self._features(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the weights of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        weights : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        return np.exp(self._log_weights_of(self._features(X)))

    def predict(self, X: Any) -> np.ndarray:
        """Return the class with the largest weight.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        chosen = self._chosen(X)
        return self.classes_[chosen]

    def _features(self, X):
        if not hasattr(self, "classes_"):
            # Called only to raise the error, since it inspects all attributes.
            check_is_fitted(self)
        return gate_features(self, X, reset=False)

    def _log_proba_of(self, features):
        log_weights = self._log_weights_of(features)
        # A weight that rounds to one in `predict_proba` must have the logarithm zero,
        # in single precision as well.
        log_weights[np.exp(log_weights) == 1] = 0
        return log_weights

    def _chosen(self, X):
        return self._log_weights_of(self._features(X)).argmax(axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = bool(self._accept_sparse)
        tags.input_tags.allow_nan = True
        return tags


def _soft_targets(gate, y, n_samples):
    """Return the classes, and soft targets made from labels or soft targets."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    if y.ndim == 2 and y.shape[1] > 1:
        targets = y.astype(np.float64)
        sums = targets.sum(axis=1)
        if targets.min() < 0 or not np.allclose(sums, 1, rtol=0, atol=1e-5):
            raise ValueError(
                "Soft targets y must be non-negative rows that sum to one; got a "
                f"smallest value of {targets.min():.3g} and row sums from "
                f"{sums.min():.6g} to {sums.max():.6g}."
            )
        if len(targets) != n_samples:
            raise ValueError(f"X has {n_samples} rows, but y has {len(targets)} rows.")
        return np.arange(targets.shape[1]), targets
    y = column_or_1d(y, warn=True)
    classes, codes = sorted_labels(y)
    check_classification_targets(y)
    if len(y) != n_samples:
        raise ValueError(f"X has {n_samples} rows, but y has {len(y)} rows.")
    if len(classes) < 2:
        raise ValueError(
            f"{type(gate).__name__} needs at least 2 classes in y; got one class: "
            f"{classes.tolist()[0]!r}."
        )
    return classes, np.eye(len(classes))[codes]


def sorted_labels(y):
    """Return the sorted distinct labels, and the index of each row's label.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)

    Returns
    -------
    labels : ndarray of shape (n_labels,)
    codes : ndarray of shape (n_samples,), int
        Indices into `labels`.

    Raises
    ------
    TypeError
        If labels of different types cannot be sorted.
    """
    try:
        return np.unique(y, return_inverse=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in y})
        raise TypeError(
            f"The labels in y must be all numbers or all strings; got {types}."
        ) from error
