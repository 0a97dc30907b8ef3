"""Mixture of experts for classification."""

from __future__ import annotations

import warnings
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if

from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._base import BaseMixtureOfExperts
from sklearn_moe._estimators import distributions
from sklearn_moe._sklearn import (
    StrOptions,
    check_partial_fit_first_call,
    fit_context,
)
from sklearn_moe._streams import learn_batch, learns_from_batches
from sklearn_moe._targets import ClassTargets


class MixtureOfExpertsClassifier(ClassifierMixin, BaseMixtureOfExperts):
    r"""Mixture of classifiers, weighted by a softmax gate and fitted by EM.

    The probability of a class is

    .. math::
        p(y | x) = \sum_k g_k(x) \, p_k(y | x),

    where p_k are the probabilities that expert k predicts, and the gate g weights each
    expert by its competence at x. EM [1]_ [2]_ fits the experts and the gate together.

    Read more in the :ref:`User Guide <guide_model>`.

    Parameters
    ----------
    experts : estimator or list of (str, estimator), default=None
        One classifier, of which `n_experts` clones are made, or a list of named
        classifiers. A classifier without sample weights is fitted to a systematic
        resample of the rows, and for one without `predict_proba` an error rate is
        estimated. A :class:`~sklearn.frozen.FrozenEstimator` is not fitted. In a list,
        "drop" leaves an expert out. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
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
        ``SoftmaxGate(clip=3.5)`` if the experts do not specialise.
    combination : {"weighted", "argmax"}, default="weighted"
        Whether to predict the mean of the experts' probabilities, weighted by the gate,
        or the probabilities of the expert with the largest weight.
    top_k : int, default=None
        Number of experts that predict each row: those with the largest weights, which
        are renormalised. Each expert predicts its own rows only, so that predictions
        cost less. None means all.
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
        to all rows, and EM fits only the gate, which then learns where each of them is
        good, and the error rates of experts without probabilities. "auto" means False
        for a list of experts of different kinds, which differ enough anyway, and True
        otherwise.
    cv : "auto", int, splitter, iterable or None, default="auto"
        How experts are evaluated in the E-step. None: on the rows that they were fitted
        to, which favours experts that interpolate them. Otherwise by cross-validation,
        each row by experts that have not seen it; the final experts are fitted to all
        rows. An integer is a number of shuffled folds. A splitter that divides rows by
        groups gets the `groups` of `fit`. "auto" means 5 for a list of
        experts of different kinds, for ``specialize=False`` and for a gate that is any
        classifier; 2 for several experts of one kind that memorise their rows (trees,
        forests, boosting, nearest neighbours, and pipelines that end in one), where
        there are at least 20 rows for each; and None otherwise.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights in `fit`, for experts,
        gate and `log_likelihood_` alike. "balanced" gives all classes the same weight,
        and keeps the sum of all weights. `responsibilities` of subjects and the
        information criteria use class weights in the same way; predictions and `score`
        do not. `partial_fit` accepts a dict only.
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
    classes_ : ndarray of shape (n_classes,)
        The class labels.
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
    expert_share_ : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the training rows.
    expert_load_ : ndarray of shape (n_experts,)
        Fraction of the weight of all rows that each expert was trained on.
    sharing_ : float
        Fraction of each row that the experts share, as given or as learnt.
    overflow_fraction_ : ndarray of shape (`n_iter_`,)
        Fraction of the weight of all rows that trained no expert, in each iteration of
        the best start.
    log_likelihood_ : float
        Weighted log-likelihood of the training rows, by `sample_weight` and
        `class_weight`; with `cv`, under experts that have
        not seen them. After `partial_fit`, that of the last batch before it was learnt.
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
    MixtureOfExpertsRegressor : Mixture of experts for numerical targets.

    Notes
    -----
    If an expert gives the true class a probability of zero, the machine epsilon is used
    instead.

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
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_moe import MixtureOfExpertsClassifier
    >>> X, y = make_moons(300, noise=0.15, random_state=0)
    >>> moe = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, y)
    >>> moe.predict_gate(X[:2]).shape
    (2, 2)
    >>> round(moe.score(X, y), 2)
    0.98
    """

    _parameter_constraints: dict = {
        **BaseMixtureOfExperts._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

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
        assignment: Literal["soft", "hard", "expert_choice"] = "soft",
        capacity_factor: float | None = None,
        overflow: Literal["drop", "reroute"] = "drop",
        sharing: float | Literal["auto"] = "auto",
        specialize: bool | Literal["auto"] = "auto",
        cv: Any = "auto",
        class_weight: dict | Literal["balanced"] | None = None,
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
        self.assignment = assignment
        self.capacity_factor = capacity_factor
        self.overflow = overflow
        self.sharing = sharing
        self.specialize = specialize
        self.cv = cv
        self.class_weight = class_weight
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
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        **partial_fit_params: Any,
    ) -> Self:
        """Learn a batch of a stream by online EM.

        The first batch is fitted by EM, in which the `partial_fit` of the experts is
        called repeatedly. Each further batch, and each batch after
        `fit`, is one step: responsibilities are computed under the present mixture,
        then experts and gate are updated. Rows are evaluated before they are learnt, so
        that `cv` is not needed, and not used.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows of the batch.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels of the stream. Required with the first batch; a batch may lack
            some of them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 equals no row. None means equal weights.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, as in `fit`, for all batches or none.
            All rows of a subject must be in one batch.
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
            if check_partial_fit_first_call(self, classes) and len(self.classes_) < 2:
                raise ValueError(
                    f"{type(self).__name__} needs at least 2 classes; got "
                    f"classes={self.classes_.tolist()}."
                )
            for message, category in learn_batch(
                self,
                X,
                y,
                sample_weight,
                partial_fit_params,
                ClassTargets(self.classes_, self.class_weight),
                subjects=subjects,
            ):
                warnings.warn(message, category, stacklevel=3)
        return self

    def predict(self, X: Any, *, subjects: ArrayLike | None = None) -> np.ndarray:
        """Predict the class.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        probabilities = self.predict_proba(X, subjects=subjects)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any, *, subjects: ArrayLike | None = None) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to one.
        """
        # Experts and gates in single precision have rounding errors of 1e-7, so that
        # rows are normalised to sum to one.
        X = self._checked_X(X)
        return distributions(self._fitted_to(X, subjects).pool(X))

    def predict_log_proba(
        self, X: Any, *, subjects: ArrayLike | None = None
    ) -> np.ndarray:
        """Predict the logarithm of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; -inf for a probability of zero.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, subjects=subjects))

    def score(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows; see `predict_gate`.

        Returns
        -------
        score : float
        """
        predicted = self.predict(X, subjects=subjects)
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    def _targets(self):
        return ClassTargets(class_weight=self.class_weight)
