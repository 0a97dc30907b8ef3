"""Any classifier as the gate, bound to the rows that EM fits it to.

The labels of the classifier are the numbers of the experts. Each row is repeated once
for each expert, with the responsibility as weight [1]_.

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

# Fraction of the gate's weight that is divided equally among all experts. A classifier
# such as a tree may predict probabilities of zero, and an expert with a weight of zero
# could never be trained again.
GATE_SHARING = 1e-3

# Name of the gate in warnings.
GATE = "the gate"


@dataclass(frozen=True)
class ClassifierFit:
    """A classifier after an M-step.

    Attributes
    ----------
    targets : ndarray of shape (n_samples, n_experts)
        Targets to which the classifier was fitted.
    classifier : estimator or None
        None if the gate is cross-fitted: a classifier is fitted to all rows only when
        it is needed.
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
        Features that a softmax gate would have; None if the rows are no table.
    splits : list of (train, test), default=None
        Folds in which each row is held out once. The weights of a row are then
        out-of-fold predictions. A classifier that interpolates its targets would
        otherwise reproduce the responsibilities, so that EM could not change them.
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
            # The preceding steps of the pipeline turn the rows into columns.
            softmax = Pipeline([*clone(gate).steps[:-1], ("softmax", softmax)])
            features = BoundSoftmax.bind(softmax, rows, n_experts).features
        return cls(WeightedFit(gate, random_state), rows, features, splits)

    @property
    def features(self):
        if self._features is None:
            raise ValueError(
                "A named start or a clusterer needs the columns of the gate, but X is "
                f"not a table, and the 'gate' {self._fitter.estimator!r} is not a "
                "pipeline that makes columns of its rows. Set 'gate' to a pipeline, or "
                "'init' to labels or responsibilities."
            )
        return self._features

    sample_features = features

    def fit(self, targets, previous, learn_penalty=True):
        """Fit the classifier, or one classifier for each fold."""
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
        """Return zero: a penalty of the classifier's own is not known."""
        return 0.0

    def estimator(self, fitted, order):
        """Return the classifier, fitted to all rows."""
        in_order = np.array_equal(order, np.arange(len(order)))
        if fitted.classifier is not None and in_order:
            return fitted.classifier
        # Keep the order of the rows, and permute the labels instead, so that a resample
        # of the rows is the same.
        block, labels = self._rows.sample, np.argsort(order)
        with one_fit(GATE):
            return _fit_rows(self._fitter, block, fitted.targets, labels=labels)

    def recall(self, estimator):
        """Return None: a classifier is fitted from scratch."""


class ResumedGate:
    """A fitted gate in a stream that needs no memory, or need not learn.

    See `sklearn_moe._contracts.ResumedGate`.

    Parameters
    ----------
    estimator : fitted gate
        A classifier with `partial_fit`, a frozen gate, or the gate of a single expert.
        It is not modified.
    rows : LocalRows
    n_experts : int
    kept : float
        Fraction of the counts of previous rows that a classifier keeps.
    offset : float
        In [0, 1); offset of systematic resampling, for a classifier that does not
        support sample weights.
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
        """Return None: the estimator itself contains all that it needs."""

    def fit(self, targets, previous, learn_penalty=True):
        """Update a copy of the gate, unless it is frozen or there is one expert."""
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
            # This raises an error if the gate now predicts NaN, so that the batch is
            # rejected: a gate with NaN would not recover.
            return gate, classifier_log_weights(gate, block.X, self._n_experts)
        # Weights after the fit are not needed: the E-step of a batch comes before it.
        return gate, None

    def penalty(self, fitted, ahead=False):
        return 0.0

    def estimator(self, fitted, order):
        """Return the gate; in a stream the experts keep their order."""
        return fitted

    def recall(self, estimator):
        """Return None: the estimator continues from its own state."""

    def memory(self, fitted):
        """Return None: the estimator itself contains all that it needs."""


def _labelled(block, targets, rows=None, labels=None):
    """Return rows, labels and weights, with each row repeated for each expert.

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
    """Fit a classifier to some of the rows, or to all."""
    labelled = _labelled(block, targets, rows, labels)
    with error_note(GATE, block.X, rows):
        return fitter.fit(*labelled, unit=block.sample_weight.mean())


def _fit_and_weigh(fitter, block, targets, train, test):
    """Fit a classifier to training rows, and return the log weights of test rows."""
    with one_fit(GATE):
        fitted = _fit_rows(fitter, block, targets, train)
        held_out = safe_indexing(block.X, test)
        return classifier_log_weights(fitted, held_out, targets.shape[1])


def classifier_log_weights(classifier, X, n_experts):
    """Return the log weights of a classifier, of shape (n_samples, n_experts).

    Its classes are numbers of experts, some of which may be missing.
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
