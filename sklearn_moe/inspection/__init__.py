"""Tables, tests and plots of fitted mixtures."""

from sklearn_moe._inner_mixture import fitted_mixture
from sklearn_moe.inspection.convergence import ConvergenceDisplay
from sklearn_moe.inspection.description import describe
from sklearn_moe.inspection.diagnosis import Comparison, Diagnosis, diagnose
from sklearn_moe.inspection.experts import ExpertDisplay
from sklearn_moe.inspection.explanation import Explanation, explain, local_slopes
from sklearn_moe.inspection.explanation_display import ExplanationDisplay
from sklearn_moe.inspection.gate import GateDisplay
from sklearn_moe.inspection.importance import gate_importance
from sklearn_moe.inspection.load import ExpertLoadDisplay
from sklearn_moe.inspection.number_of_experts import NumberOfExpertsDisplay
from sklearn_moe.inspection.responsibilities import ResponsibilityDisplay
from sklearn_moe.inspection.rules import GateRules, gate_rules
from sklearn_moe.inspection.uncertainty import summary

__all__ = [
    "Comparison",
    "ConvergenceDisplay",
    "Diagnosis",
    "ExpertDisplay",
    "ExpertLoadDisplay",
    "Explanation",
    "ExplanationDisplay",
    "GateDisplay",
    "GateRules",
    "NumberOfExpertsDisplay",
    "ResponsibilityDisplay",
    "describe",
    "diagnose",
    "explain",
    "fitted_mixture",
    "gate_importance",
    "gate_rules",
    "local_slopes",
    "summary",
]
