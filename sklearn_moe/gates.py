"""The gate: a distribution over the experts for each row."""

import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import linalg as splinalg
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sklearn_moe import kernels
from sklearn_moe._compat import check_sample_weight

# Newton steps of the gate in one M-step. They start where the last M-step ended, so that
# few are enough: the expected log-likelihood rises, which is all that generalised EM
# asks for.
STEPS_PER_M_STEP = 2

# Up to this number of parameters the Hessian is formed and factorised.
MAX_DENSE_HESSIAN = 500


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
    tol : float, default=1e-6
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
    array([[0.92, 0.08],
           [0.1 , 0.9 ]])
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
    }

    def __init__(self, alpha=1e-3, *, max_iter=100, tol=1e-6, warm_start=False):
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    @_fit_context(prefer_skip_nested_validation=True)
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
                f"SoftmaxGate stopped at max_iter={self.max_iter} before the gradient "
                f"fell below tol={self.tol}; increase max_iter or alpha.",
                ConvergenceWarning,
                stacklevel=2,
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
        filled = _fill_missing(X, self.feature_mean_)
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


@dataclass(frozen=True)
class Solution:
    """Where the optimiser ended, and how.

    Attributes
    ----------
    parameters : ndarray of shape (n_classes, n_features + 1)
        Coefficients on standardised features, and in the last column the intercepts.
    n_iter : int
    converged : bool
    """

    parameters: np.ndarray
    n_iter: int
    converged: bool


class SoftmaxProblem:
    """The penalised cross-entropy of one design, ready for any targets.

    Standardising is done once, so that EM can solve for new targets again and again.

    Parameters
    ----------
    X : {ndarray, CSR} of shape (n_samples, n_features)
        May hold NaN.
    sample_weight : ndarray of shape (n_samples,)
    alpha : float
        Strength of the L2 penalty.

    Attributes
    ----------
    design : {ndarray, CSR} of shape (n_samples, n_features + 1)
        Standardised features and a last column of ones.
    """

    def __init__(self, X, sample_weight, alpha):
        # A sparse design is scaled only: the free intercept absorbs the shift, so that
        # the optimum is the same.
        centred = not sparse.issparse(X)
        with warnings.catch_warnings():
            # A column without one value has neither mean nor spread.
            warnings.simplefilter("ignore", RuntimeWarning)
            scaler = StandardScaler(with_mean=centred).fit(X, None, sample_weight)
        self.mean = np.nan_to_num(scaler.mean_)
        scale = np.nan_to_num(scaler.scale_, nan=1.0)
        self.scale = np.where(scale > 0, scale, 1.0)
        self.shift = self.mean if centred else np.zeros(X.shape[1])
        filled = _fill_missing(X, self.mean).astype(np.float64, copy=False)
        ones = np.ones((X.shape[0], 1))
        if centred:
            self.design = np.hstack([(filled - self.shift) / self.scale, ones])
        else:
            scaled = filled @ sparse.diags_array(1 / self.scale)
            self.design = sparse.hstack([scaled, ones], format="csr")
        self.sample_weight = sample_weight / sample_weight.sum()
        self.alpha = alpha

    def solve(self, targets, start=None, max_iter=100, tol=1e-6):
        """Minimise by Newton's method with a backtracking line search.

        In the literature on generalised linear models it goes by the name of
        iteratively reweighted least squares [1]_. No step makes the objective worse.

        Parameters
        ----------
        targets : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        start : ndarray of shape (n_classes, n_features + 1), default=None
            Parameters of an earlier solution; None means zeros.
        max_iter : int
        tol : float
            Largest element of the gradient.

        Returns
        -------
        solution : Solution

        References
        ----------
        .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts
           and the EM algorithm. Neural Computation 6(2), appendix A.
        """
        shape = targets.shape[1], self.design.shape[1]
        parameters = np.zeros(shape) if start is None else start
        if shape[0] == 1:
            return Solution(parameters, 0, True)
        loss, gradient = self.loss_and_gradient(parameters, targets)
        for n_iter in range(max_iter):
            if np.abs(gradient).max() <= tol:
                return Solution(parameters, n_iter, True)
            direction = -self._newton_direction(parameters, gradient)
            slope = np.vdot(gradient, direction)
            step = 1.0
            while True:
                candidate = parameters + step * direction
                new_loss, new_gradient = self.loss_and_gradient(candidate, targets)
                if new_loss <= loss + 1e-4 * step * slope:
                    break
                step /= 2
                if step < 1e-6:
                    # Floating point numbers cannot tell better from worse any more.
                    return Solution(parameters, n_iter, True)
            parameters, loss, gradient = candidate, new_loss, new_gradient
        return Solution(parameters, max_iter, bool(np.abs(gradient).max() <= tol))

    def loss_and_gradient(self, parameters, targets):
        """Penalised mean cross-entropy and its gradient by the parameters."""
        logits = safe_sparse_dot(self.design, parameters.T, dense_output=True)
        loss, derivative = kernels.softmax_cross_entropy(
            logits, targets, self.sample_weight
        )
        gradient = safe_sparse_dot(derivative.T, self.design, dense_output=True)
        gradient += self._ridge(len(parameters)) * parameters
        return loss + self.penalty(parameters), gradient

    def penalty(self, parameters):
        """The L2 penalty on the standardised coefficients."""
        return 0.5 * np.sum(self._ridge(len(parameters)) * parameters**2)

    def log_weights(self, parameters):
        """Logarithm of the gate's weights on the rows of the design."""
        return kernels.log_softmax(
            safe_sparse_dot(self.design, parameters.T, dense_output=True)
        )

    def to_input_units(self, parameters):
        """Coefficients and intercepts for features that are not standardised."""
        # Adding one vector to every row changes no weight: choose the representative
        # that sums to zero.
        parameters = parameters - parameters.mean(axis=0)
        coef = parameters[:, :-1] / self.scale
        return coef, parameters[:, -1] - coef @ self.shift

    def from_input_units(self, coef, intercept):
        """Inverse of `to_input_units`."""
        return np.column_stack([coef * self.scale, intercept + coef @ self.shift])

    def _ridge(self, n_classes):
        """Penalty of each column of the parameters; that of the intercept is zero."""
        ridge = np.full(self.design.shape[1], self.alpha)
        ridge[-1] = 0
        # Two opposite rows of half the size describe one logit: doubling makes their
        # penalty that of the logit.
        return 2 * ridge if n_classes == 2 else ridge

    def _newton_direction(self, parameters, gradient):
        """Solve the Newton equations: exactly where they are few, else by gradients."""
        probabilities = np.exp(self.log_weights(parameters))
        if gradient.size > MAX_DENSE_HESSIAN:
            return self._conjugate_gradients(probabilities, gradient)
        hessian = self._hessian(probabilities)
        # The softmax does not notice a common shift of its logits, so that the Hessian
        # is singular.
        hessian.flat[:: len(hessian) + 1] += 1e-10 * np.trace(hessian) / len(hessian)
        hessian.flat[:: len(hessian) + 1] += np.finfo(np.float64).tiny
        direction = linalg.solve(hessian, gradient.ravel(), assume_a="pos")
        return direction.reshape(gradient.shape)

    def _hessian(self, probabilities):
        n_classes, n_columns = probabilities.shape[1], self.design.shape[1]
        hessian = np.empty((n_classes, n_columns, n_classes, n_columns))
        for k in range(n_classes):
            for j in range(k + 1):
                curvature = (
                    self.sample_weight
                    * probabilities[:, k]
                    * ((k == j) - probabilities[:, j])
                )
                block = self._weighted_gram(curvature)
                hessian[k, :, j] = hessian[j, :, k] = block
        hessian = hessian.reshape(n_classes * n_columns, -1)
        ridge = np.tile(self._ridge(n_classes), n_classes)
        hessian.flat[:: len(hessian) + 1] += ridge
        return hessian

    def _weighted_gram(self, weights):
        if sparse.issparse(self.design):
            weighted = sparse.diags_array(weights) @ self.design
            return (self.design.T @ weighted).toarray()
        return self.design.T @ (weights[:, np.newaxis] * self.design)

    def _conjugate_gradients(self, probabilities, gradient):
        ridge = self._ridge(len(gradient))
        weighted = self.sample_weight[:, np.newaxis] * probabilities

        def hessian_times(vector):
            vector = vector.reshape(gradient.shape)
            logits = safe_sparse_dot(self.design, vector.T, dense_output=True)
            mean = np.sum(probabilities * logits, axis=1, keepdims=True)
            product = safe_sparse_dot(
                (weighted * (logits - mean)).T, self.design, dense_output=True
            )
            return (product + ridge * vector).ravel()

        squares = (
            self.design.power(2) if sparse.issparse(self.design) else self.design**2
        )
        diagonal = ridge + safe_sparse_dot(
            (weighted * (1 - probabilities)).T, squares, dense_output=True
        )
        diagonal = np.maximum(diagonal.ravel(), 1e-12)
        n_parameters = gradient.size
        direction, _ = splinalg.cg(
            splinalg.LinearOperator((n_parameters, n_parameters), hessian_times),
            gradient.ravel(),
            # Far from the optimum a rough direction is good enough (Dembo and
            # Steihaug, 1983).
            rtol=min(0.1, np.sqrt(np.abs(gradient).max())),
            maxiter=200,
            M=splinalg.LinearOperator(
                (n_parameters, n_parameters), lambda vector: vector / diagonal
            ),
        )
        return direction.reshape(gradient.shape)


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
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self._softmax, name):
                setattr(softmax, name, getattr(self._softmax, name))
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
            f"SoftmaxGate needs at least 2 classes in y, got one class: {classes[0]!r}."
        )
    return classes, np.eye(len(classes))[codes]


def _fill_missing(X, mean):
    """X with the column's mean in the place of NaN; X itself where nothing is missing."""
    if sparse.issparse(X):
        missing = np.isnan(X.data)
        if missing.any():
            X = X.copy()
            X.data[missing] = mean[X.indices[missing]]
        return X
    missing = np.isnan(X)
    return np.where(missing, mean.astype(X.dtype), X) if missing.any() else X
