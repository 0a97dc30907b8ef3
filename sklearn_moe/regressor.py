"""Mixture of experts for regression."""

from __future__ import annotations

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
    r"""Mixture of regressors, weighted by a softmax gate and fitted by EM.

    The density of a target is

    .. math::
        p(y | x) = \sum_k g_k(x) \, p_k(y | f_k(x)),

    where the gate g weights each expert f_k by its competence at x, and p_k is the
    density of the noise around its prediction, by default gaussian. EM [1]_ [2]_ fits
    the experts, their noise and the gate together.

    Read more in the :ref:`User Guide <guide_model>`.

    Parameters
    ----------
    experts : estimator or list of (str, estimator), default=None
        One regressor, of which `n_experts` clones are made, or a list of named
        regressors. A regressor without sample weights is fitted to a systematic
        resample of the rows. A :class:`~sklearn.frozen.FrozenEstimator` is not fitted.
        A mixture as an expert has its own density. In a list, "drop" leaves an expert
        out, and "uniform" is a component for outliers: a uniform density over the range
        of the training targets, which `predict` leaves out of the mean. None means
        :class:`~sklearn.linear_model.Ridge`, or the default expert of the noise model.
    n_experts : int or "auto", default=4
        Number of experts. Ignored if `experts` is a list. "auto" tries 1, 2, 4, 8, ...
        experts, up to 32 and at least 20 rows for each, until the mean log density of
        held-out rows no longer improves, and takes the smallest number within one
        standard error of the best; see `n_experts_path_`. A third of the rows is held
        out; with fewer than 400 rows each third in turn, and with a splitter or
        iterable as `cv` each of its folds. `partial_fit` chooses by the first batch,
        and a warm start keeps the number. With "auto", `init` must be a named start.
    gate : estimator, default=None
        A gate (:class:`SoftmaxGate`, :class:`GaussianGate`), a pipeline that ends in
        one, or any classifier with `predict_proba`, which is fitted to the experts as
        labels, with rows repeated and weighted. None means ``SoftmaxGate()``, and
        ``SoftmaxGate(alpha=0.3, clip=3.5)`` if the experts do not specialise;
        `calibrate` refits the latter after EM.
    combination : {"weighted", "argmax"}, default="weighted"
        Whether to predict the mean of the experts' predictions, weighted by the gate,
        or the prediction of the expert with the largest weight.
    top_k : int, default=None
        Number of experts that predict each row: those with the largest weights, which
        are renormalised. Each expert predicts its own rows only, so that predictions
        cost less. None means all.
    extrapolation : {"agreed", "free"}, default="agreed"
        How to predict outside the range of the training targets, by more than a tenth
        of this range. "agreed": if the experts disagree, their predictions are clipped
        there. They agree if all lie on one side of the middle of the targets, and none
        is more than twice as far from it as another, so that a trend that all have
        learnt is extrapolated. "free": predictions are never clipped.
    noise : str or noise model, default="gaussian"
        The density of the target around the prediction of an expert: a name, one of
        "gaussian", "laplace", "student_t", "poisson", "negative_binomial", "gamma",
        "lognormal" and "beta", or an object with parameters, such as
        ``StudentTNoise(df=3)`` or :class:`HeteroscedasticGaussian`. It determines which
        targets are valid and what ``experts=None`` means; see the user guide.
    assignment : {"soft", "hard", "expert_choice"}, default="soft"
        Which rows train an expert. "soft": all rows, weighted by its responsibilities;
        "hard": the rows for which it has the largest responsibility of all experts, as
        in classification EM; "expert_choice": its rows of largest responsibility, as
        many as its capacity allows, weighted by them. A row may then train several
        experts or none.
    capacity_factor : float, default=None
        Limits the rows that an expert is trained on to ``ceil(capacity_factor *
        n_samples / n_experts)``, counted as rows of mean weight if there are sample
        weights. Rows of its largest responsibilities come first. None means no limit
        for "hard" and 1 for "expert_choice". Predictions have no capacity limit.
    overflow : {"drop", "reroute"}, default="drop"
        What happens to a row beyond the capacity of its expert with "hard" assignment.
        "drop": it trains no expert in this iteration; "reroute": it trains the expert
        of next largest responsibility that has capacity left.
    sharing : float or "auto", default="auto"
        Fraction of the weight of each row that is shared equally by all experts, in
        [0, 1). It keeps experts from overfitting few rows; 0 is textbook EM. Only for
        ``assignment="soft"``. "auto" means that it is learnt, like the penalty of the
        gate: the shared weight of all rows is at most one row for each coefficient of
        the experts, and the fraction at most 0.5. It becomes smaller if the experts
        contradict each other, and is 0 for experts that fit rows separately, such as
        trees, ensembles of them and nearest neighbours, which it cannot regularise.
    specialize : bool or "auto", default="auto"
        Whether EM fits the experts, each to its own rows. If not, they are fitted once
        to all rows, and EM fits only the noise and the gate, which then learns where
        each of them is good. "auto" means False for a list of experts of different
        kinds, which differ enough anyway, and True otherwise.
    cv : "auto", int, splitter, iterable or None, default="auto"
        How experts are evaluated in the E-step. None: on the rows that they were fitted
        to, which favours experts that interpolate them. Otherwise by cross-validation,
        each row by experts that have not seen it; the final experts are fitted to all
        rows. An integer is a number of shuffled folds. A splitter that divides rows by
        groups gets the `groups` of `fit`. "auto" means 5 for a list of
        experts of different kinds, for ``specialize=False`` and for a gate that is any
        classifier; 2 for experts of one kind that memorise their training rows (trees,
        forests, boosting, nearest neighbours, and pipelines that end in one), where
        there are at least 20 rows for each; and None otherwise.
    calibrate : bool or "auto", default="auto"
        Whether to refit the noise after EM to out-of-fold predictions of the experts,
        with five folds or those of `cv`, weighted by the responsibilities alone. In EM
        the noise is that of training errors, which are too small, and of the rows that
        an expert gets by `sharing`, whose errors are too large, so that intervals may
        be too narrow or too wide. It costs one fit of each expert for each fold. Point
        predictions do not change, except for experts that do not specialise with the
        default gate and gaussian noise: the gate is then fitted further to minimise the
        squared error, since EM maximises the likelihood, for which other weights are
        optimal. "auto" means True if the experts are cross-fitted by `cv` anyway, so
        that it costs nothing.
    init : str, callable, array-like or clusterer, default="tree"
        The responsibilities from which EM starts:

        - "tree": the leaves of a supervised tree with one leaf for each expert,
        - "kmeans": clusters of the features of the gate,
        - "random": random cosines of the features of the gate and the target,
        - array-like of shape (n_samples,): a label for each row, one group for each
          expert,
        - array-like of shape (n_samples, n_experts): responsibilities, rows sum to one,
        - any other str: the name of the column of the frame X that holds the labels,
        - callable: ``init(X)`` returns labels or responsibilities of the rows,
        - a clusterer, which is fitted to the features of the gate.
    n_init : int, default=1
        Number of starts. The first is `init`, followed by the other named starts, then
        by random ones. The fit with the best penalised log-likelihood is kept. A start
        that fails is left out with a warning.
    max_iter : int, default=100
        Maximum number of EM iterations of each start.
    tol : float, default=5e-4
        EM stops when the objective changes by less than this, in nats per row. If
        the experts are not fitted in its iterations (see `specialize`), which are quick
        then, it stops at a tenth of this.
    acceleration : {"auto", "squarem"} or None, default="auto"
        "squarem" extrapolates the responsibilities from two iterations of EM in every
        third one [3]_, for any experts, and goes back if the objective would decrease.
        EM that converges slowly then needs fewer iterations. It may end at another
        local optimum, a better or a worse one. Only for ``assignment="soft"``. None is
        plain EM. "auto" means "squarem" in `fit` if the experts are not fitted in the
        iterations, or if they increase the objective in each M-step, as linear models
        do, and are regularised by ``sharing="auto"``, which leaves few optima;
        otherwise None.
    learning_decay : float, default=0.6
        Decay of the step size of `partial_fit`: batch t of a stream of equal batches
        has the weight ``t ** -learning_decay`` in the statistics after it. In (0.5, 1];
        at 1 all rows count alike, including early ones with poor responsibilities.
    half_life : float, default=None
        Number of rows after which the weight of older rows in `partial_fit` is halved,
        so that it follows a stream that changes. None means that old rows lose weight
        by `learning_decay` only, more and more slowly. Experts that learn by gradient
        steps forget at a rate that their own learning rate determines.
    warm_start : bool, default=False
        Whether `fit` continues from the model of the previous fit. If the parameters of
        the mixture and its parts are unchanged, and no iteration is as good, the
        previous model is kept. A model of cross-fitted experts can be compared only on
        the rows that it was fitted to.
    n_jobs : int, default=None
        Number of parallel fits: of starts if there are several, otherwise of experts
        and folds. The result does not depend on it. None means 1 unless in a
        :obj:`joblib.parallel_backend` context.
    random_state : int, RandomState instance or None, default=None
        Seeds the start and the experts whose own `random_state` is None.
    verbose : int, default=0
        Whether to print each iteration: its objective, change and time.

    Attributes
    ----------
    experts_ : list of estimators
        The fitted experts. Clones of one estimator are ordered by their share, the
        largest first, unless `init` or `start` assigns rows to them; named experts keep
        their order.
    n_experts_ : int
        The number of experts.
    n_experts_path_ : dict of ndarray or None
        Results of ``n_experts="auto"``, with one entry for each number that was tried:
        "n_experts"; "log_likelihood", the mean log density of the targets of held-out
        rows, NaN if there were too few rows to try any; "difference", how far that is
        below the best; and "standard_error" of this difference, from those of the rows.
        With subjects, the values refer to subjects instead of rows. None if the number
        was given.
    named_experts_ : :class:`~sklearn.utils.Bunch`
        The fitted experts by name; clones are called expert0, expert1, ...
    gate_ : estimator
        The fitted gate.
    noise_ : noise model
        The noise of the experts. For gaussian noise, ``noise_.scale_`` holds the
        standard deviation of each expert, and of each output if there are several, in
        the units of y.
    expert_share_ : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the training rows, at the end of EM. If
        `calibrate` has refitted the gate afterwards, see `predict_gate` for whom it
        trusts.
    expert_load_ : ndarray of shape (n_experts,)
        Fraction of the weight of all rows that each expert was trained on.
    sharing_ : float
        Fraction of each row that the experts share, as given or as learnt.
    overflow_fraction_ : ndarray of shape (`n_iter_`,)
        Fraction of the weight of all rows that trained no expert, in each iteration of
        the best start.
    log_likelihood_ : float
        Weighted log-likelihood of the training rows in EM; with `cv`, under experts
        that have not seen them. After `partial_fit`, that of the last batch before it
        was learnt.
    objective_path_ : ndarray of shape (`n_iter_`,)
        Penalised log-likelihood after each iteration of the best start. With
        acceleration, iterations whose extrapolation was rejected are among them, the
        last one too: the model is that of the highest value. If a warm start keeps the
        previous model, its value comes first, as an additional entry.
    objective_paths_ : list of ndarray
        `objective_path_` of each start that has not failed, in their order.
    n_iter_ : int
        Number of iterations of the best start.
    converged_ : bool
        Whether the best start converged, or a warm start kept its model.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has feature names.

    See Also
    --------
    MixtureOfExpertsClassifier : Mixture of experts for classes.

    Notes
    -----
    The noise scale of an expert is at least a hundredth of the standard deviation of y,
    since the likelihood would otherwise be unbounded.

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

    # `score` needs no request for subjects even if `fit` has one.
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
        tol: float = 5e-4,
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

        The first batch is fitted by EM, in which the `partial_fit` of the experts is
        called repeatedly. Each further batch, and each batch after
        `fit`, is one step: responsibilities are computed under the present mixture,
        then experts, noise and gate are updated. Rows are evaluated before they are
        learnt, so that `cv` and `calibrate` are not needed, and not used.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows of the batch.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 equals no row. None means equal weights.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, as in `fit`, for all batches or none.
            All rows of a subject must be in one batch.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`. If the first batch has it, all batches
            must.
        **partial_fit_params : dict
            Further arguments of the experts' `partial_fit`, by metadata routing; only
            if it is enabled.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the batch does not match the parameters or earlier batches; the mixture
            is then unchanged.
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
            Whether to return the standard deviation of the target as well, which
            includes the noise within the experts and the spread between them.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, which are predicted in proportion to it. None means one:
            the prediction is a rate.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Mean of the target, without the component of a "uniform" expert.
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
        """Predict the distribution of the target of each row.

        With ``combination="argmax"`` or `top_k`, it includes only the experts that are
        selected for the row. Otherwise it includes a "uniform" expert, in contrast to
        `predict`.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts. None means one.

        Returns
        -------
        distribution : MixtureDistribution
        """
        X = self._checked_X(X)
        exposure = self._checked_exposure(exposure, X)
        fitted = replace(self._fitted_to(X, subjects), exposure=exposure)
        # Weights of a gate in single precision have rounding errors of 1e-7.
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
        """Predict quantiles of the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        quantiles : float or array-like of shape (n_quantiles,), \
                default=(0.1, 0.5, 0.9)
            Levels between 0 and 1.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts. None means one.

        Returns
        -------
        y : ndarray of shape (n_samples, n_quantiles) or \
                (n_samples, n_outputs, n_quantiles)
            Without the last axis if `quantiles` is a single number.
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
        """Predict a central interval of the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        coverage : float, default=0.9
            Probability of the interval, between 0 and 1. The remaining probability is
            divided equally between the two sides.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts. None means one.

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
            Labels of the subjects of the rows; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts. None means one.

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
        """Return the coefficient of determination of the predictions, R2.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, which are compared with the predictions for it; required
            if `fit` was given it.

        Returns
        -------
        score : float
            As in :func:`~sklearn.metrics.r2_score`; the mean over the outputs if there
            are several.
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
        """Whether to refit the default gate of given experts to the squared error.

        A gate of the user is kept as EM has fitted it. The squared error corresponds to
        gaussian noise.
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
    """Return the distribution of the targets under an expert with its own density."""
    if not is_uniform(expert):
        return nested_distribution(expert, X)
    n_rows = num_samples(X)
    components = Components(*expert.distribution(n_rows))
    return MixtureDistribution(np.ones((n_rows, 1)), (components,))
