"""Logistic experts, fitted by Newton's method from their last coefficients."""

from copy import copy
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import issparse
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_array

from sklearn_moe import kernels
from sklearn_moe._curvature import cross_entropy_hessian
from sklearn_moe._estimators import equal_if_zero, substantial_weights
from sklearn_moe._parallel import in_one_blas_thread

# Constructor parameters that may differ from the defaults; other parameters change the
# objective or cause warnings.
FREE = {
    "C",
    "fit_intercept",
    "intercept_scaling",
    "max_iter",
    "random_state",
    "tol",
    "warm_start",
}

# The remaining gradient is at most this fraction of the estimator's tolerance, so that
# the solution is closer to the optimum than that of the estimator's own fit.
GRADIENT_LEFT = 0.01

# With more parameters than this, the Hessian is more expensive than the estimator's own
# steps.
MAX_PARAMETERS = 600

# Limits on the number of steps and on the halvings of each; if they are exceeded, the
# estimator's own fit is used.
MAX_STEPS = 20
MAX_HALVINGS = 10

# A Hessian is reused after a step that reduces the gradient to this fraction or less: a
# step without a new Hessian costs less than half.
GOOD_STEP = 0.2

# Size of the arrays for a batch of rows, which fit into the processor's cache.
BLOCK = 2**16
LEAST_BATCH = 256


def is_logistic(estimator):
    """Return whether an estimator minimises the cross-entropy with an L2 penalty.

    Parameters
    ----------
    estimator : estimator
        Subclasses are not recognised, since they may override `fit`.

    Returns
    -------
    known : bool
    """
    if type(estimator) is not LogisticRegression:
        return False
    params, defaults = estimator.get_params(), LogisticRegression().get_params()
    return all(params[name] == defaults[name] for name in set(params) - FREE)


class LogisticNewton:
    """Repeated weighted logistic regressions on the same rows.

    The logit of the first class is zero, and the parameters are those of the other
    classes. With two classes the single logit is penalised. With more classes the
    penalty applies to logits of all classes, whose common part vanishes at the optimum.

    Parameters
    ----------
    rows : Rows
        Rows to which the estimators can be fitted.
    classes : ndarray of shape (n_classes,)
        Classes in the order of the encoded targets.
    """

    def __init__(self, rows, classes):
        self._classes = classes
        self._serves = rows.in_one_block and len(classes) > 1
        if not self._serves:
            return
        # Convert X as the estimators do; these have checked that it is finite.
        design = check_array(
            rows.sample.X, accept_sparse=True, dtype=np.float64, ensure_all_finite=False
        )
        n_parameters = (len(classes) - 1) * (design.shape[1] + 1)
        self._serves = not issparse(design) and n_parameters <= MAX_PARAMETERS
        if self._serves:
            # All passes are faster if columns are contiguous.
            self._design = np.ones((len(design), design.shape[1] + 1), order="F")
            self._design[:, :-1] = design
            self._codes = rows.sample.encoded_y
            self._targets = _one_hot(self._codes, len(classes))
            # For each fitted expert, the factor of a Hessian that can be reused.
            self._factors = WeakKeyDictionary()

    @in_one_blas_thread
    def fit(self, estimators, weights):
        """Fit experts to new weights, if Newton's method converges.

        Parameters
        ----------
        estimators : dict of {int: estimator}
            Experts, by the column of their weights. They must have been fitted to the
            same columns of X, and are not modified.
        weights : column of TrainingWeights

        Returns
        -------
        fitted : dict of {int: estimator}
            The experts for which Newton's method converged.
        """
        fitted = {}
        for k, estimator in estimators.items() if self._serves else ():
            if not self._knows(estimator):
                continue
            # If there is an overflow, the method does not converge.
            with np.errstate(over="ignore", invalid="ignore"):
                solved = self._solved(estimator, weights.of(k))
            if solved is not None:
                fitted[k] = solved
        return fitted

    @in_one_blas_thread
    def predict(self, estimators):
        """Predict the training rows with many experts.

        Parameters
        ----------
        estimators : list of fitted estimators

        Returns
        -------
        values : list of ndarray of shape (n_samples, n_classes)
        """
        return [self._probabilities(estimator) for estimator in estimators]

    def _knows(self, estimator):
        """Return whether a fitted estimator can be the start of Newton's method."""
        return (
            type(estimator) is LogisticRegression
            and estimator.coef_.dtype == np.float64
            and np.array_equal(estimator.classes_, self._classes)
        )

    def _solved(self, estimator, weights):
        """Return a copy of an expert at the optimum; None if it was not found."""
        rows, weights = substantial_weights(equal_if_zero(weights), self._codes)
        design, targets = self._design, self._targets
        if len(rows) < len(self._codes):
            design = design[rows]
            targets = _one_hot(self._codes[rows], len(self._classes))
        loss = LogisticLoss(
            design if estimator.fit_intercept else design[:, :-1],
            targets,
            weights / weights.sum(),
            len(self._classes),
            1 / (estimator.C * weights.sum()),
            estimator.fit_intercept,
        )
        parameters, n_steps, factor = minimise(
            loss,
            loss.parameters_of(estimator),
            GRADIENT_LEFT * estimator.tol,
            min(MAX_STEPS, estimator.max_iter),
            self._factors.get(estimator),
        )
        if parameters is None:
            return None
        fitted = copy(estimator)
        fitted.coef_, fitted.intercept_ = loss.coefficients(parameters)
        fitted.n_iter_ = np.array([n_steps], dtype=np.int32)
        self._factors[fitted] = factor
        return fitted

    def _probabilities(self, estimator):
        n_logits, n_classes = len(estimator.coef_), len(self._classes)
        logits = np.zeros((len(self._design), n_classes), order="F")
        lines = np.column_stack([estimator.coef_, estimator.intercept_])
        logits[:, -n_logits:] = (lines @ self._design.T).T
        found = kernels.log_softmax(logits)
        return np.exp(found, out=found)


def _one_hot(codes, n_classes):
    """Return one-hot targets (n_samples, n_classes), contiguous for each class."""
    return np.asfortranarray(np.eye(n_classes)[codes])


@dataclass(frozen=True)
class LogisticLoss:
    """Mean cross-entropy of some rows, with an L2 penalty.

    Attributes
    ----------
    design : ndarray of shape (n_samples, n_columns)
        The features, and a last column of ones if there is an intercept.
    targets : ndarray of shape (n_samples, n_classes)
        One-hot classes.
    weights : ndarray of shape (n_samples,)
        They sum to one.
    n_classes : int
    strength : float
        Strength of the penalty, relative to the mean cross-entropy.
    intercept : bool
        Whether there is an intercept.
    """

    design: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    n_classes: int
    strength: float
    intercept: bool

    def parameters_of(self, estimator):
        """Return the parameters of classes relative to the first; intercepts last."""
        parameters = estimator.coef_
        if self.intercept:
            parameters = np.column_stack([parameters, estimator.intercept_])
        return parameters if self.n_classes == 2 else parameters[1:] - parameters[0]

    def coefficients(self, parameters):
        """Return the coefficients and intercepts in the form of the estimator."""
        if self.n_classes > 2:
            parameters = np.vstack([np.zeros_like(parameters[0]), parameters])
            parameters -= parameters.mean(axis=0)
        if self.intercept:
            return parameters[:, :-1].copy(), parameters[:, -1].copy()
        return parameters.copy(), np.zeros(len(parameters))

    def __call__(self, parameters, with_hessian):
        """Return the loss, the gradient and the Hessian, or None without Hessian."""
        n_logits, n_columns = parameters.shape
        n_features = n_columns - self.intercept
        loss, gradient = 0.0, np.zeros_like(parameters)
        probabilities = np.empty((len(self.weights), n_logits), order="F")
        size = max(LEAST_BATCH, BLOCK // (n_columns + n_logits))
        for first in range(0, len(self.weights), size):
            rows = slice(first, first + size)
            seen = self.design[rows]
            logits = np.zeros((len(seen), 1 + n_logits), order="F")
            logits[:, 1:] = (parameters @ seen.T).T
            own, derivative, logits = kernels.softmax_cross_entropy(
                logits, self.targets, self.weights, first
            )
            loss += own
            gradient += derivative[:, 1:].T @ seen
            if with_hessian:
                np.exp(logits[:, 1:], out=probabilities[rows])
        coef = parameters[:, :n_features]
        penalty = self.strength * self._common_removed(coef)
        loss += 0.5 * np.vdot(coef, penalty)
        gradient[:, :n_features] += penalty
        if not with_hessian:
            return loss, gradient, None
        hessian = cross_entropy_hessian(self.design, self.weights, probabilities)
        blocks = hessian.reshape(n_logits, n_columns, n_logits, n_columns)
        penalised, by_class = np.arange(n_features), np.eye(n_logits)
        by_class = self.strength * self._common_removed(by_class)
        blocks[:, penalised, :, penalised] += by_class
        return loss, gradient, hessian

    def _common_removed(self, parameters):
        """Return the penalised part of the parameters."""
        if self.n_classes == 2:
            return parameters.copy()
        return parameters - parameters.sum(axis=0) / self.n_classes


def minimise(function, parameters, tol, max_steps, factor=None):
    """Minimise a convex function by Newton's method with a backtracking line search.

    A Hessian is reused as long as its steps reduce the gradient sufficiently [1]_.

    Parameters
    ----------
    function : callable
        ``function(parameters, with_hessian)`` returns the value, the gradient and, if
        requested, the Hessian.
    parameters : ndarray
        Initial parameters.
    tol : float
        Largest absolute value of the gradient's elements at the solution.
    max_steps : int
    factor : Factor, default=None
        Factor of a previous Hessian, which is tried first.

    Returns
    -------
    parameters : ndarray or None
        None if the tolerance was not reached.
    n_steps : int
    factor : Factor or None
        Factor of the last Hessian, if it can be reused.

    References
    ----------
    .. [1] V. E. Shamanskii (1967). A modification of Newton's method. Ukrainian
       Mathematical Journal 19(1), 118-122.
    """
    loss, gradient, hessian = function(parameters, factor is None)
    largest = np.abs(gradient).max()
    for n_steps in range(max_steps + 1):
        if largest <= tol:
            return parameters, n_steps, factor
        kept = factor is not None
        if not kept:
            if hessian is None:
                _, _, hessian = function(parameters, True)
            factor = Factor.of(hessian)
            if factor is None:
                break
        direction = factor.solve(gradient)
        slope = np.vdot(gradient, direction)
        for halvings in range(1 if kept else MAX_HALVINGS):
            step = 0.5**halvings
            candidate = parameters - step * direction
            found, derivative, hessian = function(candidate, False)
            if found <= loss - 1e-4 * step * slope + 1e-14 * abs(loss):
                break
        else:
            if not kept:
                break
            factor = None
            continue
        before = largest
        parameters, loss, gradient = candidate, found, derivative
        largest = np.abs(gradient).max()
        if largest > tol and largest > GOOD_STEP * before:
            factor = None
    return None, max_steps, None


@dataclass(frozen=True)
class Factor:
    """Factorisation of a Hessian that is scaled to a diagonal of one.

    Attributes
    ----------
    factor : ndarray of shape (n_parameters, n_parameters)
    scales : ndarray of shape (n_parameters,)
        Square roots of the diagonal.
    """

    factor: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, hessian):
        """Factorise a Hessian; return None if it is not positive definite."""
        scales = np.sqrt(hessian.diagonal())
        if not (np.isfinite(scales) & (scales > 0)).all():
            return None
        factor, failed = lapack.dpotrf(hessian / np.outer(scales, scales))
        return None if failed else cls(factor, scales)

    def solve(self, gradient):
        """Return the direction of the Newton step."""
        solution, _ = lapack.dpotrs(self.factor, gradient.ravel() / self.scales)
        return (solution.ravel() / self.scales).reshape(gradient.shape)
