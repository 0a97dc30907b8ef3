"""Distribution of the target of each row: a mixture of the experts' distributions."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betainc, gammaincc, gammainccinv, gammaincinv
from sklearn.utils import check_random_state

from sklearn_moe import kernels
from sklearn_moe._distribution.roots import EPS, increasing_roots, smallest_integers

# Levels of the lower half of the experts' quantiles. Between these, the cumulative
# distribution function is smooth enough to compute the CRPS by quadrature.
KNOT_LEVELS = np.array([1e-12, 1e-8, 1e-5, 1e-3, 0.01, 0.05, 0.15, 0.3, 0.5])

# Number of Gauss-Legendre nodes between two of these quantiles.
N_NODES = 6

# Up to this number of counts between two knots are summed one by one.
MOST_COUNTS = 64


@dataclass(frozen=True)
class MixtureDistribution:
    r"""Distribution of the target of each row under a mixture of experts.

    .. math::
        p(y | x) = \sum_k g_k(x) \, p_k(y | x)

    It is returned by :meth:`MixtureOfExpertsRegressor.predict_distribution`. With
    several outputs, `pdf` and `logpdf` are joint densities of all outputs, and `sample`
    draws all outputs jointly; the other methods apply to each output separately.

    Read more in the :ref:`User Guide <guide_intervals>`.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_components)
        Weights of the components in each row, which sum to one. A component is an
        expert, or an expert of a mixture that is an expert.
    components : tuple of Components
        Distributions of the components, in blocks of one family each.

    See Also
    --------
    MixtureOfExpertsRegressor.predict_distribution : Method that returns it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> distribution = moe.predict_distribution([[-2.0], [2.0]])
    >>> distribution.mean().round(1)
    array([2., 2.])
    >>> distribution.ppf([0.1, 0.9]).shape
    (2, 2)
    """

    weights: np.ndarray
    components: tuple

    @classmethod
    def nested(cls, weights: np.ndarray, components: Any, inner: dict) -> Self:
        """Return the distribution of a mixture, some of whose experts are mixtures.

        Parameters
        ----------
        weights : ndarray of shape (n_samples, n_experts)
        components : Components
            Distributions of all experts.
        inner : dict of int to MixtureDistribution
            Distributions that replace those of the experts that are mixtures.

        Returns
        -------
        distribution : MixtureDistribution
        """
        if not inner:
            return cls(weights, (components,))
        columns, blocks = [], []
        for k in range(weights.shape[1]):
            own = weights[:, [k]]
            if k in inner:
                columns.append(own * inner[k].weights)
                blocks.extend(inner[k].components)
            else:
                columns.append(own)
                blocks.append(components[..., [k]])
        return cls(np.concatenate(columns, axis=1), tuple(blocks))

    def __getitem__(self, rows):
        """Return the distribution of some rows, given by a slice, a mask or indices."""
        return MixtureDistribution(
            self.weights[rows], tuple(block[rows] for block in self.components)
        )

    def __len__(self):
        return len(self.weights)

    # Shapes
    # ------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the targets: (n_samples,) or (n_samples, n_outputs)."""
        return self.components[0].shape[:-1]

    @property
    def discrete(self) -> bool:
        """Whether the targets are counts."""
        return not hasattr(self.components[0].family, "pdf")

    @property
    def means(self) -> np.ndarray:
        """Mean of each component, shape (n_samples, [n_outputs,] n_components).

        A Student t of up to one degree of freedom has no mean; its centre is used.
        """
        return np.concatenate([block.means for block in self.components], axis=-1)

    @property
    def scales(self) -> np.ndarray:
        """Standard deviation of each component, in the shape of `means`.

        It is infinite for a Student t of up to two degrees of freedom.
        """
        return np.concatenate([block.scales for block in self.components], axis=-1)

    # Functions of the target
    # -----------------------

    def logpdf(self, y: ArrayLike) -> np.ndarray:
        """Return the logarithm of the joint density of all outputs.

        For counts it is the logarithm of their probability.

        Parameters
        ----------
        y : array-like
            One target for each row, or an array that broadcasts against this: a column
            of shape (n_points, 1) has the same points for every row.

        Returns
        -------
        log_density : ndarray of the broadcast shape, without the axis of the outputs
        """
        log_density = self._evaluate(
            "logpmf" if self.discrete else "logpdf", self._check_y(y)
        )
        if len(self.shape) == 2:
            log_density = log_density.sum(axis=-2)
        return _log_average(self._log_weights, log_density)

    def pdf(self, y: ArrayLike) -> np.ndarray:
        """Return the joint density of all outputs; for counts, their probability.

        Parameters
        ----------
        y : array-like
            Targets as in `logpdf`.

        Returns
        -------
        density : ndarray
        """
        return np.exp(self.logpdf(y))

    def cdf(self, y: ArrayLike) -> np.ndarray:
        """Return the probability of a target not above `y`.

        Parameters
        ----------
        y : array-like
            Array that broadcasts against one target for each row and output.

        Returns
        -------
        probability : ndarray of the broadcast shape
        """
        return self._average(self._evaluate("cdf", self._check_y(y)))

    def sf(self, y: ArrayLike) -> np.ndarray:
        """Return the probability of a target above `y`, accurate even if it is small.

        Parameters
        ----------
        y : array-like
            Targets as in `cdf`.

        Returns
        -------
        probability : ndarray
        """
        return self._average(self._evaluate("sf", self._check_y(y)))

    def ppf(self, q: ArrayLike) -> np.ndarray:
        r"""Return quantiles of the targets.

        Parameters
        ----------
        q : float or array-like of shape (n_quantiles,)
            Levels between 0 and 1.

        Returns
        -------
        quantiles : ndarray of shape `shape`, or (\*`shape`, n_quantiles)
            Quantiles, accurate up to rounding. For counts, the smallest count whose
            `cdf` is not below the level.
        """
        levels = np.asarray(q)
        numbers = levels.ndim < 2 and levels.size and levels.dtype.kind in "biuf"
        if not numbers or not np.all((levels >= 0) & (levels <= 1)):
            raise ValueError(
                f"q must be a number between 0 and 1, or a list of them; got {q!r}."
            )
        q = levels.astype(np.float64)
        if q.ndim:
            return np.stack([self.ppf(level) for level in q], axis=-1)
        if self.discrete or q <= 0.5:
            return self._quantile(q, "cdf")
        return self._quantile(1 - q, "sf")

    def interval(self, coverage: float) -> np.ndarray:
        r"""Return the central interval, with equal probabilities below and above it.

        Parameters
        ----------
        coverage : float
            Probability of the interval, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (\*`shape`, 2)
            Lower and upper ends.
        """
        if not (isinstance(coverage, Real) and 0 <= coverage <= 1):
            raise ValueError(
                f"coverage must be a number between 0 and 1; got {coverage!r}."
            )
        tail = (1 - coverage) / 2
        return np.stack([self.ppf(tail), self._quantile(tail, "sf")], axis=-1)

    # Moments, draws and scores
    # -------------------------

    def mean(self) -> np.ndarray:
        """Return the mean of each target, which the mixture predicts.

        Returns
        -------
        mean : ndarray of shape `shape`
        """
        return self._average(self.means)

    def var(self) -> np.ndarray:
        """Return the variance of each target: that within plus that between experts.

        It is infinite if a Student t of up to two degrees of freedom has weight.

        Returns
        -------
        variance : ndarray of shape `shape`
        """
        means = self.means
        with np.errstate(over="ignore", invalid="ignore"):
            between = (means - self._average(means)[..., np.newaxis]) ** 2
            variances = self.scales**2 + between
        # If a mean overflows, the variance is infinite as well.
        return self._average(np.where(np.isnan(variances), np.inf, variances))

    def std(self) -> np.ndarray:
        """Return the standard deviation of each target.

        Returns
        -------
        std : ndarray of shape `shape`
        """
        return np.sqrt(self.var())

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        r"""Draw targets for each row.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        draws : ndarray of shape (n_samples, \\*`shape`)
            All outputs of a draw come from the same expert.
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
            for k in range(block.shape[-1]):
                draw, row = np.nonzero(chosen == first + k)
                if len(row):
                    shape = draws[draw, row].shape
                    draws[draw, row] = block[row][..., k].evaluate(
                        "rvs", size=shape, random_state=rng
                    )
            first += block.shape[-1]
        return draws

    def crps(self, y: ArrayLike) -> np.ndarray:
        r"""Return the continuous ranked probability score; smaller is better.

        .. math::
            \int (F(t) - [y \le t])^2 \, dt

        The score [1]_ is in the units of the target. For a prediction without
        uncertainty it is the absolute error. For gaussians there is a closed form.
        Otherwise the integral is computed numerically, to about 1e-6 of the scale; for
        few counts it is an exact sum. It is infinite if a Student t of up to half a
        degree of freedom has weight.

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
        y = np.broadcast_to(self._check_y(y), self.shape)
        if self.discrete:
            return self._count_crps(y)
        if all(block.family is stats.norm for block in self.components):
            return self._gaussian_crps(y)
        return self._continuous_crps(y)

    # Computation
    # -----------

    def _check_y(self, y):
        """Return targets as numbers, checked to broadcast against the rows."""
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

    def _evaluate(self, method, *arguments):
        """Call a method of SciPy's distributions, with components on the last axis."""
        arguments = [np.asarray(a, dtype=np.float64)[..., None] for a in arguments]
        return np.concatenate(
            [block.evaluate(method, *arguments) for block in self.components],
            axis=-1,
        )

    @property
    def _log_weights(self):
        with np.errstate(divide="ignore"):
            return np.log(self.weights)

    def _aligned_weights(self):
        """Return the weights in a shape that broadcasts against the components."""
        return self.weights if len(self.shape) == 1 else self.weights[:, np.newaxis]

    def _average(self, values):
        """Return the mean over the components, without those of weight zero."""
        weights = self._aligned_weights()
        return np.where(weights > 0, values * np.where(weights > 0, weights, 1), 0).sum(
            axis=-1
        )

    def _quantile(self, q, tail):
        """Return the points at which a tail, "cdf" or "sf", has the probability q."""
        find = self._count_quantile if self.discrete else self._continuous_quantile
        if len(self.shape) == 1:
            return find(q, tail)
        n_outputs = self.shape[1]
        outputs = [self._output(j)._quantile(q, tail) for j in range(n_outputs)]
        return np.stack(outputs, axis=1)

    def _output(self, j):
        """Return the distribution of one output."""
        return MixtureDistribution(
            self.weights, tuple(block[:, j] for block in self.components)
        )

    def _continuous_quantile(self, q, tail):
        """Return the points at which a tail of a continuous distribution is q.

        The logarithm of the equation is solved, which is almost linear in the tails.
        """
        below = tail == "cdf"
        with np.errstate(over="ignore"):
            ends = np.concatenate(
                [
                    block.quantiles("ppf" if below else "isf", q)
                    for block in self.components
                ],
                axis=-1,
            )
        lower, upper = _extremes(ends, self.weights > 0)
        if q == 0:
            return lower if below else upper
        sign, log_q = (1 if below else -1), np.log(q)
        # In the tails, rounding errors grow with the logarithm of the probability.
        accuracy = 8 * EPS * max(1, -log_q)

        log_weights = self._log_weights

        def excess_and_slope(rows, y):
            own = log_weights[rows]
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                found = [
                    block.log_tail_and_density(tail, y, rows)
                    for block in self.components
                ]
                log_probability, log_density = (
                    _log_average(own, np.concatenate(log_values, axis=-1))
                    for log_values in zip(*found)
                )
                slope = np.exp(log_density - log_probability)
            return sign * (log_probability - log_q), slope

        # Begin at the outermost of the components with twice the probability: at the
        # quantile, no more than half of each lies outside.
        most = self.weights.max(axis=1, keepdims=True)
        outermost = _extremes(ends, self.weights >= np.minimum(2 * q, most))
        start = outermost[0 if below else 1]
        return increasing_roots(excess_and_slope, lower, upper, start, accuracy)

    def _count_quantile(self, q, tail):
        """Return the smallest counts whose `cdf` is at least q, or 1 - q with "sf"."""
        q = q if tail == "cdf" else 1 - q
        if q == 1:
            return np.full(self.shape, np.inf)
        enough = q * (1 - 4 * EPS)
        # SciPy's quantiles of large counts are NaN, or take too long.
        # Those of the likeliest component are usually close to those of the mixture.
        likeliest = self.weights.argmax(axis=1)[:, np.newaxis]
        means, scales = (
            np.take_along_axis(moments, likeliest, axis=1)[:, 0]
            for moments in (self.means, self.scales)
        )
        start = _rough_counts(q, means, scales)
        return smallest_integers(lambda rows, y: self[rows].cdf(y) >= enough, start)

    def _gaussian_crps(self, y):
        means, scales = self.means, self.scales
        weights = np.broadcast_to(self._aligned_weights(), means.shape)
        flat = (
            array.reshape(-1, means.shape[-1]) for array in (weights, means, scales)
        )
        return kernels.gaussian_crps(*flat, y.ravel()).reshape(self.shape)

    def _continuous_crps(self, y):
        with np.errstate(invalid="ignore"):
            knots = np.concatenate(
                [self._evaluate("ppf", level) for level in KNOT_LEVELS]
                + [self._evaluate("isf", level) for level in KNOT_LEVELS[-2::-1]]
                + [y[..., np.newaxis]],
                axis=-1,
            )
        knots.sort(axis=-1)
        nodes, node_weights = np.polynomial.legendre.leggauss(N_NODES)
        score = np.zeros(y.shape)
        for j in range(knots.shape[-1] - 1):
            half = (knots[..., j + 1] - knots[..., j]) / 2
            middle = knots[..., j] + half
            for node, weight in zip(nodes, node_weights):
                t = middle + node * half
                score += weight * half * (self.cdf(t) - (t >= y)) ** 2
        endless = [block.has_infinite_crps for block in self.components]
        positive = self._aligned_weights() > 0
        infinite = np.any(np.concatenate(endless, axis=-1) & positive, axis=-1)
        return np.where(infinite, np.inf, score)

    def _count_crps(self, y):
        """Sum over all counts, by quadrature if there are many between two knots."""
        score, positive = np.maximum(-y, 0), np.maximum(y, 0)
        y = np.ceil(positive)
        # The part of a step below a target that is not a whole number.
        score += (y - positive) * (1 - 2 * self.cdf(np.floor(positive)))
        moments = self.means, self.scales
        knots = [
            *(_rough_counts(level, *moments) for level in KNOT_LEVELS),
            *(_rough_counts(level, *moments, True) for level in KNOT_LEVELS[-2::-1]),
            y[..., np.newaxis],
            np.zeros((*y.shape, 1)),
        ]
        # Further knots at 64, 256, ...: the lower quantiles of counts of large variance
        # are all close to zero.
        farthest = np.max([knot.max() for knot in knots])
        powers = np.arange(np.log2(MOST_COUNTS), np.log2(farthest + 1), 2)
        knots.append(np.broadcast_to(2**powers, (*y.shape, len(powers))))
        knots = np.sort(np.concatenate(knots, axis=-1), axis=-1)
        knots = np.minimum(knots, farthest)
        for j in range(knots.shape[-1] - 1):
            score += self._count_crps_between(knots[..., j], knots[..., j + 1], y)
        return score

    def _count_crps_between(self, lower, upper, y):
        """Return the sum over the counts from `lower` to one below `upper`."""

        def squares(t):
            return (self._continuous_cdf(t) - (lower >= y)) ** 2

        few = upper - lower <= MOST_COUNTS
        score = np.zeros(y.shape)
        for step in range(int(np.max((upper - lower)[few], initial=0))):
            t = lower + step
            score += np.where(few & (t < upper), squares(t), 0)
        if few.all():
            return score
        half = (upper - lower) / 2
        many = np.zeros(y.shape)
        for node, weight in zip(*np.polynomial.legendre.leggauss(N_NODES)):
            many += weight * half * squares(lower - 0.5 + half * (1 + node))
        # The Euler-Maclaurin formula, for the midpoints of steps of one.
        slopes = (
            squares(upper) - squares(upper - 1),
            squares(lower) - squares(lower - 1),
        )
        return np.where(few, score, many - (slopes[0] - slopes[1]) / 24)

    def _continuous_cdf(self, t):
        """Return the distribution function of counts, interpolated between integers."""
        values = []
        for block in self.components:
            own, at = block.parameters, t[..., np.newaxis]
            if block.family is stats.poisson:
                values.append(gammaincc(at + 1, own["mu"]))
            elif block.family is stats.nbinom:
                values.append(betainc(own["n"], at + 1, own["p"]))
            elif block.family is stats.randint:
                share = (at + 1 - own["low"]) / (own["high"] - own["low"])
                values.append(np.clip(share, 0, 1))
            else:
                values.append(block.evaluate("cdf", at))
        return self._average(np.concatenate(values, axis=-1))


def _rough_counts(q, means, scales, upper_tail=False):
    """Return whole numbers close to the quantiles of distributions of counts.

    They are quantiles of gamma distributions with the same mean and variance.
    """
    inverse = gammainccinv if upper_tail else gammaincinv
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        variances = scales**2
        rough = inverse(means**2 / variances, q) * (variances / means)
    # NaN results from a mean of zero, for which all counts are zero.
    return np.floor(np.nan_to_num(rough, nan=0.0))


def _extremes(values, counted):
    """Return the extreme values of those components in each row that are counted."""
    return (
        np.where(counted, values, np.inf).min(axis=-1),
        np.where(counted, values, -np.inf).max(axis=-1),
    )


def _log_average(log_weights, log_values):
    """Return the logarithm of the mean over the components, given logarithms."""
    # NumPy is slow at reductions of a short axis, unless it is the first.
    terms = np.ascontiguousarray(np.moveaxis(log_values + log_weights, -1, 0))
    largest = terms.max(axis=0)
    shift = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(terms - shift).sum(axis=0)) + shift
