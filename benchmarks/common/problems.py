"""Rows drawn from mixtures of linear experts with a softmax gate."""

import numpy as np


def gated_lines(n_rows, n_features=10, n_experts=4, seed=0):
    """Draw rows, targets and the expert that each target comes from.

    Parameters
    ----------
    n_rows, n_features, n_experts : int
    seed : int

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    expert : ndarray of shape (n_rows,), int
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features))
    gate = rng.normal(size=(n_features + 1, n_experts)) * 1.5
    coef = rng.normal(size=(n_features + 1, n_experts)) * 2
    scale = rng.uniform(0.3, 1.0, n_experts)
    logits = X @ gate[:-1] + gate[-1]
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    expert = (rng.random(n_rows)[:, np.newaxis] > weights.cumsum(axis=1)).sum(axis=1)
    expert = np.minimum(expert, n_experts - 1)
    means = X @ coef[:-1] + coef[-1]
    y = means[np.arange(n_rows), expert] + rng.normal(size=n_rows) * scale[expert]
    return X, y, expert
