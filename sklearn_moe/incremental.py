"""Estimators that learn one batch after another."""

from copy import deepcopy
from inspect import signature

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_moe._compat import (
    metadata_request,
    routing_enabled,
    safe_indexing,
    select_params,
)
from sklearn_moe.weighting import NEGLIGIBLE, seeded, systematic_resample

# What naive Bayes keeps of the rows that it has seen: sums that can fade.
COUNTS = ("class_count_", "feature_count_", "category_count_")

# How often an estimator that knows nothing yet looks at its first batch. One that takes
# small steps has hardly moved after one look.
FIRST_EPOCHS = 10


def can_learn(estimator):
    """Whether an estimator learns from batches, or need not learn at all."""
    return isinstance(estimator, FrozenEstimator) or hasattr(estimator, "partial_fit")


def learn(
    estimator, X, y, weights, *, classes=None, unit=1.0, offset=0.5, fit_params=None
):
    """Have an estimator learn a batch, in place.

    An estimator whose `partial_fit` takes no weights learns a systematic resample of
    the batch.

    Parameters
    ----------
    estimator : estimator
        With `partial_fit`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,)
        Non-negative, not all zero.
    classes : ndarray of shape (n_classes,), default=None
        All labels of the stream, for a classifier.
    unit : float, default=1
        The weight of one row: what the size of a resample is counted in.
    offset : float, default=0.5
        In [0, 1); the randomness of a resample.
    fit_params : dict, default=None
        Further arguments of `partial_fit`. Arrays with one element for each row are cut
        to the rows that take part.
    """
    parameters = signature(estimator.partial_fit).parameters
    said = metadata_request(estimator, "partial_fit", "sample_weight")
    if "sample_weight" in parameters and said is not False:
        rows = np.flatnonzero(weights > NEGLIGIBLE * weights.max())
        arguments = {"sample_weight": weights[rows]}
    else:
        rows, arguments = systematic_resample(weights, offset, unit), {}
    if classes is not None:
        arguments["classes"] = classes
    arguments.update(select_params(X, fit_params or {}, rows))
    if not np.array_equal(rows, np.arange(len(weights))):
        X, y = safe_indexing(X, rows), y[rows]
    # Meta-estimators hand weights on by themselves where routing is not enabled.
    routed = bool(fit_params) and routing_enabled()
    with config_context(enable_metadata_routing=routed):
        estimator.partial_fit(X, y, **arguments)


def forget(estimator, kept):
    """Fade what an estimator remembers of the rows before, where it counts them.

    Estimators that take steps of some size forget by these steps, as they are told to.

    Parameters
    ----------
    estimator : fitted estimator
        Changed in place.
    kept : float
        The factor on each count.
    """
    for name in COUNTS:
        counts = getattr(estimator, name, None)
        if isinstance(counts, list):
            setattr(estimator, name, [kept * count for count in counts])
        elif counts is not None:
            setattr(estimator, name, kept * counts)


class IncrementalFit:
    """An estimator that learns its first batch again and again, with ever new weights.

    Parameters
    ----------
    estimator : estimator
        With `partial_fit`; not changed.
    random_state : RandomState instance
        Gives a seed to every open `random_state` in the estimator, and to a resample.
    classes : ndarray of shape (n_classes,), default=None
        All labels of the stream, for a classifier.

    Attributes
    ----------
    estimator : estimator
        A clone, seeded.
    """

    def __init__(self, estimator, random_state, *, classes=None):
        self.estimator = seeded(estimator, random_state)
        self._offset = random_state.uniform()
        self._classes = classes

    def fit(
        self, X, y, weights, *, unit=1.0, rows=None, previous=None, fit_params=None
    ):
        """Learn all rows, from where the last fit has ended; see `WeightedFit.fit`.

        What an estimator has counted of these rows before is forgotten.
        """
        begins = previous is None
        fitted = clone(self.estimator) if begins else deepcopy(previous)
        for _ in range(FIRST_EPOCHS if begins else 1):
            forget(fitted, 0.0)
            learn(
                fitted,
                X,
                y,
                weights if weights.any() else np.ones(len(weights)),
                classes=self._classes,
                unit=unit,
                offset=self._offset,
                fit_params=fit_params,
            )
        return fitted
