"""Hessian of the cross-entropy of a softmax, for gates and logistic experts."""

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

# Number of values of the rows, repeated for every logit, that are added to the Hessian
# at a time, so that they stay in the cache.
BLOCK = 2**15


def cross_entropy_hessian(design, sample_weight, probabilities):
    """Return the Hessian of a weighted sum of cross-entropies by logit coefficients.

    It is the sum over the rows of the Kronecker product of the covariance of the label
    and the outer product of the row. The covariance of a one-hot label is
    diag(p) - p p^T, so that one matrix product takes all pairs of classes at once.

    Parameters
    ----------
    design : {ndarray, CSR} of shape (n_samples, n_columns)
    sample_weight : ndarray of shape (n_samples,)
    probabilities : ndarray of shape (n_samples, n_logits)
        Probabilities of all classes but the reference class, whose logit is zero.

    Returns
    -------
    hessian : ndarray of shape (n_parameters, n_parameters)
        The columns of the first logit come first.
    """
    n_logits, n_columns = probabilities.shape[1], design.shape[1]
    n_parameters = n_logits * n_columns
    hessian = np.zeros((n_parameters, n_parameters))
    same_class = np.zeros((n_parameters, n_columns))
    if n_logits == 1:
        # The covariance is a scalar, which is multiplied into the weight.
        first = probabilities[:, 0]
        sample_weight = sample_weight * first * (1 - first)
    root_weight = np.sqrt(sample_weight)
    size = max(256, BLOCK // (n_parameters + 1))
    for first in range(0, len(probabilities), size):
        rows = slice(first, first + size)
        scaled = scale_rows(design[rows], root_weight[rows])
        if n_logits == 1:
            hessian += safe_sparse_dot(scaled.T, scaled, dense_output=True)
            continue
        by_class = _times_each(scaled, probabilities[rows])
        hessian -= safe_sparse_dot(by_class.T, by_class, dense_output=True)
        same_class += safe_sparse_dot(by_class.T, scaled, dense_output=True)
    for k in range(n_logits):
        own = slice(k * n_columns, (k + 1) * n_columns)
        hessian[own, own] += same_class[own]
    return hessian


def scale_rows(rows, factors):
    """Multiply each row of a dense or sparse matrix by its factor."""
    if sparse.issparse(rows):
        return sparse.diags_array(factors) @ rows
    return factors[:, np.newaxis] * rows


def _times_each(rows, probabilities):
    """Return the rows times the probability of each class, stacked side by side."""
    if sparse.issparse(rows):
        return sparse.hstack(
            [scale_rows(rows, column) for column in probabilities.T], format="csr"
        )
    products = probabilities.T[:, np.newaxis] * rows.T
    return products.reshape(probabilities.shape[1] * rows.shape[1], len(rows)).T
