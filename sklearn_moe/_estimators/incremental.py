"""Fits of estimators with `partial_fit` to successive batches."""

from copy import deepcopy
from inspect import signature

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_moe._estimators.nested import seeded_clone
from sklearn_moe._estimators.row_selection import (
    MIN_ROWS,
    NEGLIGIBLE,
    systematic_resample,
)
from sklearn_moe._sklearn import (
    check_method_params,
    metadata_request,
    safe_indexing,
)

# Attributes of naive Bayes estimators that count the rows so far.
COUNTS = ("class_count_", "feature_count_", "category_count_")

# Number of passes of a new estimator over its first batch. After a single pass, an
# estimator with small steps would have changed little.
FIRST_EPOCHS = 10


def supports_batches(estimator):
    """Return whether an estimator has `partial_fit`, or is frozen and needs no fit."""
    return isinstance(estimator, FrozenEstimator) or hasattr(estimator, "partial_fit")


def learn_batch(
    estimator, X, y, weights, *, classes=None, unit=1.0, offset=0.5, fit_params=None
):
    """Update an estimator with a batch, in place.

    An estimator whose `partial_fit` takes no weights is fitted to a systematic resample
    of the batch, see `systematic_resample`. Arrays in `fit_params` with one element for
    each row are reduced to the rows that are used.
    """
    parameters = signature(estimator.partial_fit).parameters
    request = metadata_request(estimator, "partial_fit", "sample_weight")
    if "sample_weight" in parameters and request is not False:
        rows = np.flatnonzero(weights > NEGLIGIBLE * weights.max())
        arguments = {"sample_weight": weights[rows]}
    else:
        # Estimators that learn in batches need no minimum number of rows, and the
        # rows of a batch must not outweigh those of other batches.
        fewest = min(MIN_ROWS, np.count_nonzero(weights))
        rows, arguments = systematic_resample(weights, offset, unit, fewest), {}
    if classes is not None:
        arguments["classes"] = classes
    arguments.update(check_method_params(X, fit_params or {}, rows))
    if not np.array_equal(rows, np.arange(len(weights))):
        X, y = safe_indexing(X, rows), y[rows]
    # Meta-estimators pass weights on by themselves if routing is not enabled.
    with config_context(enable_metadata_routing=bool(fit_params)):
        estimator.partial_fit(X, y, **arguments)


def decay_counts(estimator, factor):
    """Multiply an estimator's counts of earlier rows, if it has any, in place.

    Estimators such as `SGDClassifier` have no counts; they discount earlier rows by
    their step size, which the user chooses.
    """
    for name in COUNTS:
        counts = getattr(estimator, name, None)
        if isinstance(counts, list):
            setattr(estimator, name, [factor * count for count in counts])
        elif counts is not None:
            setattr(estimator, name, factor * counts)


class IncrementalFit:
    """Fit an estimator with `partial_fit` repeatedly to its first batch.

    Each fit has new weights, and restarts the counts of rows. The parameters are those
    of `WeightedFit`; `classes` are all labels of the stream, for a classifier.
    """

    # Fraction of the estimator's counts of earlier rows that is kept.
    _kept = 0.0

    def __init__(self, estimator, random_state, *, classes=None):
        self.estimator = seeded_clone(estimator, random_state)
        self._offset = random_state.uniform()
        self._classes = classes

    def goes_on_from(self, last):
        """Return whether a fit continues the last one: always."""
        return True

    def fit(
        self, X, y, weights, *, unit=1.0, rows=None, previous=None, fit_params=None
    ):
        """Fit a clone, or continue the last fit, to all rows; see `WeightedFit.fit`."""
        starts = previous is None
        fitted = clone(self.estimator) if starts else deepcopy(previous)
        for _ in range(FIRST_EPOCHS if starts else 1):
            decay_counts(fitted, self._kept)
            learn_batch(
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


class OnlineFit(IncrementalFit):
    """Update a fitted estimator with successive batches.

    The seeds of the estimator must be set. `kept` is the fraction of its counts of
    earlier rows that is kept, and `offset`, in [0, 1), is that of
    `systematic_resample`.
    """

    def __init__(self, estimator, random_state, *, classes, kept, offset):
        self.estimator = estimator
        self._classes = classes
        self._kept = kept
        self._offset = offset

    def fit(self, X, y, weights, *, previous, **options):
        """Update with a batch, if any row has weight; see `WeightedFit.fit`."""
        if not weights.any():
            return previous
        return super().fit(X, y, weights, previous=previous, **options)
