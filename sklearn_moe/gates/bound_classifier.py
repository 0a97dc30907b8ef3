"""Any classifier as the gate, bound to the rows that EM fits it to.

The classifier learns the experts as labels. A row with soft targets stands there once
for each expert, weighted with the responsibility [1]_.

References
----------
.. [1] S. R. Waterhouse and A. J. Robinson (1994). Classification using hierarchical
   mixtures of experts. IEEE Workshop on Neural Networks for Signal Processing.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_moe._estimators import (
    WeightedFit,
    decay_counts,
    distributions,
    error_note,
    last_step,
    learn_batch,
    predict_probabilities,
)
from sklearn_moe._fit_warnings import one_fit
from sklearn_moe._frames import is_table
from sklearn_moe._parallel import run_parallel
from sklearn_moe._sklearn import safe_indexing
from sklearn_moe.gates.bound_softmax import BoundSoftmax
from sklearn_moe.gates.softmax import SoftmaxGate

# Fraction of the weight that is shared by all experts. A tree may give a class no
# probability after a few rows, and an expert that is never trusted never learns.
GATE_SHARING = 1e-3

# How warnings call it.
GATE = "the gate"


@dataclass(frozen=True)
class ClassifierFit:
    """A classifier after an M-step.

    Attributes
    ----------
    targets : ndarray of shape (n_samples, n_experts)
        To which it was fitted.
    classifier : estimator or None
        None where it is cross-fitted: it is fitted to all rows only when it is needed.
    """

    targets: np.ndarray
    classifier: Any


class BoundClassifier:
    """A classifier, bound to the training rows; see `sklearn_moe._contracts.Gate`.

    Parameters
    ----------
    fitter : WeightedFit
    rows : LocalRows
    features : {ndarray, CSR} of shape (n_samples, n_gate_features) or None
        What a softmax gate would see; None where there are no columns to see.
    splits : list of (train, test), default=None
        Folds that hold each row out once. The weights of a row are those of a gate
        fitted without it: one that interpolates its targets would keep them where they
        are.
    """

    learns_penalty = False

    def __init__(self, fitter, rows, features, splits=None):
        self._features = features
        self._fitter = fitter
        self._rows = rows
        self._splits = splits

    @classmethod
    def bind(cls, gate, rows, n_experts, *, random_state, splits=None):
        """Bind a classifier to rows in one block; see `bind_gate`."""
        features, softmax = None, SoftmaxGate()
        if is_table(rows.sample.X):
            features = BoundSoftmax.bind(softmax, rows, n_experts).features
        elif isinstance(gate, Pipeline):
            # It is the pipeline that makes columns of the rows.
            softmax = Pipeline([*clone(gate).steps[:-1], ("softmax", softmax)])
            features = BoundSoftmax.bind(softmax, rows, n_experts).features
        return cls(WeightedFit(gate, random_state), rows, features, splits)

    @property
    def features(self):
        if self._features is None:
            raise ValueError(
                "A start by rules looks at the columns of the gate, but the rows of X "
                f"are no table, and the 'gate' {self._fitter.estimator!r} is no "
                "pipeline that makes columns of them. Give a pipeline, or labels or "
                "responsibilities as 'init'."
            )
        return self._features

    sample_features = features

    def fit(self, targets, previous, learn_penalty=True):
        """Fit the classifier, or one for each fold."""
        block = self._rows.sample
        if self._splits is None:
            with one_fit(GATE):
                classifier = _fit_rows(self._fitter, block, targets)
                log_weights = classifier_log_weights(
                    classifier, block.X, targets.shape[1]
                )
            return ClassifierFit(targets, classifier), log_weights
        held_out = run_parallel(
            self._rows.n_jobs,
            _fit_and_weigh,
            (
                (self._fitter, block, targets, train, test)
                for train, test in self._splits
            ),
        )
        log_weights = np.empty(targets.shape)
        for (_, test), of_fold in zip(self._splits, held_out):
            log_weights[test] = of_fold
        return ClassifierFit(targets, None), log_weights

    def penalty(self, fitted, ahead=False):
        """Zero: what a classifier penalises is its own."""
        return 0.0

    def estimator(self, fitted, order):
        """The classifier, fitted to all rows."""
        in_order = np.array_equal(order, np.arange(len(order)))
        if fitted.classifier is not None and in_order:
            return fitted.classifier
        # The same rows in the same order, so that a resample of them is the same.
        block, labels = self._rows.sample, np.argsort(order)
        with one_fit(GATE):
            return _fit_rows(self._fitter, block, fitted.targets, labels=labels)

    def recall(self, estimator):
        """Nothing: a classifier is fitted anew."""


class ResumedGate:
    """A fitted gate in a stream that looks after itself, or need not learn.

    See `sklearn_moe._contracts.Gate`.

    Parameters
    ----------
    estimator : fitted gate
        It is left as it is: a classifier with `partial_fit`, a frozen gate, or that of
        one expert.
    rows : LocalRows
    n_experts : int
    kept : float
        What a classifier keeps of what it has counted.
    offset : float
        In [0, 1); the randomness of a resample, where it takes no weights.
    """

    def __init__(self, estimator, rows, n_experts, kept, offset):
        self._estimator = estimator
        self._rows = rows
        self._n_experts = n_experts
        self._kept = kept
        self._offset = offset

    @classmethod
    def resume(cls, estimator, rows, n_experts, *, kept, offset, **_):
        """Bind a fitted gate to a batch of a stream; see `resume_gate`."""
        return cls(estimator, rows, n_experts, kept, offset)

    @classmethod
    def remember(cls, estimator, rows, n_experts, **_):
        """Nothing: the estimator remembers what it has to."""

    def fit(self, targets, previous, learn_penalty=True):
        """Learn the batch, where there is anything to learn."""
        gate, block = self._estimator, self._rows.sample
        if self._n_experts > 1 and not isinstance(last_step(gate), FrozenEstimator):
            gate = deepcopy(gate)
            decay_counts(gate, self._kept)
            with error_note(GATE, block.X):
                learn_batch(
                    gate,
                    *_labelled(block, targets),
                    classes=np.arange(self._n_experts),
                    unit=block.sample_weight.mean(),
                    offset=self._offset,
                )
            # One that has become NaN would stay it: the batch is refused instead.
            return gate, classifier_log_weights(gate, block.X, self._n_experts)
        # The weights of a batch are needed only before it is learnt.
        return gate, None

    def penalty(self, fitted, ahead=False):
        return 0.0

    def estimator(self, fitted, order):
        """The gate; in a stream the experts stay in their order."""
        return fitted

    def recall(self, estimator):
        """Nothing: it goes on from where it stands."""

    def memory(self, fitted):
        """Nothing: the estimator remembers what it has to."""


def _labelled(block, targets, rows=None, labels=None):
    """Rows, labels and weights: each row once for each expert.

    The labels of the experts are 0, 1, ... by default.
    """
    rows = np.arange(len(targets)) if rows is None else rows
    labels = np.arange(targets.shape[1]) if labels is None else labels
    repeated = np.tile(rows, len(labels))
    weights = targets[rows] * block.sample_weight[rows, np.newaxis]
    return (
        safe_indexing(block.X, repeated),
        np.repeat(labels, len(rows)),
        weights.T.ravel(),
    )


def _fit_rows(fitter, block, targets, rows=None, labels=None):
    """Fit a classifier to some rows, or all."""
    labelled = _labelled(block, targets, rows, labels)
    with error_note(GATE, block.X):
        return fitter.fit(*labelled, unit=block.sample_weight.mean())


def _fit_and_weigh(fitter, block, targets, train, test):
    """Fit a classifier to some rows, and predict others."""
    with one_fit(GATE):
        fitted = _fit_rows(fitter, block, targets, train)
        held_out = safe_indexing(block.X, test)
        return classifier_log_weights(fitted, held_out, targets.shape[1])


def classifier_log_weights(classifier, X, n_experts):
    """Logarithm of a classifier's weights for all experts (n_samples, n_experts).

    Its classes are numbers of experts, of which some may be missing.
    """
    if not np.isin(classifier.classes_, np.arange(n_experts)).all():
        raise ValueError(
            "The classes of a frozen gate must be numbers of experts, 0 to "
            f"{n_experts - 1}; got {np.asarray(classifier.classes_).tolist()}. Fit it "
            "to such labels."
        )
    with error_note(f"the gate, {classifier!r}", X):
        probabilities = predict_probabilities(classifier, X)
    if not np.isfinite(probabilities).all():
        raise ValueError(
            f"The gate {classifier!r} predicted NaN or infinity. Scale its features, "
            "regularise it, or choose another classifier."
        )
    weights = np.zeros((len(probabilities), n_experts))
    weights[:, classifier.classes_.astype(np.intp)] = probabilities
    weights = (1 - GATE_SHARING) * distributions(weights) + GATE_SHARING / n_experts
    dtype = np.float32 if probabilities.dtype == np.float32 else np.float64
    return np.log(weights).astype(dtype, copy=False)
