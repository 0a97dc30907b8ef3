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

# So many rows at a time pass through the processor's cache on their way into it.
BATCH_SIZE = 1024


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
    load_balance : float, default=0
        Strength of the load-balancing loss.

    Attributes
    ----------
    design : {ndarray, CSR} of shape (n_samples, n_features + 1)
        Standardised features and a last column of ones.
    """

    def __init__(self, X, sample_weight, alpha, load_balance=0.0):
        # A sparse design is scaled only: the free intercept absorbs the shift, so that
        # the optimum is the same.
        centred = not sparse.issparse(X)
        self.mean, self.scale = mean_and_scale(X, sample_weight)
        self.shift = self.mean if centred else np.zeros(X.shape[1])
        filled = fill_missing(X, self.mean).astype(np.float64, copy=False)
        ones = np.ones((X.shape[0], 1))
        if centred:
            self.design = np.hstack([(filled - self.shift) / self.scale, ones])
        else:
            scaled = filled @ sparse.diags_array(1 / self.scale)
            self.design = sparse.hstack([scaled, ones], format="csr")
        self.sample_weight = sample_weight / sample_weight.sum()
        self.alpha = alpha
        self.load_balance = load_balance

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
        imbalance, push = self._imbalance(logits, targets)
        loss, derivative, _ = kernels.softmax_cross_entropy(
            logits, targets, self.sample_weight
        )
        gradient = safe_sparse_dot(
            (derivative + push).T, self.design, dense_output=True
        )
        gradient += self._ridge(len(parameters)) * parameters
        return loss + self._norm(parameters) + imbalance, gradient

    def penalty(self, parameters, targets):
        """What is added to the mean cross-entropy."""
        logits = safe_sparse_dot(self.design, parameters.T, dense_output=True)
        return self._norm(parameters) + self._imbalance(logits, targets)[0]

    def _norm(self, parameters):
        """The L2 penalty on the standardised coefficients."""
        return 0.5 * np.sum(self._ridge(len(parameters)) * parameters**2)

    def _imbalance(self, logits, targets):
        """The load-balancing loss, and its derivative by the logits."""
        if not self.load_balance:
            return 0.0, 0.0
        n_classes = targets.shape[1]
        load = np.bincount(targets.argmax(axis=1), self.sample_weight, n_classes)
        weights = np.exp(kernels.log_softmax(logits))
        expected_load = weights @ load
        strength = self.load_balance * n_classes
        push = strength * self.sample_weight[:, np.newaxis] * weights
        push *= load - expected_load[:, np.newaxis]
        return strength * (self.sample_weight @ expected_load), push

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
        # The softmax does not notice a common shift of its logits, and saturates where
        # classes are separable: the Hessian is singular. Damping in proportion to the
        # gradient keeps the convergence quadratic (Li, Fukushima, Qi and Yamashita,
        # 2004).
        diagonal = np.einsum("ii->i", hessian)
        diagonal += 1e-9 * diagonal.max() + 1e-4 * np.abs(gradient).max()
        direction = linalg.solve(hessian, gradient.ravel(), assume_a="pos")
        return direction.reshape(gradient.shape)

    def _hessian(self, probabilities):
        """Weighted sum of the covariance of each row's label, times its outer product.

        The covariance of a one-hot label is diag(p) - p p^T: one matrix product takes
        all pairs of classes at once.
        """
        n_classes, n_columns = probabilities.shape[1], self.design.shape[1]
        n_parameters = n_classes * n_columns
        hessian = np.zeros((n_parameters, n_parameters))
        same_class = np.zeros((n_parameters, n_columns))
        root_weight = np.sqrt(self.sample_weight)
        for rows in gen_batches(len(probabilities), BATCH_SIZE):
            scaled = _scale_rows(self.design[rows], root_weight[rows])
            by_class = _times_each(scaled, probabilities[rows])
            hessian -= safe_sparse_dot(by_class.T, by_class, dense_output=True)
            same_class += safe_sparse_dot(by_class.T, scaled, dense_output=True)
        for k in range(n_classes):
            own = slice(k * n_columns, (k + 1) * n_columns)
            hessian[own, own] += same_class[own]
        hessian.flat[:: n_parameters + 1] += np.tile(self._ridge(n_classes), n_classes)
        return hessian

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
