"""Determine how sample weights are passed to the fit of an estimator.

Weights are requested in all nested estimators that accept them, so that metadata
routing passes them on.
"""

from contextlib import suppress
from copy import deepcopy
from dis import get_instructions
from inspect import Parameter, signature, unwrap
from itertools import filterfalse
from numbers import Integral

import numpy as np
from sklearn import config_context
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import SelectKBest, SelectPercentile
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.validation import has_fit_parameter

from sklearn_moe._estimators.nested import (
    is_estimator,
    is_mixture,
    is_sampler,
    nested_estimators,
    parts_of,
)
from sklearn_moe._estimators.row_selection import MIN_ROWS, MIN_ROWS_OF_CLASS
from sklearn_moe._sklearn import RoutingNotSupportedMixin, metadata_request


def request_weights(estimator):
    """Request weights in an estimator, in place, and return how they are passed to fit.

    The result is "direct", "routed", "steps" or "resample": see `WeightedFit`.
    """
    nested = nested_estimators(estimator)
    learners = [each for each in nested if _learns_target(each)]
    leaves = [each for each in learners if len(nested_estimators(each)) == 1]
    if any(map(_refuses_weights, learners)) or not all(map(_takes_weights, leaves)):
        return "resample"
    if changes_rows(estimator):
        return "resample"
    if len(nested) > 1 and _request_routing(estimator, nested):
        return "routed"
    if has_fit_parameter(estimator, "sample_weight"):
        # A meta-estimator must pass weights to all parts that learn the target.
        manages = len(nested) == 1 or isinstance(estimator, RoutingNotSupportedMixin)
        return "direct" if manages or _reach_learners(estimator) else "resample"
    steps = isinstance(estimator, Pipeline) and _reach_learners(estimator)
    return "steps" if steps else "resample"


def has_requests(estimator):
    """Return whether anything in an estimator, fitted or not, requests metadata."""
    return any("_metadata_request" in vars(each) for each in _requesters(estimator))


def forget_requests(fitted):
    """Remove all metadata requests from a fitted estimator, in place.

    A request refers to its estimator, and skops cannot save circular references.
    """
    for each in _requesters(fitted):
        vars(each).pop("_metadata_request", None)


def copy_requests(source, estimator):
    """Copy the metadata requests of an estimator to a similar one, in place."""
    for one, other in zip(nested_estimators(source), nested_estimators(estimator)):
        if "_metadata_request" in vars(one):
            other._metadata_request = one._metadata_request


def _requesters(value):
    """Return the estimators and scorers in a value: in parameters and attributes.

    Frozen estimators, and everything inside a mixture, are left out.
    """
    found, seen, waiting = [], set(), [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (type, FrozenEstimator)):
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            waiting.extend(value.flat)
        elif is_estimator(value) or hasattr(value, "set_score_request"):
            found.append(value)
            if not is_mixture(value):
                waiting.append(vars(value))
    return found


def changes_rows(estimator):
    """Return whether anything in an estimator adds or drops rows when it is fitted.

    Samplers of imbalanced-learn and some transformers of feature_engine do. The weights
    of the training rows do not match the rows that they return.
    """
    return any(
        is_sampler(each) or hasattr(each, "transform_x_y")
        for each in nested_estimators(estimator)
    )


def learns_rows_alone(transformer):
    """Return whether the fit of a transformer uses neither targets nor weights.

    A transformer that adds or drops rows does not qualify either.
    """
    if not is_estimator(transformer) or changes_rows(transformer):
        return False
    return not any(
        _learns_target(each) or _takes_weights(each)
        for each in nested_estimators(transformer)
    )


def min_rows_of_class(estimator):
    """Return the minimum number of different rows of each class in a resample.

    Samplers such as SMOTE search for neighbours within each class, whose number is in
    parameters such as `k_neighbors`.
    """
    if not changes_rows(estimator):
        return MIN_ROWS_OF_CLASS
    samplers = filter(is_sampler, nested_estimators(estimator))
    return max(MIN_ROWS, 1 + _most_neighbours(samplers))


def min_rows(estimator):
    """Return the minimum number of rows in a resample.

    Estimators that average over nearest neighbours need as many rows.
    """
    return max(MIN_ROWS, _most_neighbours(nested_estimators(estimator)))


def _most_neighbours(estimators):
    numbers = [
        value
        for each in estimators
        for name, value in each.get_params(deep=False).items()
        if name.endswith("neighbors") and isinstance(value, Integral)
    ]
    return max(numbers, default=0)


def weights_of_steps(pipeline):
    """Return the names of the `fit` parameters for the weights of each step."""
    return [
        f"{name}__sample_weight"
        for name, step in pipeline.steps
        if is_estimator(step) and _takes_weights(step)
    ]


def _request_routing(estimator, nested):
    """Request weights in nested estimators; return whether routing passes them on."""
    parameters = signature(estimator.fit).parameters
    passes_on = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    if not passes_on and "sample_weight" not in parameters:
        return False
    with config_context(enable_metadata_routing=True):
        for each in nested:
            _set_requests(each)
        try:
            for each in filterfalse(is_mixture, nested):
                routing = get_routing_for_object(each)
                consumes = routing.consumes("fit", ["sample_weight"])
                if not consumes and _holds_learner(each):
                    return False
                if consumes and isinstance(routing, MetadataRouter):
                    process_routing(each, "fit", sample_weight=np.ones(1))
            routing = get_routing_for_object(estimator)
        except (NotImplementedError, UnsetMetadataPassedError):
            # A few meta-estimators do not implement metadata routing, or use a scorer
            # for which weights cannot be requested.
            return False
        return routing.consumes("fit", ["sample_weight"])


def _reach_learners(estimator):
    """Return whether all parts of an estimator that learn the target take weights."""
    return all(_takes_weights(e) for e in parts_of(estimator) if _holds_learner(e))


def _holds_learner(estimator):
    return any(map(_learns_target, nested_estimators(estimator)))


def _learns_target(estimator):
    """Return whether an estimator itself, not a nested one, learns the target.

    Many transformers of other packages have no tag for this, but require the target in
    `fit`, or use it if it is passed. In scikit-learn, SelectKBest and SelectPercentile
    have an optional target, which most of their scores use.
    """
    if is_classifier(estimator) or is_regressor(estimator):
        return True
    if isinstance(estimator, (SelectKBest, SelectPercentile)):
        return True
    y = signature(estimator.fit).parameters.get("y")
    asks_for_y = y is not None and y.default is Parameter.empty
    required = asks_for_y or get_tags(estimator).target_tags.required
    return required or _fit_reads_target(estimator)


def _fit_reads_target(estimator):
    """Return whether the code of `fit` reads y, although y is optional.

    Estimators of scikit-learn do so only if they have a tag. Meta-estimators are not
    examined, since they pass y on to others.
    """
    fit = unwrap(estimator.fit)
    if fit.__module__.startswith("sklearn.") or parts_of(estimator):
        return False
    code = getattr(fit, "__code__", None)
    return code is not None and any(i.argval == "y" for i in get_instructions(code))


def _takes_weights(estimator):
    accepted = has_fit_parameter(estimator, "sample_weight")
    return accepted and not _refuses_weights(estimator)


def _refuses_weights(estimator):
    return metadata_request(estimator, "fit", "sample_weight") is False


def _set_requests(estimator):
    """Request weights in the methods and scorers of an estimator that take them.

    A search then selects parameters by weighted scores.
    """
    if _takes_weights(estimator):
        # Some estimators take weights but have no method to request them.
        with suppress(AttributeError, TypeError):
            estimator.set_fit_request(sample_weight=True)
        if metadata_request(estimator, "score", "sample_weight") is None:
            with suppress(AttributeError, TypeError):
                estimator.set_score_request(sample_weight=True)
    scoring = estimator.get_params(deep=False).get("scoring")
    if isinstance(scoring, (list, tuple, set)):
        scoring = {name: name for name in scoring}
    if isinstance(scoring, dict):
        scorers = {name: _weighted_scorer(scorer) for name, scorer in scoring.items()}
        estimator.set_params(scoring=scorers)
    elif scoring is not None:
        estimator.set_params(scoring=_weighted_scorer(scoring))


def _weighted_scorer(scoring):
    if isinstance(scoring, str) and scoring not in get_scorer_names():
        # The estimator defines this name itself, such as "loss".
        return scoring
    scorer = get_scorer(scoring)
    if not hasattr(scorer, "set_score_request"):
        return scorer
    if metadata_request(scorer, "score", "sample_weight") is not None:
        return scorer
    weighted = "sample_weight" in signature(scorer._score_func).parameters
    return deepcopy(scorer).set_score_request(sample_weight=weighted)
