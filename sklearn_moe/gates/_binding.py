"""Binding of any gate to the rows that EM fits it to, and predictions of fitted gates.

A gate whose class has the attribute `bound_class` is fitted to responsibilities by this
class. Any other gate is a classifier, whose labels are the numbers of the experts.
"""

from functools import partial

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._estimators import (
    copy_if_overwriting,
    last_step,
    seeded_clone,
    supports_batches,
)
from sklearn_moe._parameters import count_parameters
from sklearn_moe._rows import Block
from sklearn_moe.gates._columns import columns_of_block
from sklearn_moe.gates._estimator import BaseGate
from sklearn_moe.gates._subjects import GateOfSubjects, rows_of_gate
from sklearn_moe.gates.bound_classifier import (
    BoundClassifier,
    ResumedGate,
    classifier_log_weights,
)
from sklearn_moe.gates.gaussian import GaussianGate
from sklearn_moe.gates.softmax import SoftmaxGate


def bind_gate(gate, rows, n_experts, *, random_state, splits=None):
    """Bind a gate to the training rows; see `sklearn_moe._contracts.Gate`.

    Parameters
    ----------
    gate : estimator
        A gate, a pipeline that ends in one, or any classifier with `predict_proba`. It
        is not changed.
    rows : Rows
    n_experts : int
    random_state : RandomState instance
        Provides a seed for every `random_state` in the gate that is None.
    splits : list of (train, test), default=None
        Folds for cross-fitting a gate that `learns_labels`, which might otherwise
        interpolate the responsibilities.
    """
    gate = seeded_clone(gate, random_state)
    bind = partial(
        _bound_class(gate, BoundClassifier).bind,
        gate,
        n_experts=n_experts,
        random_state=random_state,
        splits=splits,
    )
    return _of_subjects(gate, rows, bind)


def resume_gate(estimator, rows, n_experts, *, memory, kept, offset):
    """Bind a fitted gate to a batch of a stream; see `sklearn_moe._contracts.Gate`.

    Its `fit` updates the fitted gate to all rows so far, and ``memory(fitted)`` is the
    summary of these that the next batch needs. Preprocessing in a pipeline stays as it
    was fitted to the first batch.

    Parameters
    ----------
    estimator : fitted gate
        It is not changed.
    rows : LocalRows
        The rows of the batch.
    n_experts : int
    memory : object
        Result of `remember_gate`, or of `memory` of the gate of the previous batch.
    kept : float
        Fraction of the weight of the previous rows that is kept.
    offset : float
        In [0, 1); offset of systematic resampling, for a classifier that does not
        support sample weights.
    """
    resume = partial(
        _resumed_class(estimator, n_experts).resume,
        estimator,
        n_experts=n_experts,
        memory=memory,
        kept=kept,
        offset=offset,
    )
    return _of_subjects(estimator, rows, resume)


def remember_gate(estimator, rows, n_experts, *, weight):
    """Return the memory of a fitted gate, as if all previous rows had been like these.

    `weight` is the weight of the previous rows, with older rows discounted. The memory
    is None for a gate that needs none: a classifier with `partial_fit`, a frozen gate,
    or the gate of a single expert.
    """
    units = rows
    if rows.sample.subjects is not None:
        units = rows_of_gate(rows, by_features=sees_features(estimator))
        weight = weight * (units.total_weight / rows.total_weight)
    return _resumed_class(estimator, n_experts).remember(
        estimator, units, n_experts, weight=weight
    )


def _of_subjects(gate, rows, bind):
    """Bind a gate by ``bind(rows=...)`` to rows, or to the subjects of the rows."""
    if rows.sample.subjects is None:
        return bind(rows=rows)
    units = rows_of_gate(rows, by_features=sees_features(gate))
    return GateOfSubjects(bind(rows=units), rows, units)


def learns_labels(gate):
    """Return whether a gate is a classifier whose labels are the numbers of experts."""
    return _bound_class(gate, BoundClassifier) is BoundClassifier


def gate_can_learn(gate):
    """Return whether a gate can learn from batches, or need not learn at all."""
    return not learns_labels(gate) or supports_batches(gate)


def sees_features(gate):
    """Return whether a gate sees the mean of the features of a subject.

    For any other gate, the weights of a subject are the mean weights of its rows.
    """
    return isinstance(last_step(gate), BaseGate)


def log_weights(gate, X, n_experts, subjects=None):
    """Return the logarithm of a fitted gate's weights, shape (n_samples, n_experts).

    With `subjects`, all rows of a subject have the same weights.
    """
    if subjects is not None and sees_features(gate):
        columns = columns_of_block(Block(X, None, None, None, subjects), gate)
        return last_step(gate)._log_proba_of(columns)[subjects.codes]
    if subjects is not None:
        return subjects.log_means(log_weights(gate, X, n_experts))
    if learns_labels(gate):
        return classifier_log_weights(gate, X, n_experts)
    return gate.predict_log_proba(copy_if_overwriting(X, gate))


def most_trusted(gate, X):
    """Return the expert with the largest weight for each row, without a softmax.

    The gate must not be one that `learns_labels`.
    """
    return gate.predict(copy_if_overwriting(X, gate))


def n_parameters(gate, active):
    """Return the number of free parameters of a fitted gate.

    The parameters that a softmax or gaussian gate has for inactive experts are not
    counted.
    """
    last = last_step(gate)
    # Ask the type: a frozen gate itself also has the attributes of the gate in it.
    if not hasattr(type(last), "_n_parameters_of_class"):
        return count_parameters(gate)
    return (int(np.count_nonzero(active)) - 1) * last._n_parameters_of_class()


@count_parameters.register(SoftmaxGate)
@count_parameters.register(GaussianGate)
def _count_gate(gate):
    check_is_fitted(gate)
    return n_parameters(gate, np.ones(len(gate.classes_)))


def _bound_class(gate, other):
    """Return the class that fits a gate; `other` for a classifier."""
    return getattr(type(last_step(gate)), "bound_class", other)


def _resumed_class(gate, n_experts):
    """Return the class that fits a gate to a batch of a stream."""
    return ResumedGate if n_experts == 1 else _bound_class(gate, ResumedGate)
