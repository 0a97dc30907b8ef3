"""Gates: distributions over the experts for each row.

A gate at work in EM has these methods: ``fit(responsibilities, previous)``,
``penalty(fitted)``, ``estimator(fitted, order)``, ``parameters_of(fitted_gate)``, and
the attribute `features`, what the initialisation sees of the rows.
"""

import numpy as np

from sklearn_moe.gates._features import clip_outliers, gate_features, numbers_of
from sklearn_moe.gates._problem import Point as SoftmaxPoint
from sklearn_moe.gates._problem import SoftmaxProblem
from sklearn_moe.gates.classifier import ClassifierGating, log_gate_weights
from sklearn_moe.gates.gaussian import GaussianGate, GaussianGating
from sklearn_moe.gates.online import OnlineFit, OnlineGating, gate_can_learn
from sklearn_moe.gates.softmax import SoftmaxGate, SoftmaxGating, softmax_columns
from sklearn_moe.parameters import count_parameters
from sklearn_moe.weighting import last_step, seeded, spared

__all__ = [
    "GaussianGate",
    "OnlineFit",
    "OnlineGating",
    "SoftmaxGate",
    "SoftmaxGating",
    "SoftmaxPoint",
    "SoftmaxProblem",
    "clip_outliers",
    "gate_can_learn",
    "gate_features",
    "gating",
    "log_weights",
    "most_trusted",
    "n_parameters",
    "needs_folds",
    "numbers_of",
    "softmax_columns",
]


def gating(gate, X, sample_weight, *, random_state, splits, n_jobs):
    """The gate at work on a training set.

    Parameters
    ----------
    gate : estimator
        A gate, a pipeline that ends in one, or any classifier with `predict_proba`.
    X : array-like or frame
    sample_weight : ndarray of shape (n_samples,)
    random_state : RandomState instance
        Gives a seed to every open `random_state` in the gate.
    splits : list of (train, test) or None
        For a gate that `needs_folds`.
    n_jobs : int or None

    Returns
    -------
    gating : SoftmaxGating, GaussianGating or ClassifierGating
    """
    gate = seeded(gate, random_state)
    last = last_step(gate)
    if isinstance(last, SoftmaxGate):
        return SoftmaxGating(gate, X, sample_weight)
    if isinstance(last, GaussianGate):
        return GaussianGating(gate, X, sample_weight)
    return ClassifierGating(
        gate,
        X,
        sample_weight,
        SoftmaxGating(SoftmaxGate(), X, sample_weight).features,
        random_state=random_state,
        splits=splits,
        n_jobs=n_jobs,
    )


def needs_folds(gate):
    """Whether a gate may know its rows by heart."""
    return not isinstance(last_step(gate), (SoftmaxGate, GaussianGate))


def log_weights(gate, X, n_experts):
    """Logarithm of a fitted gate's weights, shape (n_samples, n_experts)."""
    if needs_folds(gate):
        return log_gate_weights(gate, X, n_experts)
    return gate.predict_log_proba(spared(X, gate))


def most_trusted(gate, X):
    """The expert of the largest weight for each row, without a softmax.

    Only for a gate that does not `needs_folds`.
    """
    return gate.predict(spared(X, gate))


def n_parameters(gate, active):
    """Number of free parameters of a fitted gate.

    Parameters
    ----------
    gate : fitted estimator
    active : ndarray of shape (n_experts,), bool
        The weights of the others are not used; a softmax or gaussian gate has no
        parameters for them.

    Returns
    -------
    n_parameters : int
    """
    if needs_folds(gate):
        return count_parameters(gate)
    n_free = int(np.count_nonzero(active)) - 1
    return n_free * last_step(gate)._n_parameters_of_class()
