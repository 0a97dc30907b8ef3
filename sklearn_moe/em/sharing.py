r"""How much of each row all experts share, learnt by maximising the evidence.

Sharing holds an expert to what is right for all rows. The objective of EM has the term

.. math::
    c \sum_k \sum_i w_i \log p_k(y_i | x_i), \qquad c = \frac{\rho}{K (1 - \rho)},

which is minus the logarithm of a power prior [1]_ of the experts: one in which all
rows count c times. As with the penalty of the gate, the strength of a prior follows
from how far the estimates have moved away from its mode, and from how many parameters
the rows determine [2]_,

.. math::
    c = \frac{\sum_k \gamma_k}{2 \sum_k D_k}, \qquad
    \gamma_k = p_k \frac{n_k}{n_k + c \, n}, \qquad
    D_k = \sum_i w_i \left(\log p^0_k(y_i | x_i) - \log p_k(y_i | x_i)\right).

D is by how much an expert explains all rows worse than one that is fitted to all of
them, :math:`p_k` the number of its coefficients, n the weight of all rows, and
:math:`n_k = \sum_i w_i r_{ik}^2` that of the rows that tell of the expert: a row of
which it is not known to whom it belongs tells of none.

Experts that contradict each other share next to nothing. Those that hardly differ would
share all until they are one: no more is shared than what makes the prior worth one row
for each coefficient.

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

# The largest fraction of a row that is shared automatically.
LARGEST_SHARING = 0.5


def unit_sharing(n_coefficients, total_weight):
    """What makes all rows, as far as they are shared, worth a row per coefficient.

    Parameters
    ----------
    n_coefficients : float
        Of all experts.
    total_weight : float

    Returns
    -------
    sharing : float
    """
    return min(n_coefficients / total_weight, LARGEST_SHARING)


class LearntSharing:
    """What experts share, learnt in each iteration of EM.

    Parameters
    ----------
    rows : Rows
    n_coefficients : ndarray of shape (n_experts,)
    outputs : column of shape (n_samples, n_experts, ...) or of Outputs
        What the experts predict for the training rows when they are fitted to all.

    Attributes
    ----------
    largest : float
        Where learning begins.
    """

    def __init__(self, rows: Any, n_coefficients, outputs: Any):
        self._rows, self._outputs = rows, outputs
        self._n_coefficients = np.asarray(n_coefficients)
        self.largest = unit_sharing(self._n_coefficients.sum(), rows.total_weight)

    def divergence(self, posterior, likelihood, active):
        """By how much experts explain all rows worse than when fitted to all of them.

        Parameters
        ----------
        posterior : Posterior
            After an M-step, with all sums.
        likelihood : FittedLikelihood
            What the M-step has found.
        active : ndarray of shape (n_experts,), bool

        Returns
        -------
        divergence : float
            Sum over the active experts.
        """
        log_prob = self._rows.total(_log_prob_of_all, self._outputs, likelihood)
        held = active & np.isfinite(posterior.log_prob)
        return float(np.sum(log_prob[held] - posterior.log_prob[held]))

    def learn(self, sharing, divergence, posterior, active):
        """What is shared in the next M-step.

        Parameters
        ----------
        sharing : float
            What was shared in the last one.
        divergence : float
        posterior : Posterior
            After it, with all sums.
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
    """Weighted sum of the log density of the targets of a block under each expert."""
    return block.sample_weight @ log_prob_of_block(block, outputs, likelihood)
