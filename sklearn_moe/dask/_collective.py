"""Experts that take Dask collections themselves, like those of LightGBM, XGBoost."""

from importlib import import_module
from operator import itemgetter

import dask.array as da
import dask.dataframe as dd
import pandas as pd
from dask import delayed
from sklearn.base import clone

from sklearn_moe.dask._cluster import in_each
from sklearn_moe.em import TrainingWeights
from sklearn_moe.weighting import seeded


def takes_collections(estimator):
    """Whether an estimator is one for Dask, of LightGBM or XGBoost."""
    modules = {base.__module__ for base in type(estimator).__mro__}
    return not modules.isdisjoint({"lightgbm.dask", "xgboost.dask"})


class CollectiveFit:
    """Fits an expert to all rows, with all workers at once.

    Parameters
    ----------
    estimator : estimator
        For Dask. It is not changed.
    random_state : RandomState instance
    """

    # Not by normal equations.
    way = "collective"

    def __init__(self, estimator, random_state):
        self.estimator = seeded(estimator, random_state)

    def fit(self, training, weights, k, sample, client):
        """Fit the expert where the rows are.

        Parameters
        ----------
        training : TrainingPartitions
        weights : TrainingWeights
            Its arrays lie in partitions.
        k : int
            Which of the experts it is.
        sample : Partition
            Some of the rows, which the client has.
        client : Client

        Returns
        -------
        fitted : estimator
            The same for rows in memory.
        """
        parts = in_each(
            training.map(
                rows_and_weights,
                weights.parts.rows,
                getattr(weights.emphasis, "rows", weights.emphasis),
                weights.sharing,
                k,
            )
        )
        X, y, sample_weight = (
            _collection(
                [delayed(itemgetter(place))(part) for part in parts],
                example,
                training.n_rows,
            )
            for place, example in enumerate((sample.X, sample.y, sample.sample_weight))
        )
        expert = clone(self.estimator)
        expert.client = client
        return as_local(expert.fit(X, y, sample_weight=sample_weight))


def rows_and_weights(partition, parts, emphasis, sharing, k):
    """All rows of a partition, with their weights for an expert."""
    weights = TrainingWeights(parts, partition.sample_weight, sharing, emphasis)
    return partition.X, partition.y, weights.of(k)


def _collection(parts, example, sizes):
    if isinstance(example, pd.DataFrame):
        return dd.from_delayed(parts, meta=example[:0])
    return da.concatenate(
        [
            da.from_delayed(part, (size, *example.shape[1:]), example.dtype)
            for part, size in zip(parts, sizes)
        ]
    )


def as_local(fitted):
    """An estimator that was fitted on a cluster, for rows in memory.

    Parameters
    ----------
    fitted : estimator

    Returns
    -------
    local : estimator
    """
    if hasattr(fitted, "to_local"):
        return fitted.to_local()
    # XGBoost's are known by the names of those that they are for Dask.
    name = type(fitted).__name__.removeprefix("Dask")
    local = getattr(import_module("xgboost"), name)(**fitted.get_params())
    local.load_model(fitted.get_booster().save_raw())
    return local
