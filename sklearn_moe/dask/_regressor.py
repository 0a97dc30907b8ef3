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
    """Mixture of regressors over Dask collections, of any size.

    It is that of :class:`sklearn_moe.MixtureOfExpertsRegressor`, fitted by the same EM.
    Predictions are collections too.

    Parameters
    ----------
    experts : estimator or list of (str, estimator), default=None
        One regressor, of which `n_experts` clones are made, or a list of named
        regressors. Each is fitted on one worker, to the rows that have come to it;
        of :class:`~sklearn.linear_model.Ridge` and
        :class:`~sklearn.linear_model.LinearRegression` no rows travel but for their
        first fit: they learn from sums over all of them. Regressors for Dask of
        LightGBM and XGBoost are given all rows. None means ``Ridge()``, or what suits
        the noise.
    n_experts : int, default=4
        Number of experts. Not used where `experts` is a list.
    gate : estimator, default=None
        A :class:`~sklearn_moe.SoftmaxGate`, or a pipeline that ends in one. None means
        ``SoftmaxGate()``.
    combination : {"weighted", "argmax"}, default="weighted"
        Whether predictions are the mean of the experts' under the gate's weights, or
        those of the expert with the largest weight alone.
    top_k : int, default=None
        Number of experts that answer for a row: those with the largest weights, which
        are renormalised. None means all.
    noise : {"gaussian", "laplace", "poisson", "gamma", "lognormal"} or noise model, \
            default="gaussian"
        The noise around an expert's prediction; one that learns from a mean, which is
        what can be told of rows in many places.
    assignment : {"soft", "hard", "expert_choice"}, default="soft"
        Which rows train an expert, in each partition as in a table of its own: see
        :class:`~sklearn_moe.MixtureOfExpertsRegressor`.
    capacity_factor : float, default=None
        An expert takes at most ``capacity_factor * n_samples / n_experts`` rows, in
        each partition its part of them. With "soft" assignment rows are drawn by their
        responsibility, and weighted so that they stand for all. None means no limit but
        the next.
    max_rows_per_expert : int, default=1_000_000
        The most rows that an expert takes from all partitions. None means no limit.
    overflow : {"drop", "reroute"}, default="drop"
        Whether a row that finds no room with "hard" assignment trains no expert in this
        iteration, or the next best that has room.
    sharing : float or "auto", default="auto"
        Part of the weight of each row that is shared equally by all experts, in [0, 1).
        Only for ``assignment="soft"``.
    init : {"tree", "kmeans", "random"} or clusterer, default="tree"
        How EM begins: as in the local mixture. A clusterer is shown a sample of the
        rows, which the others follow.
    n_init : int, default=1
        Number of starts, one after the other. The fit with the best objective is kept.
    max_iter : int, default=100
        Largest number of EM iterations of a start.
    tol : float, default=1e-4
        EM stops when the objective changes by less than this, in nats a row.
    persist : bool, default=True
        Whether the workers keep the rows, and what EM knows of each, from one pass to
        the next: in memory, and on disk where that is full. If not, the collections are
        computed anew in each pass, and memory does not grow with the number of rows.
    client : distributed.Client, default=None
        Where to fit. None means the client at hand, or else a cluster of processes on
        this machine that is there while `fit` runs.
    random_state : int, RandomState instance or None, default=None
        Seeds the start, the rows that travel, and the experts whose own `random_state`
        is None.
    verbose : int, default=0
        Whether to print each iteration: its objective, change and time.

    Attributes
    ----------
    experts_ : list of estimators
        The fitted experts.
    named_experts_ : :class:`~sklearn.utils.Bunch`
        The fitted experts by name; clones are called expert0, expert1, ...
    gate_ : estimator
        The fitted gate.
    noise_ : Noise
        The fitted noise model.
    expert_share_ : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the training rows.
    expert_load_ : ndarray of shape (n_experts,)
        Part of the weight of all rows that each expert was trained on.
    overflow_fraction_ : ndarray of shape (`n_iter_`,)
        Part of the weight of all rows that trained no expert, in each iteration of the
        best start.
    log_likelihood_ : float
        Weighted log-likelihood of all training rows.
    objective_path_ : ndarray of shape (`n_iter_`,)
        Penalised log-likelihood after each iteration of the best start.
    objective_paths_ : list of ndarray
        The same for each start, in their order.
    n_iter_ : int
        Number of iterations of the best start.
    converged_ : bool
        Whether the best start converged.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has names.

    See Also
    --------
    sklearn_moe.MixtureOfExpertsRegressor : The same for what fits into memory.
    MixtureOfExpertsClassifier : The same for classes.

    Notes
    -----
    The rows stay where they are and the model travels, but for those that an expert is
    fitted to [1]_. If a worker dies, the others make anew what it held.

    References
    ----------
    .. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
       trillion parameter models with simple and efficient sparsity. JMLR 23, section
       2.2.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_moe.dask import MixtureOfExpertsRegressor
    >>> X = da.linspace(-3, 3, 300, chunks=100).reshape(-1, 1)
    >>> y = abs(X[:, 0])
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0).fit(X, y)
    >>> moe.predict(X)[[0, -1]].compute(scheduler="sync").round(1)
    array([3., 3.])
    """

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
        sharing="auto",
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
