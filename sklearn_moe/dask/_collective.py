"""Experts that are fitted to Dask collections, as those of LightGBM and XGBoost."""

from functools import partial
from importlib import import_module
from operator import itemgetter

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed
from sklearn.base import clone, is_classifier

from sklearn_moe._estimators import (
    LabelEncodedClassifier,
    WeightedFit,
    error_note,
    seeded_clone,
)
from sklearn_moe._fit_warnings import one_fit


def takes_collections(estimator):
    """Whether an estimator is a Dask estimator of LightGBM or XGBoost."""
    modules = {base.__module__ for base in type(estimator).__mro__}
    return not modules.isdisjoint({"lightgbm.dask", "xgboost.dask"})


class CollectiveFit:
    """Fits a Dask estimator to all rows, on all workers together."""

    # Not a weighting that is solved by normal equations.
    weighting = "collective"

    def __init__(self, estimator, random_state):
        self.estimator = seeded_clone(estimator, random_state)

    def goes_on_from(self, last):
        """Return False, since no fit resumes the last one."""
        return False

    def fit_rows(self, partitions, n_rows, sample, client, name):
        """Fit the expert where the rows are; return an estimator for rows in memory.

        Parameters
        ----------
        partitions : list of Delayed
            Rows, targets and weights of each partition.
        n_rows : ndarray of shape (n_partitions,), int
        sample : Block
            Some of the rows, for the dtypes and columns of all.
        client : Client
        name : str
            Name of the expert.
        """
        X, y, sample_weight = (
            _collection(
                [delayed(itemgetter(place))(own) for own in partitions],
                example,
                n_rows,
            )
            for place, example in enumerate((sample.X, sample.y, sample.sample_weight))
        )
        expert = clone(self.estimator)
        expert.client = client
        part = f"expert {name!r}"
        with error_note(part), one_fit(part):
            if not is_classifier(expert):
                return as_local(expert.fit(X, y, sample_weight=sample_weight))
            classes = np.unique(client.compute(da.unique(y)).result())
            codes = y.map_blocks(partial(np.searchsorted, classes), dtype=np.intp)
            fitted = as_local(expert.fit(X, codes, sample_weight=sample_weight))
        if np.array_equal(classes, fitted.classes_):
            return fitted
        return LabelEncodedClassifier(fitted).take(fitted, classes)


def fitter_for(estimator, random_state):
    """Return the object that fits an expert on a cluster."""
    kind = CollectiveFit if takes_collections(estimator) else WeightedFit
    return kind(estimator, random_state)


def _collection(partitions, example, sizes):
    if isinstance(example, pd.DataFrame):
        return dd.from_delayed(partitions, meta=example[:0])
    return da.concatenate(
        [
            da.from_delayed(own, (size, *example.shape[1:]), example.dtype)
            for own, size in zip(partitions, sizes)
        ]
    )


def as_local(fitted):
    """Convert an estimator that was fitted on a cluster to one for rows in memory."""
    if hasattr(fitted, "to_local"):
        return fitted.to_local()
    # XGBoost names its Dask estimators after the local ones.
    name = type(fitted).__name__.removeprefix("Dask")
    local = getattr(import_module("xgboost"), name)(**fitted.get_params())
    local.load_model(fitted.get_booster().save_raw())
    return local
