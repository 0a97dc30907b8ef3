"""Combine the predictions of experts, each of which predicts its own rows only."""

import numpy as np

from sklearn_moe import kernels


def keep_largest(gate_weights, n_kept):
    """Keep the largest weights of each row, renormalised, and set the others to zero.

    Parameters
    ----------
    gate_weights : ndarray of shape (n_samples, n_experts)
        Rows sum to one.
    n_kept : int
        Number of weights to keep [1]_; of equal weights the first are kept.

    Returns
    -------
    weights : ndarray of shape (n_samples, n_experts)
        Rows sum to one.

    References
    ----------
    .. [1] N. Shazeer et al. (2017). Outrageously large neural networks: the
       sparsely-gated mixture-of-experts layer. ICLR, equations 3 to 5.
    """
    if n_kept >= gate_weights.shape[1]:
        return gate_weights
    rows = np.arange(len(gate_weights))
    weights = np.zeros_like(gate_weights, order="F")
    rest = gate_weights.copy()
    for _ in range(n_kept):
        chosen = kernels.argmax(rest)
        weights[rows, chosen] = gate_weights[rows, chosen]
        rest[rows, chosen] = -1
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def dispatch(weights, predict):
    """Return the weighted mean of the experts' predictions, each for its own rows only.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_experts)
        Rows sum to one. With the weights of the gate, the result is the mean of the
        mixture [1]_. An expert is not evaluated for rows where its weight is zero.
    predict : callable
        ``predict(k, rows)`` returns the mean of the target by expert k for the rows of
        these indices. It is not called for an expert without rows.

    Returns
    -------
    pooled : ndarray of shape (n_samples, ...)

    References
    ----------
    .. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton (1991). Adaptive
       mixtures of local experts. Neural Computation 3(1), equation 1.2.
    """
    pooled = None
    # Fortran order, since each column is read on its own.
    weights = np.asfortranarray(weights)
    for k, expert_weights in enumerate(weights.T):
        rows = np.flatnonzero(expert_weights != 0)
        if not len(rows):
            continue
        expected = predict(k, rows)
        if pooled is None:
            dtype = np.result_type(weights, expected)
            pooled = np.zeros((len(weights), *expected.shape[1:]), dtype)
        # A slice of all rows is faster than their indices.
        own = slice(None) if len(rows) == len(weights) else rows
        row_weights = expert_weights[own].reshape(-1, *[1] * (expected.ndim - 1))
        pooled[own] += row_weights * expected
    return pooled


def dispatch_to_one(chosen, n_experts, predict, dtype):
    """Return the prediction of the chosen expert for each row.

    Parameters
    ----------
    chosen : ndarray of shape (n_samples,), int
        The expert of each row.
    n_experts : int
    predict : callable
        See `dispatch`.
    dtype : dtype
        Lowest precision of the predictions; those of an expert may raise it.

    Returns
    -------
    predictions : ndarray of shape (n_samples, ...)
    """
    # NumPy sorts small integers by a radix sort, which is faster.
    order = np.argsort(chosen.astype(np.min_scalar_type(n_experts)), kind="stable")
    ends = np.cumsum(np.bincount(chosen, minlength=n_experts))
    own_rows = [(k, r) for k, r in enumerate(np.split(order, ends[:-1])) if len(r)]
    blocks = [predict(k, rows) for k, rows in own_rows]
    predictions = np.empty(
        (len(chosen), *blocks[0].shape[1:]), np.result_type(dtype, *blocks)
    )
    for (_, rows), block in zip(own_rows, blocks):
        predictions[rows] = block
    return predictions
