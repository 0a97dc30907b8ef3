"""Gaussian noise, of one width for each expert."""

from math import log, pi

import numpy as np
from scipy import stats

from sklearn_moe.likelihoods.noise import MeanErrorNoise, over_outputs


class GaussianNoise(MeanErrorNoise):
    """Gaussian noise around the prediction of each expert.

    Attributes
    ----------
    scale_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Standard deviation, in the units of the target: that of maximum likelihood, not
        below a hundredth of the standard deviation of the target.

    See Also
    --------
    HeteroscedasticGaussian : Of a width that depends on the row.
    StudentTNoise : With heavy tails.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    >>> moe.fit(X, y).noise_.scale_.round(1)
    array([0.3, 0.3])
    """

    distribution = stats.norm

    def errors(self, target, location):
        return np.square(target.y[:, np.newaxis] - location)

    def ignorance(self, target):
        # An expert without rows knows nothing better than the spread of y.
        return target.spread**2

    def learn(self, target, mean):
        self.scale_ = np.maximum(np.sqrt(mean), target.floor)
        return self

    def mean_error(self):
        return self.scale_**2

    def parameters(self, location, X):
        return {"loc": location, "scale": self.scale_}

    def log_prob(self, y, location, X):
        return gaussian_log_prob(y, location, self.scale_)


def gaussian_log_prob(y, location, scale):
    """Log density of each target under each expert, outputs summed.

    It is the hot path of EM: SciPy would check every number, and forget float32.
    """
    scale = scale.astype(np.result_type(y, location), copy=False)
    log_prob = y[:, np.newaxis] - location
    log_prob *= np.sqrt(0.5) / scale
    np.square(log_prob, out=log_prob)
    np.subtract(-np.log(scale) - 0.5 * log(2 * pi), log_prob, out=log_prob)
    return over_outputs(log_prob)
