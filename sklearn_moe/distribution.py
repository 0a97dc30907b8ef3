"""The distribution of the target of each row: a mixture of the experts' ones."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import logsumexp
from sklearn.utils import check_random_state

from sklearn_moe import kernels

# Quantiles of the experts between which the cumulative distribution is smooth enough
# for a quadrature of few points; see `MixtureDistribution.crps`.
_LOWER_LEVELS = np.array([1e-12, 1e-8, 1e-5, 1e-3, 0.01, 0.05, 0.15, 0.3, 0.5])


@dataclass(frozen=True)
class Components:
    """Distributions of one family, one for each row and expert.

    Attributes
    ----------
    family : scipy.stats.rv_continuous or scipy.stats.rv_discrete
    parameters : dict of ndarray of shape (n_samples, [n_outputs,] n_experts)
        By the names that SciPy gives them.
    """

    family: Any
    parameters: dict

    @classmethod
    def of(cls, noise, location, X):
        """The distributions of fitted experts of given predictions."""
        parameters = noise.parameters(location, X)
        return cls(
            noise.distribution,
            {
                # The experts last, so that targets broadcast against the rest.
                name: np.moveaxis(np.broadcast_to(value, location.shape), 1, -1).astype(
                    np.float64, copy=False
                )
                for name, value in parameters.items()
            },
        )

    def __getitem__(self, index):
        """The distributions of some rows, or experts."""
        return Components(
            self.family, {name: value[index] for name, value in self.parameters.items()}
        )

    @property
    def frozen(self):
        """The same as SciPy has it."""
        return self.family(**self.parameters)


@dataclass(frozen=True)
class MixtureDistribution:
    r"""The distribution of the target of each row under a mixture of experts.

    .. math::
        p(y | x) = \sum_k g_k(x) \, p_k(y | x)

    Made by :meth:`MixtureOfExpertsRegressor.predict_distribution`. Where there are
    several outputs everything but `pdf`, `logpdf` and `sample` is about each of them
    alone.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_components)
        Of the components in each row; rows sum to one. A component is an expert, or an
        expert of a mixture that is an expert.
    components : tuple of Components
        Their distributions, blocks of one family each.

    See Also
    --------
    MixtureOfExpertsRegressor.predict_distribution : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> distribution = moe.predict_distribution([[-2.0], [2.0]])
    >>> distribution.mean().round(1)
    array([2. , 1.9])
    >>> distribution.ppf([0.1, 0.9]).shape
    (2, 2)
    """

    weights: np.ndarray
    components: tuple

    @classmethod
    def nested(cls, weights, components, inner):
        """Stand the distributions of inner mixtures in the place of their experts.

        Parameters
        ----------
        weights : ndarray of shape (n_samples, n_experts)
        components : Components
            Of all experts.
        inner : dict of int to MixtureDistribution
            What stands in the place of some.

        Returns
        -------
        distribution : MixtureDistribution
        """
        if not inner:
            return cls(weights, (components,))
        parts, blocks = [], []
        for k in range(weights.shape[1]):
            own = weights[:, [k]]
            if k in inner:
                parts.append(own * inner[k].weights)
                blocks.extend(inner[k].components)
            else:
                parts.append(own)
                blocks.append(components[..., [k]])
        return cls(np.concatenate(parts, axis=1), tuple(blocks))

    def __getitem__(self, rows):
        """The distribution of some rows, given by a slice, a mask or positions."""
        return MixtureDistribution(
            self.weights[rows], tuple(block[rows] for block in self.components)
        )

    def __len__(self):
        return len(self.weights)

    # Shapes
    # ------

    @property
    def shape(self):
        """Shape of the targets: (n_samples,) or (n_samples, n_outputs)."""
        parameter = next(iter(self.components[0].parameters.values()))
        return parameter.shape[:-1]

    @property
    def discrete(self):
        """Whether the targets are counts."""
        return not hasattr(self.components[0].family, "pdf")

    @property
    def means(self):
        """Mean of each component, shape (n_samples, [n_outputs,] n_components)."""
        return self._each("mean")

    @property
    def scales(self):
        """Standard deviation of each component, shaped as `means`."""
        return self._each("std")

    # Functions of the target
    # -----------------------

    def logpdf(self, y):
        """Logarithm of the density of targets, of all outputs together.

        Parameters
        ----------
        y : array-like
            One target for each row, or an array that broadcasts against one: a column
            of shape (n_points, 1) gives every row the same points. Of counts it is the
            probability.

        Returns
        -------
        log_density : ndarray of the broadcast shape, without the axis of the outputs
        """
        log_density = self._each(
            "logpmf" if self.discrete else "logpdf", self._checked(y)
        )
        if len(self.shape) == 2:
            log_density = log_density.sum(axis=-2)
        with np.errstate(divide="ignore"):
            return logsumexp(log_density + np.log(self.weights), axis=-1)

    def pdf(self, y):
        """Density of targets.

        Parameters
        ----------
        y : array-like
            As in `logpdf`.

        Returns
        -------
        density : ndarray
        """
        return np.exp(self.logpdf(y))

    def cdf(self, y):
        """Probability of a target not above `y`.

        Parameters
        ----------
        y : array-like
            Broadcasts against the targets.

        Returns
        -------
        probability : ndarray of the broadcast shape
        """
        return self._pool(self._each("cdf", self._checked(y)))

    def sf(self, y):
        """Probability of a target above `y`, accurate where it is small.

        Parameters
        ----------
        y : array-like
            As in `cdf`.

        Returns
        -------
        probability : ndarray
        """
        return self._pool(self._each("sf", self._checked(y)))

    def ppf(self, q):
        r"""Quantiles of the targets.

        Parameters
        ----------
        q : float or array-like of shape (n_quantiles,)
            Levels between 0 and 1.

        Returns
        -------
        quantiles : ndarray of shape `shape`, or (\*`shape`, n_quantiles)
            To a relative precision of about 1e-12. Of counts, the smallest whose `cdf`
            is not below the level.
        """
        levels = np.asarray(q)
        numbers = levels.ndim < 2 and levels.dtype.kind in "biuf"
        if not numbers or not np.all((levels >= 0) & (levels <= 1)):
            raise ValueError(
                f"Quantiles are asked for by a number between 0 and 1, or a list of "
                f"such; got {q!r}."
            )
        q = levels.astype(np.float64)
        if q.ndim:
            return np.stack([self.ppf(level) for level in q], axis=-1)
        if self.discrete:
            return self._count_quantile(q)
        return self._lower(q) if q <= 0.5 else self._upper(1 - q)

    def interval(self, coverage):
        r"""The central interval: as much probability below it as above.

        Parameters
        ----------
        coverage : float
            Probability of the interval, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (\*`shape`, 2)
            Lower and upper end.
        """
        if not (isinstance(coverage, Real) and 0 <= coverage <= 1):
            raise ValueError(
                f"coverage must be a number between 0 and 1; got {coverage!r}."
            )
        tail = (1 - coverage) / 2
        return np.stack([self.ppf(tail), self._upper(tail)], axis=-1)

    # Numbers
    # -------

    def mean(self):
        """Mean of each target.

        Returns
        -------
        mean : ndarray of shape `shape`
        """
        return self._pool(self.means)

    def var(self):
        """Variance of each target: within the experts, and between them.

        Returns
        -------
        variance : ndarray of shape `shape`
        """
        means = self.means
        between = (means - self._pool(means)[..., np.newaxis]) ** 2
        return self._pool(self.scales**2 + between)

    def std(self):
        """Standard deviation of each target.

        Returns
        -------
        std : ndarray of shape `shape`
        """
        return np.sqrt(self.var())

    def sample(self, n_samples=1, random_state=None):
        r"""Draw targets for each row.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        draws : ndarray of shape (n_samples, \\*`shape`)
            The outputs of a draw come from one expert.
        """
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be a whole number above 0; got {n_samples!r}."
            )
        rng = check_random_state(random_state)
        n_rows = len(self.weights)
        bounds = np.cumsum(self.weights, axis=1)
        bounds /= bounds[:, -1:]
        uniform = rng.uniform(size=(n_samples, n_rows, 1))
        chosen = (uniform >= bounds).sum(axis=2)
        draws = np.empty((n_samples, *self.shape))
        first = 0
        for block in self.components:
            n_components = next(iter(block.parameters.values())).shape[-1]
            for k in range(n_components):
                draw, row = np.nonzero(chosen == first + k)
                if len(row):
                    shape = draws[draw, row].shape
                    draws[draw, row] = block[row][..., k].frozen.rvs(
                        size=shape, random_state=rng
                    )
            first += n_components
        return draws

    def crps(self, y):
        r"""Continuous ranked probability score of targets; less is better.

        .. math::
            \int (F(t) - [y \le t])^2 \, dt

        In the units of the target; of a certain prediction it is the absolute error.
        For gaussians there is a closed form. Else the integral is taken numerically, to
        about 1e-6 of the scale.

        Parameters
        ----------
        y : array-like of shape `shape`

        Returns
        -------
        crps : ndarray of shape `shape`

        References
        ----------
        .. [1] T. Gneiting and A. E. Raftery (2007). Strictly proper scoring rules,
           prediction, and estimation. JASA 102(477), 359-378, equation 20.
        """
        y = np.broadcast_to(self._checked(y), self.shape)
        if self.discrete:
            return self._count_crps(y)
        if all(block.family is stats.norm for block in self.components):
            return self._gaussian_crps(y)
        with np.errstate(invalid="ignore"):
            knots = np.concatenate(
                [self._each("ppf", level) for level in _LOWER_LEVELS]
                + [self._each("isf", level) for level in _LOWER_LEVELS[-2::-1]]
                + [y[..., np.newaxis]],
                axis=-1,
            )
        knots.sort(axis=-1)
        nodes, gauss = np.polynomial.legendre.leggauss(6)
        score = np.zeros(self.shape)
        for j in range(knots.shape[-1] - 1):
            half = (knots[..., j + 1] - knots[..., j]) / 2
            middle = knots[..., j] + half
            for node, weight in zip(nodes, gauss):
                t = middle + node * half
                missing = self.cdf(t) - (t >= y)
                score += weight * half * missing**2
        return score

    # How it is done
    # --------------

    def _checked(self, y):
        """Targets as numbers, broadcast against the rows."""
        y = np.asarray(y, dtype=np.float64)
        try:
            np.broadcast_shapes(y.shape, self.shape)
        except ValueError as error:
            raise ValueError(
                f"y must broadcast against targets of shape {self.shape}; got the "
                f"shape {y.shape}. Points for every row are a column, of shape "
                "(n_points, 1)."
            ) from error
        return y

    def _each(self, method, *arguments):
        """A method of SciPy's for every component, the last axis."""
        arguments = [np.asarray(a, dtype=np.float64)[..., None] for a in arguments]
        return np.concatenate(
            [getattr(block.frozen, method)(*arguments) for block in self.components],
            axis=-1,
        )

    def _aligned_weights(self):
        """The weights, as they broadcast against components."""
        return self.weights if len(self.shape) == 1 else self.weights[:, np.newaxis]

    def _pool(self, values):
        """Mean over the components; one that has no weight may be infinite."""
        weights = self._aligned_weights()
        return np.where(weights > 0, values * np.where(weights > 0, weights, 1), 0).sum(
            axis=-1
        )

    def _log_pool(self, log_values):
        with np.errstate(divide="ignore"):
            return logsumexp(log_values + np.log(self._aligned_weights()), axis=-1)

    def _bracket(self, ends):
        """Least and largest of an end of each component that has weight."""
        weighs = np.broadcast_to(self._aligned_weights() > 0, ends.shape)
        return (
            np.where(weighs, ends, np.inf).min(axis=-1),
            np.where(weighs, ends, -np.inf).max(axis=-1),
        )

    def _lower(self, q):
        """Where the probability of less is q."""
        bracket = self._bracket(self._each("ppf", q))
        return self._root(np.log(q), "logcdf", 1, *bracket) if q else bracket[0]

    def _upper(self, q):
        """Where the probability of more is q; accurate where that is small."""
        if self.discrete:
            return self._count_quantile(1 - q)
        bracket = self._bracket(self._each("isf", q))
        return self._root(np.log(q), "logsf", -1, *bracket) if q else bracket[1]

    def _root(self, log_q, tail, sign, lower, upper):
        """Solve log F(y) = log q between the least and the largest expert's quantile.

        Newton's method on the logarithm, which is nearly straight where the quantile is
        far out, safeguarded by bisection.
        """
        shape = lower.shape
        ends = np.maximum(np.abs(lower), np.abs(upper))
        search = np.stack([lower, upper, lower + (upper - lower) / 2, upper - lower])
        pending = lower < upper
        while pending.any():
            rows = pending if pending.ndim == 1 else pending.any(axis=1)
            part = self[rows]
            y = search[2, rows]
            log_tail = part._log_pool(part._each(tail, y))
            with np.errstate(invalid="ignore", over="ignore"):
                slope = np.exp(part._log_pool(part._each("logpdf", y)) - log_tail)
            search[:, rows] = kernels.bracketed_newton(
                search[:, rows], sign * (log_tail - log_q), slope, ends[rows]
            )
            pending = search[0] < search[1]
        return search[2].reshape(shape)

    def _count_quantile(self, q):
        """Bisect whole numbers for the smallest whose probability is enough."""
        lower, upper = self._bracket(self._each("ppf", q))
        enough = q * (1 - 4 * np.finfo(float).eps)
        while np.any(lower < upper):
            middle = np.floor(lower + (upper - lower) / 2)
            reached = self.cdf(middle) >= enough
            lower = np.where(reached | (lower >= upper), lower, middle + 1)
            upper = np.where(reached, np.minimum(middle, upper), upper)
        return upper

    def _gaussian_crps(self, y):
        means, scales = self.means, self.scales
        weights = np.broadcast_to(self._aligned_weights(), means.shape)
        flat = (
            array.reshape(-1, means.shape[-1]) for array in (weights, means, scales)
        )
        return kernels.gaussian_crps(*flat, y.ravel()).reshape(self.shape)

    def _count_crps(self, y):
        """The integral, which is a sum here."""
        lower = np.minimum(self._bracket(self._each("ppf", _LOWER_LEVELS[0]))[0], y)
        upper = np.maximum(self._bracket(self._each("isf", _LOWER_LEVELS[0]))[1], y)
        score = np.zeros(self.shape)
        for step in range(int((upper - lower).max())):
            t = lower + step
            score += np.where(t < upper, (self.cdf(t) - (t >= y)) ** 2, 0)
        return score
