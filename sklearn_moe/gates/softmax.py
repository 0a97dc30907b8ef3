"""The softmax gate: as an estimator of its own, and at work in EM."""

import warnings
from copy import copy
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from sklearn_moe import kernels
from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._compat import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from sklearn_moe.gates._features import (
    bounds_of,
    clip_outliers,
    fill_missing,
    gate_features,
    join_pipeline,
    split_pipeline,
)
from sklearn_moe.gates._problem import SoftmaxProblem
from sklearn_moe.gates._targets import check_targets
from sklearn_moe.parameters import count_parameters
from sklearn_moe.weighting import last_step

# Newton steps of the gate in one M-step. They start where the last M-step ended, so
# that few are enough: the expected log-likelihood rises, which is all that generalised
# EM asks for.
STEPS_PER_M_STEP = 2

# One is enough where it leaves so small a part of the gradient.
GRADIENT_PER_M_STEP = 0.1

# The strongest penalty that is chosen automatically.
LARGEST_ALPHA = 0.1


class SoftmaxGate(ClassifierMixin, BaseEstimator):
    r"""Multinomial logistic regression on hard labels or soft targets.

    Minimises the weighted mean cross-entropy plus an L2 penalty on standardised
    features,

    .. math::
        \frac{1}{\sum_i w_i} \sum_i w_i \sum_k -t_{ik} \log g_k(x_i)
        + \frac{\alpha}{2} \lVert W \rVert^2,
        \qquad g(x) = \mathrm{softmax}(W z(x) + b),

    where z standardises each column with its weighted mean and standard deviation and
    puts 0, the mean, in the place of a missing value. The intercept b is not penalised.
    With two classes the penalty is put on the difference of the two rows of W, as in
    :class:`~sklearn.linear_model.LogisticRegression`; on standardised features the two
    agree at ``C = 1 / (alpha * sum(sample_weight))``.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the L2 penalty, relative to the mean cross-entropy. "auto" means
        ``n_features / 2 / sum(sample_weight)``, and no more than 0.1: a prior on the
        coefficients that many rows outweigh.
    clip : float, default=None
        A number that lies farther from the mean of its column than this many standard
        deviations counts as lying just there, in `fit` as in predictions: a row far
        out, where nothing was learnt, is trusted to the experts at the edge. The
        zeros of sparse rows stay zeros. None means no limit.
    load_balance : float, default=0
        Strength of the Switch Transformer's load-balancing loss [2]_, which is added to
        the objective,

        .. math::
            \lambda K \sum_k f_k P_k,

        where f is the part of the rows whose largest target is class k, and P the mean
        weight that the gate gives to it: the gate is pushed away from classes that have
        many rows.
    max_iter : int, default=100
        Largest number of Newton iterations of `fit`.
    tol : float, default=1e-8
        The iterations stop when no element of the gradient is larger than this.
    warm_start : bool, default=False
        Whether `fit` starts at the coefficients of the previous fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; ``0, ..., n_classes - 1`` after a fit to soft targets.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the logits, in the units of the input. They sum to zero over the
        classes.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts of the logits; they sum to zero.
    encoder_ : ColumnTransformer or None
        Turns the columns of a frame that do not hold numbers into numbers; None where
        there were none. The columns of `coef_` are those of its output.
    alpha_ : float
        Strength of the penalty.
    bounds_ : ndarray of shape (2, n_features)
        Least and largest number of each column that is not clipped.
    feature_mean_ : ndarray of shape (n_features,)
        Means of the training columns, which stand in for missing values.
    n_iter_ : int
        Number of Newton iterations.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has names.

    See Also
    --------
    MixtureOfExpertsRegressor : A mixture whose gate this is by default.

    References
    ----------
    .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and
       the EM algorithm. Neural Computation 6(2), section 3.
    .. [2] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
       trillion parameter models with simple and efficient sparsity. JMLR 23, equation
       4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import SoftmaxGate
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> trust = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    >>> gate = SoftmaxGate().fit(X, trust)
    >>> gate.predict_proba([[0.0], [3.0]]).round(2)
    array([[0.82, 0.18],
           [0.23, 0.77]])
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "load_balance": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        alpha="auto",
        *,
        clip=None,
        load_balance=0.0,
        max_iter=100,
        tol=1e-8,
        warm_start=False,
    ):
        self.alpha = alpha
        self.clip = clip
        self.load_balance = load_balance
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the gate.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            NaN counts as the mean of its column. The columns of a frame that do not
            hold numbers are one-hot encoded.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or soft targets: non-negative rows that sum to one.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; None means equal weights.

        Returns
        -------
        self : SoftmaxGate

        Raises
        ------
        ValueError
            If there is one class only, or if soft targets are negative or do not sum to
            one.
        """
        previous = (
            (self.coef_, self.intercept_)
            if self.warm_start and hasattr(self, "coef_")
            else None
        )
        with all_or_nothing(self):
            y_given = None if y is None else "no_validation"
            X = gate_features(self, X, y_given, reset=True)
            classes, targets = check_targets(self, y, X.shape[0])
            sample_weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            problem = self._problem(X, sample_weight)
            start = None
            if previous is not None and previous[0].shape == (len(classes), X.shape[1]):
                start = problem.from_input_units(*previous)
            solution = problem.solve(targets, start, self.max_iter, self.tol)
            if not solution.converged:
                warnings.warn(
                    f"SoftmaxGate stopped at max_iter={self.max_iter} before the "
                    f"gradient fell below tol={self.tol}; increase max_iter or alpha.",
                    ConvergenceWarning,
                    stacklevel=3,
                )
            self.classes_ = classes
            parameters = solution.point.parameters
            return self._set_solution(problem, parameters, solution.n_iter)

    def decision_function(self, X):
        """Logits of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,)
            With two classes the logit of the second against the first, as everywhere in
            scikit-learn.
        """
        logits = self._logits(X)
        if len(self.classes_) == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def predict_log_proba(self, X):
        """Logarithm of the weights of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_weights : ndarray of shape (n_samples, n_classes)
        """
        return kernels.log_softmax(self._logits(X))

    def predict_proba(self, X):
        """Weights of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        weights : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """Class with the largest weight.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        chosen = kernels.argmax(self._logits(X))
        return self.classes_[chosen]

    def _n_parameters_of_class(self):
        return self.coef_.shape[1] + 1

    def _logits(self, X):
        columns = softmax_columns(self, X)
        logits = safe_sparse_dot(columns, self.coef_.T, dense_output=True)
        logits += self.intercept_
        return logits.astype(columns.dtype, copy=False)

    def _problem(self, X, sample_weight):
        """What is to be minimised, on validated rows."""
        self.bounds_ = bounds_of(X, sample_weight, self.clip)
        X = clip_outliers(X, self.bounds_)
        self.alpha_ = self._strength(X.shape[1], sample_weight.sum())
        return SoftmaxProblem(X, sample_weight, self.alpha_, self.load_balance)

    def _strength(self, n_features, total_weight):
        """Of the penalty, relative to the mean over rows of this weight."""
        if self.alpha != "auto":
            return self.alpha
        return min(n_features / 2 / total_weight, LARGEST_ALPHA)

    def _set_solution(self, problem, parameters, n_iter):
        self.coef_, self.intercept_ = problem.to_input_units(parameters)
        self.feature_mean_ = problem.mean
        self.n_iter_ = n_iter
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def softmax_columns(softmax, X):
    """The columns to which the coefficients of a fitted softmax gate belong.

    Parameters
    ----------
    softmax : SoftmaxGate
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

    Returns
    -------
    columns : {ndarray, CSR} of shape (n_samples, n_gate_features)
        Encoded and clipped, without missing values.
    """
    check_is_fitted(softmax)
    X = clip_outliers(gate_features(softmax, X, reset=False), softmax.bounds_)
    return fill_missing(X, softmax.feature_mean_)


@count_parameters.register
def _count_gate(gate: SoftmaxGate):
    check_is_fitted(gate)
    return (len(gate.classes_) - 1) * gate._n_parameters_of_class()


@dataclass(frozen=True)
class SoftmaxFit:
    """A softmax gate after an M-step.

    Attributes
    ----------
    parameters : ndarray of shape (n_experts, n_gate_features + 1)
        On standardised features, the intercepts last.
    penalty : float
        The gate's part of the objective, per unit of sample weight.
    """

    parameters: np.ndarray
    penalty: float


class SoftmaxGating:
    """A softmax gate at work in EM: on one training set, for ever new responsibilities.

    Parameters
    ----------
    gate : SoftmaxGate or Pipeline
        Not fitted, and not changed; a pipeline ends in a `SoftmaxGate`.
    X : array-like or frame
        Training rows.
    sample_weight : ndarray of shape (n_samples,)

    Attributes
    ----------
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
        What the gate sees, standardised and without missing values.
    """

    def __init__(self, gate, X, sample_weight):
        self._gate = clone(gate)
        self._head, self._softmax, X = split_pipeline(self._gate, X)
        self._softmax._validate_params()
        X = gate_features(self._softmax, X, reset=True)
        self._problem = self._softmax._problem(X, sample_weight)

    @property
    def features(self):
        return self._problem.design[:, :-1]

    def parameters_of(self, fitted_gate):
        """Parameters of a gate fitted before, or None where its features differ."""
        softmax = last_step(fitted_gate)
        if softmax.coef_.shape[1] != self.features.shape[1]:
            return None
        return SoftmaxFit(
            self._problem.from_input_units(softmax.coef_, softmax.intercept_), np.nan
        )

    def fit(self, responsibilities, previous):
        """M-step of the gate: a few warm-started Newton steps.

        Parameters
        ----------
        responsibilities : ndarray of shape (n_samples, n_experts)
        previous : SoftmaxFit or None
            Where to begin.

        Returns
        -------
        fitted : SoftmaxFit
        log_weights : ndarray of shape (n_samples, n_experts)
            On the training rows.
        """
        start = None if previous is None else previous.parameters
        point = self._problem.solve(
            responsibilities,
            start,
            STEPS_PER_M_STEP,
            self._softmax.tol,
            GRADIENT_PER_M_STEP,
        ).point
        return SoftmaxFit(point.parameters, point.penalty), point.log_weights

    def penalty(self, fitted):
        """The gate's part of the objective, per unit of sample weight."""
        return fitted.penalty

    def estimator(self, fitted, order):
        """The fitted gate, or pipeline, that has these parameters.

        Parameters
        ----------
        fitted : SoftmaxFit
        order : ndarray of shape (n_experts,)
            Of the experts.
        """
        parameters = fitted.parameters[order]
        softmax = copy(self._softmax)
        softmax.classes_ = np.arange(len(order))
        softmax._set_solution(self._problem, parameters, 0)
        return join_pipeline(self._gate, self._head, softmax)
