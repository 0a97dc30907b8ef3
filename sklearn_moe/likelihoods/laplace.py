"""Laplace noise."""

import numpy as np
from scipy import stats

from sklearn_moe.likelihoods.noise import MeanErrorNoise

# An error below this part of the scale counts as this part: its weight stays finite.
SMALLEST_ERROR = 1e-2


class LaplaceNoise(MeanErrorNoise):
    r"""Laplace noise: errors of exponential tails, which forgive outliers.

    Experts that minimise squared errors are fitted to reweighted rows,
    :math:`w_i b_k / |y_i - f_k(x_i)|` with the errors of the last iteration: the
    M-step of the Laplace distribution as a scale mixture of normal ones [1]_.

    Parameters
    ----------
    reweight : bool, default=True
        False for experts that minimise absolute errors by themselves
        (:class:`~sklearn.linear_model.QuantileRegressor`).

    Attributes
    ----------
    scale_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Mean absolute error, in the units of the target.

    See Also
    --------
    StudentTNoise : With tails as heavy as the data ask for.

    References
    ----------
    .. [1] W. Song, W. Yao and Y. Xing (2014). Robust mixture regression model fitting
       by Laplace distribution. Computational Statistics & Data Analysis 71, 128-137.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import LaplaceNoise, MixtureOfExpertsRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).laplace(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=2, noise=LaplaceNoise(), sharing=0
    ... )
    >>> moe.fit(X, y).noise_.scale_.round(1)
    array([0.3, 0.3])
    """

    distribution = stats.laplace

    def __init__(self, reweight=True):
        self.reweight = reweight

    def errors(self, target, location):
        return np.abs(target.y[:, np.newaxis] - location)

    def ignorance(self, target):
        return target.spread

    def learn(self, target, mean):
        self.scale_ = np.maximum(mean, target.floor)
        return self

    def mean_error(self):
        return self.scale_

    def parameters(self, location, X):
        return {"loc": location, "scale": self.scale_}

    def emphasis(self, y, location):
        if not self.reweight:
            return 1.0
        errors = np.abs(y[:, np.newaxis] - location) / self.scale_
        factor = 1 / np.maximum(errors, SMALLEST_ERROR)
        return factor.reshape(*factor.shape[:2], -1).mean(axis=2)
