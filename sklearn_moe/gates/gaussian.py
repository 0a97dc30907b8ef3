"""The gaussian gate, an estimator of its own."""

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
    r"""Gate that gives each class a gaussian region of the features.

    The weight of a class is its posterior under a mixture of gaussians [1]_,

    .. math::
        g_k(x) = \frac{\pi_k \, \mathcal{N}(x; \mu_k, \Sigma_k)}
        {\sum_j \pi_j \, \mathcal{N}(x; \mu_j, \Sigma_j)}.

    Given the targets, means and covariances have a closed form, so that no optimiser is
    needed. The regions are bounded: far from all training rows no class is trusted
    because of a slope. Fitted inside a mixture, EM climbs the joint likelihood of rows
    and targets.

    Parameters
    ----------
    covariance_type : {"diag", "full"}, default="diag"
        Whether the features are independent in each region.
    reg_covar : float, default=1e-3
        Smallest variance in any direction, on standardised features; one below 1e-10
        counts as that.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; ``0, ..., n_classes - 1`` after a fit to soft targets.
    priors_ : ndarray of shape (n_classes,)
        Share of each class.
    means_ : ndarray of shape (n_classes, n_features)
        Centres, in the units of the input.
    covariances_ : ndarray of shape (n_classes, n_features[, n_features])
        Variances ("diag") or covariances ("full"), in the units of the input.
    encoder_ : FrameEncoder or None
        Turns the columns of a frame that do not hold numbers into numbers; None where
        there were none.
    feature_mean_ : ndarray of shape (n_features,)
        Means of the training columns, which stand in for missing values.
    feature_scale_ : ndarray of shape (n_features,)
        Standard deviations of the training columns; 0 for one that is constant but for
        rounding, which then tells no class from another, wherever a row lies.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has names.

    See Also
    --------
    SoftmaxGate : Gate of linear logits, the default.

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
        # A weight that rounds to one has the logarithm of one.
        return np.where(np.exp(log_weights) == 1, 0, log_weights)

    def _n_parameters_of_class(self):
        """Parameters of a logit, a ratio: its linear and its quadratic terms."""
        n_features = self.means_.shape[1]
        full = self.covariance_type == "full"
        n_squares = n_features * (n_features + 1) // 2 if full else n_features
        return 1 + n_features + n_squares

    def _set_standards(self, moments):
        """Learn mean and spread of the features."""
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
        """The regions on standardised features."""
        means = _divided(self.means_ - self.feature_mean_, self.feature_scale_)
        covariances = _divided(self.covariances_, self._squared_units())
        return Regions(self.priors_, means, covariances)

    def _squared_units(self):
        scale = self.feature_scale_
        return scale**2 if self.covariance_type == "diag" else np.outer(scale, scale)


def _divided(array, scale):
    """An array in units of a scale; zero where that is zero."""
    return np.divide(array, scale, out=np.zeros_like(array), where=scale > 0)
