"""The Hessian of the mean cross-entropy, and the solution of the Newton equations."""

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack
from scipy.sparse import linalg as splinalg
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_moe._curvature import cross_entropy_hessian

# Number of logits that are processed at a time, to stay in the processor's cache; see
# `sklearn_moe._contracts.Rows.map`.
BATCH_SIZE = 16_000


def cached_batches(n_samples, n_classes):
    """Yield slices of rows whose logits fit into the processor's cache."""
    n_rows = max(250, BATCH_SIZE // n_classes)
    for first in range(0, n_samples, n_rows):
        yield slice(first, first + n_rows)


def hessian_of_all(design, sample_weight, probabilities):
    """Return the Hessian of the weighted cross-entropy for all classes.

    It is the weighted sum over the rows of the Kronecker product of the covariance of
    the label and the outer product of the row. The block of the last class follows from
    the others, since the rows of a covariance of labels sum to zero.
    """
    n_classes, n_columns = probabilities.shape[1], design.shape[1]
    hessian = cross_entropy_hessian(design, sample_weight, probabilities[:, :-1])
    all_but_last = np.tile(np.eye(n_columns), (1, n_classes - 1))
    last = -all_but_last @ hessian
    return np.block([[hessian, last.T], [last, -last @ all_but_last.T]])


def solve_damped(hessian, gradient, square):
    """Solve the Newton equations by a factorisation; the Hessian is overwritten.

    The Hessian is singular, because the softmax is invariant to a common shift of the
    logits; it also vanishes as the softmax saturates if the classes are separable.
    Damping in proportion to the gradient keeps the convergence quadratic (Li,
    Fukushima, Qi and Yamashita, 2004). If the softmax is saturated in all rows, the
    Hessian consists of rounding errors in proportion to `square`, the largest mean
    square of the columns.
    """
    diagonal = np.einsum("ii->i", hessian)
    diagonal += 1e-9 * diagonal.max() + 1e-4 * np.abs(gradient).max()
    diagonal += gradient.size * np.finfo(np.float64).eps * square
    direction = linalg.solve(hessian, gradient.ravel(), assume_a="pos")
    return direction.reshape(gradient.shape)


def conjugate_gradients(design, sample_weight, probabilities, ridge, gradient):
    """Solve the Newton equations by conjugate gradients, without forming the Hessian.

    The penalty adds `ridge`, of shape (n_columns,), to the diagonal of each class.
    """
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
    shape = gradient.size, gradient.size
    direction, _ = splinalg.cg(
        splinalg.LinearOperator(shape, hessian_times),
        gradient.ravel(),
        # Far from the optimum an approximate direction is sufficient (Dembo and
        # Steihaug, 1983).
        rtol=min(0.1, np.sqrt(np.abs(gradient).max())),
        maxiter=200,
        M=splinalg.LinearOperator(shape, lambda vector: vector / diagonal),
    )
    return direction.reshape(gradient.shape)


def solver_at_even_weights(products, ridge, n_classes):
    """Return a solver of the Newton equations where all classes are equally likely.

    At such parameters the covariance of the label is ``(I - 1/K) / K`` for every row,
    which is a multiple of an upper bound of the covariance at any parameters [1]_. The
    gradient sums to zero over the classes, so that a single factorisation of size
    n_columns suffices.

    Parameters
    ----------
    products : ndarray of shape (n_columns, n_columns) or (n_columns,)
        Weighted sum of the outer products of the rows of the design, or its diagonal.
    ridge : ndarray of shape (n_columns,)
        Added to the diagonal by the penalty.
    n_classes : int

    Returns
    -------
    solve : callable
        ``solve(gradient)`` returns the Newton direction, of shape (n_classes,
        n_columns).

    References
    ----------
    .. [1] D. Boehning (1992). Multinomial logistic regression algorithm. Annals of the
       Institute of Statistical Mathematics 44(1), 197-200.
    """
    diagonal = ridge + 1e-9 * np.max(products / n_classes + ridge)
    if products.ndim == 1:
        curvature = products / n_classes + diagonal
        return lambda gradient: gradient / curvature
    factor = linalg.cholesky(products / n_classes + np.diag(diagonal))
    return lambda gradient: lapack.dpotrs(factor, gradient.T)[0].T
