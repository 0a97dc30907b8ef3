"""The softmax gate: as an estimator of its own, and at work in EM."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sklearn_moe import kernels
from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._compat import Interval, check_sample_weight, fit_context
from sklearn_moe.gates._problem import SoftmaxProblem, Solution, fill_missing

# Newton steps of the gate in one M-step. They start where the last M-step ended, so
# that few are enough: the expected log-likelihood rises, which is all that generalised
# EM asks for.
STEPS_PER_M_STEP = 2


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
    alpha : float, default=1e-3
        Strength of the L2 penalty, relative to the mean cross-entropy. It does not
        depend on the number of rows.
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

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import SoftmaxGate
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> trust = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    >>> gate = SoftmaxGate().fit(X, trust)
    >>> gate.predict_proba([[0.0], [3.0]]).round(2)
    array([[0.93, 0.07],
           [0.1 , 0.9 ]])
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
    }

    def __init__(self, alpha=1e-3, *, max_iter=100, tol=1e-8, warm_start=False):
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the gate.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Numbers; NaN counts as the mean of its column.
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
            X = validate_data(
                self,
                X,
                None if y is None else "no_validation",
                accept_sparse="csr",
                dtype=(np.float64, np.float32),
                ensure_all_finite="allow-nan",
            )
            classes, targets = _check_targets(y, X.shape[0])
            sample_weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            problem = SoftmaxProblem(X, sample_weight, self.alpha)
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
            return self._set_solution(problem, solution)

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
        chosen = self._logits(X).argmax(axis=1)
        return self.classes_[chosen]

    def _logits(self, X):
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            reset=False,
        )
        filled = fill_missing(X, self.feature_mean_)
        logits = safe_sparse_dot(filled, self.coef_.T, dense_output=True)
        return (logits + self.intercept_).astype(X.dtype, copy=False)

    def _set_solution(self, problem, solution):
        self.coef_, self.intercept_ = problem.to_input_units(solution.parameters)
        self.feature_mean_ = problem.mean
        self.n_iter_ = solution.n_iter
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


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
        if isinstance(self._gate, Pipeline):
            self._softmax = self._gate[-1]
            if len(self._gate) > 1:
                X = self._gate[:-1].fit_transform(X)
        else:
            self._softmax = self._gate
        X = validate_data(
            self._softmax,
            X,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
        )
        self._softmax._validate_params()
        self._problem = SoftmaxProblem(X, sample_weight, self._softmax.alpha)

    @property
    def features(self):
        return self._problem.design[:, :-1]

    def parameters_of(self, fitted_gate):
        """Parameters of a gate fitted before, or None where its features differ."""
        softmax = fitted_gate[-1] if isinstance(fitted_gate, Pipeline) else fitted_gate
        if softmax.coef_.shape[1] != self.features.shape[1]:
            return None
        return self._problem.from_input_units(softmax.coef_, softmax.intercept_)

    def fit(self, responsibilities, previous):
        """M-step of the gate: a few warm-started Newton steps.

        Parameters
        ----------
        responsibilities : ndarray of shape (n_samples, n_experts)
        previous : ndarray of shape (n_experts, n_gate_features + 1) or None
            Parameters to begin with.

        Returns
        -------
        parameters : ndarray of shape (n_experts, n_gate_features + 1)
            What `estimator` and `penalty` take.
        log_weights : ndarray of shape (n_samples, n_experts)
            On the training rows.
        """
        parameters = self._problem.solve(
            responsibilities, previous, STEPS_PER_M_STEP, self._softmax.tol
        ).parameters
        return parameters, self._problem.log_weights(parameters)

    def penalty(self, parameters):
        """The gate's part of the objective, per unit of sample weight."""
        return self._problem.penalty(parameters)

    def estimator(self, parameters):
        """The fitted gate, or pipeline, that has these parameters."""
        softmax = clone(self._softmax)
        for attribute in ("n_features_in_", "feature_names_in_"):
            if hasattr(self._softmax, attribute):
                setattr(softmax, attribute, getattr(self._softmax, attribute))
        softmax.classes_ = np.arange(len(parameters))
        softmax._set_solution(self._problem, Solution(parameters, 0, True))
        if isinstance(self._gate, Pipeline):
            return Pipeline(
                [*self._gate.steps[:-1], (self._gate.steps[-1][0], softmax)]
            )
        return softmax


def is_softmax_gate(gate):
    """Whether a gate is a `SoftmaxGate` or a pipeline that ends in one."""
    return isinstance(gate[-1] if isinstance(gate, Pipeline) else gate, SoftmaxGate)


def _check_targets(y, n_samples):
    """Classes and soft targets (n_samples, n_classes) of labels or soft targets."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    if y.ndim == 2 and y.shape[1] > 1:
        targets = y.astype(np.float64)
        sums = targets.sum(axis=1)
        if targets.min() < 0 or not np.allclose(sums, 1, rtol=0, atol=1e-5):
            raise ValueError(
                "Soft targets y must be non-negative rows that sum to one; got a "
                f"smallest value of {targets.min():.3g} and row sums from "
                f"{sums.min():.6g} to {sums.max():.6g}."
            )
        if len(targets) != n_samples:
            raise ValueError(f"X has {n_samples} rows, but y has {len(targets)} rows.")
        return np.arange(targets.shape[1]), targets
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if len(y) != n_samples:
        raise ValueError(f"X has {n_samples} rows, but y has {len(y)} rows.")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "SoftmaxGate needs at least 2 classes in y; got one class: "
            f"{classes.tolist()[0]!r}."
        )
    return classes, np.eye(len(classes))[codes]
