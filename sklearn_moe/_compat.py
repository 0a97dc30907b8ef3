"""The names that scikit-learn keeps private, in one place.

A new release of scikit-learn that moves one of them breaks this file only.
"""

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._metadata_requests import _raise_for_params, _routing_enabled
from sklearn.utils._optional_dependencies import (
    check_matplotlib_support,
    check_pandas_support,
)
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._plotting import _validate_style_kwargs
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_method_params, _check_sample_weight

NamedPartsMixin = _BaseComposition
VisualBlock = _VisualBlock
check_partial_fit_first_call = _check_partial_fit_first_call
check_sample_weight = _check_sample_weight
fit_context = _fit_context
raise_for_params = _raise_for_params
routing_enabled = _routing_enabled
select_params = _check_method_params
validate_style_kwargs = _validate_style_kwargs


def safe_indexing(X, rows):
    """Some of the rows, by number, of an array, a frame or a sparse matrix."""
    # Three times as quick as indexing.
    return X.take(rows, axis=0) if type(X) is np.ndarray else _safe_indexing(X, rows)


def metadata_request(owner, method, parameter):
    """What the user has said of a parameter by `set_{method}_request`, or None.

    The public `get_metadata_routing` cannot be asked of every estimator that
    scikit-learn ships.
    """
    said = vars(owner).get("_metadata_request")
    return None if said is None else getattr(said, method).requests.get(parameter)


__all__ = [
    "HasMethods",
    "Interval",
    "NamedPartsMixin",
    "StrOptions",
    "VisualBlock",
    "check_matplotlib_support",
    "check_pandas_support",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "metadata_request",
    "raise_for_params",
    "routing_enabled",
    "safe_indexing",
    "select_params",
    "validate_style_kwargs",
]
