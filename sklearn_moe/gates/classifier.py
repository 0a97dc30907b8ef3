"""Any classifier as the gate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.parallel import delayed

from sklearn_moe._compat import safe_indexing
from sklearn_moe._parallel import side_by_side
from sklearn_moe.weighting import WeightedFit, spared

# Part of the weight that is shared by all experts. A tree says "never" after a few
# rows, and an expert that is never trusted never learns.
GATE_SHARING = 1e-3


@dataclass(frozen=True)
class GateFit:
    """A classifier after an M-step.

    Attributes
    ----------
    responsibilities : ndarray of shape (n_samples, n_experts)
        To which it was fitted.
    classifier : estimator or None
        None where it is cross-fitted: it is fitted to all rows only when it is needed.
    """

    responsibilities: np.ndarray
    classifier: Any


class ClassifierGating:
    """A classifier at work as the gate: on one training set, for ever new targets.

    The classifier learns the experts as labels. A row with soft targets stands there
    once for each expert, weighted with the responsibility [1]_.

    Parameters
    ----------
    gate : classifier
        Not changed.
    X : array-like or frame of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,)
    features : ndarray of shape (n_samples, n_gate_features)
        What the initialisation sees of the rows.
    random_state : RandomState instance
    splits : list of (train, test), default=None
        Folds that hold each row out once. The weights of a row are those of a gate
        fitted without it: one that knows its rows by heart would keep them where they
        are.
    n_jobs : int, default=None

    References
    ----------
    .. [1] S. R. Waterhouse and A. J. Robinson (1994). Classification using hierarchical
       mixtures of experts. IEEE Workshop on Neural Networks for Signal Processing.
    """

    def __init__(
        self,
        gate,
        X,
        sample_weight,
        features,
        *,
        random_state,
        splits=None,
        n_jobs=None,
    ):
        self.features = features
        self._classifier = WeightedFit(gate, random_state)
        self._X = X
        self._sample_weight = sample_weight
        self._splits = splits
        self._n_jobs = n_jobs

    def parameters_of(self, fitted_gate):
        """Nothing: a classifier is fitted anew."""
        return

    def fit(self, responsibilities, previous):
        """M-step of the gate.

        Parameters
        ----------
        responsibilities : ndarray of shape (n_samples, n_experts)
        previous : object
            Not used.

        Returns
        -------
        fitted : GateFit
        log_weights : ndarray of shape (n_samples, n_experts)
            On the training rows.
        """
        n_samples, n_experts = responsibilities.shape
        if self._splits is None:
            classifier = self._fit_all_rows(responsibilities)
            log_weights = log_gate_weights(classifier, self._X, n_experts)
            return GateFit(responsibilities, classifier), log_weights
        log_weights = np.empty((n_samples, n_experts))
        parts = side_by_side(
            self._n_jobs,
            (
                delayed(_fit_and_weigh)(
                    self._classifier,
                    self._X,
                    self._sample_weight,
                    responsibilities,
                    train,
                    test,
                )
                for train, test in self._splits
            ),
        )
        for (_, test), part in zip(self._splits, parts):
            log_weights[test] = part
        return GateFit(responsibilities, None), log_weights

    def penalty(self, fitted):
        """The gate's part of the objective: what a classifier penalises is its own."""
        return 0.0

    def estimator(self, fitted, order):
        """The classifier, fitted to all rows, for experts in this order."""
        in_order = np.array_equal(order, np.arange(len(order)))
        if fitted.classifier is not None and in_order:
            return fitted.classifier
        # The same rows in the same order, so that a resample of them is the same.
        return self._fit_all_rows(fitted.responsibilities, np.argsort(order))

    def _fit_all_rows(self, responsibilities, labels=None):
        everything = np.arange(len(responsibilities))
        return _fit_rows(
            self._classifier,
            self._X,
            self._sample_weight,
            responsibilities,
            everything,
            labels,
        )


def _fit_rows(classifier, X, sample_weight, responsibilities, rows, labels=None):
    """Fit a classifier; `labels` are those of the experts, 0, 1, ... by default."""
    n_experts = responsibilities.shape[1]
    labels = np.arange(n_experts) if labels is None else labels
    repeated = np.tile(rows, n_experts)
    weights = responsibilities[rows] * sample_weight[rows, np.newaxis]
    return classifier.fit(
        safe_indexing(X, repeated),
        np.repeat(labels, len(rows)),
        weights.T.ravel(),
        unit=sample_weight.mean(),
    )


def _fit_and_weigh(classifier, X, sample_weight, responsibilities, train, test):
    """Fit a classifier to some rows, and ask it about others."""
    fitted = _fit_rows(classifier, X, sample_weight, responsibilities, train)
    return log_gate_weights(fitted, safe_indexing(X, test), responsibilities.shape[1])


def log_gate_weights(classifier, X, n_experts):
    """Logarithm of a classifier's weights for all experts.

    Parameters
    ----------
    classifier : fitted classifier
        Its classes are numbers of experts; some may be missing.
    X : array-like or frame of shape (n_samples, n_features)
    n_experts : int

    Returns
    -------
    log_weights : ndarray of shape (n_samples, n_experts)
    """
    if not np.isin(classifier.classes_, np.arange(n_experts)).all():
        raise ValueError(
            "The classes of a frozen gate must be numbers of experts, 0 to "
            f"{n_experts - 1}; got {np.asarray(classifier.classes_).tolist()}. Fit it "
            "to such labels."
        )
    probabilities = np.asarray(classifier.predict_proba(spared(X, classifier)))
    weights = np.zeros((len(probabilities), n_experts), probabilities.dtype)
    weights[:, classifier.classes_.astype(np.intp)] = probabilities
    return np.log((1 - GATE_SHARING) * weights + GATE_SHARING / n_experts)
