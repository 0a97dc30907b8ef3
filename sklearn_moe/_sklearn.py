"""All private names of scikit-learn that the package uses.

If a new release of scikit-learn moves one of them, only this module has to change.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._metadata_requests import _routing_enabled as routing_enabled
from sklearn.utils._metadata_requests import (
    _RoutingNotSupportedMixin as RoutingNotSupportedMixin,
)
from sklearn.utils._optional_dependencies import (
    check_matplotlib_support,
    check_pandas_support,
)
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._plotting import _validate_style_kwargs as validate_style_kwargs
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call as check_partial_fit_first_call,
)
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

try:
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ModuleNotFoundError:  # scikit-learn before 1.8
    from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock

try:
    from sklearn.utils._repr_html.fitted_attributes import AttrsDict
    from sklearn.utils._repr_html.params import ParamsDict

    BEFORE_1_9 = False
except ModuleNotFoundError:
    AttrsDict = ParamsDict = dict
    BEFORE_1_9 = True

__all__ = [
    "AttributesWithHelp",
    "BaseComposition",
    "HasMethods",
    "Interval",
    "ParametersWithHelp",
    "RoutingNotSupportedMixin",
    "StrOptions",
    "VisualBlock",
    "add_trees_within_bins",
    "check_matplotlib_support",
    "check_method_params",
    "check_pandas_support",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "cut_off_of_singular_values",
    "fit_context",
    "makes_frames",
    "metadata_request",
    "nodes_of_boosting",
    "num_samples",
    "own_params",
    "routing_enabled",
    "safe_indexing",
    "validate_parameter_constraints",
    "validate_style_kwargs",
]


Method = TypeVar("Method", bound=Callable)


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Decorate `fit` to validate the parameters first; the type of `fit` is kept."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def safe_indexing(X, rows):
    """Return rows of an array, frame or sparse matrix, by a slice or by indices."""
    if type(X) is np.ndarray and not isinstance(rows, slice):
        # Three times as fast as indexing.
        return X.take(rows, axis=0)
    if BEFORE_1_9 and nw.dependencies.is_pyarrow_table(X):
        return nw.from_native(X)[rows].to_native()
    return _safe_indexing(X, rows)


def check_sample_weight(sample_weight, X, *, allow_all_zero_weights=False, **how):
    """Validate weights; scikit-learn before 1.9 does not check for all zeros itself."""
    if not BEFORE_1_9:
        how["allow_all_zero_weights"] = allow_all_zero_weights
    weights = _check_sample_weight(sample_weight, X, **how)
    if not (allow_all_zero_weights or np.any(weights)):
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def cut_off_of_singular_values(linear_regression):
    """Return the cut-off, relative to the largest, for singular values that are zero.

    It is the `tol` of LinearRegression, and fixed before scikit-learn 1.9.
    """
    return 1e-6 if BEFORE_1_9 else linear_regression.tol


def own_params(estimator):
    """Return the parameters of an estimator, without those of nested estimators.

    The names are cached: `get_params` inspects the signature each time, which takes
    half the time of a small prediction.
    """
    kind = type(estimator)
    if getattr(kind, "get_params", None) is not BaseEstimator.get_params:
        return estimator.get_params(deep=False)
    return {name: getattr(estimator, name) for name in _names_of_params(kind)}


@lru_cache
def _names_of_params(kind):
    return kind._get_param_names()


def metadata_request(owner, method, parameter):
    """Return the request that `set_{method}_request` has set for a parameter, or None.

    The public `get_metadata_routing` fails for some estimators of scikit-learn.
    """
    request = vars(owner).get("_metadata_request")
    return None if request is None else getattr(request, method).requests.get(parameter)


def makes_frames(transformer):
    """Return whether `set_output` or the configuration requests frames."""
    return _get_output_config("transform", transformer)["dense"] != "default"


def add_trees_within_bins(fitted, X, y, **arguments):
    """Add trees to HistGradientBoosting by a warm start with the bins of the first fit.

    Without this, a warm start bins the rows again with their present weights, so that
    the splits of existing trees would refer to other values.
    """
    bins = fitted._bin_mapper

    # scikit-learn passes no weights before 1.8.
    def bin_data(X, *_, is_training_data):
        fitted._bin_mapper = bins
        binned = bins.transform(X)
        return binned if is_training_data else np.ascontiguousarray(binned)

    fitted._bin_data = bin_data
    try:
        return fitted.fit(X, y, **arguments)
    finally:
        del fitted._bin_data


def nodes_of_boosting(fitted):
    """Return the nodes of all trees of HistGradientBoosting."""
    predictors = [each for of_round in fitted._predictors for each in of_round]
    return np.concatenate([each.nodes for each in predictors])


class _WithHelp:
    """Table of an estimator in notebooks that shows descriptions without links as well.

    Scikit-learn shows the description of a parameter only if its name is a link. As
    long as there is no address, a placeholder link is inserted and removed again.
    """

    _NOWHERE = "nowhere"

    @classmethod
    def of(cls, shown):
        """Return the table with descriptions, if scikit-learn supports them."""
        if not BEFORE_1_9:
            shown.__class__ = cls
        return shown

    def _repr_html_inner(self):
        if self.doc_link:
            return super()._repr_html_inner()
        self.doc_link = self._NOWHERE
        html = super()._repr_html_inner()
        self.doc_link = ""
        return re.sub(
            rf'\s+rel="[^"]*" target="[^"]*" href="{self._NOWHERE}[^"]*"', "", html
        )


class ParametersWithHelp(_WithHelp, ParamsDict):
    """The table of the parameters of an estimator."""


class AttributesWithHelp(_WithHelp, AttrsDict):
    """The table of the fitted attributes of an estimator."""
