"""Gates: distributions over the experts for each row.

`SoftmaxGate` and `GaussianGate` are estimators, and any classifier can be used instead.
`bind_gate` binds a gate to the rows that EM fits it to, and `resume_gate` binds a
fitted gate to a batch of a stream; bound gates have the methods of
`sklearn_moe._contracts.Gate`. `remember_gate` summarises the rows that a gate was
fitted to, so that a stream can continue from it. `squared_error_gate` fits the gate
that pools given experts with the least squared error.
"""

from sklearn_moe.gates._binding import (
    bind_gate,
    gate_can_learn,
    learns_labels,
    log_weights,
    most_trusted,
    n_parameters,
    remember_gate,
    resume_gate,
)
from sklearn_moe.gates._estimator import sorted_labels
from sklearn_moe.gates._features import numbers_of
from sklearn_moe.gates.bound_classifier import GATE_SHARING
from sklearn_moe.gates.gaussian import GaussianGate
from sklearn_moe.gates.softmax import SoftmaxGate, softmax_columns
from sklearn_moe.gates.squared_error import squared_error_gate

__all__ = [
    "GATE_SHARING",
    "GaussianGate",
    "SoftmaxGate",
    "bind_gate",
    "gate_can_learn",
    "learns_labels",
    "log_weights",
    "most_trusted",
    "n_parameters",
    "numbers_of",
    "remember_gate",
    "resume_gate",
    "softmax_columns",
    "sorted_labels",
    "squared_error_gate",
]
