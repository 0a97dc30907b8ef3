"""The objective of the softmax gate, a sum over rows, and Newton's method for it."""

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

# The first step of Newton's method takes its Hessian from so many rows for each
# parameter, drawn at random, and each step from twice as many as the last. Where there
# are few rows all are taken: there the cost is small, and that a row of weight two is
# as good as two rows holds for every step.
ROWS_PER_PARAMETER = 50
LEAST_ROWS = 5_000

# Nothing is left of such a weight, but it can grow again.
LOGIT_OF_UNWANTED = -30.0


@dataclass(frozen=True)
class SoftmaxRows:
    """The rows of a block as a softmax gate sees them.

    Attributes
    ----------
    design : {ndarray, CSR} of shape (n_samples, n_features + 1)
        Standardised features and a last column of ones.
    sample_weight : ndarray of shape (n_samples,)
        Those of all rows, also of those that a stream has brought before, sum to one.
    share : float
        The sum of those of the block.
    """

    design: Any
    sample_weight: np.ndarray
    share: float


@dataclass(frozen=True)
class Loss(Sums):
    """What some rows add to the objective at some parameters.

    Attributes
    ----------
    penalty : float
        What is added to the mean cross-entropy.
    total : float
        The sum of both.
    gradient : ndarray of shape (n_classes, n_features + 1)
        Its derivative by the parameters.
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
        Fraction of the rows that want each class most, where there is such a loss.
    """

    ridge: np.ndarray
    load_balance: float
    load: Any = None

    def of_block(self, block, seen, targets, parameters, log_weights):
        """Loss of a block, with its share of the L2 penalty.

        The logarithm of the gate's weights is written to `log_weights`, unless that is
        None.
        """
        penalty, gradient = self.of_parameters(parameters)
        penalty *= seen.share
        gradient *= seen.share
        cross_entropy = 0.0
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
        """The L2 penalty and its derivative."""
        penalty = 0.5 * np.sum(self.ridge * parameters**2)
        return penalty, self.ridge * parameters

    def _imbalance(self, log_weights, sample_weight):
        """The load-balancing loss of some rows, and its derivative by their logits."""
        weights = np.exp(log_weights)
        expected_load = weights @ self.load
        strength = self.load_balance * len(self.load)
        push = strength * sample_weight[:, np.newaxis] * weights
        push *= self.load - expected_load[:, np.newaxis]
        return strength * (sample_weight @ expected_load), push


@dataclass(frozen=True)
class Solution:
    """Where a minimisation ended, and how.

    Attributes
    ----------
    parameters : ndarray of shape (n_classes, n_features + 1)
        Coefficients on standardised features, and in the last column the intercepts.
    loss : Loss
    n_iter : int
    converged : bool
    secants : Secants
        What its steps, and those before, have shown of the curvature.
    """

    parameters: np.ndarray
    loss: Loss
    n_iter: int
    converged: bool
    secants: Secants = NO_SECANTS


class SoftmaxObjective:
    """The penalised mean cross-entropy of some rows, ready for any targets.

    Standardising is done once, so that EM can solve for new targets again and again. In
    a stream, the mean is that of all rows, of which each counts less the older it is:
    exact on the batch, a quadratic surrogate for the rows before.

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
        Memory of the rows before.

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
        """The same objective with another strength of the penalty."""
        other = copy(self)
        other._penalise(alpha)
        return other

    def l2_penalty(self, parameters):
        """The L2 penalty of some parameters."""
        return self._loss.of_parameters(parameters)[0]

    def information(self, log_weights, targets=None):
        """Mean over all rows of the covariance of the labels.

        Parameters
        ----------
        log_weights : column of shape (n_samples, n_classes)
            Where the gate fits.
        targets : column of shape (n_samples, n_classes), default=None
            Given where they stand for labels that nobody knows; see
            `label_information`.

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
        """The strength of the penalty by the evidence; see `learnt_alpha`."""
        spectrum = self._products.spectrum
        return learnt_alpha(
            alpha, parameters, information, spectrum, self._total_weight
        )

    def solve(self, targets, start=None, max_iter=100, tol=1e-6, rtol=0.0):
        """Minimise by Newton's method with a backtracking line search.

        In the literature on generalised linear models it goes by the name of
        iteratively reweighted least squares [1]_. No step makes the objective worse.
        Where there are many rows, the Hessian, not the gradient, is estimated from some
        of them in the first steps.

        Parameters
        ----------
        targets : column of shape (n_samples, n_classes)
            Rows sum to one.
        start : ndarray of shape (n_classes, n_features + 1), default=None
            Parameters of an earlier solution; None means zeros.
        max_iter : int
        tol, rtol : float
            The iterations stop when no element of the gradient is larger than `tol`, or
            than `rtol` times the largest one at the start.

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
        """Go towards the minimum by some steps of L-BFGS, which form no Hessian.

        No step makes the objective worse. What the steps show of the curvature holds
        for other targets and other strengths of the penalty: those of EM's last M-steps
        make the next one's as good as Newton's. Without any, the first step is Newton's
        at parameters of zero.

        Parameters
        ----------
        targets, start : object
            See `solve`.
        secants : Secants
            Those of the solution of the last M-step.
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
        """The loss by the parameters, and the log weights of the last ones it is asked.

        These are None where rows lie in many blocks.
        """
        log_weights, loss = None, self._loss
        if self._rows.in_one_block:
            # There is one array: parameters that are left behind have lost their own.
            log_weights = np.empty((self._rows.n_samples, self._shape[0]), order="F")
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
        """Logarithm of the gate's weights, a column of shape (n_samples, n_classes)."""
        return self._rows.map(_log_weights_of, self.seen.of_all, parameters)

    def surrogate(self, parameters, log_weights, gradient):
        """The objective close to some parameters, without the L2 penalty."""
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
        """Loss at some parameters, in one pass over the rows."""
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
        """Solve the Newton equations: exactly where they are few, else by gradients."""
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
        """Rows of the sample for a Hessian [1]_, their design and their weights.

        References
        ----------
        .. [1] R. H. Byrd, G. M. Chin, W. Neveitt and J. Nocedal (2011). On the use of
           stochastic Hessian information in optimization methods for machine learning.
           SIAM Journal on Optimization 21(3), 977-995.
        """
        seen = self.seen.of_sample
        design, sample_weight = seen.design, seen.sample_weight
        n_rows = max(LEAST_ROWS, ROWS_PER_PARAMETER * n_parameters) * 2**n_iter
        # The rows before have all left their curvature: there is nothing to draw from.
        if self._past is not None or n_rows >= len(sample_weight):
            return slice(None), design, sample_weight
        if n_rows not in self._drawn:
            # At random, and not each so many: rows may come in periods.
            drawn = np.sort(np.random.default_rng(0).random(n_rows))
            rows = np.searchsorted(np.cumsum(sample_weight), drawn)
            rows = np.minimum(rows, len(sample_weight) - 1)
            self._drawn[n_rows] = rows, design[rows], np.full(n_rows, 1 / n_rows)
        return self._drawn[n_rows]

    def _curvature(self, design, sample_weight, probabilities):
        """The Hessian without that of the L2 penalty."""
        curvature = hessian_of_all(design, sample_weight, probabilities)
        if self._past is not None:
            curvature += (1 - self._share) * self._past.curvature
        return curvature


def line_search(loss_at, parameters, loss, direction):
    """Go against a direction as far as the loss falls enough.

    Returns
    -------
    parameters : ndarray of shape (n_classes, n_features + 1)
    loss : Loss
        That of the parameters, for which it has been asked last.
    moved : bool
        False where no difference is left in floating point numbers.
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
    """Logits (n_samples, n_classes), those of each class in one piece."""
    return (parameters @ design.T).T


def _log_softmax(design, parameters):
    return kernels.log_softmax(_logits(design, parameters))


def _without_weight(parameters, unwanted):
    """Take the weight from classes that no row wants, as the minimum does.

    EM shares it among the others: where one is left some, that the objective falls
    would not tell that the likelihood rises.
    """
    if not unwanted.any():
        return parameters
    parameters = parameters - parameters[~unwanted].mean(axis=0)
    parameters[unwanted] = 0
    parameters[unwanted, -1] = LOGIT_OF_UNWANTED
    return parameters


# What is done with each block of the rows


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
    """Share of the weight of the rows of a block that want each class most."""
    return np.bincount(targets.argmax(axis=1), seen.sample_weight, targets.shape[1])
