"""The objective of the softmax gate, and its minimisation by Newton and L-BFGS."""

from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sklearn_moe import kernels
from sklearn_moe._statistics import Sums
from sklearn_moe.gates._evidence import (
    FeatureProducts,
    label_information,
    learnt_alpha,
)
from sklearn_moe.gates._hessian import (
    cached_batches,
    conjugate_gradients,
    hessian_of_all,
    solve_damped,
    solver_at_even_weights,
)
from sklearn_moe.gates._memory import Surrogate
from sklearn_moe.gates._secants import NO_SECANTS, Secants

# Up to this number of parameters the Hessian is formed and factorised.
MAX_DENSE_HESSIAN = 500

# The first step of Newton's method estimates the Hessian from this many rows per
# parameter, drawn at random, but not from fewer than LEAST_ROWS; each further step uses
# twice as many rows. If there are fewer rows all are used: the cost is small then, and
# every step treats a row of weight two exactly like two equal rows.
ROWS_PER_PARAMETER = 50
LEAST_ROWS = 5_000

# A logit of -30 gives a class a negligible weight that can still grow in later steps.
LOGIT_OF_UNWANTED = -30.0


@dataclass(frozen=True)
class SoftmaxRows:
    """Design and weights of the rows of a block.

    Attributes
    ----------
    design : {ndarray, CSR} of shape (n_samples, n_features + 1)
        Standardised features and a last column of ones.
    sample_weight : ndarray of shape (n_samples,)
        Scaled such that the weights of all rows, including the previous rows of a
        stream, sum to one.
    share : float
        Sum of the weights of the block.
    """

    design: Any
    sample_weight: np.ndarray
    share: float


@dataclass(frozen=True)
class Loss(Sums):
    """Contribution of some rows to the objective at some parameters.

    Attributes
    ----------
    penalty : float
        The L2 penalty and the load-balancing loss.
    total : float
        The cross-entropy plus the penalty.
    gradient : ndarray of shape (n_classes, n_features + 1)
        Derivative of the total with respect to the parameters.
    """

    penalty: float
    total: float
    gradient: np.ndarray


@dataclass(frozen=True)
class LossFunction:
    """The penalised mean cross-entropy, as a sum over blocks of rows.

    Attributes
    ----------
    ridge : ndarray of shape (n_features + 1,)
        Strength of the L2 penalty on each column of the parameters.
    load_balance : float
        Strength of the load-balancing loss.
    load : ndarray of shape (n_classes,), default=None
        Fraction of the rows whose largest target is each class; None without a
        load-balancing loss.
    """

    ridge: np.ndarray
    load_balance: float
    load: Any = None

    def of_block(self, block, seen, targets, parameters, log_weights):
        """Return the loss of a block, including its share of the L2 penalty.

        The logarithm of the gate's weights is written to `log_weights`, unless this is
        None.
        """
        penalty, gradient = self.of_parameters(parameters)
        penalty *= seen.share
        gradient *= seen.share
        cross_entropy = 0.0
        # Once for all batches: the kernel would convert all targets in each of them.
        targets = np.asarray(targets, np.float64, order="F")
        for rows in cached_batches(*targets.shape):
            design = seen.design[rows]
            loss, derivative, own = kernels.softmax_cross_entropy(
                _logits(design, parameters), targets, seen.sample_weight, rows.start
            )
            cross_entropy += loss
            if log_weights is not None:
                log_weights[rows] = own
            if self.load is not None:
                imbalance, push = self._imbalance(own, seen.sample_weight[rows])
                penalty += imbalance
                derivative += push
            gradient += derivative.T @ design
        return Loss(penalty, cross_entropy + penalty, gradient)

    def of_parameters(self, parameters):
        """Return the L2 penalty and its gradient."""
        penalty = 0.5 * np.sum(self.ridge * parameters**2)
        return penalty, self.ridge * parameters

    def _imbalance(self, log_weights, sample_weight):
        """Return the load-balancing loss of some rows, and its gradient by logits."""
        weights = np.exp(log_weights)
        expected_load = weights @ self.load
        strength = self.load_balance * len(self.load)
        push = strength * sample_weight[:, np.newaxis] * weights
        push *= self.load - expected_load[:, np.newaxis]
        return strength * (sample_weight @ expected_load), push


@dataclass(frozen=True)
class Solution:
    """Result of a minimisation.

    Attributes
    ----------
    parameters : ndarray of shape (n_classes, n_features + 1)
        Coefficients on standardised features, with the intercepts in the last column.
    loss : Loss
    n_iter : int
    converged : bool
    secants : Secants
        The last steps, of this and previous minimisations.
    """

    parameters: np.ndarray
    loss: Loss
    n_iter: int
    converged: bool
    secants: Secants = NO_SECANTS


class SoftmaxObjective:
    """Penalised mean cross-entropy of given rows, as a function of the targets.

    The columns are standardised once, so that EM can solve for new targets in each
    iteration. In a stream the mean is over all rows, with older rows discounted: it is
    exact for the batch, and approximated by a quadratic surrogate for previous rows.

    Parameters
    ----------
    columns : GateColumns
        They may hold NaN.
    standards : Standards
        Standards of the columns of all rows.
    n_classes : int
    alpha, load_balance : float
        Strength of the L2 penalty, and of the load-balancing loss.
    past : Memory, default=None
        Memory of the previous rows.

    Attributes
    ----------
    seen : GateColumns
        The `SoftmaxRows` of each block.
    """

    def __init__(self, columns, standards, n_classes, alpha, load_balance, past=None):
        self._rows = columns.rows
        self.standards = standards
        self._past, self._total_weight = None, self._rows.total_weight
        self._past_information = None
        if past is not None:
            self._past = past.surrogate.moved(standards)
            self._past_information = past.information
            self._total_weight += past.weight
        self._share = self._rows.total_weight / self._total_weight
        self.seen = columns.then(_see, standards, self._total_weight).kept()
        self._products = FeatureProducts(self._rows, self.seen)
        self._drawn = {}
        self._shape = n_classes, len(standards.scale) + 1
        self._load_balance = load_balance
        self._penalise(alpha)

    def _penalise(self, alpha):
        ridge = np.full(self._shape[1], alpha)
        # The penalty of the intercept is zero.
        ridge[-1] = 0
        # Two opposite rows of half the size describe one logit: doubling makes their
        # penalty that of the logit.
        self._ridge = 2 * ridge if self._shape[0] == 2 else ridge
        self._loss = LossFunction(self._ridge, self._load_balance)

    def with_alpha(self, alpha):
        """Return the same objective with another strength of the penalty."""
        other = copy(self)
        other._penalise(alpha)
        return other

    def l2_penalty(self, parameters):
        """Return the L2 penalty of some parameters."""
        return self._loss.of_parameters(parameters)[0]

    def information(self, log_weights, targets=None):
        """Return the mean over all rows of the covariance of the labels.

        Parameters
        ----------
        log_weights : column of shape (n_samples, n_classes)
            Logarithm of the weights of the fitted gate.
        targets : column of shape (n_samples, n_classes), default=None
            Responsibilities, if the labels are latent; see `label_information`.

        Returns
        -------
        information : ndarray of shape (n_classes, n_classes)
        """
        found = self._rows.total(
            label_information, self.seen.of_all, log_weights, targets
        )
        if self._past_information is not None:
            found = found + (1 - self._share) * self._past_information
        return found

    def learnt_alpha(self, alpha, parameters, information):
        """Return the next strength of the penalty; see `learnt_alpha`."""
        spectrum = self._products.spectrum
        return learnt_alpha(
            alpha, parameters, information, spectrum, self._total_weight
        )

    def solve(self, targets, start=None, max_iter=100, tol=1e-6, rtol=0.0):
        """Minimise by Newton's method with a backtracking line search.

        For generalised linear models this method is known as iteratively reweighted
        least squares [1]_. No step increases the objective. If there are many rows, the
        first steps estimate the Hessian, but not the gradient, from a sample of them.

        Parameters
        ----------
        targets : column of shape (n_samples, n_classes)
            Rows sum to one.
        start : ndarray of shape (n_classes, n_features + 1), default=None
            Initial parameters, such as an earlier solution; None means zeros.
        max_iter : int
        tol, rtol : float
            The iterations stop when no element of the gradient is larger in absolute
            value than `tol`, or than `rtol` times the largest one at the start.

        Returns
        -------
        solution : Solution
        log_weights : column of shape (n_samples, n_classes)

        References
        ----------
        .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts
           and the EM algorithm. Neural Computation 6(2), appendix A.
        """
        loss_at, log_weights = self._losses(targets)
        parameters = np.zeros(self._shape) if start is None else start
        solution = self._descend(loss_at, parameters, log_weights, max_iter, tol, rtol)
        return self._with_log_weights(solution, log_weights)

    def improve(self, targets, start, secants, max_iter, tol, rtol):
        """Take some steps of L-BFGS towards the minimum, without forming the Hessian.

        No step increases the objective. The secants remain valid for other targets and
        other strengths of the penalty: with those of the last M-steps, the steps of the
        next M-step are almost as good as Newton steps. Without secants, the first step
        is a Newton step with the Hessian at parameters of zero.

        Parameters
        ----------
        targets, start : object
            See `solve`.
        secants : Secants
            Secants of the solution of the last M-step.
        max_iter, tol, rtol : float
            See `solve`.

        Returns
        -------
        solution : Solution
        log_weights : column of shape (n_samples, n_classes)
        """
        loss_at, log_weights = self._losses(targets)
        parameters = np.zeros(self._shape) if start is None else start
        if not self._load_balance:
            share = self._rows.total(_share_of, self.seen.of_all, targets)
            parameters = _without_weight(parameters, share == 0)
        solve = self._solver_at_even_weights()
        loss, n_iter = loss_at(parameters), 0
        tol = max(tol, rtol * np.abs(loss.gradient).max())
        while n_iter < max_iter and np.abs(loss.gradient).max() > tol:
            direction = secants.direction(loss.gradient, self._ridge, solve)
            before = parameters, loss
            parameters, loss, moved = line_search(loss_at, *before, direction)
            if not moved:
                break
            n_iter += 1
            step = parameters - before[0]
            change = loss.gradient - before[1].gradient - self._ridge * step
            secants = secants.with_step(step, change)
        converged = bool(np.abs(loss.gradient).max() <= tol)
        solution = Solution(parameters, loss, n_iter, converged, secants)
        return self._with_log_weights(solution, log_weights)

    def _losses(self, targets):
        """Return the loss as a function of the parameters, and an array of log weights.

        Each call of the function writes the log weights at its parameters to the array.
        The array is None if the rows lie in several blocks.
        """
        log_weights, loss = None, self._loss
        if self._rows.in_one_block:
            log_weights = np.empty((self._rows.n_samples, self._shape[0]), order="F")
            # Once for all evaluations.
            targets = np.asarray(targets, np.float64, order="F")
        if loss.load_balance:
            load = self._rows.total(_load_of, self.seen.of_all, targets)
            loss = replace(loss, load=load / self._share)
        return partial(self._at, targets, loss, log_weights), log_weights

    def _with_log_weights(self, solution, log_weights):
        if log_weights is None:
            log_weights = self.log_weights(solution.parameters)
        return solution, log_weights

    def _solver_at_even_weights(self):
        n_classes, n_columns = self._shape
        if n_columns > MAX_DENSE_HESSIAN:
            products = np.append(self.standards.mean_squares, 1.0)
        else:
            products = self._products.total
        return solver_at_even_weights(products, self._ridge, n_classes)

    def log_weights(self, parameters):
        """Return the gate's log weights, a column of shape (n_samples, n_classes)."""
        return self._rows.map(_log_weights_of, self.seen.of_all, parameters)

    def surrogate(self, parameters, log_weights, gradient):
        """Return the quadratic approximation of the objective without L2 penalty."""
        seen = self.seen.of_sample
        curvature = self._curvature(
            seen.design, seen.sample_weight, np.exp(log_weights)
        )
        gradient = gradient - self._ridge * parameters
        return Surrogate.about(parameters, gradient, curvature, self.standards)

    def _descend(self, loss_at, parameters, log_weights, max_iter, tol, rtol):
        loss = loss_at(parameters)
        tol = max(tol, rtol * np.abs(loss.gradient).max())
        for n_iter in range(max_iter):
            if np.abs(loss.gradient).max() <= tol:
                return Solution(parameters, loss, n_iter, True)
            direction = self._newton_direction(
                parameters, log_weights, loss.gradient, n_iter
            )
            parameters, loss, moved = line_search(loss_at, parameters, loss, direction)
            if not moved:
                return Solution(parameters, loss, n_iter, True)
        converged = bool(np.abs(loss.gradient).max() <= tol)
        return Solution(parameters, loss, max_iter, converged)

    def _at(self, targets, loss_function, log_weights, parameters):
        """Return the loss at some parameters, in one pass over the rows."""
        loss = self._rows.total(
            loss_function.of_block, self.seen.of_all, targets, parameters, log_weights
        )
        if self._past is None:
            return loss
        penalty, gradient = loss_function.of_parameters(parameters)
        of_past = Loss(
            penalty,
            self._past.value(parameters) + penalty,
            self._past.gradient(parameters) + gradient,
        )
        return loss + (1 - self._share) * of_past

    def _newton_direction(self, parameters, log_weights, gradient, n_iter):
        """Solve the Newton equations: directly, or by conjugate gradients if large."""
        rows, design, sample_weight = self._hessian_rows(gradient.size, n_iter)
        if log_weights is None:
            probabilities = np.exp(_log_softmax(design, parameters))
        else:
            probabilities = np.exp(log_weights[rows])
        if self._past is None and gradient.size > MAX_DENSE_HESSIAN:
            return conjugate_gradients(
                design, sample_weight, probabilities, self._ridge, gradient
            )
        hessian = self._curvature(design, sample_weight, probabilities)
        np.einsum("ii->i", hessian)[:] += np.tile(self._ridge, len(gradient))
        largest = np.max(self.standards.mean_squares, initial=1)
        return solve_damped(hessian, gradient, largest)

    def _hessian_rows(self, n_parameters, n_iter):
        """Draw rows for a Hessian [1]_; return them, their design and their weights.

        References
        ----------
        .. [1] R. H. Byrd, G. M. Chin, W. Neveitt and J. Nocedal (2011). On the use of
           stochastic Hessian information in optimization methods for machine learning.
           SIAM Journal on Optimization 21(3), 977-995.
        """
        seen = self.seen.of_sample
        design, sample_weight = seen.design, seen.sample_weight
        n_rows = max(LEAST_ROWS, ROWS_PER_PARAMETER * n_parameters) * 2**n_iter
        # In a stream, the curvature of previous rows is kept as a sum, from which no
        # rows can be drawn; the batch is used completely.
        if self._past is not None or n_rows >= len(sample_weight):
            return slice(None), design, sample_weight
        if n_rows not in self._drawn:
            # At random, and not at regular intervals: the rows may be periodic.
            drawn = np.sort(np.random.default_rng(0).random(n_rows))
            rows = np.searchsorted(np.cumsum(sample_weight), drawn)
            rows = np.minimum(rows, len(sample_weight) - 1)
            self._drawn[n_rows] = rows, design[rows], np.full(n_rows, 1 / n_rows)
        return self._drawn[n_rows]

    def _curvature(self, design, sample_weight, probabilities):
        """Return the Hessian of the objective without the L2 penalty."""
        curvature = hessian_of_all(design, sample_weight, probabilities)
        if self._past is not None:
            curvature += (1 - self._share) * self._past.curvature
        return curvature


def line_search(loss_at, parameters, loss, direction):
    """Backtrack along minus the direction until the loss decreases sufficiently.

    Returns
    -------
    parameters : ndarray of shape (n_classes, n_features + 1)
    loss : Loss
        Loss at these parameters, at which `loss_at` was called last.
    moved : bool
        False if no step of at least 1e-6 times the direction decreases the loss.
    """
    slope = np.vdot(loss.gradient, direction)
    step = 1.0
    while step >= 1e-6:
        candidate = parameters - step * direction
        found = loss_at(candidate)
        if found.total <= loss.total - 1e-4 * step * slope:
            return candidate, found, True
        step /= 2
    return parameters, loss_at(parameters), False


def _logits(design, parameters):
    """Return logits of shape (n_samples, n_classes), contiguous for each class."""
    return (parameters @ design.T).T


def _log_softmax(design, parameters):
    return kernels.log_softmax(_logits(design, parameters))


def _without_weight(parameters, unwanted):
    """Set the weights of classes without targets to almost zero, as in the minimum.

    EM redistributes the weights of retired experts among the others. If such a class
    kept some weight, a decrease of the gate's objective would not imply an increase of
    the likelihood.
    """
    if not unwanted.any():
        return parameters
    parameters = parameters - parameters[~unwanted].mean(axis=0)
    parameters[unwanted] = 0
    parameters[unwanted, -1] = LOGIT_OF_UNWANTED
    return parameters


# Functions of each block of rows


def _see(block, columns, standards, total_weight):
    return SoftmaxRows(
        standards.design(columns),
        block.sample_weight / total_weight,
        block.sample_weight.sum() / total_weight,
    )


def _log_weights_of(block, seen, parameters):
    return _log_softmax(seen.design, parameters)


def _share_of(block, seen, targets):
    return seen.sample_weight @ targets


def _load_of(block, seen, targets):
    """Return the weight of the rows of a block whose largest target is each class."""
    return np.bincount(targets.argmax(axis=1), seen.sample_weight, targets.shape[1])
