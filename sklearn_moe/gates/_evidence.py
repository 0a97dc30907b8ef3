r"""The strength of a softmax gate's penalty, learnt by maximising the evidence.

The penalty is minus the logarithm of a normal prior of the coefficients W, and the
evidence is the probability of the labels when the coefficients are integrated out
[1]_. Approximately, it is maximal if, with n the number of rows and :math:`\lambda` the
eigenvalues of the mean information about the coefficients,

.. math::
    \gamma = \sum_i \frac{\lambda_i}{\lambda_i + \alpha}, \qquad
    \alpha = \frac{\gamma}{n \lVert W \rVert^2},

where :math:`\gamma` is the number of coefficients that the rows determine. The
information is approximated by the Kronecker product of the covariance of the labels and
that of the features [2]_. In EM the labels are latent, and responsibilities take their
place: the missing information, which is the covariance of the labels given the
responsibilities, is then subtracted [3]_. Otherwise coefficients that separate almost
equal experts would count as well determined, and would be shrunk too much.

References
----------
.. [1] D. J. C. MacKay (1992). Bayesian interpolation. Neural Computation 4(3), 415-447,
   section 4.
.. [2] J. Martens and R. Grosse (2015). Optimizing neural networks with
   Kronecker-factored approximate curvature. ICML.
.. [3] T. A. Louis (1982). Finding the observed information matrix when using the EM
   algorithm. Journal of the Royal Statistical Society B 44(2), 226-233.
"""

from functools import cached_property

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_moe._curvature import scale_rows
from sklearn_moe.gates._hessian import cached_batches

# Initial strength. It makes the borders between experts soft, so that they can move.
FIRST_ALPHA = 1e-2

# Largest factor by which the strength changes from one M-step to the next.
LARGEST_FACTOR = 2.0

# Least precision of the prior, alpha times the number of rows: the prior standard
# deviation of a coefficient is then about 30, at which a border is almost a step.
LEAST_PRECISION = 1e-3
LARGEST_ALPHA = 1.0

# With more features than this, their covariance is approximated by the identity; they
# are standardised, so that only the covariances between features are neglected.
MAX_FEATURES = 2000


def learnt_alpha(alpha, parameters, information, spectrum, total_weight):
    """Return the next strength of the penalty, by a fixed-point step on the evidence.

    Parameters
    ----------
    alpha : float
        The strength with which the parameters were fitted.
    parameters : ndarray of shape (n_classes, n_features + 1)
        Coefficients on standardised features, with the intercepts in the last column.
    information : ndarray of shape (n_classes, n_classes)
        Mean over the rows of the covariance of the labels; see `label_information`.
    spectrum : ndarray of shape (n_features,)
        Eigenvalues of the covariance of the features.
    total_weight : float
        Number of rows.

    Returns
    -------
    alpha : float
    """
    # With two classes, the difference of their coefficients is penalised.
    factor = 2 if len(parameters) == 2 else 1
    of_labels = np.maximum(np.linalg.eigvalsh(information), 0)
    eigenvalues = np.outer(of_labels, spectrum)
    n_determined = np.sum(eigenvalues / (eigenvalues + factor * alpha))
    square = factor * np.sum(parameters[:, :-1] ** 2)
    largest = min(LARGEST_FACTOR * alpha, LARGEST_ALPHA)
    least = max(alpha / LARGEST_FACTOR, LEAST_PRECISION / total_weight)
    if n_determined >= largest * total_weight * square:
        return largest
    return max(n_determined / (total_weight * square), least)


def label_information(block, seen, log_weights, targets=None):
    """Sum the covariance matrices of the labels over the rows of a block.

    Parameters
    ----------
    block : Block
    seen : SoftmaxRows
    log_weights : ndarray of shape (n_samples, n_classes)
        Logarithm of the probabilities of the labels.
    targets : ndarray of shape (n_samples, n_classes), default=None
        Responsibilities, if the labels are latent. The covariance of the labels under
        these is subtracted.

    Returns
    -------
    information : ndarray of shape (n_classes, n_classes)
    """
    n_classes = log_weights.shape[1]
    information = np.zeros((n_classes, n_classes))
    for rows in cached_batches(len(log_weights), n_classes):
        weight = seen.sample_weight[rows]
        information += _covariance(np.exp(log_weights[rows]), weight)
        if targets is not None:
            information -= _covariance(targets[rows], weight)
    return information


class FeatureProducts:
    """Weighted sums of products of the design's columns, computed when first needed.

    Parameters
    ----------
    rows : Rows
    seen : GateColumns
        The `SoftmaxRows` of each block.
    """

    def __init__(self, rows, seen):
        self._rows, self._seen = rows, seen

    @cached_property
    def total(self):
        """Sum over all rows, of shape (n_features + 1, n_features + 1)."""
        return self._rows.total(_products_of, self._seen.of_all)

    @cached_property
    def spectrum(self):
        """Eigenvalues of the covariance of the features, of shape (n_features,)."""
        n_features = self._seen.of_sample.design.shape[1] - 1
        if n_features > MAX_FEATURES:
            return np.ones(n_features)
        return feature_spectrum(self.total)


def feature_spectrum(products):
    """Return the eigenvalues of the covariance of the features.

    Parameters
    ----------
    products : ndarray of shape (n_features + 1, n_features + 1)
        Weighted sum over all rows of the products of the design's columns.

    Returns
    -------
    spectrum : ndarray of shape (n_features,)
    """
    products = products / products[-1, -1]
    mean = products[-1, :-1]
    covariance = products[:-1, :-1] - np.outer(mean, mean)
    return np.maximum(np.linalg.eigvalsh(covariance), 0)


def _products_of(block, seen):
    scaled = scale_rows(seen.design, seen.sample_weight)
    return safe_sparse_dot(seen.design.T, scaled, dense_output=True)


def _covariance(probabilities, sample_weight):
    weighted = sample_weight[:, np.newaxis] * probabilities
    return np.diag(weighted.sum(axis=0)) - weighted.T @ probabilities
