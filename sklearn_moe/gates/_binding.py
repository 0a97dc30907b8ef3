"""Bind any gate to the rows that EM fits it to, and predict with any fitted one.

A gate whose class has the attribute `bound_class` is fitted to responsibilities by that
class; any other is a classifier, which learns the experts as labels.
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
        Gives a seed to every open `random_state` in the gate.
    splits : list of (train, test), default=None
        Folds for a gate that `learns_labels`: it may interpolate them.
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

    Its `fit` goes on from the fitted gate, for all rows, and ``memory(fitted)`` is what
    the next batch has to know. Preprocessing in a pipeline stays as it was learnt from
    the first batch.

    Parameters
    ----------
    estimator : fitted gate
        It is not changed.
    rows : LocalRows
        The rows of the batch.
    n_experts : int
    memory : object
        What `remember_gate`, or the gate of the batch before, has returned.
    kept : float
        What is left of the weight of the rows before.
    offset : float
        In [0, 1); the randomness of a resample, for a classifier without weights.
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
    """The memory of a fitted gate, as if all rows before had been like these.

    `weight` is that of the rows before, each counted less the older it is. A gate that
    looks after itself has the memory None.
    """
    units = rows
    if rows.sample.subjects is not None:
        units = rows_of_gate(rows, by_features=sees_features(estimator))
        weight = weight * (units.total_weight / rows.total_weight)
    return _resumed_class(estimator, n_experts).remember(
        estimator, units, n_experts, weight=weight
    )


def _of_subjects(gate, rows, bind):
    """A gate that ``bind(rows=rows)`` binds to rows, or to the subjects of these."""
    if rows.sample.subjects is None:
        return bind(rows=rows)
    units = rows_of_gate(rows, by_features=sees_features(gate))
    return GateOfSubjects(bind(rows=units), rows, units)


def learns_labels(gate):
    """Whether a gate is a classifier, which learns the numbers of experts as labels."""
    return _bound_class(gate, BoundClassifier) is BoundClassifier


def gate_can_learn(gate):
    """Whether a gate learns from batches, or need not learn at all."""
    return not learns_labels(gate) or supports_batches(gate)


def sees_features(gate):
    """Whether what a gate sees of a subject is the mean of its features.

    Of all others, the weights of its rows have a mean.
    """
    return isinstance(last_step(gate), BaseGate)


def log_weights(gate, X, n_experts, subjects=None):
    """Logarithm of a fitted gate's weights, shape (n_samples, n_experts).

    Where there are `subjects`, all rows of one have the same.
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
    """The expert of the largest weight for each row, without a softmax.

    The gate must be none that `learns_labels`.
    """
    return gate.predict(copy_if_overwriting(X, gate))


def n_parameters(gate, active):
    """Number of free parameters of a fitted gate, where only some experts are active.

    A softmax or gaussian gate has no parameters for the others.
    """
    last = last_step(gate)
    # Of the type, since a frozen gate has the attributes of the gate in it.
    if not hasattr(type(last), "_n_parameters_of_class"):
        return count_parameters(gate)
    return (int(np.count_nonzero(active)) - 1) * last._n_parameters_of_class()


@count_parameters.register(SoftmaxGate)
@count_parameters.register(GaussianGate)
def _count_gate(gate):
    check_is_fitted(gate)
    return n_parameters(gate, np.ones(len(gate.classes_)))


def _bound_class(gate, other):
    """The class that fits a gate; `other` where it is any classifier."""
    return getattr(type(last_step(gate)), "bound_class", other)


def _resumed_class(gate, n_experts):
    """The class that fits a gate to a batch of a stream."""
    return ResumedGate if n_experts == 1 else _bound_class(gate, ResumedGate)
