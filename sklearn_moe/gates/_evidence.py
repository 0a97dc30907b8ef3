r"""The strength of a softmax gate's penalty, learnt by maximising the evidence.

The penalty is minus the logarithm of a normal prior of the weights, and the evidence is
the probability of the labels when the weights are integrated out [1]_. Close to its
maximum, with n the number of rows and :math:`\lambda` the eigenvalues of the mean
information about the weights W,

.. math::
    \gamma = \sum_i \frac{\lambda_i}{\lambda_i + \alpha}, \qquad
    \alpha = \frac{\gamma}{n \lVert W \rVert^2},

where :math:`\gamma` is the number of weights that the rows determine. The information
is taken to be a Kronecker product of the covariance of the labels and that of the
features [2]_. Where labels are not known, and responsibilities stand for them, what
they would tell beyond the responsibilities is not in the rows: the information that is
missing is subtracted [3]_. Otherwise the weights of experts that hardly differ would
pass for well known ones, and be shrunk for it.

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

# Where learning begins. Borders that are soft at first can still move.
FIRST_ALPHA = 1e-2

# By so much it changes at most from one M-step to the next.
LARGEST_FACTOR = 2.0

# A weight may be as large as 30 for a feature of variance one; beyond that a border is
# a step.
LEAST_PRECISION = 1e-3
LARGEST_ALPHA = 1.0

# The covariance of more features is taken to be the identity, which it is for each.
MAX_FEATURES = 2000


def learnt_alpha(alpha, parameters, information, spectrum, total_weight):
    """The strength of the penalty by the evidence, close to where it is now.

    Parameters
    ----------
    alpha : float
        The strength at which the parameters were found.
    parameters : ndarray of shape (n_classes, n_features + 1)
        On standardised features, the intercepts last.
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
    # The penalty of two classes is that of the difference of their weights.
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
    """Sum over the rows of a block of the covariance of their label.

    Parameters
    ----------
    block : Block
    seen : SoftmaxRows
    log_weights : ndarray of shape (n_samples, n_classes)
        Logarithm of the probabilities of the labels.
    targets : ndarray of shape (n_samples, n_classes), default=None
        Where labels are not known: their probabilities when all is known that is. Their
        covariance is subtracted.

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
    """Products of the columns of the design, summed over all rows when first needed.

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
        """The sum (n_features + 1, n_features + 1)."""
        return self._rows.total(_products_of, self._seen.of_all)

    @cached_property
    def spectrum(self):
        """Eigenvalues (n_features,) of the covariance of the features."""
        n_features = self._seen.of_sample.design.shape[1] - 1
        if n_features > MAX_FEATURES:
            return np.ones(n_features)
        return feature_spectrum(self.total)


def feature_spectrum(products):
    """Eigenvalues of the covariance of the features.

    Parameters
    ----------
    products : ndarray of shape (n_features + 1, n_features + 1)
        The sum over all rows.

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
