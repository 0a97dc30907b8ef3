"""Logistic experts: Newton's method, from where the last M-step has ended."""

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

# Parameters that may be other than by default; the others stand for another objective,
# or for something to warn of.
FREE = {
    "C",
    "fit_intercept",
    "intercept_scaling",
    "max_iter",
    "random_state",
    "tol",
    "warm_start",
}

# The gradient that is left is at most this fraction of the largest that the estimator
# would leave, so that the solution is nearer to the optimum than its own.
GRADIENT_LEFT = 0.01

# Beyond so many parameters the Hessian is more work than the estimator's own steps.
MAX_PARAMETERS = 600

# After more steps, each of which may be halved so often, an expert is left to its own
# fit.
MAX_STEPS = 20
MAX_HALVINGS = 10

# A Hessian is used again after a step that leaves so small a fraction of the gradient:
# without it a step costs less than half.
GOOD_STEP = 0.2

# Numbers of a block of rows that are held at a time: they stay in the cache.
BLOCK = 2**16
LEAST_BATCH = 256


def is_logistic(estimator):
    """Whether `fit` minimises the cross-entropy with an L2 penalty.

    Parameters
    ----------
    estimator : estimator
        A subclass may do otherwise, and is not known.

    Returns
    -------
    known : bool
    """
    if type(estimator) is not LogisticRegression:
        return False
    params, defaults = estimator.get_params(), LogisticRegression().get_params()
    return all(params[name] == defaults[name] for name in set(params) - FREE)


class LogisticNewton:
    """Weighted logistic regressions on the same rows, again and again.

    The logits are those of all classes but the first, which has zero. Of two classes
    the penalty is that of the one logit; of more it is that of one for each class, of
    which all that is the same for all classes vanishes at the optimum.

    Parameters
    ----------
    rows : Rows
        To which the estimators can be fitted.
    classes : ndarray of shape (n_classes,)
        What the encoded targets mean.
    """

    def __init__(self, rows, classes):
        self._classes = classes
        self._serves = rows.in_one_block and len(classes) > 1
        if not self._serves:
            return
        # As the estimators convert it, which have found it finite before.
        design = check_array(
            rows.sample.X, accept_sparse=True, dtype=np.float64, ensure_all_finite=False
        )
        n_parameters = (len(classes) - 1) * (design.shape[1] + 1)
        self._serves = not issparse(design) and n_parameters <= MAX_PARAMETERS
        if self._serves:
            # With the values of each column in one piece all passes are faster.
            self._design = np.ones((len(design), design.shape[1] + 1), order="F")
            self._design[:, :-1] = design
            self._codes = rows.sample.encoded_y
            self._targets = _one_hot(self._codes, len(classes))
            # Of a Hessian that was good for each of the experts fitted.
            self._factors = WeakKeyDictionary()

    @in_one_blas_thread
    def fit(self, estimators, weights):
        """Fit experts to new weights, as far as Newton's method converges.

        Parameters
        ----------
        estimators : dict of {int: estimator}
            By the column of their weights; fitted before, to the same columns of X.
            They are not changed.
        weights : column of TrainingWeights

        Returns
        -------
        fitted : dict of {int: estimator}
        """
        fitted = {}
        for k, estimator in estimators.items() if self._serves else ():
            if not self._knows(estimator):
                continue
            # What overflows is no optimum.
            with np.errstate(over="ignore", invalid="ignore"):
                solved = self._solved(estimator, weights.of(k))
            if solved is not None:
                fitted[k] = solved
        return fitted

    @in_one_blas_thread
    def predict(self, estimators):
        """Predict for the training rows with many experts.

        Parameters
        ----------
        estimators : list of fitted estimators

        Returns
        -------
        values : list of ndarray of shape (n_samples, n_classes)
        """
        return [self._probabilities(estimator) for estimator in estimators]

    def _knows(self, estimator):
        """Whether it is what the last fit should have left."""
        return (
            type(estimator) is LogisticRegression
            and estimator.coef_.dtype == np.float64
            and np.array_equal(estimator.classes_, self._classes)
        )

    def _solved(self, estimator, weights):
        """A copy of an expert at the optimum; None where that has not been found."""
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
    """Targets (n_samples, n_classes), those of each class in one piece."""
    return np.asfortranarray(np.eye(n_classes)[codes])


@dataclass(frozen=True)
class LogisticLoss:
    """Mean cross-entropy of some rows, and the L2 penalty.

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
        Strength of the penalty beside the mean.
    intercept : bool
        Whether there is one.
    """

    design: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    n_classes: int
    strength: float
    intercept: bool

    def parameters_of(self, estimator):
        """Those of all classes but the first, relative to that; intercepts last."""
        parameters = estimator.coef_
        if self.intercept:
            parameters = np.column_stack([parameters, estimator.intercept_])
        return parameters if self.n_classes == 2 else parameters[1:] - parameters[0]

    def coefficients(self, parameters):
        """Coefficients and intercepts as the estimator has them."""
        if self.n_classes > 2:
            parameters = np.vstack([np.zeros_like(parameters[0]), parameters])
            parameters -= parameters.mean(axis=0)
        if self.intercept:
            return parameters[:, :-1].copy(), parameters[:, -1].copy()
        return parameters.copy(), np.zeros(len(parameters))

    def __call__(self, parameters, with_hessian):
        """Loss and gradient; the Hessian if it is wanted."""
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
        """The part of the parameters that is penalised."""
        if self.n_classes == 2:
            return parameters.copy()
        return parameters - parameters.sum(axis=0) / self.n_classes


def minimise(function, parameters, tol, max_steps, factor=None):
    """Minimise a convex function by Newton's method with a backtracking line search.

    A Hessian is kept as long as steps with it are good [1]_.

    Parameters
    ----------
    function : callable
        ``function(parameters, with_hessian)`` returns the value, the gradient and, if
        it is wanted, the Hessian.
    parameters : ndarray
        Where to begin.
    tol : float
        Largest element of the gradient that may be left.
    max_steps : int
    factor : Factor, default=None
        Of a Hessian that may still be good.

    Returns
    -------
    parameters : ndarray or None
        None where that much of the gradient has not been reached.
    n_steps : int
    factor : Factor or None
        Of the last Hessian, where it is still good.

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
    """A Hessian, scaled to a diagonal of one and factorised.

    Attributes
    ----------
    factor : ndarray of shape (n_parameters, n_parameters)
    scales : ndarray of shape (n_parameters,)
        Roots of the diagonal.
    """

    factor: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, hessian):
        """Factorise a Hessian; None where it is not positive definite."""
        scales = np.sqrt(hessian.diagonal())
        if not (np.isfinite(scales) & (scales > 0)).all():
            return None
        factor, failed = lapack.dpotrf(hessian / np.outer(scales, scales))
        return None if failed else cls(factor, scales)

    def solve(self, gradient):
        """Return the direction of the Newton step."""
        solution, _ = lapack.dpotrs(self.factor, gradient.ravel() / self.scales)
        return (solution.ravel() / self.scales).reshape(gradient.shape)
