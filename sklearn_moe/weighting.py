"""Weights of rows into any estimator's fit, whether or not it takes them."""

import warnings
from contextlib import suppress
from copy import deepcopy
from inspect import Parameter, signature
from itertools import filterfalse

import numpy as np
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.validation import has_fit_parameter

from sklearn_moe._compat import (
    metadata_request,
    routing_enabled,
    safe_indexing,
    select_params,
)

# A row whose weight is below this part of the largest is not passed to fit.
NEGLIGIBLE = 1e-10

# How many rows, and how many of each class, stay however small their weights. Many
# estimators refuse fewer: nearest neighbours, and all that hold rows out for
# validation.
MIN_ROWS = 10

# How many different rows of each class a resample holds at least: as many as there are
# folds in scikit-learn's own cross-validation. More would bend the proportions of the
# classes.
MIN_ROWS_OF_CLASS = 5


class WeightedFit:
    """An estimator that can be fitted with weights, whether or not it takes them.

    An estimator that takes `sample_weight` gets it. A meta-estimator gets it by
    metadata routing, whatever the user's configuration, and hands it to every part that
    takes it; a pipeline that cannot be routed gets it for its steps by their names.
    Where the estimator that predicts takes no weights, the whole is fitted to a
    systematic resample of the rows [1]_. Weights that are all one are left out.

    Parameters
    ----------
    estimator : estimator
        Not changed.
    random_state : RandomState instance
        Gives a seed to every open `random_state` in the estimator, and to the resample:
        one for all fits, so that a fit depends on the weights alone.

    Attributes
    ----------
    estimator : estimator
        A clone, seeded.
    way : {"direct", "routed", "steps", "resample"}
        How the weights reach the estimator.
    overwrites : bool
        Whether it may overwrite the rows that it is given.

    References
    ----------
    .. [1] W. G. Madow (1949). On the theory of systematic sampling, II. Annals of
       Mathematical Statistics 20(3), 333-354.
    """

    def __init__(self, estimator, random_state):
        self.estimator = seeded(estimator, random_state)
        self.offset = random_state.uniform()
        self.way = _way_of_weights(self.estimator)
        self.overwrites = _overwrites(self.estimator)

    def fit(
        self, X, y, weights, *, unit=1.0, rows=None, previous=None, fit_params=None
    ):
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        weights : ndarray of shape (n_samples,)
            Non-negative. Where all are zero they count as equal: there is nothing to
            learn from.
        unit : float, default=1
            The weight of one row: what the size of a resample is counted in.
        rows : ndarray of int, default=None
            The rows to fit on; None means all.
        previous : estimator, default=None
            The last fit, where a mixture goes on from it: an M-step inside an M-step.
        fit_params : dict, default=None
            Further arguments of `fit`. Arrays with one element for each row are cut to
            the rows that take part.

        Returns
        -------
        fitted : estimator
        """
        n_given = len(weights)
        rows = np.arange(n_given) if rows is None else rows
        weights = weights[rows]
        if not weights.any():
            weights = np.ones(len(rows))
        labels = y[rows] if is_classifier(self.estimator) else None
        if self.way == "resample":
            chosen = systematic_resample(weights, self.offset, unit)
            if labels is not None:
                chosen = with_all_classes(chosen, weights, labels)
            arguments = {}
        else:
            chosen = substantial_rows(weights, labels)
            handed = np.maximum(weights[chosen], NEGLIGIBLE * weights.max())
            names = ["sample_weight"]
            if (handed == 1).all():
                # As if there were none, and many estimators are quicker without.
                names = []
            elif self.way == "steps":
                names = _weights_of_steps(self.estimator)
            arguments = dict.fromkeys(names, handed)
        rows = rows[chosen]
        arguments.update(select_params(X, fit_params or {}, rows))
        if self.overwrites or not np.array_equal(rows, np.arange(n_given)):
            X, y = safe_indexing(X, rows), y[rows]
        if labels is not None and (y == y[0]).all():
            # Many classifiers refuse a single class. This one knows what to say of it.
            return DummyClassifier(strategy="prior").fit(X, y)
        # Some that take weights directly refuse them where routing is enabled.
        routed = self.way == "routed" or bool(fit_params and routing_enabled())
        with config_context(enable_metadata_routing=routed):
            if previous is not None:
                return _go_on(previous, self.estimator, X, y, arguments)
            return clone(self.estimator).fit(X, y, **arguments)


class CannotGoOnError(ValueError):
    """A warm start is given another problem than the last fit has solved."""


def _go_on(previous, estimator, X, y, arguments):
    """Fit a mixture, or a pipeline that ends in one, from where it ended."""
    fitted = deepcopy(previous)
    last_step(fitted).set_params(warm_start=True)
    with warnings.catch_warnings():
        # The mixture around it iterates on, and the first M-step has told the rest.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for told in ("reproduce their training targets", "were retired"):
            warnings.filterwarnings("ignore", f"Experts .* {told}", UserWarning)
        try:
            fitted.fit(X, y, **arguments)
        except CannotGoOnError:
            # With other weights a pipeline may make other columns.
            return clone(estimator).fit(X, y, **arguments)
    warm_start = last_step(estimator).warm_start
    last_step(fitted).set_params(warm_start=warm_start)
    return fitted


def last_step(estimator):
    """The last step of a pipeline; any other estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def thawed(estimator):
    """What a FrozenEstimator holds; any other estimator itself."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def substantial_rows(weights, labels=None):
    """The rows that a fit cannot do without.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
    labels : ndarray of shape (n_samples,), default=None
        Classes of which some rows must stay, so that the estimator knows them all.

    Returns
    -------
    rows : ndarray of int
        Those whose weight is not negligible, and the heaviest of the others where there
        are fewer than `MIN_ROWS`, in all or of one class.
    """
    kept = weights > NEGLIGIBLE * weights.max()
    if kept.all():
        return np.flatnonzero(kept)
    for group in [np.ones_like(kept)] if labels is None else _groups(labels):
        if np.count_nonzero(kept & group) < MIN_ROWS:
            members = np.flatnonzero(group)
            heaviest_first = np.argsort(-weights[members], kind="stable")
            kept[members[heaviest_first[:MIN_ROWS]]] = True
    return np.flatnonzero(kept)


def _groups(labels):
    codes = np.unique(labels, return_inverse=True)[1]
    return (codes == code for code in range(codes.max() + 1))


def systematic_resample(weights, offset, unit=1.0):
    """Draw rows in proportion to their weights, with the least possible variance.

    Every row is drawn as often as its weight asks for, rounded up or down.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Non-negative, not all zero.
    offset : float
        In [0, 1); the only randomness of the sample.
    unit : float, default=1
        The weight of one row. The sample has ``sum(weights) / unit`` rows, but no fewer
        than `MIN_ROWS` where as many have a weight.

    Returns
    -------
    rows : ndarray of int
        Sorted; a row that is drawn twice stands there twice.
    """
    total = weights.sum()
    n_draws = max(round(total / unit), min(MIN_ROWS, np.count_nonzero(weights)))
    edges = np.cumsum(weights) / total * n_draws
    drawn = np.minimum(np.floor(edges + offset), n_draws)
    copies = np.diff(drawn, prepend=0.0).astype(np.intp)
    # Rounding in the sum must not lose the last row that is due.
    copies[np.flatnonzero(weights)[-1]] += n_draws - copies.sum()
    return np.repeat(np.arange(len(weights)), copies)


def with_all_classes(rows, weights, labels):
    """Add the heaviest rows of the classes that a resample has all but lost.

    Parameters
    ----------
    rows : ndarray of int
        The resample.
    weights : ndarray of shape (n_samples,)
    labels : ndarray of shape (n_samples,)
        Classes of all rows.

    Returns
    -------
    rows : ndarray of int
        Sorted; no class has fewer than `MIN_ROWS_OF_CLASS` different rows where it has
        as many.
    """
    copies = np.bincount(rows, minlength=len(weights))
    for group in _groups(labels):
        n_missing = MIN_ROWS_OF_CLASS - np.count_nonzero(copies[group])
        if n_missing > 0:
            undrawn = np.flatnonzero(group & (copies == 0))
            heaviest_first = np.argsort(-weights[undrawn], kind="stable")
            copies[undrawn[heaviest_first[:n_missing]]] = 1
    return np.repeat(np.arange(len(weights)), copies)


def seeded(estimator, random_state):
    """A clone of an estimator whose open random states are drawn."""
    estimator = clone(estimator)
    for part in _parts_of(estimator):
        if part.get_params(deep=False).get("random_state", "none") is None:
            part.set_params(random_state=random_state.randint(np.iinfo(np.int32).max))
    return estimator


def spared(X, estimator):
    """The rows, or a copy of them where an estimator may overwrite what it is given.

    Parameters
    ----------
    X : array-like or frame of shape (n_samples, n_features)
    estimator : estimator
    """
    return safe_indexing(X, np.arange(X.shape[0])) if _overwrites(estimator) else X


def _overwrites(estimator):
    return any(
        value is False
        for part in _parts_of(thawed(estimator))
        for name, value in part.get_params(deep=False).items()
        if name.lower() in ("copy", "copy_x")
    )


def _way_of_weights(estimator):
    """How weights reach an estimator; request them in all its parts on the way."""
    parts = _parts_of(estimator)
    predictors = [part for part in parts if is_classifier(part) or is_regressor(part)]
    leaves = [part for part in predictors if len(_parts_of(part)) == 1]
    direct = has_fit_parameter(estimator, "sample_weight")
    if any(_refuses_weights(part) for part in predictors):
        return "resample"
    if not all(_takes_weights(leaf) for leaf in leaves):
        return "resample"
    if len(parts) > 1 and _can_be_routed(estimator, parts):
        return "routed"
    if direct:
        return "direct"
    steps = isinstance(estimator, Pipeline) and _takes_weights(estimator[-1])
    return "steps" if steps else "resample"


def _can_be_routed(estimator, parts):
    """Whether metadata routing brings weights to the parts; request them in all."""
    # TargetEncoder cannot be fitted in a pipeline where routing is enabled, as of
    # scikit-learn 1.9.
    if any(isinstance(part, TargetEncoder) for part in parts):
        return False
    parameters = signature(estimator.fit).parameters
    passes_on = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    if not passes_on and "sample_weight" not in parameters:
        return False
    with config_context(enable_metadata_routing=True):
        for part in parts:
            _request_weights(part)
        try:
            for part in filterfalse(_is_mixture, parts):
                routing = get_routing_for_object(part)
                consumes = routing.consumes("fit", ["sample_weight"])
                if consumes and isinstance(routing, MetadataRouter):
                    process_routing(part, "fit", sample_weight=np.ones(1))
            routing = get_routing_for_object(estimator)
        except (NotImplementedError, UnsetMetadataPassedError):
            # A few meta-estimators do not know metadata routing, or score by something
            # of their own that no one can ask to be weighted.
            return False
        return routing.consumes("fit", ["sample_weight"])


def _weights_of_steps(pipeline):
    """Names of the weights of each step that takes them."""
    return [
        f"{name}__sample_weight"
        for name, step in pipeline.steps
        if _is_estimator(step) and _takes_weights(step)
    ]


def _parts_of(estimator):
    """The estimator and all estimators in its parameters, frozen ones left out."""
    if isinstance(estimator, FrozenEstimator):
        return []
    if _is_mixture(estimator):
        # It looks after its own parts.
        return [estimator]
    parts = [estimator]
    for value in estimator.get_params(deep=False).values():
        for inner in _estimators_in(value):
            parts.extend(_parts_of(inner))
    return parts


def _estimators_in(value):
    """Yield what a parameter holds: an estimator, named ones, candidates of a grid."""
    if _is_estimator(value):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _estimators_in(item)


def _is_estimator(value):
    return (
        hasattr(value, "fit")
        and hasattr(value, "get_params")
        and not isinstance(value, type)
    )


def _is_mixture(estimator):
    return hasattr(estimator, "predict_gate")


def _takes_weights(estimator):
    accepted = has_fit_parameter(estimator, "sample_weight")
    return accepted and not _refuses_weights(estimator)


def _refuses_weights(estimator):
    return metadata_request(estimator, "fit", "sample_weight") is False


def _request_weights(estimator):
    """Have metadata routing give weights to all of an estimator that takes them.

    The scores that choose parameters are weighted as the fits are.
    """
    if _takes_weights(estimator):
        # What takes weights without letting them be requested is not asked.
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
        # A word of the estimator's own, as is "loss".
        return scoring
    scorer = get_scorer(scoring)
    if not hasattr(scorer, "set_score_request"):
        return scorer
    if metadata_request(scorer, "score", "sample_weight") is not None:
        return scorer
    weighted = "sample_weight" in signature(scorer._score_func).parameters
    return deepcopy(scorer).set_score_request(sample_weight=weighted)
