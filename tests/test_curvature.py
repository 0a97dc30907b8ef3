"""The Hessian of the cross-entropy, for gates and for logistic experts."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax

from sklearn_moe._curvature import cross_entropy_hessian

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sparse.csr_array])
@pytest.mark.parametrize("n_logits", [1, 3])
@pytest.mark.parametrize("n_samples", [7, 700])
def test_the_hessian_is_the_sum_over_rows(container, n_logits, n_samples):
    design = RNG.standard_normal((n_samples, 2))
    weights = RNG.uniform(0, 2, n_samples)
    logits = RNG.standard_normal((n_samples, n_logits + 1))
    probabilities = softmax(logits, axis=1)[:, 1:]
    expected = sum(
        w * np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
        for w, p, x in zip(weights, probabilities, design)
    )
    found = cross_entropy_hessian(container(design), weights, probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
