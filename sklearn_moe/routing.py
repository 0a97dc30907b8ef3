"""Which experts answer for a row, and how their answers become one."""

import numpy as np


def combine(gate_weights, outputs, combination):
    """Pool the outputs of the experts.

    Parameters
    ----------
    gate_weights : ndarray of shape (n_samples, n_experts)
        Weights of the gate, rows sum to one.
    outputs : ndarray of shape (n_samples, n_experts, ...)
        Outputs of the experts.
    combination : {"weighted", "argmax"}
        The mean of the outputs under the gate's weights [1]_, or the output of the
        expert with the largest weight alone (the first of equals).

    Returns
    -------
    pooled : ndarray of shape (n_samples, ...)

    References
    ----------
    .. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton (1991). Adaptive
       mixtures of local experts. Neural Computation 3(1), equation 1.2.
    """
    if combination == "argmax":
        return outputs[np.arange(len(outputs)), gate_weights.argmax(axis=1)]
    return np.einsum("nk,nk...->n...", gate_weights, outputs)
