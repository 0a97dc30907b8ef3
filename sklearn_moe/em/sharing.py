r"""Sharing of rows among experts, with a strength that maximises the evidence.

Sharing shrinks each expert towards an expert that is fitted to all rows. It adds the
term

.. math::
    c \sum_k \sum_i w_i \log p_k(y_i | x_i), \qquad c = \frac{\rho}{K (1 - \rho)},

to the objective of EM: the logarithm of a power prior [1]_ of the experts, in which all
rows count c times. As for the penalty of the gate, the strength of the prior follows
from the distance of the estimates to its mode and from the number of parameters that
the rows determine [2]_,

.. math::
    c = \frac{\sum_k \gamma_k}{2 \sum_k D_k}, \qquad
    \gamma_k = p_k \frac{n_k}{n_k + c \, n}, \qquad
    D_k = \sum_i w_i \left(\log p^0_k(y_i | x_i) - \log p_k(y_i | x_i)\right).

:math:`D_k` is the log-likelihood, over all rows, that expert k loses compared to an
expert :math:`p^0_k` that is fitted to all rows. :math:`p_k` is the number of its
coefficients and n the weight of all rows. :math:`n_k = \sum_i w_i r_{ik}^2` is the
weight of the rows that are informative about the expert; the square discounts rows
whose assignment is uncertain.

Experts that differ much share almost nothing. Experts that hardly differ would share
more and more, until they are equal; the sharing is therefore limited to a prior that is
worth one row for each coefficient.

References
----------
.. [1] J. G. Ibrahim and M.-H. Chen (2000). Power prior distributions for regression
   models. Statistical Science 15(1), 46-60.
.. [2] D. J. C. MacKay (1992). Bayesian interpolation. Neural Computation 4(3), 415-447,
   section 4.
"""

from typing import Any

import numpy as np

from sklearn_moe.em.step import log_prob_of_block, sharing_strength

# The largest sharing that is chosen automatically.
LARGEST_SHARING = 0.5


def unit_sharing(n_coefficients, total_weight):
    """Return the sharing whose prior is worth one row for each coefficient.

    Parameters
    ----------
    n_coefficients : float
        Number of coefficients of all experts together.
    total_weight : float

    Returns
    -------
    sharing : float
    """
    return min(n_coefficients / total_weight, LARGEST_SHARING)


class LearntSharing:
    """Estimator of the sharing, updated in each iteration of EM.

    Parameters
    ----------
    rows : Rows
    n_coefficients : ndarray of shape (n_experts,)
    outputs : column of shape (n_samples, n_experts, ...) or of Outputs
        Predictions for the training rows of experts that are fitted to all rows.

    Attributes
    ----------
    largest : float
        Upper limit of the sharing, and its initial value.
    """

    def __init__(self, rows: Any, n_coefficients, outputs: Any):
        self._rows, self._outputs = rows, outputs
        self._n_coefficients = np.asarray(n_coefficients)
        self.largest = unit_sharing(self._n_coefficients.sum(), rows.total_weight)

    def divergence(self, posterior, likelihood, active):
        """Return the log-likelihood lost compared to experts fitted to all rows.

        Parameters
        ----------
        posterior : Posterior
            Of the E-step after an M-step, with all sums.
        likelihood : FittedLikelihood
            Result of this M-step.
        active : ndarray of shape (n_experts,), bool

        Returns
        -------
        divergence : float
            Sum of :math:`D_k` over the active experts.
        """
        log_prob = self._rows.total(_log_prob_of_all, self._outputs, likelihood)
        held = active & np.isfinite(posterior.log_prob)
        return float(np.sum(log_prob[held] - posterior.log_prob[held]))

    def learn(self, sharing, divergence, posterior, active):
        """Return the sharing for the next M-step.

        Parameters
        ----------
        sharing : float
            The sharing of the last M-step.
        divergence : float
            See `divergence`.
        posterior : Posterior
            Of the E-step after the last M-step, with all sums.
        active : ndarray of shape (n_experts,), bool

        Returns
        -------
        sharing : float
        """
        n_experts, own = len(active), posterior.squares[active]
        of_prior = sharing_strength(sharing, n_experts) * self._rows.total_weight
        n_determined = self._n_coefficients[active] @ (own / (own + of_prior))
        if divergence <= 0:
            return self.largest
        shared = n_experts * n_determined / (2 * divergence)
        return min(shared / (1 + shared), self.largest)


def _log_prob_of_all(block, outputs, likelihood):
    """Sum the weighted log densities of the targets of a block, for each expert."""
    return block.sample_weight @ log_prob_of_block(block, outputs, likelihood)
