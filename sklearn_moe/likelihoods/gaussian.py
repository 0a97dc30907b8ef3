"""Gaussian noise, with one standard deviation per expert or one per row."""

from math import log, pi
from typing import Any, Self

import numpy as np
from scipy import stats
from sklearn.linear_model import Ridge

from sklearn_moe._estimators import WeightedFit
from sklearn_moe._fit_warnings import one_fit
from sklearn_moe._parameters import count_parameters
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe.likelihoods.mean_error import ErrorSums, MeanErrorNoise
from sklearn_moe.likelihoods.noise import Noise, Target, over_outputs

# Minus the expected logarithm of a squared standard normal variable (Harvey, 1976).
HARVEY = np.euler_gamma + np.log(2)


@saved_as_dict
class GaussianNoise(MeanErrorNoise):
    """Gaussian noise around the prediction of each expert.

    Read more in the :ref:`User Guide <guide_noise>`.

    Parameters
    ----------
    common_scale : bool, default=False
        Whether all experts have the same standard deviation, for each output. This
        makes a mixture of few rows more stable: no expert can specialise in a few rows
        that it fits exactly.

    Attributes
    ----------
    scale_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Maximum-likelihood standard deviation, in the units of the target; it is at
        least a hundredth of the standard deviation of the target.

    See Also
    --------
    HeteroscedasticGaussian : Gaussian noise whose variance depends on the row.
    StudentTNoise : Noise with heavy tails.

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

    def __init__(self, common_scale: bool = False) -> None:
        self.common_scale = common_scale

    def errors(self, target: Target, location: np.ndarray) -> np.ndarray:
        return np.square(target.y[:, np.newaxis] - location)

    def default_error(self, target: Target) -> float | np.ndarray:
        # An expert without rows gets the variance of y.
        return target.spread**2

    def learn(self, target: Target, mean: np.ndarray) -> Self:
        self.scale_ = np.maximum(np.sqrt(mean), target.floor)
        return self

    def mean_error(self) -> np.ndarray:
        return self.scale_**2

    def mean_of(self, sums: ErrorSums, default: float | np.ndarray) -> np.ndarray:
        return super().mean_of(sums.pooled() if self.common_scale else sums, default)

    def n_parameters(self) -> int:
        return self.scale_[:1].size if self.common_scale else super().n_parameters()

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"loc": location, "scale": self.scale_}

    def log_prob(self, y: np.ndarray, location: np.ndarray, X: Any) -> np.ndarray:
        return _gaussian_log_prob(y, location, self.scale_)


@saved_as_dict
class HeteroscedasticGaussian(Noise):
    r"""Gaussian noise whose variance is predicted from the row by a second estimator.

    For each expert, this estimator is fitted to the logarithm of the squared errors
    [1]_. The predicted variance is then multiplied by a factor that makes the weighted
    mean of the standardised squared errors one, as maximum likelihood does.

    Read more in the :ref:`User Guide <guide_noise>`.

    Parameters
    ----------
    scale_estimator : regressor, default=None
        A clone of it is fitted for each expert. None means
        :class:`~sklearn.linear_model.Ridge`.

    Attributes
    ----------
    scale_estimators_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        The fitted estimators of the logarithm of the variance.
    log_bounds_ : ndarray of shape (n_experts, 2) or (n_experts, 2, n_outputs)
        The smallest and the largest target of these estimators; their predictions are
        clipped to this range, in which any mean of the targets lies.
    log_factor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Logarithm of the factor, which is added to the predictions.
    floor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Smallest standard deviation.

    See Also
    --------
    GaussianNoise : Gaussian noise with one standard deviation for each expert.

    References
    ----------
    .. [1] A. C. Harvey (1976). Estimating regression models with multiplicative
       heteroscedasticity. Econometrica 44(3), 461-465.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import HeteroscedasticGaussian, MixtureOfExpertsRegressor
    >>> X = np.linspace(0, 3, 500).reshape(-1, 1)
    >>> y = X[:, 0] + np.exp(X[:, 0] - 3) * np.random.default_rng(0).normal(size=500)
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=1, noise=HeteroscedasticGaussian(), random_state=0
    ... )
    >>> moe.fit(X, y).predict([[0.0], [3.0]], return_std=True)[1].round(1)
    array([0.1, 1. ])
    """

    distribution = stats.norm

    def __init__(self, scale_estimator: Any = None) -> None:
        self.scale_estimator = scale_estimator

    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
        shape = location.shape[1:]
        floor = np.broadcast_to(target.floor, shape)
        squares = (target.y[:, np.newaxis] - location).astype(np.float64) ** 2
        log_squares = np.log(np.maximum(squares, floor**2)) + HARVEY
        base = Ridge() if self.scale_estimator is None else self.scale_estimator
        # Seeds that are None have been set by the mixture. The fixed seed makes a
        # resample, for estimators without weights, the same in each iteration.
        estimator = WeightedFit(base, np.random.RandomState(0))
        self.scale_estimators_ = np.empty(shape, dtype=object)
        self.log_bounds_ = np.stack(
            [log_squares.min(axis=0), log_squares.max(axis=0)], axis=1
        )
        self.floor_ = floor.copy()
        self.log_factor_ = np.zeros(shape)
        unit = weights.sum() / len(weights)
        part = f"the scale_estimator of the noise, {base!r}"
        with one_fit(part):
            for index in np.ndindex(shape):
                try:
                    self.scale_estimators_[index] = estimator.fit(
                        target.X,
                        log_squares[:, *index],
                        weights[:, index[0]],
                        unit=unit,
                    )
                except Exception as error:
                    error.add_note(f"This is about {part}.")
                    raise
        ratio = squares / self._scale(location, target.X) ** 2
        mean_ratio = ErrorSums.of(ratio, weights).mean(default=1.0)
        self.log_factor_ = np.log(np.maximum(mean_ratio, 1e-8))
        return self

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"loc": location, "scale": self._scale(location, X)}

    def log_prob(self, y: np.ndarray, location: np.ndarray, X: Any) -> np.ndarray:
        return _gaussian_log_prob(y, location, self._scale(location, X))

    def n_parameters(self) -> int:
        of_estimators = map(count_parameters, self.scale_estimators_.flat)
        return sum(of_estimators) + self.log_factor_.size

    def _scale(self, location, X):
        log_variance = np.empty(location.shape)
        for k, *output in np.ndindex(self.scale_estimators_.shape):
            predicted = self.scale_estimators_[k, *output].predict(X)
            lower, upper = self.log_bounds_[k, :, *output]
            log_variance[:, k, *output] = np.clip(predicted, lower, upper)
        return np.maximum(np.exp(0.5 * (log_variance + self.log_factor_)), self.floor_)


def _gaussian_log_prob(y, location, scale):
    """Return the log density of each target under each expert, summed over outputs.

    This is a performance-critical part of EM: SciPy would validate all arguments, and
    convert float32 to float64.
    """
    scale = scale.astype(np.result_type(y, location), copy=False)
    log_prob = y[:, np.newaxis] - location
    log_prob *= np.sqrt(0.5) / scale
    np.square(log_prob, out=log_prob)
    np.subtract(-np.log(scale) - 0.5 * log(2 * pi), log_prob, out=log_prob)
    return over_outputs(log_prob)
