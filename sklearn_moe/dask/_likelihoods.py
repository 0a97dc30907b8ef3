"""Likelihoods at work on partitions: learnt from sums."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone

from sklearn_moe.dask._cluster import add_up
from sklearn_moe.dask._partitions import Columns, blocks
from sklearn_moe.em import TrainingWeights
from sklearn_moe.likelihoods import (
    CategoricalLikelihood,
    Noise,
    OwnDensity,
    Target,
)


@dataclass(frozen=True)
class NoiseSums:
    """What is learnt of noise from a partition.

    Attributes
    ----------
    noise : MeanErrorNoise
    target : Target
        Of all rows; without them.
    """

    noise: Noise
    target: Target

    def sums(self, y, outputs, weights):
        """Of some rows."""
        return self.noise.sums(replace(self.target, y=y), outputs, np.asarray(weights))

    def learn_sums(self, errors, total):
        """The noise, from the sums of all partitions."""
        return clone(self.noise).learn_sums(self.target, errors, total)


@dataclass(frozen=True)
class ClassSums:
    """What is learnt of the errors of classifiers from a partition.

    Attributes
    ----------
    n_classes : int
    """

    n_classes: int

    def sums(self, y, outputs, weights):
        """Of some rows."""
        return CategoricalLikelihood(y).sums(outputs, weights)

    def learn_sums(self, unsure, wrong, decided):
        """The likelihood, from the sums of all partitions."""
        return CategoricalLikelihood.learn_sums(self.n_classes, unsure, wrong, decided)


class DistributedLikelihood:
    """A likelihood at work in EM, on rows that lie in partitions.

    Parameters
    ----------
    local : ClassSums or NoiseSums
        What is done in each partition.
    training : TrainingPartitions
    own_density : bool
        Whether some experts have a density of their own.
    cluster : Cluster
    """

    # Nobody asks which experts know their rows by heart: they may not have them all.
    misfit = None

    def __init__(self, local, training, own_density, cluster):
        self._local, self._training = local, training
        self._own_density, self._cluster = own_density, cluster

    def fit(self, outputs, weights):
        """Fit the likelihood, and score the training targets.

        Parameters
        ----------
        outputs : Columns
        weights : TrainingWeights
            Its arrays lie in partitions.

        Returns
        -------
        fitted : object
        log_prob : Columns
        """
        sums = self._cluster.total(
            self._training.map(
                sums_of, outputs.rows, weights.parts.rows, weights.sharing, self._local
            )
        )
        fitted = self._local.learn_sums(*sums)
        if self._own_density:
            fitted = OwnDensity(fitted)
        log_prob = self._training.map(log_density, outputs.rows, fitted)
        return fitted, Columns(log_prob, outputs.shape)

    def emphasis(self, fitted, outputs):
        """Factor on the weights with which the experts are fitted next.

        Parameters
        ----------
        fitted : object
        outputs : Columns

        Returns
        -------
        factor : float or Columns
        """
        noise = fitted.noise if self._own_density else fitted
        if getattr(type(noise), "emphasis", Noise.emphasis) is Noise.emphasis:
            return 1.0
        factor = self._training.map(emphasis_of, outputs.rows, fitted)
        return Columns(self._cluster.keep(factor), outputs.shape)


def sums_of(partition, outputs, parts, sharing, local):
    """Sums over the rows of a partition, from which the likelihood is learnt."""
    outputs = getattr(outputs, "values", outputs)
    return add_up(
        [
            local.sums(
                partition.encoded_y[rows],
                outputs[rows],
                TrainingWeights(parts[rows], partition.sample_weight[rows], sharing),
            )
            for rows in blocks(len(outputs), outputs[0].size)
        ]
    )


def log_density(partition, outputs, fitted):
    """Log density of each target of a partition under each expert."""
    return fitted.log_prob(partition.encoded_y, outputs, partition.X)


def emphasis_of(partition, outputs, fitted):
    """Factor on the weights of the rows of a partition in the next fit of experts."""
    if isinstance(fitted, OwnDensity):
        factor = emphasis_of(partition, outputs.values, fitted.noise)
        return np.where(np.isnan(outputs.log_density), factor, 1.0)
    return fitted.emphasis(partition.encoded_y, outputs)
