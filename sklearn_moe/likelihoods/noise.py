"""What all noise models share, and how EM fits one."""

from abc import ABCMeta, abstractmethod
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge

from sklearn_moe.moments import Moments

# Smallest noise scale, relative to the spread of the target. Without a floor an expert
# that meets a handful of rows exactly has an infinite likelihood (Day, 1969).
RELATIVE_SCALE_FLOOR = 1e-2

# Smallest location of a positive target, relative to the mean of all.
RELATIVE_LOCATION_FLOOR = 1e-6


@dataclass(frozen=True)
class Target:
    """The training targets, as a noise model sees them.

    Attributes
    ----------
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    mean, spread : ndarray of shape () or (n_outputs,)
        Weighted mean and standard deviation.
    floor : ndarray of shape () or (n_outputs,)
        Smallest scale of noise.

    See Also
    --------
    Noise : Its `fit` is given one.
    """

    X: Any
    y: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    floor: np.ndarray

    @classmethod
    def of(cls, X, y, sample_weight):
        """Look at the training targets.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : ndarray of shape (n_samples,)

        Returns
        -------
        target : Target
        """
        return cls.among(X, y, Moments.of(y, sample_weight))

    @classmethod
    def among(cls, X, y, moments):
        """Look at targets among others.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        moments : Moments
            Of all targets.

        Returns
        -------
        target : Target
        """
        return replace(cls.known_by(moments.mean, moments.spread), X=X, y=y)

    @classmethod
    def known_by(cls, mean, spread):
        """What is to be said of all targets, without the rows.

        Parameters
        ----------
        mean, spread : ndarray of shape () or (n_outputs,)

        Returns
        -------
        target : Target
        """
        eps, size = np.finfo(np.float64).eps, np.maximum(np.abs(mean), 1e-100)
        # A target that is constant but for rounding still needs a positive scale of a
        # sensible unit.
        floor = np.where(
            spread <= 100 * eps * size,
            np.sqrt(eps) * size,
            RELATIVE_SCALE_FLOOR * spread,
        )
        return cls(None, None, mean, spread, floor)


class Noise(BaseEstimator, metaclass=ABCMeta):
    """Base of the noise models: the density of the target around a prediction.

    Its parameters are those of the user; `fit` learns the others, one value for each
    expert and output, in attributes that end in an underscore. A model of your own
    needs `fit` and `parameters`, and `distribution`.

    See Also
    --------
    GaussianNoise : The default.
    LaplaceNoise : The model to follow, with an `emphasis`.

    Examples
    --------
    Gaussian noise of one scale for all experts:

    >>> import numpy as np
    >>> from scipy import stats
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.likelihoods import Noise
    >>> class CommonNoise(Noise):
    ...     distribution = stats.norm
    ...
    ...     def fit(self, target, location, weights):
    ...         squares = (target.y[:, np.newaxis] - location) ** 2
    ...         variance = np.average(squares, weights=weights)
    ...         scale = max(np.sqrt(variance), target.floor)
    ...         self.scale_ = np.full(location.shape[1], scale)
    ...         return self
    ...
    ...     def parameters(self, location, X):
    ...         return {"loc": location, "scale": self.scale_}
    ...
    ...     def n_parameters(self):
    ...         return 1
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=2, noise=CommonNoise(), sharing=0, random_state=0
    ... )
    >>> moe.fit(X, y).noise_.scale_.round(1)
    array([0.3, 0.3])
    """

    # The distribution of scipy.stats.
    distribution: Any

    # What the model is about, for messages.
    targets = "numbers"

    @abstractmethod
    def fit(self, target, location, weights):
        """M-step: fit the parameters of the noise.

        Parameters
        ----------
        target : Target
        location : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
            Predictions of the experts.
        weights : ndarray of shape (n_samples, n_experts)

        Returns
        -------
        self : Noise
        """

    @abstractmethod
    def parameters(self, location, X):
        """Parameters of the distribution of each target, by the names of SciPy.

        Parameters
        ----------
        location : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
        X : array-like or frame of shape (n_samples, n_features)

        Returns
        -------
        parameters : dict of ndarray
            Each broadcasts against `location`.
        """

    def partial_fit(self, target, location, weights, past):
        """Stepwise M-step: go on from what other rows have taught.

        A model has one if its parameters follow from the mean of a statistic of the
        errors, since means can go on, as `running_mean` does.

        Parameters
        ----------
        target : Target
        location : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
        weights : ndarray of shape (n_samples, n_experts)
        past : ndarray of shape (n_experts,)
            The weight of the other rows for each expert.

        Returns
        -------
        self : Noise
        """
        raise NotImplementedError

    def check_partial_fit(self):
        """Raise an error where there is no `partial_fit`.

        Raises
        ------
        ValueError
        """
        if type(self).partial_fit is Noise.partial_fit:
            raise ValueError(
                f"{type(self).__name__} cannot be learnt from batches: its parameters "
                "do not follow from the mean of anything. Set 'noise' to one of "
                "'gaussian', 'laplace', 'poisson', 'gamma', 'lognormal' and "
                "StudentTNoise(df=...)."
            )

    def log_prob(self, y, location, X):
        """Log density of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        location : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
        X : array-like or frame of shape (n_samples, n_features)

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
            Outputs are independent given the row and the expert.
        """
        frozen = self.distribution(**self.parameters(location, X))
        log_density = frozen.logpmf if self.discrete else frozen.logpdf
        log_prob = log_density(y[:, np.newaxis])
        dtype = np.result_type(y, location)
        return over_outputs(log_prob).astype(dtype, copy=False)

    def predictive(self, location):
        """Mean of the target under each expert.

        Parameters
        ----------
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        mean : ndarray of the same shape
            The location, unless the model says else.
        """
        return location

    def emphasis(self, y, location):
        """Factor on the weight of each row in the next fit of the experts.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        factor : float or ndarray of shape (n_samples, n_experts)
            1 unless the model has tails so heavy that outliers must count less.
        """
        return 1.0

    def take(self, order):
        """The same for the experts in another order.

        Parameters
        ----------
        order : ndarray of shape (n_experts,)

        Returns
        -------
        noise : Noise
        """
        taken = clone(self)
        for name, value in self.fitted_parameters().items():
            setattr(taken, name, value[order])
        return taken

    def fitted_parameters(self):
        """What was learnt, by name.

        Returns
        -------
        parameters : dict of ndarray of shape (n_experts, ...)
        """
        return {name: value for name, value in vars(self).items() if name[-1] == "_"}

    def n_parameters(self):
        """Number of free parameters learnt, of all experts and outputs.

        Returns
        -------
        n_parameters : int
            A floor is none: it is not fitted to the errors.
        """
        learnt = self.fitted_parameters()
        return sum(np.size(learnt[name]) for name in learnt if name != "floor_")

    def default_expert(self):
        """The regressor that maximises this likelihood, for ``experts=None``.

        Returns
        -------
        expert : regressor
        """
        # EM climbs as far as its experts are exact: on sparse rows Ridge iterates.
        return Ridge(tol=1e-8)

    @property
    def discrete(self):
        """Whether targets are counts."""
        return not hasattr(self.distribution, "pdf")

    def possible(self, y):
        """Which targets the model can produce.

        Parameters
        ----------
        y : ndarray

        Returns
        -------
        possible : ndarray of bool of the same shape
        """
        return np.ones(y.shape, dtype=bool)

    def check_target(self, y):
        """Raise an error where a target is none that the model can produce.

        Parameters
        ----------
        y : ndarray

        Raises
        ------
        ValueError
            It names the first such target.
        """
        impossible = y[~self.possible(y)]
        if len(impossible):
            raise ValueError(
                f"{type(self).__name__} is about {self.targets}, but y has "
                f"{impossible[0].item()!r}. Choose another 'noise', or transform y."
            )


class MeanErrorNoise(Noise):
    """Base of the noise models that learn from the mean of some error alone.

    Sums are all that they need of the rows, so that these may lie in many places.
    """

    @abstractmethod
    def errors(self, target, location):
        """What they learn the mean of.

        Parameters
        ----------
        target : Target
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        errors : ndarray of the same shape
        """

    @abstractmethod
    def learn(self, target, mean):
        """Set what is learnt.

        Parameters
        ----------
        target : Target
            Its rows are not looked at.
        mean : ndarray of shape (n_experts, ...)
            Weighted mean of the errors.

        Returns
        -------
        self : Noise
        """

    @abstractmethod
    def mean_error(self):
        """The mean of the errors that stands for what was learnt.

        Returns
        -------
        mean : ndarray of shape (n_experts, ...)
        """

    def ignorance(self, target):
        """The error of an expert without rows.

        Parameters
        ----------
        target : Target

        Returns
        -------
        error : float or ndarray
        """
        return 1.0

    def fit(self, target, location, weights):
        return self.learn_sums(target, *self.sums(target, location, weights))

    def partial_fit(self, target, location, weights, past):
        errors = self.errors(target, location)
        return self.learn(
            target, running_mean(errors, weights, self.mean_error(), past)
        )

    def sums(self, target, location, weights):
        """Sums over the rows, which add up to those over more rows.

        Parameters
        ----------
        target : Target
        location : ndarray of shape (n_samples, n_experts, ...)
        weights : ndarray of shape (n_samples, n_experts)

        Returns
        -------
        errors : ndarray of shape (n_experts, ...)
            Weighted.
        total : ndarray of shape (n_experts, ...)
            Of the weights; it broadcasts against `errors`.
        """
        # One expert at a time: the errors of all would be the largest array around.
        errors, total = zip(
            *(
                weighted_sum(self.errors(target, location[:, [k]]), weights[:, [k]])
                for k in range(location.shape[1])
            )
        )
        return np.concatenate(errors), np.concatenate(total)

    def learn_sums(self, target, errors, total):
        """Learn from what `sums` returns, of all rows.

        Parameters
        ----------
        target : Target
            Its rows are not looked at.
        errors, total : ndarray of shape (n_experts, ...)

        Returns
        -------
        self : Noise
        """
        return self.learn(target, _mean(errors, total, self.ignorance(target)))


class PositiveNoise(Noise):
    """Base of the noise models of targets around a positive location.

    Experts that know nothing of this may predict less than zero. Such a prediction
    counts as `floor_`, a small part of the mean of the target.
    """

    targets = "positive numbers"

    def possible(self, y):
        return y > 0

    def predictive(self, location):
        return self._positive(location)

    def _fit_floor(self, target, n_experts):
        floor = location_floor(target)
        self.floor_ = np.broadcast_to(floor, (n_experts, *target.mean.shape)).copy()

    def _positive(self, location):
        return np.maximum(location, self.floor_.astype(location.dtype, copy=False))


def location_floor(target):
    """Smallest location of a positive target."""
    return RELATIVE_LOCATION_FLOOR * np.maximum(target.mean, target.floor)


class NoiseLikelihood:
    """A noise model at work in EM: on one training set, for ever new predictions.

    Parameters
    ----------
    noise : Noise
        Not changed.
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Training targets.
    sample_weight : ndarray of shape (n_samples,)
    moments : Moments, default=None
        Of the target where there are other rows than these; None means its own.
    """

    def __init__(self, noise, X, y, sample_weight, moments=None):
        self.noise = noise
        moments = Moments.of(y, sample_weight) if moments is None else moments
        self.target = Target.among(X, y, moments)

    def fit(self, outputs, weights):
        """Fit the noise, and score the training targets.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
            Predictions of the experts.
        weights : array-like of shape (n_samples, n_experts)

        Returns
        -------
        noise : Noise
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        noise = clone(self.noise).fit(self.target, outputs, np.asarray(weights))
        return noise, noise.log_prob(self.target.y, outputs, self.target.X)

    def emphasis(self, noise, outputs):
        """Factor on the weights with which the experts are fitted next.

        Parameters
        ----------
        noise : Noise
            As fitted in the last M-step.
        outputs : ndarray of shape (n_samples, n_experts, ...)
            Predictions of the experts then.

        Returns
        -------
        factor : float or ndarray of shape (n_samples, n_experts)
        """
        return noise.emphasis(self.target.y, outputs)

    def log_prob(self, noise, outputs):
        """Score the targets under a noise that is fitted already."""
        return noise.log_prob(self.target.y, outputs, self.target.X)

    def partial_fit(self, noise, outputs, weights, past):
        """Stepwise M-step of the noise.

        Parameters
        ----------
        noise : Noise
            As other rows have taught it; not changed.
        outputs : ndarray of shape (n_samples, n_experts, ...)
            Predictions of the experts.
        weights : ndarray of shape (n_samples, n_experts)
        past : ndarray of shape (n_experts,)
            The weight of the other rows for each expert.

        Returns
        -------
        noise : Noise
        """
        return copy(noise).partial_fit(self.target, outputs, weights, past)

    def misfit(self, values, rows, weights):
        """Root mean squared error relative to the spread of the target."""
        spread = self.target.spread
        if not np.all(spread > 0):
            return np.inf
        error = ((self.target.y[rows] - values) / spread) ** 2
        return np.sqrt(np.average(error, axis=0, weights=weights).mean())


def weighted_mean(values, weights, default):
    """Mean over the rows, for each expert and output.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_experts, ...)
    weights : ndarray of shape (n_samples, n_experts)
    default : float or ndarray
        For an expert without rows.

    Returns
    -------
    mean : ndarray of shape (n_experts, ...)
    """
    return _mean(*weighted_sum(values, weights), default)


def weighted_sum(values, weights):
    """Sum over the rows, for each expert and output, and that of the weights."""
    sums = np.einsum("nk,nk...->k...", weights, values)
    return sums, weights.sum(axis=0).reshape(-1, *[1] * (sums.ndim - 1))


def _mean(sums, total, default):
    mean = np.broadcast_to(default, sums.shape).astype(np.float64)
    return np.divide(sums, total, out=mean, where=total > 0)


def running_mean(values, weights, mean, past):
    """Mean over the rows and those before, for each expert and output.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_experts, ...)
    weights : ndarray of shape (n_samples, n_experts)
    mean : ndarray of shape (n_experts, ...)
        Of the rows before.
    past : ndarray of shape (n_experts,)
        Their weight.

    Returns
    -------
    mean : ndarray of shape (n_experts, ...)
    """
    total = weights.sum(axis=0)
    part = np.divide(total, past + total, out=np.zeros_like(total), where=total > 0)
    step = weighted_mean(values, weights, mean) - mean
    return mean + part.reshape(-1, *[1] * (step.ndim - 1)) * step


def over_outputs(log_prob):
    """Sum over the outputs, where there are several."""
    return log_prob if log_prob.ndim == 2 else log_prob.sum(axis=2)
