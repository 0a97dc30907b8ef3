"""Mixture of experts for regression, over Dask collections."""

from inspect import signature
from typing import Any, Literal

import numpy as np

from sklearn_moe import regressor
from sklearn_moe.dask._base import DaskMixture, lazy_method
from sklearn_moe.dask._docstrings import on_a_cluster
from sklearn_moe.likelihoods import Noise

Local = regressor.MixtureOfExpertsRegressor


class MixtureOfExpertsRegressor(DaskMixture, Local):
    """Mixture of regressors over Dask collections of any size."""

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
        extrapolation: Literal["agreed", "free"] = "agreed",
        noise: str | Noise = "gaussian",
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
        self.extrapolation = extrapolation
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

    predict = lazy_method(Local.predict)


MixtureOfExpertsRegressor.__doc__ = on_a_cluster(
    Local,
    signature(MixtureOfExpertsRegressor).parameters,
    summary="""Mixture of regressors over Dask collections of any size.

    The model is that of :class:`sklearn_moe.MixtureOfExpertsRegressor`, fitted by the
    same EM. Predictions are collections, too.""",
    experts="""experts : estimator or list of (str, estimator), default=None
        One regressor, of which `n_experts` clones are made, or a list of named
        regressors. Each is fitted on one worker, to the rows that are sent to it.
        For :class:`~sklearn.linear_model.Ridge` and
        :class:`~sklearn.linear_model.LinearRegression`, rows are sent for their first
        fit only: later fits use sums over all rows. The Dask regressors of LightGBM and
        XGBoost are fitted to all rows. None means ``Ridge()``, or the default expert of
        the noise model.""",
    noise="""noise : {"gaussian", "laplace", "poisson", "gamma", "lognormal"} or \
noise model, default="gaussian"
        The density of the target around an expert's prediction. Its parameters must be
        estimated from means, which can be computed across partitions.""",
    see_also="""
    sklearn_moe.MixtureOfExpertsRegressor : The same for data in memory.
    MixtureOfExpertsClassifier : The same for classes.""",
    example="""
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_moe.dask import MixtureOfExpertsRegressor
    >>> X = da.linspace(-3, 3, 300, chunks=150).reshape(-1, 1)
    >>> y = abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, tol=0.01)
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     moe = moe.fit(X, y)
    >>> moe.predict(X)[[0, -1]].compute(scheduler="sync").round(1)
    array([3., 3.])""",
)
