"""The optimisation problem of the softmax gate, and Newton's method for it."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import linalg as splinalg
from sklearn.utils import gen_batches
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_moe import kernels
from sklearn_moe.gates._features import fill_missing, mean_and_scale

# Up to this number of parameters the Hessian is formed and factorised.
MAX_DENSE_HESSIAN = 500

# The first step of Newton's method takes its Hessian from so many rows for each
# parameter, drawn at random, and each step from twice as many as the last. Where there
# are few rows all are taken: there the cost is small, and that a row of weight two is
# as good as two rows holds for every step.
ROWS_PER_PARAMETER = 50
LEAST_ROWS = 5_000

# So many logits at a time pass through the processor's cache. They are 125 KB: workers
# of Dask return what is larger than 128 KB to the system at once, and it is dear to get
# it back.
BATCH_SIZE = 16_000
# On their way into the Hessian, where each is repeated for every class.
HESSIAN_BATCH_SIZE = 1024


@dataclass(frozen=True)
class Point:
    """The objective at some parameters.

    Attributes
    ----------
    parameters : ndarray of shape (n_classes, n_features + 1)
        Coefficients on standardised features, and in the last column the intercepts.
    log_weights : ndarray of shape (n_samples, n_classes)
        Logarithm of the gate's weights on the rows of the design.
    penalty : float
        What is added to the mean cross-entropy.
    loss : float
        The sum of both.
    gradient : ndarray of shape (n_classes, n_features + 1)
        Its derivative by the parameters.
    """

    parameters: np.ndarray
    log_weights: np.ndarray
    penalty: float
    loss: float
    gradient: np.ndarray


@dataclass(frozen=True)
class Solution:
    """Where the optimiser ended, and how.

    Attributes
    ----------
    point : Point
    n_iter : int
    converged : bool
    """

    point: Point
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
    load_balance : float, default=0
        Strength of the load-balancing loss.
    standards : tuple of ndarray, default=None
        Means and scales that standardise the columns; None means their own.

    Attributes
    ----------
    design : {ndarray, CSR} of shape (n_samples, n_features + 1)
        Standardised features and a last column of ones.
    """

    def __init__(self, X, sample_weight, alpha, load_balance=0.0, standards=None):
        # A sparse design is scaled only: the free intercept absorbs the shift, so that
        # the optimum is the same.
        centred = not sparse.issparse(X)
        self.mean, self.scale = standards or mean_and_scale(X, sample_weight)
        self.shift = self.mean if centred else np.zeros(X.shape[1])
        filled = fill_missing(X, self.mean).astype(np.float64, copy=False)
        if centred:
            self.design = np.ones((X.shape[0], X.shape[1] + 1))
            np.subtract(filled, self.shift, out=self.design[:, :-1])
            self.design[:, :-1] /= self.scale
        else:
            scaled = filled @ sparse.diags_array(1 / self.scale)
            ones = np.ones((X.shape[0], 1))
            self.design = sparse.hstack([scaled, ones], format="csr")
        self.sample_weight = sample_weight / sample_weight.sum()
        self.alpha = alpha
        self.load_balance = load_balance
        self._samples = {}

    def solve(self, targets, start=None, max_iter=100, tol=1e-6, rtol=0.0):
        """Minimise by Newton's method with a backtracking line search.

        In the literature on generalised linear models it goes by the name of
        iteratively reweighted least squares [1]_. No step makes the objective worse.
        Where there are many rows, the Hessian, not the gradient, is estimated from some
        of them in the first steps [2]_.

        Parameters
        ----------
        targets : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        start : ndarray of shape (n_classes, n_features + 1), default=None
            Parameters of an earlier solution; None means zeros.
        max_iter : int
        tol, rtol : float
            Largest element of the gradient, and as a part of what it is at the start.

        Returns
        -------
        solution : Solution

        References
        ----------
        .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts
           and the EM algorithm. Neural Computation 6(2), appendix A.
        .. [2] R. H. Byrd, G. M. Chin, W. Neveitt and J. Nocedal (2011). On the use of
           stochastic Hessian information in optimization methods for machine learning.
           SIAM Journal on Optimization 21(3), 977-995.
        """
        shape = targets.shape[1], self.design.shape[1]
        parameters = np.zeros(shape) if start is None else start
        # Of all rows there is one array: a point that is left behind has lost its own.
        log_weights = np.empty((self.design.shape[0], shape[0]))
        point = self.at(parameters, targets, log_weights)
        if shape[0] == 1:
            return Solution(point, 0, True)
        tol = max(tol, rtol * np.abs(point.gradient).max())
        n_rows = max(LEAST_ROWS, ROWS_PER_PARAMETER * point.gradient.size)
        for n_iter in range(max_iter):
            if np.abs(point.gradient).max() <= tol:
                return Solution(point, n_iter, True)
            direction = -self._newton_direction(point, self._sample(n_rows * 2**n_iter))
            slope = np.vdot(point.gradient, direction)
            step = 1.0
            while True:
                candidate = self.at(
                    point.parameters + step * direction, targets, log_weights
                )
                if candidate.loss <= point.loss + 1e-4 * step * slope:
                    break
                step /= 2
                if step < 1e-6:
                    # Floating point numbers cannot tell better from worse any more.
                    point = self.at(point.parameters, targets, log_weights)
                    return Solution(point, n_iter, True)
            point = candidate
        return Solution(point, max_iter, bool(np.abs(point.gradient).max() <= tol))

    def at(self, parameters, targets, log_weights):
        """The objective at some parameters, in one pass over the rows.

        Parameters
        ----------
        parameters : ndarray of shape (n_classes, n_features + 1)
        targets : ndarray of shape (n_samples, n_classes)
        log_weights : ndarray of shape (n_samples, n_classes) or None
            Where to write those of the point, if they are wanted.

        Returns
        -------
        point : Point
        """
        ridge = self._ridge(len(parameters))
        penalty = 0.5 * np.sum(ridge * parameters**2)
        gradient = ridge * parameters
        cross_entropy = 0.0
        load = self._load(targets)
        n_rows = max(250, BATCH_SIZE // len(parameters))
        for rows in gen_batches(len(targets), n_rows):
            design, weight = self.design[rows], self.sample_weight[rows]
            loss, derivative, own = kernels.softmax_cross_entropy(
                safe_sparse_dot(design, parameters.T, dense_output=True),
                targets[rows],
                weight,
            )
            cross_entropy += loss
            if log_weights is not None:
                log_weights[rows] = own
            if self.load_balance:
                imbalance, push = self._imbalance(own, load, weight)
                penalty += imbalance
                derivative += push
            gradient += safe_sparse_dot(derivative.T, design, dense_output=True)
        loss = cross_entropy + penalty
        return Point(parameters, log_weights, penalty, loss, gradient)

    def _load(self, targets):
        """The part of the rows that want each class most."""
        if not self.load_balance:
            return None
        return np.bincount(targets.argmax(axis=1), self.sample_weight, targets.shape[1])

    def _imbalance(self, log_weights, load, sample_weight):
        """The load-balancing loss of some rows, and its derivative by their logits."""
        weights = np.exp(log_weights)
        expected_load = weights @ load
        strength = self.load_balance * len(load)
        push = strength * sample_weight[:, np.newaxis] * weights
        push *= load - expected_load[:, np.newaxis]
        return strength * (sample_weight @ expected_load), push

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

    def _sample(self, n_rows):
        """Rows for the Hessian, and the design and the weights that they have there."""
        n_samples = len(self.sample_weight)
        if n_rows >= n_samples:
            return slice(None), self.design, self.sample_weight
        if n_rows not in self._samples:
            # At random, and not each so many: rows may come in periods.
            drawn = np.sort(np.random.default_rng(0).random(n_rows))
            rows = np.searchsorted(np.cumsum(self.sample_weight), drawn)
            rows = np.minimum(rows, n_samples - 1)
            self._samples[n_rows] = rows, self.design[rows], np.full(n_rows, 1 / n_rows)
        return self._samples[n_rows]

    def _newton_direction(self, point, sample):
        """Solve the Newton equations: exactly where they are few, else by gradients."""
        rows, design, sample_weight = sample
        probabilities = np.exp(point.log_weights[rows])
        gradient = point.gradient
        if not self._forms_hessian(gradient.size):
            return self._conjugate_gradients(
                design, sample_weight, probabilities, gradient
            )
        hessian = self._hessian(design, sample_weight, probabilities)
        # The softmax does not notice a common shift of its logits, and saturates where
        # classes are separable: the Hessian is singular. Damping in proportion to the
        # gradient keeps the convergence quadratic (Li, Fukushima, Qi and Yamashita,
        # 2004).
        diagonal = np.einsum("ii->i", hessian)
        diagonal += 1e-9 * diagonal.max() + 1e-4 * np.abs(gradient).max()
        direction = linalg.solve(hessian, gradient.ravel(), assume_a="pos")
        return direction.reshape(gradient.shape)

    def _forms_hessian(self, n_parameters):
        return n_parameters <= MAX_DENSE_HESSIAN

    def _hessian(self, design, sample_weight, probabilities):
        """Weighted sum of the covariance of each row's label, times its outer product.

        The covariance of a one-hot label is diag(p) - p p^T: one matrix product takes
        all pairs of classes at once. Its rows sum to zero, which gives the last class.
        """
        n_classes, n_columns = probabilities.shape[1], design.shape[1]
        n_parameters = (n_classes - 1) * n_columns
        hessian = np.zeros((n_parameters, n_parameters))
        same_class = np.zeros((n_parameters, n_columns))
        root_weight = np.sqrt(sample_weight)
        for rows in gen_batches(len(probabilities), HESSIAN_BATCH_SIZE):
            scaled = _scale_rows(design[rows], root_weight[rows])
            by_class = _times_each(scaled, probabilities[rows, :-1])
            hessian -= safe_sparse_dot(by_class.T, by_class, dense_output=True)
            same_class += safe_sparse_dot(by_class.T, scaled, dense_output=True)
        for k in range(n_classes - 1):
            own = slice(k * n_columns, (k + 1) * n_columns)
            hessian[own, own] += same_class[own]
        all_but_last = np.tile(np.eye(n_columns), (1, n_classes - 1))
        last = -all_but_last @ hessian
        hessian = np.block([[hessian, last.T], [last, -last @ all_but_last.T]])
        np.einsum("ii->i", hessian)[:] += np.tile(self._ridge(n_classes), n_classes)
        return hessian

    def _conjugate_gradients(self, design, sample_weight, probabilities, gradient):
        ridge = self._ridge(len(gradient))
        weighted = sample_weight[:, np.newaxis] * probabilities

        def hessian_times(vector):
            vector = vector.reshape(gradient.shape)
            logits = safe_sparse_dot(design, vector.T, dense_output=True)
            mean = np.sum(probabilities * logits, axis=1, keepdims=True)
            product = safe_sparse_dot(
                (weighted * (logits - mean)).T, design, dense_output=True
            )
            return (product + ridge * vector).ravel()

        squares = design.power(2) if sparse.issparse(design) else design**2
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


def _scale_rows(rows, factors):
    if sparse.issparse(rows):
        return sparse.diags_array(factors) @ rows
    return factors[:, np.newaxis] * rows


def _times_each(rows, probabilities):
    """The rows times the probability of each class, side by side."""
    if sparse.issparse(rows):
        return sparse.hstack(
            [_scale_rows(rows, column) for column in probabilities.T], format="csr"
        )
    products = probabilities[:, :, np.newaxis] * rows[:, np.newaxis]
    return products.reshape(len(rows), -1)
