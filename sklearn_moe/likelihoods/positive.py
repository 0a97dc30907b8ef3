"""Noise models of positive targets."""

from typing import Any, Self

import numpy as np
from scipy import stats
from scipy.special import digamma, polygamma
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import GammaRegressor, Ridge

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe.likelihoods.mean_error import MeanErrorNoise
from sklearn_moe.likelihoods.noise import RELATIVE_SCALE_FLOOR, Noise, Target

# Smallest location, relative to the mean of all targets.
RELATIVE_LOCATION_FLOOR = 1e-6


class PositiveNoise(Noise):
    """Base of the noise models of targets around a positive location.

    Experts that are not restricted to positive predictions may predict zero or less.
    Predictions below `floor_`, a small fraction of the mean of the target, are replaced
    by it.
    """

    targets = "positive numbers"

    def possible(self, y: np.ndarray) -> np.ndarray:
        return y > 0

    def predictive(self, location: np.ndarray) -> np.ndarray:
        return self._positive(location)

    def _fit_floor(self, target, n_experts):
        floor = _location_floor(target)
        self.floor_ = np.broadcast_to(floor, (n_experts, *target.mean.shape)).copy()

    def _positive(self, location):
        return _at_least(self.floor_, location)


@saved_as_dict
class GammaNoise(MeanErrorNoise, PositiveNoise):
    """Gamma noise, for positive targets whose spread is proportional to their mean.

    The experts predict the mean. Experts that minimise the gamma deviance (the default
    one, :class:`~sklearn.linear_model.GammaRegressor`, and boosting with
    ``loss="gamma"``) maximise this likelihood.

    Read more in the :ref:`User Guide <guide_noise>`.

    Attributes
    ----------
    shape_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Maximum-likelihood estimate of the shape, which is the inverse of the squared
        coefficient of variation.
    floor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Smallest mean: smaller predictions are replaced by it.

    See Also
    --------
    LogNormalNoise : Another noise of positive targets.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = np.linspace(-2, 2, 300).reshape(-1, 1)
    >>> y = rng.gamma(4, np.exp(np.abs(X[:, 0])) / 4)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, noise="gamma", sharing=0)
    >>> moe.fit(X, y).noise_.shape_.round(0)
    array([5., 4.])
    """

    distribution = stats.gamma

    def errors(self, target: Target, location: np.ndarray) -> np.ndarray:
        ratio = _ratio(target, location)
        return ratio - 1 - np.log(ratio)

    def learn(self, target: Target, mean: np.ndarray) -> Self:
        self._fit_floor(target, len(mean))
        self.shape_ = _gamma_shape(mean)
        return self

    def mean_error(self) -> np.ndarray:
        return np.log(self.shape_) - digamma(self.shape_)

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"a": self.shape_, "scale": self._positive(location) / self.shape_}

    def default_expert(self) -> Any:
        return GammaRegressor(alpha=1e-4, max_iter=1000, tol=1e-6)


@saved_as_dict
class LogNormalNoise(MeanErrorNoise, PositiveNoise):
    """Lognormal noise, for positive targets whose logarithm has gaussian noise.

    The experts predict the median: :class:`~sklearn.compose.TransformedTargetRegressor`
    with ``func=np.log, inverse_func=np.exp`` and a regressor that minimises squared
    errors (as in the default expert) maximises this likelihood. The mixture predicts
    the mean, which is larger, and raises an error if the mean overflows.

    Read more in the :ref:`User Guide <guide_noise>`.

    Attributes
    ----------
    sigma_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Standard deviation of the logarithm.
    floor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Smallest median: smaller predictions are replaced by it.

    See Also
    --------
    GammaNoise : Another noise of positive targets.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = np.linspace(-2, 2, 300).reshape(-1, 1)
    >>> y = np.exp(np.abs(X[:, 0]) + rng.normal(0, 0.5, 300))
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, noise="lognormal", sharing=0)
    >>> moe.fit(X, y).noise_.sigma_.round(1)
    array([0.5, 0.5])
    """

    distribution = stats.lognorm

    def errors(self, target: Target, location: np.ndarray) -> np.ndarray:
        return np.log(_ratio(target, location)) ** 2

    def learn(self, target: Target, mean: np.ndarray) -> Self:
        self._fit_floor(target, len(mean))
        self.sigma_ = np.maximum(np.sqrt(mean), RELATIVE_SCALE_FLOOR)
        return self

    def mean_error(self) -> np.ndarray:
        return self.sigma_**2

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"s": self.sigma_, "scale": self._positive(location)}

    def predictive(self, location: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            factor = np.exp(0.5 * self.sigma_**2).astype(location.dtype, copy=False)
            mean = self._positive(location) * factor
        if not np.isfinite(mean).all():
            raise ValueError(
                "The mean of lognormal noise is too large for a floating point number: "
                f"its sigma_ is up to {self.sigma_.max():.3g}. Predict the median, "
                "predict_quantiles(X, 0.5), or fit the mixture to the logarithm of y."
            )
        return mean

    def default_expert(self) -> Any:
        return TransformedTargetRegressor(
            Ridge(tol=1e-8), func=np.log, inverse_func=np.exp
        )


def _location_floor(target):
    """Return the smallest location of a positive target."""
    return RELATIVE_LOCATION_FLOOR * np.maximum(target.mean, target.floor)


def _ratio(target, location):
    """Return targets relative to their location, which is limited to the floor."""
    return target.y[:, np.newaxis] / _at_least(_location_floor(target), location)


def _at_least(floor, location):
    """Limit locations to a floor; keep their precision unless the floor underflows."""
    own = floor.astype(location.dtype, copy=False)
    return np.maximum(location, own if np.array_equal(own > 0, floor > 0) else floor)


def _gamma_shape(deviance):
    """Solve log(shape) - digamma(shape) = deviance for the shape."""
    deviance = np.maximum(deviance, 0.5 * RELATIVE_SCALE_FLOOR**2)
    # Minka (2002), "Estimating a gamma distribution", equation 10.
    shape = (3 - deviance + np.sqrt((deviance - 3) ** 2 + 24 * deviance)) / (
        12 * deviance
    )
    for _ in range(20):
        excess = np.log(shape) - digamma(shape) - deviance
        slope = 1 / shape - polygamma(1, shape)
        step = np.maximum(shape - excess / slope, shape / 2)
        if np.allclose(step, shape, rtol=1e-12, atol=0):
            break
        shape = step
    return step
