"""What a fitted mixture tells about itself."""

from sklearn_moe.inspection.description import describe
from sklearn_moe.inspection.diagnosis import Diagnosis, diagnose
from sklearn_moe.inspection.importance import gate_importance
from sklearn_moe.inspection.uncertainty import summary

__all__ = ["Diagnosis", "describe", "diagnose", "gate_importance", "summary"]
