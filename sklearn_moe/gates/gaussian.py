"""The gaussian gate, which is also an estimator on its own."""

from numbers import Real
from typing import Literal

import numpy as np

from sklearn_moe import kernels
from sklearn_moe._sklearn import Interval, StrOptions
from sklearn_moe.gates._columns import column_moments, fill_missing
from sklearn_moe.gates._estimator import BaseGate
from sklearn_moe.gates._regions import ClassMoments, Regions, shrink_far_rows
from sklearn_moe.gates.bound_gaussian import BoundGaussian


class GaussianGate(BaseGate):
    r"""Gate that models the features of each class by a gaussian distribution.

    The weight of a class is its posterior under a mixture of gaussians [1]_,

    .. math::
        g_k(x) = \frac{\pi_k \, \mathcal{N}(x; \mu_k, \Sigma_k)}
        {\sum_j \pi_j \, \mathcal{N}(x; \mu_j, \Sigma_j)}.

    Given the targets, means and covariances have a closed form, so that no optimiser is
    needed. The regions of the classes are localised: unlike with linear logits, the
    weights far from all training rows do not follow from an extrapolated slope. In a
    mixture with this gate, EM maximises the joint likelihood of features and targets.

    Read more in the :ref:`User Guide <guide_gates>`.

    Parameters
    ----------
    covariance_type : {"diag", "full"}, default="diag"
        Whether each region has a diagonal covariance, with independent features, or a
        full covariance.
    reg_covar : float, default=1e-3
        Smallest variance in any direction, on standardised features. Values below 1e-10
        have the effect of 1e-10.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; ``0, ..., n_classes - 1`` after a fit to soft targets.
    priors_ : ndarray of shape (n_classes,)
        Prior probability of each class.
    means_ : ndarray of shape (n_classes, n_features)
        Centres, in the units of the input.
    covariances_ : ndarray of shape (n_classes, n_features[, n_features])
        Variances ("diag") or covariances ("full"), in the units of the input.
    encoder_ : FrameEncoder or None
        Encodes the columns of a frame that are not numeric as numbers; None if there
        were none.
    feature_mean_ : ndarray of shape (n_features,)
        Means of the training columns, which replace missing values.
    feature_scale_ : ndarray of shape (n_features,)
        Standard deviations of the training columns; 0 for a column that is constant up
        to rounding, which is then ignored in predictions.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only if X has feature names.

    See Also
    --------
    SoftmaxGate : Gate with linear logits, the default.

    References
    ----------
    .. [1] L. Xu, M. I. Jordan and G. E. Hinton (1995). An alternative model for
       mixtures of experts. Advances in Neural Information Processing Systems 7,
       equations 8 to 11.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import GaussianGate
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> gate = GaussianGate().fit(X, [0, 0, 1, 1])
    >>> gate.predict([[0.5], [4.5]])
    array([0, 1])
    >>> gate.means_
    array([[0.5],
           [4.5]])
    """

    bound_class = BoundGaussian
    _accept_sparse = False

    _parameter_constraints: dict = {
        "covariance_type": [StrOptions({"diag", "full"})],
        "reg_covar": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        covariance_type: Literal["diag", "full"] = "diag",
        *,
        reg_covar: float = 1e-3,
    ) -> None:
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar

    def _fit_block(self, block):
        self._set_standards(column_moments(block.X, block.sample_weight))
        moments = ClassMoments.of_block(
            block, self._standardised(block.X), block.y, self.covariance_type
        )
        self._set_regions(moments.regions(self.reg_covar))

    def _log_weights_of(self, features):
        joint = self._regions().log_joint(self._standardised(features))
        with np.errstate(over="ignore"):
            log_weights = kernels.log_softmax(joint).astype(features.dtype, copy=False)
        # A weight that rounds to one gets the logarithm zero.
        return np.where(np.exp(log_weights) == 1, 0, log_weights)

    def _n_parameters_of_class(self):
        """Return the number of parameters of a logit: a quadratic function."""
        n_features = self.means_.shape[1]
        full = self.covariance_type == "full"
        n_squares = n_features * (n_features + 1) // 2 if full else n_features
        return 1 + n_features + n_squares

    def _set_standards(self, moments):
        """Set the mean and the scale of the features."""
        self.feature_mean_ = moments.mean
        self.feature_scale_ = np.where(moments.constant, 0.0, moments.spread)

    def _standardised(self, X):
        filled = fill_missing(X, self.feature_mean_).astype(np.float64, copy=False)
        centred = filled - self.feature_mean_
        with np.errstate(over="ignore"):
            return shrink_far_rows(_divided(centred, self.feature_scale_))

    def _set_regions(self, regions):
        self.priors_ = regions.priors
        self.means_ = self.feature_mean_ + regions.means * self.feature_scale_
        self.covariances_ = regions.covariances * self._squared_units()

    def _regions(self):
        """Return the regions on standardised features."""
        means = _divided(self.means_ - self.feature_mean_, self.feature_scale_)
        covariances = _divided(self.covariances_, self._squared_units())
        return Regions(self.priors_, means, covariances)

    def _squared_units(self):
        scale = self.feature_scale_
        return scale**2 if self.covariance_type == "diag" else np.outer(scale, scale)


def _divided(array, scale):
    """Divide an array by a scale; the result is zero where the scale is zero."""
    return np.divide(array, scale, out=np.zeros_like(array), where=scale > 0)
