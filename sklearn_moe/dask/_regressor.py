"""Mixture of experts for regression, over Dask collections."""

from operator import attrgetter

import numpy as np

from sklearn_moe import regressor
from sklearn_moe.dask._cluster import Rows
from sklearn_moe.dask._likelihoods import NoiseSums
from sklearn_moe.dask._mixture import DistributedMixture
from sklearn_moe.dask._moments import mean_and_variance
from sklearn_moe.likelihoods import MeanErrorNoise, Target, noise_model
from sklearn_moe.weighting import seeded


class MixtureOfExpertsRegressor(
    DistributedMixture, regressor.MixtureOfExpertsRegressor
):
    """D."""

    _parameter_constraints: dict = {
        **regressor.MixtureOfExpertsRegressor._parameter_constraints,
        **DistributedMixture._distributed_constraints,
    }

    _local_class = regressor.MixtureOfExpertsRegressor

    calibrate = False

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
        combination="weighted",
        top_k=None,
        noise="gaussian",
        assignment="soft",
        capacity_factor=None,
        max_rows_per_expert=1_000_000,
        overflow="drop",
        sharing=0.05,
        init="tree",
        n_init=1,
        max_iter=100,
        tol=1e-4,
        persist=True,
        client=None,
        random_state=None,
        verbose=0,
    ):
        self.experts = experts
        self.n_experts = n_experts
        self.gate = gate
        self.combination = combination
        self.top_k = top_k
        self.noise = noise
        self.assignment = assignment
        self.capacity_factor = capacity_factor
        self.max_rows_per_expert = max_rows_per_expert
        self.overflow = overflow
        self.sharing = sharing
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.persist = persist
        self.client = client
        self.random_state = random_state
        self.verbose = verbose

    def _know_targets(self, y):
        self._answers_ = self._make_answers(y)

    def _know_classes(self, classes):
        """Nothing: numbers have none."""

    def _look_at_targets(self, y):
        """Raise ValueError where a target cannot be fitted."""
        self._encode_y(y)

    def _distributed_likelihood(self, rows, sample, cluster, random_state):
        noise = seeded(noise_model(self.noise), random_state)
        if not isinstance(noise, MeanErrorNoise):
            raise ValueError(
                f"On Dask collections noise={self.noise!r} cannot be fitted: it needs "
                "all rows in one place. Those that learn from a mean are 'gaussian', "
                "'laplace', 'poisson', 'gamma' and 'lognormal'."
            )
        targets = Rows(attrgetter("encoded_y"), rows.partitions)
        y = sample.encoded_y.reshape(len(sample.encoded_y), -1)
        centre = np.average(y, axis=0, weights=sample.sample_weight)
        mean, variance = mean_and_variance(targets, rows, centre, cluster)
        shape = self._answers_.shape
        target = Target.known_by(mean.reshape(shape), np.sqrt(variance).reshape(shape))
        return NoiseSums(noise, target)
