"""The base class of all noise models, and the targets that they are fitted to."""

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from sklearn_moe._documentation import Documented
from sklearn_moe._sklearn import own_params

# Smallest noise scale, relative to the spread of the target. Without a floor an expert
# that meets a handful of rows exactly has an infinite likelihood (Day, 1969).
RELATIVE_SCALE_FLOOR = 1e-2


@dataclass(frozen=True)
class Target:
    """The training targets, as a noise model sees them.

    Attributes
    ----------
    X : array-like or frame of shape (n_samples, n_features), or None
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or None
    mean, spread : ndarray of shape () or (n_outputs,)
        Weighted mean and standard deviation of all targets, of which `y` may be some.
    floor : ndarray of shape () or (n_outputs,)
        Smallest scale of noise.
    exposure : ndarray of shape (n_samples,) or None
        Of counts, whose mean is the location times it; the moments are those of rates.

    See Also
    --------
    Noise : Its `fit` is given one.
    """

    X: Any
    y: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    floor: np.ndarray
    exposure: Any = None

    @classmethod
    def of(cls, moments: Any, X: Any = None, y: Any = None) -> Self:
        """Some targets, where the moments of all are known.

        Parameters
        ----------
        moments : Moments
            Of all targets.
        X : array-like or frame of shape (n_samples, n_features), default=None
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), default=None

        Returns
        -------
        target : Target
        """
        mean, spread = moments.mean, moments.spread
        eps, size = np.finfo(np.float64).eps, np.maximum(np.abs(mean), 1e-100)
        # A target that is constant but for rounding still needs a positive scale of a
        # sensible unit.
        floor = np.where(
            spread <= 100 * eps * size,
            np.sqrt(eps) * size,
            RELATIVE_SCALE_FLOOR * spread,
        )
        return cls(X, y, mean, spread, floor)


class Noise(Documented, BaseEstimator, metaclass=ABCMeta):
    """Base of the noise models: the density of the target around a prediction.

    Its parameters are those of the user; `fit` learns the others, one value for each
    expert and output, in attributes that end in an underscore. A model of your own
    needs `fit` and `parameters`, and `distribution`.

    See Also
    --------
    GaussianNoise : The default.
    LaplaceNoise : The model to follow, with `working_weights`.

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

    # What the model is about, and what to do with other targets, for messages.
    targets = "numbers"
    remedy = "Choose another 'noise', or transform y."

    # Whether targets may be counts over an exposure: then it has `at`.
    takes_exposure = False

    # Whether it learns from sums over the rows, so that these may lie in many places:
    # then it has `_summarize`, `_solve` and `_recall`, those of `NoiseLikelihood`.
    adds_up = False

    @abstractmethod
    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
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
    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        """Parameters of the distribution of each target, by the names of SciPy.

        Parameters
        ----------
        location : ndarray of shape (n_samples, n_experts, ...)
        X : array-like or frame of shape (n_samples, n_features)

        Returns
        -------
        parameters : dict of ndarray
            Each broadcasts against `location`.
        """

    def check_stream(self) -> None:
        """Raise an error where the model cannot go on from batch to batch.

        Raises
        ------
        ValueError
        """
        if not self.adds_up:
            raise ValueError(
                f"{type(self).__name__} cannot be learnt from batches: its parameters "
                "do not follow from the mean of anything. Set 'noise' to one of "
                "'gaussian', 'laplace', 'poisson', 'gamma', 'lognormal' and "
                "StudentTNoise(df=...)."
            )

    def of_experts(self, experts: list) -> Self:
        """The same noise, which knows the experts that it is going to be around.

        Parameters
        ----------
        experts : list of estimators
            As they were given; clones of one estimator are the same object.

        Returns
        -------
        noise : Noise
        """
        return self

    def log_prob(self, y: np.ndarray, location: np.ndarray, X: Any) -> np.ndarray:
        """Log density of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        location : ndarray of shape (n_samples, n_experts, ...)
        X : array-like or frame of shape (n_samples, n_features)

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
            Outputs are independent given the row and the expert.
        """
        family = self.distribution
        # To freeze a distribution takes longer than to ask it.
        log_density = family.logpmf if self.discrete else family.logpdf
        log_prob = log_density(y[:, np.newaxis], **self.parameters(location, X))
        dtype = np.result_type(y, location)
        return over_outputs(log_prob).astype(dtype, copy=False)

    def predictive(self, location: np.ndarray) -> np.ndarray:
        """Mean of the target under each expert.

        Parameters
        ----------
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        mean : ndarray of the same shape
            The location, by default.
        """
        return location

    @property
    def has_working_weights(self) -> bool:
        """Whether `working_weights` are other than 1."""
        return type(self).working_weights is not Noise.working_weights

    def working_weights(
        self, y: np.ndarray, location: np.ndarray
    ) -> float | np.ndarray:
        """Factor on the weight of each row in the next fit of the experts.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        factor : float or ndarray of shape (n_samples, n_experts)
            1 unless the experts' own loss gives some rows more than the likelihood has,
            such as outliers where tails are heavy.
        """
        return 1.0

    def take(self, order: np.ndarray) -> Self:
        """The noise of the experts in another order.

        Parameters
        ----------
        order : ndarray of shape (n_experts,)

        Returns
        -------
        noise : Noise
        """
        # To clone it takes longer than to predict a row.
        taken = type(self)(**own_params(self))
        for name, value in self.fitted_parameters().items():
            setattr(taken, name, value[order])
        return taken

    def fitted_parameters(self) -> dict[str, np.ndarray]:
        """What was learnt, by name.

        Returns
        -------
        parameters : dict of ndarray of shape (n_experts, ...)
        """
        return {name: value for name, value in vars(self).items() if name[-1] == "_"}

    def n_parameters(self) -> int:
        """Number of free parameters learnt, of all experts and outputs.

        Returns
        -------
        n_parameters : int
            A floor is none: it is not fitted to the errors.
        """
        learnt = self.fitted_parameters()
        return sum(np.size(learnt[name]) for name in learnt if name != "floor_")

    def default_expert(self) -> Any:
        """The regressor that maximises this likelihood, for ``experts=None``.

        Returns
        -------
        expert : regressor
        """
        # EM climbs as far as its experts are exact: on sparse rows Ridge iterates.
        return Ridge(tol=1e-8)

    @property
    def discrete(self) -> bool:
        """Whether targets are counts."""
        return not hasattr(self.distribution, "pdf")

    def possible(self, y: np.ndarray) -> np.ndarray:
        """Which targets the model can produce.

        Parameters
        ----------
        y : ndarray

        Returns
        -------
        possible : ndarray of bool of the same shape
        """
        return np.ones(y.shape, dtype=bool)

    def check_target(self, y: np.ndarray) -> None:
        """Raise an error where a target is none that the model can produce.

        Parameters
        ----------
        y : ndarray

        Raises
        ------
        ValueError
            It names the first such target.
        """
        impossible = np.argwhere(~self.possible(y))
        if len(impossible):
            row, *output = impossible[0]
            where = f"column {output[0]} of y" if output else "y"
            raise ValueError(
                f"{type(self).__name__} is about {self.targets}, but {where} has "
                f"{y[row, *output].item()!r}. {self.remedy}"
            )


def over_outputs(log_prob):
    """Sum of a log density over the outputs, where there are several."""
    return log_prob if log_prob.ndim == 2 else log_prob.sum(axis=2)
