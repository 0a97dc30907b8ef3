"""Mixture of experts for classification, over Dask collections."""

from inspect import signature
from typing import Any, Literal

import numpy as np

from sklearn_moe import classifier
from sklearn_moe._targets import ClassTargets
from sklearn_moe.dask._base import DaskMixture, lazy_method
from sklearn_moe.dask._docstrings import on_a_cluster

Local = classifier.MixtureOfExpertsClassifier


class MixtureOfExpertsClassifier(DaskMixture, Local):
    """Mixture of classifiers over Dask collections of any size."""

    _parameter_constraints: dict = {
        **Local._parameter_constraints,
        **DaskMixture._dask_constraints,
    }

    _local_class = Local

    def __init__(
        self,
        experts: Any = None,
        n_experts: int | Literal["auto"] = 4,
        *,
        gate: Any = None,
        combination: Literal["weighted", "argmax"] = "weighted",
        top_k: int | None = None,
        assignment: Literal["soft", "hard", "expert_choice"] = "soft",
        capacity_factor: float | None = None,
        max_rows_per_expert: int = 1_000_000,
        overflow: Literal["drop", "reroute"] = "drop",
        sharing: float | Literal["auto"] = "auto",
        init: Any = "tree",
        n_init: int = 1,
        max_iter: int = 100,
        tol: float = 5e-4,
        persist: bool = True,
        client: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
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

    def _targets(self):
        # Class weights are supported for rows in memory only.
        return ClassTargets()

    predict = lazy_method(Local.predict)
    predict_proba = lazy_method(Local.predict_proba)
    predict_log_proba = lazy_method(Local.predict_log_proba)


MixtureOfExpertsClassifier.__doc__ = on_a_cluster(
    Local,
    signature(MixtureOfExpertsClassifier).parameters,
    summary="""Mixture of classifiers over Dask collections of any size.

    The model is that of :class:`sklearn_moe.MixtureOfExpertsClassifier`, fitted by the
    same EM. Predictions are collections, too.""",
    experts="""experts : estimator or list of (str, estimator), default=None
        One classifier, of which `n_experts` clones are made, or a list of named
        classifiers. Each is fitted on one worker, to the rows that are sent to it.
        The Dask classifiers of LightGBM and XGBoost are fitted to all rows. None means
        :class:`~sklearn.linear_model.LogisticRegression`.""",
    see_also="""
    sklearn_moe.MixtureOfExpertsClassifier : The same for data in memory.
    MixtureOfExpertsRegressor : The same for numerical targets.""",
    example="""
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_moe.dask import MixtureOfExpertsClassifier
    >>> X = da.linspace(-3, 3, 300, chunks=150).reshape(-1, 1)
    >>> y = abs(X[:, 0]) > 1.5
    >>> moe = MixtureOfExpertsClassifier(n_experts=2, tol=0.01, random_state=0)
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     moe = moe.fit(X, y)
    >>> moe.predict(X)[[0, 150, -1]].compute(scheduler="sync")
    array([ True, False,  True])""",
)
