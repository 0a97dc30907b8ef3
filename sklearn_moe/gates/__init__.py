"""Gates: distributions over the experts for each row."""

from sklearn_moe.gates.softmax import SoftmaxGate, SoftmaxGating, is_softmax_gate

__all__ = ["SoftmaxGate", "SoftmaxGating", "is_softmax_gate"]
