"""Noise with heavy tails, for which experts are fitted with less weight on outliers."""

from abc import abstractmethod
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import stats
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, poch

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe.likelihoods.mean_error import ErrorSums, MeanErrorNoise
from sklearn_moe.likelihoods.noise import Noise, Target

# Lower limit of absolute errors in units of the scale, so that weights stay finite.
SMALLEST_ERROR = 1e-2

# Limits of the degrees of freedom: from tails so heavy that outliers have almost no
# influence to tails that are almost gaussian.
LEAST_DF, MOST_DF = 0.2, 200.0


class HeavyTailedNoise(Noise):
    """Base of the noise models that reweight rows for experts with a squared loss.

    Their parameter `reweight` is False for experts that are robust by themselves.
    """

    @abstractmethod
    def _factor(self, errors):
        """Return the factor on the weights of rows, from their standardised errors."""

    @property
    def has_working_weights(self) -> bool:
        return self.reweight

    def working_weights(
        self, y: np.ndarray, location: np.ndarray
    ) -> float | np.ndarray:
        if not self.reweight:
            return 1.0
        factor = self._factor((y[:, np.newaxis] - location) / self.scale_)
        return factor.reshape(*factor.shape[:2], -1).mean(axis=2)


class Laplace(type(stats.laplace)):  # type: ignore[misc]
    """SciPy's distribution, with logarithms that stay finite far from the centre.

    SciPy takes the logarithm of the density, which is zero beyond 745 scales.
    """

    def _logpdf(self, x):
        return -np.abs(x) - np.log(2)

    def _logcdf(self, x):
        upper = np.log1p(-0.5 * np.exp(-np.abs(x)))
        return np.where(x < 0, x - np.log(2), upper)

    def _logsf(self, x):
        return self._logcdf(-x)


laplace = Laplace(name="laplace")


class StudentT(type(stats.t)):  # type: ignore[misc]
    """SciPy's distribution for finite degrees of freedom, with quantiles of all levels.

    SciPy's branch for infinite ones repeats the constants of the density, the slowest
    part, for each target. Its quantiles of tiny levels may be infinite and of the wrong
    sign; in older versions they end at 1e100.
    """

    def _logpdf(self, x, df):
        return _log_peak(df) - (df + 1) / 2 * np.log1p(x * x / df)

    def _ppf(self, q, df):
        quantile = super()._ppf(q, df)
        # Far out the distribution function is a power of the distance.
        log_distance = (_log_peak(df) - np.log(q) + (df - 1) / 2 * np.log(df)) / df
        far = (q < 0.5) & ((log_distance > np.log(1e9 * df)) | (quantile > 0))
        with np.errstate(over="ignore"):
            power = -np.exp(np.where(far, log_distance, 0))
        return np.where(far, power, quantile)

    def _isf(self, q, df):
        return -self._ppf(q, df)


student_t = StudentT(name="t")


def _log_peak(df):
    """Return the logarithm of the density at the centre, for a scale of one."""
    return np.log(poch(df / 2, 0.5)) - 0.5 * np.log(np.pi * df)


@saved_as_dict
class LaplaceNoise(HeavyTailedNoise, MeanErrorNoise):
    r"""Laplace noise: the tails are exponential, so that outliers have less influence.

    Experts that minimise squared errors are fitted with the weights :math:`w_i b_k /
    |y_i - f_k(x_i)|`, with the errors of the previous iteration: this is the M-step for
    the Laplace distribution as a scale mixture of normal distributions [1]_.

    Read more in the :ref:`User Guide <guide_noise>`.

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
    StudentTNoise : Noise with tails as heavy as those of the data.

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

    distribution = laplace

    def __init__(self, reweight: bool = True) -> None:
        self.reweight = reweight

    def errors(self, target: Target, location: np.ndarray) -> np.ndarray:
        return np.abs(target.y[:, np.newaxis] - location)

    def default_error(self, target: Target) -> float | np.ndarray:
        return target.spread

    def learn(self, target: Target, mean: np.ndarray) -> Self:
        self.scale_ = np.maximum(mean, target.floor)
        return self

    def mean_error(self) -> np.ndarray:
        return self.scale_

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"loc": location, "scale": self.scale_}

    def _factor(self, errors):
        return 1 / np.maximum(np.abs(errors), SMALLEST_ERROR)


@saved_as_dict
class StudentTNoise(HeavyTailedNoise):
    r"""Student's t noise: the tails are heavy, so that outliers have little influence.

    Experts that minimise squared errors are fitted with the weights :math:`w_i (\nu_k +
    1) / (\nu_k + e_{ik}^2)`, with the standardised errors :math:`e_{ik}` of the
    previous iteration: this is the M-step of [1]_, equation 25.

    Read more in the :ref:`User Guide <guide_noise>`.

    Parameters
    ----------
    df : float, default=None
        Degrees of freedom, above 0. None means that they are estimated for each
        expert, between 0.2 and 200.
    reweight : bool, default=True
        False for experts that are robust by themselves.

    Attributes
    ----------
    scale_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Scale, in the units of the target. The standard deviation is larger, and is
        infinite for two degrees of freedom or less. For one degree of freedom or less
        there is no mean, and the mixture predicts the centre.
    df_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Degrees of freedom.

    See Also
    --------
    LaplaceNoise : Noise whose likelihood depends on absolute errors.

    References
    ----------
    .. [1] F. Chamroukhi (2016). Robust mixture of experts modeling using the t
       distribution. Neural Networks 79, 20-36.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor, StudentTNoise
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> y[::20] += 30
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=2, noise=StudentTNoise(df=2), random_state=0
    ... )
    >>> moe.fit(X, y).predict([[-2.0], [2.0]]).round(1)
    array([2., 2.])
    """

    distribution = student_t

    def __init__(self, df: float | None = None, reweight: bool = True) -> None:
        self.df = df
        self.reweight = reweight

    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
        if self.df is not None and not (
            isinstance(self.df, Real) and 0 < self.df < np.inf
        ):
            raise ValueError(
                "The df of StudentTNoise must be positive and finite, or None to be "
                f"estimated; got {self.df!r}. Gaussian noise has infinite df."
            )
        errors = target.y[:, np.newaxis] - location
        variance = ErrorSums.of(errors**2, weights).mean(default=target.spread**2)
        deviation = np.maximum(np.sqrt(variance), target.floor)
        self.scale_, self.df_ = np.empty_like(deviation), np.empty_like(deviation)
        for index in np.ndindex(deviation.shape):
            self.scale_[index], self.df_[index] = _fit_t(
                errors[:, *index].astype(np.float64),
                weights[:, index[0]],
                deviation[index],
                np.broadcast_to(target.floor, deviation.shape)[index],
                self.df,
            )
        return self

    @property
    def adds_up(self) -> bool:  # type: ignore[override]
        """Whether it is fitted: it then updates its scale by sums, and keeps its df."""
        return hasattr(self, "scale_")

    def _summarize(self, target, location, weights):
        errors = target.y[:, np.newaxis] - location
        # The EM update of the squared scale is the mean of these weighted squares: a t
        # distribution is a scale mixture of normal distributions.
        factor = self._factor(errors / self.scale_)
        return ErrorSums.of(factor * errors**2, weights)

    def _solve(self, target, statistic):
        variance = statistic.mean(default=self.scale_**2)
        self.scale_ = np.maximum(np.sqrt(variance), target.floor)
        return self

    def _recall(self, weight):
        return ErrorSums.known_by(self.scale_**2, weight)

    def check_stream(self) -> None:
        if self.df is None:
            raise ValueError(
                "The degrees of freedom of StudentTNoise cannot be learnt from "
                "batches; set them, as in StudentTNoise(df=4)."
            )

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        return {"df": self.df_, "loc": location, "scale": self.scale_}

    def n_parameters(self) -> int:
        return self.scale_.size + (self.df_.size if self.df is None else 0)

    def _factor(self, errors):
        return (self.df_ + 1) / (self.df_ + errors**2)


def _fit_t(errors, weights, deviation, floor, df):
    """Return maximum-likelihood scale and degrees of freedom of weighted errors."""
    total = weights.sum()
    if total == 0:
        return deviation, MOST_DF if df is None else df
    weights = weights / total

    def loss(logs):
        """Return the mean negative log-likelihood, and its gradient in the logs."""
        scale, nu = np.exp(logs)
        squares = (errors / scale) ** 2
        ratio = squares / nu
        constant = (
            gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - logs[0]
        )
        log_mean = weights @ np.log1p(ratio)
        pull = weights @ (ratio / (1 + ratio))
        by_scale = -1 + (nu + 1) * pull
        by_df = (
            0.5 * nu * (digamma((nu + 1) / 2) - digamma(nu / 2))
            - 0.5
            - 0.5 * nu * log_mean
            + 0.5 * (nu + 1) * pull
        )
        value = constant - 0.5 * (nu + 1) * log_mean
        return -value, -np.array([by_scale, by_df])

    spread = [np.log(floor), np.log(max(deviation, floor)) + 1]
    range_of_df = np.log([LEAST_DF, MOST_DF] if df is None else [df, df])
    best = min(
        (
            minimize(
                loss,
                [
                    np.clip(np.log(deviation * shrinkage), *spread),
                    np.clip(np.log(nu), *range_of_df),
                ],
                jac=True,
                method="L-BFGS-B",
                bounds=[spread, range_of_df],
            )
            # Two starts, since the likelihood may have two maxima: wide noise, or
            # narrow noise with outliers.
            for shrinkage, nu in ((1.0, 30.0), (0.3, 2.0))
        ),
        key=lambda result: result.fun,
    )
    scale, freedom = np.exp(best.x)
    return scale, freedom if df is None else df
