"""Mixture of experts for regression."""

import warnings
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_moe import gates
from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._base import BaseMixtureOfExperts
from sklearn_moe._distribution import Components, MixtureDistribution
from sklearn_moe._estimators import distributions
from sklearn_moe._sklearn import StrOptions, fit_context, num_samples
from sklearn_moe._streams import learn_batch, learns_from_batches
from sklearn_moe._targets import NumberTargets, without_nested
from sklearn_moe.em import calibrate_likelihood
from sklearn_moe.experts import (
    has_density,
    is_uniform,
    nested_distribution,
    values_of,
)
from sklearn_moe.likelihoods import (
    NOISES,
    GaussianNoise,
    HeteroscedasticGaussian,
    Noise,
    noise_model,
)


class MixtureOfExpertsRegressor(RegressorMixin, BaseMixtureOfExperts):
    r"""Mixture of regressors, weighed by a softmax gate, fitted by EM.

    The density of a target is

    .. math::
        p(y | x) = \sum_k g_k(x) \, p_k(y | f_k(x)),

    where the gate g trusts each expert f_k where it is good, and p_k is the noise
    around its prediction, gaussian unless `noise` says else. EM [1]_ [2]_ fits the
    experts, their noise and the gate together.

    Parameters
    ----------
    experts : estimator or list of (str, estimator), default=None
        One regressor, of which `n_experts` clones are made, or a list of named
        regressors. One that takes no weights is fitted to a systematic resample of the
        rows; a :class:`~sklearn.frozen.FrozenEstimator` is not fitted at all; a mixture
        is an expert with its own density. In a list, "drop" leaves an expert out, and
        "uniform" is a component for outliers: a uniform density over the range of the
        training targets, which `predict` leaves out of the mean. None means
        :class:`~sklearn.linear_model.Ridge`, or what suits the noise.
    n_experts : int or "auto", default=4
        Number of experts. Not used where `experts` is a list. "auto" tries 1, 2, 4, 8,
        ... up to 32, and no more than leave 20 rows to each, until rows held out are
        predicted no better by their mean log density, and takes the smallest number
        within one standard error of the best; see `n_experts_path_`. A third of the
        rows is held out; of fewer than 400 rows each third in turn, and each fold
        of a `cv` that is a splitter or an iterable. `partial_fit` chooses by the first
        batch, and a warm start keeps the number. `init` has to be a name.
    gate : estimator, default=None
        A gate (:class:`SoftmaxGate`, :class:`GaussianGate`), a pipeline that ends in
        one, or any classifier with `predict_proba`, which learns the experts as labels,
        rows repeated and weighted. None means ``SoftmaxGate()``, and
        ``SoftmaxGate(alpha=0.3, clip=3.5)`` where the experts do not specialise; see
        `calibrate` for what is learnt of the latter after EM.
    combination : {"weighted", "argmax"}, default="weighted"
        Whether a prediction is the mean of the experts' under the gate's weights, or
        that of the expert with the largest weight alone.
    top_k : int, default=None
        Number of experts that answer for a row: those with the largest weights, which
        are renormalised. Each expert is asked about its own rows only, so that a
        prediction costs less. None means all.
    extrapolation : {"agreed", "free"}, default="agreed"
        What becomes of a prediction that is beyond all training targets by more than a
        tenth of their range. "agreed": where the experts disagree, what each says is
        held there. They agree where none is more than twice as far from the middle of
        the targets as another, so that a line that all have learnt goes on. "free":
        experts are believed, however far a row lies from those they have learnt from.
    noise : str or noise model, default="gaussian"
        The density of the target around the prediction of an expert: a name, one of
        "gaussian", "laplace", "student_t", "poisson", "negative_binomial", "gamma",
        "lognormal" and "beta", or an object with parameters, such as
        ``StudentTNoise(df=3)`` or :class:`HeteroscedasticGaussian`. It settles what
        targets there may be and what ``experts=None`` means; see the user guide.
    assignment : {"soft", "hard", "expert_choice"}, default="soft"
        Which rows train an expert. "soft": all, weighted with its responsibility;
        "hard": those for which it has the largest responsibility, as in classification
        EM; "expert_choice": those for which its responsibility is largest, as many as
        its capacity allows, weighted with it; a row may train several experts or none.
    capacity_factor : float, default=None
        An expert is trained on at most ``ceil(capacity_factor * n_samples /
        n_experts)`` rows, of mean weight where they are weighted: the rows of its
        largest responsibility first. None means no limit for "hard" and 1 for
        "expert_choice". It is a rule of training: predictions know no capacity.
    overflow : {"drop", "reroute"}, default="drop"
        Whether a row that finds no room with "hard" assignment trains no expert in this
        iteration, or the next best that has room.
    sharing : float or "auto", default="auto"
        Fraction of the weight of each row that is shared equally by all experts, in
        [0, 1). It keeps experts from fitting few rows too closely; 0 is textbook EM.
        Only for ``assignment="soft"``. "auto" means that it is learnt, like the penalty
        of the gate: at most so much that all rows count like one row for each
        coefficient of an expert, and no more than 0.5; less where the experts
        contradict each other; 0 for experts that learn rows apart from all others, such
        as trees, ensembles of them and neighbours, which it cannot hold back.
    specialize : bool or "auto", default="auto"
        Whether EM fits the experts, each to its own rows. If not, they are fitted once,
        to all rows, and only the gate and the noise are learnt, which then tell which
        of the given experts is good where. "auto" means False for a list of
        experts of different kinds, which differ enough as they are, and True else.
    cv : "auto", int, splitter, iterable or None, default="auto"
        How experts are judged in the E-step. None: on the rows that they were fitted
        to, which flatters experts that interpolate them. Else by cross-validation,
        each row by experts that have not seen it; the final experts are fitted to all
        rows. An integer is a number of shuffled folds. A splitter that divides rows by
        groups gets the `groups` of `fit`. "auto" means 5 for a list of
        experts of different kinds, for ``specialize=False`` and for a gate that is any
        classifier; 2 for experts of one kind that memorise their training rows (trees,
        forests, boosting, nearest neighbours, and pipelines that end in one), where
        there are 20 rows for each; and None else.
    calibrate : bool or "auto", default="auto"
        Whether the noise is fitted anew after EM, around experts that have not seen the
        row, in five folds or those of `cv`, and with the responsibilities alone. In EM
        it is that of the training rows, which experts know too well, and that of the
        rows that `sharing` gives to an expert, which it knows too little: intervals may
        be too narrow or too wide. It costs as many fits of each expert as there are
        folds. Points are predicted as without, but for experts that do not specialise,
        whose default gate goes on from that of EM to the least squared error: EM seeks
        the best density, and the mean has other weights. Only for gaussian noise.
        "auto" means True where it costs nothing, since the experts are cross-fitted by
        `cv` already.
    init : str, callable, array-like or clusterer, default="tree"
        The responsibilities with which EM begins:

        - "tree": the leaves of a supervised tree with one leaf for each expert,
        - "kmeans": clusters of what the gate sees,
        - "random": random cosines of the features of the gate and the target,
        - array-like of shape (n_samples,): a label for each row, one group for each
          expert,
        - array-like of shape (n_samples, n_experts): responsibilities, rows sum to one,
        - any other str: the name of a column of the frame X, which has the labels,
        - callable: ``init(X)`` returns labels or responsibilities of the rows,
        - a clusterer, which sees what the gate sees.
    n_init : int, default=1
        Number of starts. The first is `init`, the others are of the other kinds, then
        random. The fit with the best penalised log-likelihood is kept. One that fails
        is left out with a warning.
    max_iter : int, default=100
        Largest number of EM iterations of a start.
    tol : float, default=1e-4
        EM stops when the objective changes by less than this, in nats a row.
    acceleration : {"auto", "squarem"} or None, default="auto"
        "squarem" extrapolates the responsibilities from two iterations of EM in every
        third [3]_, whatever the experts are, and goes back where the objective would
        fall: slow EM needs fewer iterations. It may end at another local optimum, a
        better or a worse one. Only for ``assignment="soft"``. None is EM as it is.
        "auto" means "squarem" in `fit` where the experts climb the objective, as
        linear ones do, and ``sharing="auto"`` holds them, which leaves few optima; else
        None.
    learning_decay : float, default=0.6
        How soon `partial_fit` becomes steady: batch t of a stream of equal ones has the
        weight ``t ** -learning_decay`` in what is known after it. In (0.5, 1]; at 1 all
        rows count alike, however little was known when they came.
    half_life : float, default=None
        Number of rows after which `partial_fit` counts older ones half, so that a
        stream that changes is followed. None means that old rows fade only because
        `learning_decay` says so, ever more slowly. Experts that learn by steps forget
        by the size of these, which is theirs to choose.
    warm_start : bool, default=False
        Whether `fit` goes on from the model of the previous fit. Where the parameters
        of the mixture and its parts are as they were, and no iteration is as good, that
        model is kept. One of cross-fitted experts can be judged only on the rows that
        it was fitted to.
    n_jobs : int, default=None
        Number of fits at the same time: of starts where there are several, else of
        experts and folds. The result does not depend on it. None means 1 unless in a
        :obj:`joblib.parallel_backend` context.
    random_state : int, RandomState instance or None, default=None
        Seeds the start and the experts whose own `random_state` is None.
    verbose : int, default=0
        Whether to print each iteration: its objective, change and time.

    Attributes
    ----------
    experts_ : list of estimators
        The fitted experts. Clones of one estimator stand in the order of their share,
        the largest first, unless `init` or `start` assigns rows to them; named experts
        stand as they were given.
    n_experts_ : int
        The number of experts.
    n_experts_path_ : dict of ndarray or None
        What ``n_experts="auto"`` has tried, for each number: "n_experts";
        "log_likelihood", the mean log density of the targets of rows held out, NaN
        where there were too few rows to try any; "difference", how far that is below
        the best; and "standard_error" of this difference, from those of the rows. Of
        rows that have subjects, all is said of these. None where the number was given.
    named_experts_ : :class:`~sklearn.utils.Bunch`
        The fitted experts by name; clones are called expert0, expert1, ...
    gate_ : estimator
        The fitted gate.
    noise_ : noise model
        The noise of the experts; of gaussian noise ``noise_.scale_`` holds a standard
        deviation for each, and for each output where there are several, in the units
        of y.
    expert_share_ : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the training rows.
    expert_load_ : ndarray of shape (n_experts,)
        Fraction of the weight of all rows that each expert was trained on.
    sharing_ : float
        Fraction of each row that the experts share: given, or learnt.
    overflow_fraction_ : ndarray of shape (`n_iter_`,)
        Fraction of the weight of all rows that trained no expert, in each iteration of
        the best start.
    log_likelihood_ : float
        Weighted log-likelihood of the training rows in EM; with `cv`, under experts
        that have not seen them. After `partial_fit`, of the batch before it was learnt.
    objective_path_ : ndarray of shape (`n_iter_`,)
        Penalised log-likelihood after each iteration of the best start. Where a warm
        start keeps its model, that of the model comes first, as one more.
    objective_paths_ : list of ndarray
        The same for each start that has not failed, in their order.
    n_iter_ : int
        Number of iterations of the best start.
    converged_ : bool
        Whether the best start converged, or a warm start kept its model.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has names.

    See Also
    --------
    MixtureOfExpertsClassifier : The same for classes.

    Notes
    -----
    The noise scale of an expert is not allowed below a hundredth of the standard
    deviation of y, where the likelihood would grow without bound.

    References
    ----------
    .. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton (1991). Adaptive
       mixtures of local experts. Neural Computation 3(1), 79-87.
    .. [2] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and
       the EM algorithm. Neural Computation 6(2), 181-214.
    .. [3] R. Varadhan and C. Roland (2008). Simple and globally convergent methods for
       accelerating the convergence of any EM algorithm. Scandinavian Journal of
       Statistics 35(2), 335-353.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    >>> moe.fit(X, y).predict([[-2.0], [2.0]]).round(1)
    array([2., 2.])
    >>> sorted(float(expert.coef_[0].round(1)) for expert in moe.experts_)
    [-1.0, 1.0]
    """

    _parameter_constraints: dict = {
        **BaseMixtureOfExperts._parameter_constraints,
        "extrapolation": [StrOptions({"agreed", "free"})],
        "calibrate": ["boolean", StrOptions({"auto"})],
        "noise": [StrOptions(set(NOISES)), Noise],
    }

    _of_predictions = (*BaseMixtureOfExperts._of_predictions, "extrapolation")

    # Where they are asked for in `fit` alone, `score` need not be told.
    __metadata_request__score = {"subjects": False}

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
        overflow: Literal["drop", "reroute"] = "drop",
        sharing: float | Literal["auto"] = "auto",
        specialize: bool | Literal["auto"] = "auto",
        cv: Any = "auto",
        calibrate: bool | Literal["auto"] = "auto",
        init: Any = "tree",
        n_init: int = 1,
        max_iter: int = 100,
        tol: float = 1e-4,
        acceleration: Literal["auto", "squarem"] | None = "auto",
        learning_decay: float = 0.6,
        half_life: float | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
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
        self.overflow = overflow
        self.sharing = sharing
        self.specialize = specialize
        self.cv = cv
        self.calibrate = calibrate
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.acceleration = acceleration
        self.learning_decay = learning_decay
        self.half_life = half_life
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @available_if(learns_from_batches)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        **partial_fit_params: Any,
    ) -> Self:
        """Learn a batch of a stream by online EM.

        The first batch is fitted by EM, in which the experts look at it again and
        again through their own `partial_fit`. Each further batch, and each batch after
        `fit`, is one step: responsibilities under the mixture as it is, then experts,
        noise and gate learn. Rows are judged before they are learnt, so that
        `cv` and `calibrate` are not needed, and not used.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows of the batch.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 equals no row. None means equal weights.
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to, as in `fit`, for all batches or none. All
            rows of a subject must be in one batch.
        exposure : array-like of shape (n_samples,), default=None
            Of counts, as in `fit`. A stream that began with it needs it in each batch.
        **partial_fit_params : dict
            Further arguments of the experts' `partial_fit`, by metadata routing; only
            where it is enabled.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the batch does not fit the parameters or the batches before; what was
            learnt before stays as it was.
        """
        with all_or_nothing(self):
            for message, category in learn_batch(
                self,
                X,
                y,
                sample_weight,
                partial_fit_params,
                self._targets(),
                subjects=subjects,
                exposure=exposure,
            ):
                warnings.warn(message, category, stacklevel=3)
        return self

    def predict(
        self,
        X: Any,
        return_std: bool = False,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> np.ndarray | Any:
        """Predict the target.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of the target as well: of the noise
            within the experts, and of the spread between them.
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Of counts, which are predicted in proportion to it. None means one: the
            prediction is a rate.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Mean of the target, without what a "uniform" expert has of it.
        std : ndarray of the same shape
            Only if `return_std`.
        """
        X = self._checked_X(X)
        exposure = self._checked_exposure(exposure, X)
        fitted = replace(self._fitted_to(X, subjects), exposure=exposure)
        mean = fitted.pool(X)
        if exposure is not None:
            mean = (mean.T * exposure).T
        if not return_std:
            return mean
        distribution = self.predict_distribution(
            X, subjects=subjects, exposure=exposure
        )
        return mean, distribution.std()

    def _checked_exposure(self, exposure, X):
        named_experts = self.named_experts_.items()
        return self._targets_.check_exposure(exposure, X, named_experts)

    def predict_distribution(
        self,
        X: Any,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> MixtureDistribution:
        """Distribution of the target of each row.

        With ``combination="argmax"`` or `top_k` it is that of the experts that answer
        for the row. A "uniform" expert has its part in it else, though not in what
        `predict` returns.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Of counts. None means one.

        Returns
        -------
        distribution : MixtureDistribution
        """
        X = self._checked_X(X)
        exposure = self._checked_exposure(exposure, X)
        fitted = replace(self._fitted_to(X, subjects), exposure=exposure)
        # Weights of a gate in single precision are off by 1e-7.
        weights = distributions(fitted.distribution_weights(X).astype(np.float64))
        outputs = fitted.held(fitted.outputs(X), weights)
        noise = self.noise_ if exposure is None else self.noise_.at(exposure)
        components = Components.of(noise, outputs, X)
        inner = {
            k: _own_distribution(expert, X)
            for k, expert in enumerate(self.experts_)
            if has_density(expert)
        }
        return MixtureDistribution.nested(weights, components, inner)

    def predict_quantiles(
        self,
        X: Any,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> np.ndarray:
        """Quantiles of the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        quantiles : float or array-like of shape (n_quantiles,), \
                default=(0.1, 0.5, 0.9)
            Levels between 0 and 1.
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Of counts. None means one.

        Returns
        -------
        y : ndarray of shape (n_samples, n_quantiles) or \
                (n_samples, n_outputs, n_quantiles)
            Without the last axis where `quantiles` is one number.
        """
        distribution = self.predict_distribution(
            X, subjects=subjects, exposure=exposure
        )
        return distribution.ppf(quantiles)

    def predict_interval(
        self,
        X: Any,
        coverage: float = 0.9,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> np.ndarray:
        """Central prediction interval of the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        coverage : float, default=0.9
            Probability of the interval, between 0 and 1. What is left is divided
            equally between the two sides.
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Of counts. None means one.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper end.
        """
        distribution = self.predict_distribution(
            X, subjects=subjects, exposure=exposure
        )
        return distribution.interval(coverage)

    def sample(
        self,
        X: Any,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> np.ndarray:
        """Draw targets from the distribution of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        n_samples : int, default=1
            Number of draws for each row.
        random_state : int, RandomState instance or None, default=None
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Of counts. None means one.

        Returns
        -------
        draws : ndarray of shape (n_rows, n_samples) or (n_rows, n_samples, n_outputs)
        """
        distribution = self.predict_distribution(
            X, subjects=subjects, exposure=exposure
        )
        draws = distribution.sample(n_samples, random_state)
        return np.moveaxis(draws, 0, 1)

    def score(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Coefficient of determination of the predictions, R2.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Of counts, which are compared with what is predicted for it; needed where
            `fit` was given it.

        Returns
        -------
        score : float
            That of :func:`~sklearn.metrics.r2_score`; the mean over the outputs where
            there are several.
        """
        check_is_fitted(self)
        if self._targets_.exposed == "exposure":
            self._targets_.check_exposure_known(exposure)
        predicted = self.predict(X, subjects=subjects, exposure=exposure)
        return r2_score(y, predicted, sample_weight=sample_weight)

    @property
    def noise_(self) -> Noise:
        """The noise model of the experts."""
        check_is_fitted(self)
        return without_nested(self._likelihood_)

    def _targets(self):
        return NumberTargets(self.noise)

    def _default_of(self, name, given):
        if name == "noise":
            return noise_model(given)
        return super()._default_of(name, given)

    def _predicted_targets(self, X, subjects, exposure):
        y = self.predict(X, subjects=subjects, exposure=exposure)
        return np.round(y) if self.noise_.discrete else y

    def _calibrate(self, training, learners, random_state, run):
        pool, block = learners.experts, training.block
        cross_fitted = pool.splits is not None
        if not (cross_fitted if self.calibrate == "auto" else self.calibrate):
            return
        cv = "auto" if self.cv is None else self.cv
        splits = training.folds(cv, random_state, classification=False)
        order, best = run.order, run.best.estimates
        out_of_fold = pool.out_of_fold(best.experts, order, splits)
        if self._pools_for_squared_error():
            self.gate_ = gates.squared_error_gate(
                learners.gate,
                replace(best.gate, parameters=best.gate.parameters[order]),
                block,
                values_of(out_of_fold),
                self._active_,
                splits,
            )
        fitted = replace(self._fitted(block.subjects), exposure=block.exposure)
        outputs = fitted.outputs(block.X, block.y)
        self._likelihood_ = calibrate_likelihood(
            pool.rows,
            learners.likelihood,
            out_of_fold,
            fitted.log_gate(block.X),
            fitted.posterior(block.X, block.encoded_y, outputs)[0],
            self.tol,
        )

    def _pools_for_squared_error(self):
        """Whether the experts and nothing else are given.

        A gate of the user is as EM fits it. The squared error belongs to gaussian
        noise.
        """
        gaussian = isinstance(
            noise_model(self.noise), (GaussianNoise, HeteroscedasticGaussian)
        )
        composition = self._composition()
        given = not composition.specializes and not composition.has_uniform
        return given and gaussian and self.gate is None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        targets = [
            get_tags(expert).target_tags
            for _, expert in self._composition().expert_parts()
        ]
        tags.target_tags.single_output = all(part.single_output for part in targets)
        tags.target_tags.multi_output = all(part.multi_output for part in targets)
        tags.target_tags.positive_only = any(part.positive_only for part in targets)
        return tags

    def _noise_in_words(self, k):
        if is_uniform(self.experts_[k]):
            return ""
        learnt = self.noise_.take([k]).fitted_parameters()
        learnt.pop("floor_", None)
        if any(value.size > 1 or value.dtype == object for value in learnt.values()):
            return ""
        return "".join(
            f", {name.rstrip('_')} {value.item():.3g}" for name, value in learnt.items()
        )


def _own_distribution(expert, X):
    """Distribution of the targets under an expert that has a density itself."""
    if not is_uniform(expert):
        return nested_distribution(expert, X)
    n_rows = num_samples(X)
    components = Components(*expert.distribution(n_rows))
    return MixtureDistribution(np.ones((n_rows, 1)), (components,))
