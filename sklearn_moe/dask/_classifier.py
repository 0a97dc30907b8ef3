"""Mixture of experts for classification, over Dask collections."""

import numpy as np

from sklearn_moe import classifier
from sklearn_moe.dask._likelihoods import ClassSums
from sklearn_moe.dask._mixture import DistributedMixture


class MixtureOfExpertsClassifier(
    DistributedMixture, classifier.MixtureOfExpertsClassifier
):
    """D."""

    _parameter_constraints: dict = {
        **classifier.MixtureOfExpertsClassifier._parameter_constraints,
        **DistributedMixture._distributed_constraints,
    }

    _local_class = classifier.MixtureOfExpertsClassifier

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
        combination="weighted",
        top_k=None,
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

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        probabilities : dask Array or DataFrame of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to one. Computed when it is needed.
        """
        return self._lazily("predict_proba", X)

    def predict_log_proba(self, X):
        """Logarithm of the probabilities of the classes.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : dask Array or DataFrame of shape (n_samples, n_classes)
            In the order of `classes_`; -inf for a probability of zero. Computed when it
            is needed.
        """
        return self._lazily("predict_log_proba", X)

    def _know_targets(self, y):
        """Nothing: the classes are known when all partitions were looked at."""

    def _know_classes(self, classes):
        self._check_y(np.unique(np.concatenate(classes)))
        self._answers_ = self._make_answers(None)

    def _look_at_targets(self, y):
        """The classes in a partition."""
        return np.unique(self._check_labels(y))

    def _distributed_likelihood(self, rows, sample, cluster, random_state):
        return ClassSums(len(self.classes_))
