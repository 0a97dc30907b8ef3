"""The softmax gate at work on partitions."""

import numpy as np
from scipy.sparse import issparse

from sklearn_moe import kernels
from sklearn_moe.dask._cluster import Rows
from sklearn_moe.dask._moments import moments
from sklearn_moe.dask._partitions import Columns
from sklearn_moe.gates import (
    SoftmaxGating,
    SoftmaxPoint,
    SoftmaxProblem,
    clip_outliers,
    gate_features,
)
from sklearn_moe.weighting import spared


class DistributedGating(SoftmaxGating):
    """A softmax gate at work in EM, on rows that lie in partitions.

    What prepares the columns, the steps of a pipeline and the encoding of categories,
    is learnt from a sample; means and spreads are those of all rows.

    Parameters
    ----------
    gate : SoftmaxGate or Pipeline
    training : TrainingPartitions
    sample : Partition
        Some of the rows, which the client has.
    cluster : Cluster
    """

    def __init__(self, gate, training, sample, cluster):
        super().__init__(gate, sample.X, sample.sample_weight)
        if issparse(self.features):
            raise ValueError(
                f"The 'gate' {gate!r} makes sparse columns; on Dask collections they "
                "must be dense."
            )
        own = columns_of(sample, self._head, self._softmax)
        self._softmax.alpha_ = self._softmax._strength(own.shape[1], training.sum())
        columns = training.map(
            columns_of, *map(cluster.share, (self._head, self._softmax))
        )
        centre, clip = self._problem.mean, self._softmax.clip
        if clip is not None:
            mean, scale = moments(columns, training, centre, cluster)
            bounds = np.stack([mean - clip * scale, mean + clip * scale])
            self._softmax.bounds_ = bounds
            own = clip_outliers(own, bounds)
            columns = Rows(clip_outliers, columns, bounds)
        self._problem = DistributedProblem(
            own,
            sample.sample_weight,
            self._softmax.alpha_,
            moments(columns, training, centre, cluster),
            columns,
            training,
            cluster,
        )

    @property
    def partitions(self):
        """The gate's problem on each partition; its design is what the gate sees."""
        return self._problem.partitions

    def fit(self, responsibilities, previous):
        """M-step of the gate: a few warm-started Newton steps.

        Parameters
        ----------
        responsibilities : Columns
        previous : SoftmaxFit or None
            Where to begin.

        Returns
        -------
        fitted : SoftmaxFit
        log_weights : Columns
            On the training rows.
        """
        fitted, _ = super().fit(responsibilities, previous)
        log_weights = Rows(log_weights_of, self.partitions, fitted.parameters)
        return fitted, Columns(log_weights, responsibilities.shape)


class DistributedProblem(SoftmaxProblem):
    """The gate's problem on rows that lie in partitions.

    The objective is the mean of those of the partitions, one pass over the rows for
    each point that Newton's method looks at. The Hessian is that of a sample, as it is
    of many rows in any case.

    Parameters
    ----------
    X : ndarray of shape (n_drawn, n_features)
        The sample.
    sample_weight : ndarray of shape (n_drawn,)
    alpha : float
    moments : tuple of ndarray
        Mean and standard deviation of each column, of all rows.
    columns : Rows
        Of all.
    training : TrainingPartitions
    cluster : Cluster

    Attributes
    ----------
    partitions : Rows
        The problem of each partition.
    """

    def __init__(self, X, sample_weight, alpha, moments, columns, training, cluster):
        super().__init__(X, sample_weight, alpha, standards=moments)
        self.partitions = cluster.keep(
            training.map(problem_of, columns, alpha, moments)
        )
        self._shares, self._cluster = training.shares, cluster

    def at(self, parameters, targets, log_weights):
        """The objective at some parameters, in one pass over the rows.

        Parameters
        ----------
        parameters : ndarray of shape (n_classes, n_features + 1)
        targets : Columns
        log_weights : ndarray of shape (n_drawn, n_classes)
            Where to write those of the sample.

        Returns
        -------
        point : SoftmaxPoint
        """
        loss, penalty, gradient = self._cluster.total(
            Rows(gate_loss, self.partitions, targets.rows, self._shares, parameters)
        )
        log_weights[:] = log_weights_of(self, parameters)
        return SoftmaxPoint(parameters, log_weights, penalty, loss, gradient)


def columns_of(partition, head, softmax):
    """What a gate sees of a partition, before it is standardised."""
    X = partition.X
    if head is not None:
        X = head.transform(spared(X, head))
    return gate_features(softmax, X, reset=False)


def problem_of(partition, columns, alpha, moments):
    """The gate's problem on one partition alone."""
    return SoftmaxProblem(columns, partition.sample_weight, alpha, standards=moments)


def gate_loss(problem, targets, share, parameters):
    """Part of a partition in loss, penalty and gradient."""
    point = problem.at(parameters, targets, None)
    return share * point.loss, share * point.penalty, share * point.gradient


def log_weights_of(problem, parameters):
    """Logarithm of the gate's weights on the rows of a problem."""
    return kernels.log_softmax(problem.design @ parameters.T)
