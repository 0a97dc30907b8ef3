"""The names that scikit-learn keeps private, in one place.

A new release of scikit-learn that moves one of them breaks this file only.
"""

from sklearn.utils._metadata_requests import _raise_for_params, _routing_enabled
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import _check_method_params, _check_sample_weight

NamedPartsMixin = _BaseComposition
VisualBlock = _VisualBlock
check_sample_weight = _check_sample_weight
raise_for_params = _raise_for_params
routing_enabled = _routing_enabled
select_params = _check_method_params

__all__ = [
    "NamedPartsMixin",
    "VisualBlock",
    "check_sample_weight",
    "raise_for_params",
    "routing_enabled",
    "select_params",
]
