"""Mixture of experts for classification."""

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
    r"""Mixture of classifiers, weighed by a softmax gate, fitted by EM.

    The probability of a class is

    .. math::
        p(y | x) = \sum_k g_k(x) \, p_k(y | x),

    where p_k are the probabilities that expert k predicts, and the gate g trusts each
    expert where it is good. EM [1]_ [2]_ fits the experts and the gate together.

    Parameters
    ----------
    experts : estimator or list of (str, estimator), default=None
        One classifier, of which `n_experts` clones are made, or a list of named
        classifiers. One that takes no weights is fitted to a systematic resample of the
        rows; of one without `predict_proba` the error rate is estimated; a
        :class:`~sklearn.frozen.FrozenEstimator` is not fitted at all. In a list, "drop"
        leaves an expert out. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
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
        ``SoftmaxGate(clip=3.5)`` where the experts do not specialise.
    combination : {"weighted", "argmax"}, default="weighted"
        Whether probabilities are the mean of the experts' under the gate's weights, or
        those of the expert with the largest weight alone.
    top_k : int, default=None
        Number of experts that answer for a row: those with the largest weights, which
        are renormalised. Each expert is asked about its own rows only, so that a
        prediction costs less. None means all.
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
        to all rows, and only the gate and the noise are learnt by EM, which then tells
        which of the given experts is good where. "auto" means False for a list of
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by which those of the rows are multiplied in `fit`, for
        experts, gate and `log_likelihood_` alike. "balanced" gives all classes the same
        weight, and leaves the sum of all weights as it is. `responsibilities` of
        subjects, and the criteria, weigh classes in the same way; predictions and
        `score` do not. `partial_fit` takes a dict only.
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
    classes_ : ndarray of shape (n_classes,)
        The class labels.
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
        Weighted log-likelihood of the training rows, by `sample_weight` and
        `class_weight`; with `cv`, under experts that have
        not seen them. After `partial_fit`, of the batch before it was learnt.
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
    MixtureOfExpertsRegressor : The same for numbers.

    Notes
    -----
    An expert that gives the true class a probability of zero is counted as having given
    it the smallest distance between floating point numbers near one.

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

        The first batch is fitted by EM, in which the experts look at it again and
        again through their own `partial_fit`. Each further batch, and each batch after
        `fit`, is one step: responsibilities under the mixture as it is, then experts
        and gate learn. Rows are judged before they are learnt, so that
        `cv` is not needed, and not used.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows of the batch.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels of the stream. Required with the first batch; a batch need not
            have all of them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 equals no row. None means equal weights.
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to, as in `fit`, for all batches or none. All
            rows of a subject must be in one batch.
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
            Labels of what rows belong to; see `predict_gate`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        probabilities = self.predict_proba(X, subjects=subjects)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any, *, subjects: ArrayLike | None = None) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to one.
        """
        # An expert or a gate that computes in single precision is off by 1e-7.
        X = self._checked_X(X)
        return distributions(self._fitted_to(X, subjects).pool(X))

    def predict_log_proba(
        self, X: Any, *, subjects: ArrayLike | None = None
    ) -> np.ndarray:
        """Logarithm of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.

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
        """Accuracy of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        subjects : array-like of shape (n_samples,), default=None
            Labels of what rows belong to; see `predict_gate`.

        Returns
        -------
        score : float
        """
        predicted = self.predict(X, subjects=subjects)
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    def _targets(self):
        return ClassTargets(class_weight=self.class_weight)
