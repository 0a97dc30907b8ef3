"""Student's t noise."""

import numpy as np
from scipy import stats
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from sklearn_moe.likelihoods.noise import Noise, running_mean, weighted_mean

# The degrees of freedom that are looked at: from tails so heavy that outliers count for
# nothing, to what nobody can tell from a gaussian.
LEAST_DF, MOST_DF = 0.2, 200.0


class StudentTNoise(Noise):
    r"""Student's t noise: heavy tails, so that outliers do not bend the experts.

    Experts that minimise squared errors are fitted to reweighted rows,
    :math:`w_i (\nu_k + 1) / (\nu_k + e_{ik}^2)` with the standardised errors
    :math:`e_{ik}` of the last iteration: the M-step of [1]_, equation 25.

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
        In the units of the target. It is no standard deviation: that is larger, and
        infinite up to two degrees of freedom; up to one there is no mean, and the
        mixture predicts the centre.
    df_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Degrees of freedom.

    See Also
    --------
    LaplaceNoise : The noise of absolute errors.

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

    distribution = stats.t

    def __init__(self, df=None, reweight=True):
        self.df = df
        self.reweight = reweight

    def fit(self, target, location, weights):
        if self.df is not None and not self.df > 0:
            raise ValueError(
                f"The df of StudentTNoise must be positive, or None; got {self.df!r}."
            )
        errors = target.y[:, np.newaxis] - location
        deviation = np.sqrt(weighted_mean(errors**2, weights, target.spread**2))
        deviation = np.maximum(deviation, target.floor)
        self.scale_, self.df_ = np.empty_like(deviation), np.empty_like(deviation)
        for part in np.ndindex(deviation.shape):
            self.scale_[part], self.df_[part] = _fit_t(
                errors[:, *part].astype(np.float64),
                weights[:, part[0]],
                deviation[part],
                np.broadcast_to(target.floor, deviation.shape)[part],
                self.df,
            )
        return self

    def partial_fit(self, target, location, weights, past):
        errors = target.y[:, np.newaxis] - location
        # The scale of the normal distributions of which a t distribution is a mixture.
        factor = (self.df_ + 1) / (self.df_ + (errors / self.scale_) ** 2)
        variance = running_mean(factor * errors**2, weights, self.scale_**2, past)
        self.scale_ = np.maximum(np.sqrt(variance), target.floor)
        return self

    def check_partial_fit(self):
        if self.df is None:
            raise ValueError(
                "The degrees of freedom of StudentTNoise cannot be learnt from "
                "batches; give them, as in StudentTNoise(df=4)."
            )

    def parameters(self, location, X):
        return {"df": self.df_, "loc": location, "scale": self.scale_}

    def n_parameters(self):
        return self.scale_.size + (self.df_.size if self.df is None else 0)

    def emphasis(self, y, location):
        if not self.reweight:
            return 1.0
        errors = (y[:, np.newaxis] - location) / self.scale_
        factor = (self.df_ + 1) / (self.df_ + errors**2)
        return factor.reshape(*factor.shape[:2], -1).mean(axis=2)


def _fit_t(errors, weights, deviation, floor, df):
    """Maximum-likelihood scale and degrees of freedom of weighted errors."""
    total = weights.sum()
    if total == 0:
        return deviation, MOST_DF if df is None else df
    weights = weights / total

    def loss(logs):
        """Mean negative log-likelihood, and its gradient by log scale and log df."""
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
                    np.clip(np.log(deviation * part), *spread),
                    np.clip(np.log(nu), *range_of_df),
                ],
                jac=True,
                method="L-BFGS-B",
                bounds=[spread, range_of_df],
            )
            # A likelihood of two humps: few outliers, or wide noise.
            for part, nu in ((1.0, 30.0), (0.3, 2.0))
        ),
        key=lambda result: result.fun,
    )
    scale, freedom = np.exp(best.x)
    return scale, freedom if df is None else df
