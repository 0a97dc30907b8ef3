"""Means and spreads of columns whose rows lie in partitions."""

import numpy as np


def mean_and_variance(columns, training, centre, cluster):
    """Mean and variance of each column, of all rows.

    Parameters
    ----------
    columns : Rows
        NaN is left out.
    training : TrainingPartitions
    centre : ndarray of shape (n_columns,)
        Not far from the mean, so that no digits are lost.
    cluster : Cluster

    Returns
    -------
    mean, variance : ndarray of shape (n_columns,)
    """
    weight, first, second = cluster.total(training.map(moment_sums, columns, centre))
    weight = np.maximum(weight, np.finfo(float).tiny)
    mean = centre + first / weight
    return mean, np.maximum(second / weight - (first / weight) ** 2, 0)


def moments(columns, training, centre, cluster):
    """Mean and standard deviation, which is 1 of a column without spread."""
    mean, variance = mean_and_variance(columns, training, centre, cluster)
    # As scikit-learn's scaler: what is below may be rounding.
    rounding = training.n_rows.sum() * np.finfo(float).eps
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return mean, np.sqrt(np.where(constant, 1.0, variance))


def moment_sums(partition, columns, centre):
    """Weight, weighted sum and weighted squares of what is not missing."""
    centred = columns.reshape(len(columns), -1) - centre
    present = ~np.isnan(centred)
    centred[~present] = 0
    weights = partition.sample_weight
    return weights @ present, weights @ centred, weights @ centred**2
