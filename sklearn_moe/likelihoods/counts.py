"""Noise models of counts."""

from copy import copy
from typing import Any, Self

import numpy as np
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from sklearn.linear_model import PoissonRegressor

from sklearn_moe._estimators import isolates_rows
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe.likelihoods.mean_error import MeanErrorNoise
from sklearn_moe.likelihoods.noise import Target
from sklearn_moe.likelihoods.positive import PositiveNoise

# Limits of the size of the negative binomial distribution; beyond the upper limit it is
# almost a Poisson distribution.
LEAST_SIZE, MOST_SIZE = 1e-3, 1e6

# Largest count: the log factorial of a larger one is so large that rounding leaves no
# digits for the log probability.
MOST_COUNT = 1e12


class CountNoise(PositiveNoise):
    """Base of the noise models of counts around a positive mean.

    If the experts are different estimators, an expert that predicts zero for all its
    rows, such as a constant of zero, is a point mass at zero: its `floor_` is zero, and
    the mixture is zero-inflated. This does not apply to an expert that memorises rows,
    which may predict zero only because it has few rows. Nor does it apply if all
    experts predict zero, since other counts would then be impossible.
    """

    targets = f"counts, whole numbers from 0 to {MOST_COUNT:.0e}"
    remedy = (
        "Use counts, with their 'exposure' if it differs between rows, or rates with "
        "the exposure as sample_weight; otherwise choose another 'noise'."
    )
    takes_exposure = True

    # Exposure of the rows for which it is evaluated; None means one.
    _exposure: np.ndarray | None = None

    def at(self, exposure: np.ndarray | None) -> Self:
        """Return the same noise for rows with given exposures.

        Parameters
        ----------
        exposure : ndarray of shape (n_samples,) or None

        Returns
        -------
        noise : CountNoise
            The mean of its counts is the exposure times the location.
        """
        noise = copy(self)
        noise._exposure = exposure
        return noise

    def _mean(self, location):
        mean = self._positive(location)
        if self._exposure is None:
            return mean
        return mean * self._exposure.reshape(-1, *[1] * (mean.ndim - 1))

    def possible(self, y: np.ndarray) -> np.ndarray:
        return (y >= 0) & (y <= MOST_COUNT) & (y == np.round(y))

    # Mask of the experts that may be point masses; None means those that are already.
    _may_be_zero: np.ndarray | None = None

    def of_experts(self, experts: list) -> Self:
        noise = copy(self)
        unlike = len(set(map(id, experts))) > 1
        noise._may_be_zero = np.array(
            [unlike and not isolates_rows(expert) for expert in experts]
        )
        return noise

    def _fit_floors(self, target, zero):
        allowed = self._may_be_zero
        if allowed is None:
            allowed = np.zeros(len(zero), dtype=bool)
            if hasattr(self, "floor_"):
                allowed = (self.floor_ == 0).reshape(len(zero), -1).any(axis=1)
        self._fit_floor(target, len(zero))
        zero = zero & allowed.reshape(-1, *[1] * (zero.ndim - 1))
        self.floor_[zero & ~zero.all(axis=0)] = 0

    def default_expert(self) -> Any:
        return PoissonRegressor(alpha=1e-4, max_iter=1000, tol=1e-6)


@saved_as_dict
class PoissonNoise(MeanErrorNoise, CountNoise):
    """Poisson noise, for counts: the variance is equal to the mean.

    The experts predict the mean.

    Experts that minimise the Poisson deviance (the default one,
    :class:`~sklearn.linear_model.PoissonRegressor`, and boosting with
    ``loss="poisson"``) maximise this likelihood.

    Read more in the :ref:`User Guide <guide_noise>`.

    Attributes
    ----------
    floor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Smallest mean: smaller predictions are replaced by it. It is zero for an expert
        that always predicts zero, such as ``DummyRegressor(strategy="constant",
        constant=0)``, which is a point mass at zero, for zero-inflated counts.

    See Also
    --------
    NegativeBinomialNoise : Noise of overdispersed counts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> y = rng.poisson(np.exp(np.abs(X[:, 0])))
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, noise="poisson", sharing=0)
    >>> moe.fit(X, y).predict([[-2.0], [0.0], [2.0]]).round(0)
    array([8., 1., 6.])
    """

    distribution = stats.poisson

    def errors(self, target: Target, location: np.ndarray) -> np.ndarray:
        # A Poisson distribution has no parameter beside the mean; the mean of these
        # "errors" is zero for an expert that always predicts zero, a point mass.
        return (location != 0).astype(location.dtype)

    def learn(self, target: Target, mean: np.ndarray) -> Self:
        self._fit_floors(target, mean == 0)
        return self

    def mean_error(self) -> np.ndarray:
        return (self.floor_ > 0).astype(np.float64)

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"mu": self._mean(location)}


@saved_as_dict
class NegativeBinomialNoise(CountNoise):
    r"""Negative binomial noise, for overdispersed counts.

    The variance is :math:`\mu + \mu^2 / \theta`, larger than the Poisson variance. An
    expert that minimises the Poisson deviance (the default one,
    :class:`~sklearn.linear_model.PoissonRegressor`, and boosting with
    ``loss="poisson"``) is fitted with the working weights :math:`\theta / (\theta +
    \mu)`, the ratio of the two variances, where :math:`\mu` is its prediction in the
    previous iteration. If these iterations converge the likelihood is at its maximum
    [1]_. Experts with another loss get the same weights: an expert that minimises
    squared errors still estimates the mean, but not by maximum likelihood. With several
    outputs, a row has the mean of their working weights.

    Read more in the :ref:`User Guide <guide_noise>`.

    Attributes
    ----------
    size_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Maximum-likelihood estimate of :math:`\theta`.
    floor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Smallest mean: smaller predictions are replaced by it. It is zero for an expert
        that always predicts zero, as in :class:`PoissonNoise`; no :math:`\theta` is
        estimated for this expert.

    See Also
    --------
    PoissonNoise : Noise of counts whose variance is their mean.

    References
    ----------
    .. [1] W. N. Venables and B. D. Ripley (2002). Modern applied statistics with S, 4th
       edition, section 7.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = np.linspace(-2, 2, 300).reshape(-1, 1)
    >>> y = rng.negative_binomial(3, 3 / (3 + np.exp(2 + X[:, 0])))
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=1, noise="negative_binomial", random_state=0
    ... )
    >>> moe.fit(X, y).noise_.size_.round(0)
    array([3.])
    """

    distribution = stats.nbinom

    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
        idle = (weights == 0).reshape(*weights.shape, *[1] * (location.ndim - 2))
        self._fit_floors(target, ((location == 0) | idle).all(axis=0))
        mean = self.at(target.exposure)._mean(location)
        self.size_ = np.empty(mean.shape[1:])
        y = target.y.reshape(len(mean), 1, -1)
        for index in np.ndindex(self.size_.shape):
            self.size_[index] = _fit_size(
                y[:, 0, index[1] if len(index) == 2 else 0],
                mean[:, *index].astype(np.float64),
                weights[:, index[0]],
            )
        self.size_[self.floor_ == 0] = MOST_SIZE
        return self

    def n_parameters(self) -> int:
        return int(np.count_nonzero(self.floor_))

    def working_weights(
        self, y: np.ndarray, location: np.ndarray
    ) -> float | np.ndarray:
        factor = self.size_ / (self.size_ + self._mean(location))
        return factor.reshape(*factor.shape[:2], -1).mean(axis=2)

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {
            "n": self.size_,
            "p": self.size_ / (self.size_ + self._mean(location)),
        }


def _fit_size(y, mean, weights):
    """Return the maximum-likelihood size of negative binomial counts of known means."""
    if not weights.any():
        return MOST_SIZE
    weights = weights / weights.sum()

    def loss(log_size):
        size = np.exp(log_size)
        log_prob = (
            gammaln(y + size)
            - gammaln(size)
            - size * np.log1p(mean / size)
            - y * np.log(size + mean)
        )
        return -(weights @ log_prob)

    bounds = np.log([LEAST_SIZE, MOST_SIZE])
    options = {"xatol": 1e-8}
    return np.exp(
        minimize_scalar(loss, bounds=bounds, method="bounded", options=options).x
    )
