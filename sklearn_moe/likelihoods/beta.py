"""Beta noise for targets between zero and one, and the regressor that maximises it."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import brentq
from scipy.special import betaln, digamma, expit, logit, polygamma
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._sklearn import Interval, check_sample_weight, fit_context
from sklearn_moe.likelihoods.noise import RELATIVE_SCALE_FLOOR, Noise, Target
from sklearn_moe.likelihoods.positive import RELATIVE_LOCATION_FLOOR

# Smallest precision; with a small precision most targets are close to zero or one.
LEAST_PRECISION = 1e-3

# Number of times that a step is halved; if the loss does not decrease then, rounding
# prevents it.
HALVINGS = 30

# Largest precision; beyond it rounding dominates the likelihood.
MOST_PRECISION = 1e9


@saved_as_dict
class BetaNoise(Noise):
    r"""Beta noise, for shares: targets strictly between zero and one.

    The experts predict the mean :math:`\mu`; the density is that of the beta
    distribution with the parameters :math:`\mu \phi` and :math:`(1 - \mu) \phi`, whose
    variance is :math:`\mu (1 - \mu) / (1 + \phi)` [1]_. :class:`BetaRegressor`, the
    default expert, maximises this likelihood.

    Read more in the :ref:`User Guide <guide_shares>`.

    Attributes
    ----------
    precision_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Maximum-likelihood estimate of :math:`\phi`, limited such that the standard
        deviation is at least a hundredth of that of the target.
    floor_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Smallest mean, and smallest distance of a mean from one; predictions are clipped
        to this range.

    See Also
    --------
    GammaNoise : Noise of positive targets.

    References
    ----------
    .. [1] S. Ferrari and F. Cribari-Neto (2004). Beta regression for modelling rates
       and proportions. Journal of Applied Statistics 31(7), 799-815.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = np.linspace(-2, 2, 400).reshape(-1, 1)
    >>> mean = 1 / (1 + np.exp(-np.abs(X[:, 0])))
    >>> y = rng.beta(30 * mean, 30 * (1 - mean))
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, noise="beta", sharing=0)
    >>> moe.fit(X, y).predict([[-2.0], [0.0], [2.0]]).round(1)
    array([0.9, 0.5, 0.9])
    """

    distribution = stats.beta
    targets = "shares, numbers between 0 and 1"
    remedy = (
        "If 0 and 1 occur, compress the n targets to (y * (n - 1) + 0.5) / n; "
        "otherwise choose another 'noise', or transform y."
    )

    def possible(self, y: np.ndarray) -> np.ndarray:
        return (y > 0) & (y < 1)

    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
        shape = location.shape[1:]
        floor = RELATIVE_LOCATION_FLOOR * np.minimum(target.mean, 1 - target.mean)
        self.floor_ = np.broadcast_to(floor, shape).copy()
        most = np.broadcast_to(_most_precision(target.mean, target.floor), shape)
        mean = self.predictive(location)
        y = target.y.reshape(len(mean), 1, -1)
        self.precision_ = np.empty(shape)
        for index in np.ndindex(shape):
            self.precision_[index] = _fit_precision(
                y[:, 0, index[1] if len(index) == 2 else 0].astype(np.float64),
                mean[:, *index],
                weights[:, index[0]],
                most[index],
            )
        return self

    def predictive(self, location: np.ndarray) -> np.ndarray:
        # In single precision, one minus the floor may round to one.
        location = np.asarray(location, np.float64)
        return np.clip(location, self.floor_, 1 - self.floor_)

    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        mean = self.predictive(location)
        return {"a": mean * self.precision_, "b": (1 - mean) * self.precision_}

    def default_expert(self) -> Any:
        return BetaRegressor()


def _most_precision(mean, scale):
    """Return the precision that yields a mean and standard deviation, within limits."""
    precision = mean * (1 - mean) / np.square(scale) - 1
    return np.clip(precision, 2 * LEAST_PRECISION, MOST_PRECISION)


def _fit_precision(y, mean, weights, most):
    """Return the maximum-likelihood precision of a beta distribution of known means."""
    if not weights.any():
        return 1.0
    weights = weights / weights.sum()
    observed = weights @ (mean * np.log(y) + (1 - mean) * np.log1p(-y))

    def slope(log_precision):
        # Slope of the log-likelihood, which is concave in the precision: a natural
        # parameter of an exponential family, for given means.
        a, b = mean * np.exp(log_precision), (1 - mean) * np.exp(log_precision)
        expected = mean * digamma(a) + (1 - mean) * digamma(b) - digamma(a + b)
        return observed - weights @ expected

    bounds = np.log([LEAST_PRECISION, most])
    slopes = [slope(bound) for bound in bounds]
    if slopes[0] <= 0 or slopes[1] >= 0:
        return np.exp(bounds[int(slopes[0] > 0)])
    return np.exp(brentq(slope, *bounds, xtol=1e-10))


class BetaRegressor(RegressorMixin, BaseEstimator):
    r"""Beta regression, for shares: the logit of the mean is linear in the features.

    It maximises the likelihood of targets between zero and one,

    .. math::
        y_i \sim \mathrm{Beta}(\mu_i \phi, (1 - \mu_i) \phi), \qquad
        \mathrm{logit}(\mu_i) = x_i^T \beta + \beta_0,

    jointly in the coefficients and the precision :math:`\phi` [1]_, with a penalty. It
    is the default expert (``experts=None``) if the noise is "beta".

    Read more in the :ref:`User Guide <guide_shares>`.

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength of the penalty :math:`\alpha \|\beta\|^2 / 2`, relative to the mean
        log-likelihood of a row.
    fit_intercept : bool, default=True
        Whether to fit :math:`\beta_0`.
    max_iter : int, default=200
        Largest number of iterations.
    tol : float, default=1e-12
        The iterations end when the next one is expected to increase the mean
        log-likelihood by no more than this, in nats per row.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept; 0 if ``fit_intercept=False``.
    precision_ : float
        Estimate of :math:`\phi`, limited such that the standard deviation is at least a
        hundredth of that of the target.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only if X has feature names.

    See Also
    --------
    BetaNoise : Beta noise in a mixture.

    References
    ----------
    .. [1] S. Ferrari and F. Cribari-Neto (2004). Beta regression for modelling rates
       and proportions. Journal of Applied Statistics 31(7), 799-815.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import BetaRegressor
    >>> X = np.linspace(-2, 2, 500).reshape(-1, 1)
    >>> mean = 1 / (1 + np.exp(-X[:, 0]))
    >>> y = np.random.default_rng(0).beta(20 * mean, 20 * (1 - mean))
    >>> model = BetaRegressor().fit(X, y)
    >>> model.coef_.round(1), round(model.precision_)
    (array([1.]), 21)
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        alpha: float = 1e-4,
        *,
        fit_intercept: bool = True,
        max_iter: int = 200,
        tol: float = 1e-12,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Targets, strictly between 0 and 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. None means equal weights.

        Returns
        -------
        self : estimator
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        BetaNoise().check_target(y)
        weights = check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        weights = weights / weights.sum()
        centre = weights @ X if self.fit_intercept else np.zeros(X.shape[1])
        scale = np.sqrt(weights @ (X - centre) ** 2)
        scale[scale <= 1e-12 * np.abs(centre)] = 1.0
        scale[scale == 0] = 1.0
        design = (X - centre) / scale
        penalty = self.alpha / scale**2
        if self.fit_intercept:
            design = np.column_stack([design, np.ones(len(X))])
            penalty = np.append(penalty, 0.0)
        likelihood = _BetaLikelihood(design, y.astype(np.float64), weights, penalty)
        theta, self.n_iter_, gain = likelihood.maximise(self.max_iter, self.tol)
        if gain > self.tol:
            warnings.warn(
                f"BetaRegressor did not converge in {self.n_iter_} iterations: one "
                f"more would increase the log-likelihood by {gain:.2g} per row. "
                f"Increase max_iter={self.max_iter} or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_ = theta[: X.shape[1]] / scale
        self.intercept_ = 0.0
        if self.fit_intercept:
            self.intercept_ = float(theta[X.shape[1]] - centre @ self.coef_)
        self.precision_ = float(np.exp(theta[-1]))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the mean of the target for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Between 0 and 1.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return expit(X @ self.coef_ + self.intercept_)


class _BetaLikelihood:
    """Negative penalised mean log-likelihood of coefficients and log precision."""

    def __init__(self, design, y, weights, penalty):
        self.design, self.weights, self.penalty = design, weights, penalty
        self.y, self.log_y, self.log_rest = y, np.log(y), np.log1p(-y)
        mean = weights @ y
        spread = np.sqrt(weights @ (y - mean) ** 2)
        scale = max(RELATIVE_SCALE_FLOOR * spread, 1e-8 * mean)
        self.most = float(_most_precision(mean, scale))

    def start(self):
        """Return the least-squares fit of the logits, and the precision given this."""
        root = np.sqrt(self.weights)
        logits = logit(self.y)
        coef = np.linalg.lstsq(self.design * root[:, None], logits * root)[0]
        mean = expit(np.clip(self.design @ coef, -30, 30))
        precision = _fit_precision(self.y, mean, self.weights, self.most)
        return np.append(coef, np.log(precision))

    def maximise(self, max_iter, tol):
        """Maximise by Fisher scoring, halving each step until the loss decreases.

        Returns
        -------
        theta : ndarray of shape (n_coefficients + 1,)
        n_iter : int
        gain : float
            Expected increase of the mean log-likelihood by the last step, before it was
            halved, in nats per row; 0 if rounding prevents further steps.
        """
        theta = self.start()
        loss = self.loss(theta)
        for n_iter in range(1, max_iter + 1):
            gradient, information = self.gradient(theta), self.information(theta)
            if theta[-1] >= np.log(self.most) and gradient[-1] < 0:
                # The precision stays at its bound.
                gradient[-1], information[-1, :-1] = 0.0, 0.0
            step = -np.linalg.lstsq(information, gradient)[0]
            gain = -0.5 * gradient @ step
            for _ in range(HALVINGS):
                ahead = theta + step
                ahead[-1] = np.clip(ahead[-1], *np.log([LEAST_PRECISION, self.most]))
                loss_ahead = self.loss(ahead)
                if loss_ahead < loss:
                    break
                step = step / 2
            else:
                return theta, n_iter, 0.0
            theta, loss = ahead, loss_ahead
            if gain <= tol:
                break
        return theta, n_iter, gain

    def _at(self, theta):
        eta = np.clip(self.design @ theta[:-1], -30, 30)
        mean, rest = expit(eta), expit(-eta)
        return mean, rest, np.exp(theta[-1])

    def loss(self, theta):
        mean, rest, precision = self._at(theta)
        a, b = mean * precision, rest * precision
        log_prob = (a - 1) * self.log_y + (b - 1) * self.log_rest - betaln(a, b)
        return -(self.weights @ log_prob) + 0.5 * self.penalty @ theta[:-1] ** 2

    def gradient(self, theta):
        mean, rest, precision = self._at(theta)
        a, b = mean * precision, rest * precision
        above, below = self.log_y - digamma(a), self.log_rest - digamma(b)
        by_eta = precision * mean * rest * (above - below)
        by_log_precision = (a * above + b * below) + precision * digamma(precision)
        gradient = -np.append(
            self.design.T @ (self.weights * by_eta), self.weights @ by_log_precision
        )
        gradient[:-1] += self.penalty * theta[:-1]
        return gradient

    def information(self, theta):
        """Return the expected Hessian of the loss, which is positive definite."""
        mean, rest, precision = self._at(theta)
        a, b = mean * precision, rest * precision
        above, below = polygamma(1, a), polygamma(1, b)
        slope = precision * mean * rest
        of_coef = self.weights * slope**2 * (above + below)
        mixed = self.weights * slope * (a * above - b * below)
        of_precision = a**2 * above + b**2 * below
        of_precision -= precision**2 * polygamma(1, precision)
        n = len(theta) - 1
        information = np.empty((n + 1, n + 1))
        information[:n, :n] = (self.design.T * of_coef) @ self.design
        information[:n, :n] += np.diag(self.penalty)
        information[n, :n] = information[:n, n] = self.design.T @ mixed
        information[n, n] = self.weights @ of_precision
        return information
