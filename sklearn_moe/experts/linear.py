"""Linear experts: the normal equations of all of them in one pass over the rows."""

from copy import copy

import numpy as np
from scipy.linalg import lapack, svdvals
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import check_array, gen_batches

from sklearn_moe.weighting import MIN_ROWS, NEGLIGIBLE

# Equations whose reciprocal condition, their columns scaled to length one, is below
# this are left to the estimator: their solution may differ by more than rounding.
MIN_RCOND = 1e-6

# A singular value within this factor of where LinearRegression cuts them off is for it
# to judge.
MARGIN = 1.5

# Weighted designs of all experts that are held at a time, in numbers: they stay in the
# cache.
BLOCK = 2**16

# With more columns the arithmetic is all that counts, and the estimators do half of it.
# With fewer, an expert takes part if it has as large a part of the rows: the pass goes
# over all rows, a fit over its own.
MAX_FEATURES = 80

# How many rows tell how large a part an expert has.
N_INSPECTED = 1000


def is_least_squares(estimator):
    """Whether `fit` solves the normal equations of its rows.

    Parameters
    ----------
    estimator : estimator
        A subclass may do otherwise, and is not known.

    Returns
    -------
    known : bool
    """
    if type(estimator) is LinearRegression:
        return not estimator.positive
    return (
        type(estimator) is Ridge
        and not estimator.positive
        and estimator.solver in ("auto", "cholesky")
        and np.ndim(estimator.alpha) == 0
    )


class LeastSquares:
    """Weighted least squares of many experts on the same rows.

    One product of a block of the weighted designs of all experts with the design
    itself is their part in all normal equations. For experts with an intercept the
    columns are centred, once for all, so that large means take no digits from the sums.

    Parameters
    ----------
    X : array-like or frame of shape (n_samples, n_features)
        On which the estimators can be fitted.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    """

    def __init__(self, X, y, sample_weight):
        # As the estimators convert it. They have seen it before: it is finite.
        X = check_array(X, dtype=(np.float64, np.float32), ensure_all_finite=False)
        n_samples, n_features = X.shape
        # The estimators compute in the precision of X.
        double = X.dtype == np.float64
        self._serves = double and n_features <= MAX_FEATURES and n_features < n_samples
        if self._serves:
            self.X, self.y = X, np.asarray(y, dtype=np.float64)
            shares = sample_weight / sample_weight.sum()
            self._means = np.append(shares @ self.X, shares @ self.y)

    def fit(self, estimators, weights):
        """Fit experts to new weights, as far as it can be done exactly.

        Parameters
        ----------
        estimators : dict of {int: estimator}
            By the column of their weights; fitted before, to the same columns of X.
            They are not changed.
        weights : TrainingWeights
            ``weights.of(experts, rows)`` are those of one or several, non-negative.

        Returns
        -------
        fitted : dict of {int: estimator}
            Those whose coefficients are what the estimator's own `fit` finds.
        values : ndarray of shape (n_fitted, n_samples)
            Their predictions.
        """
        fitted = self.solve(estimators, weights) if self._serves else {}
        if not fitted:
            return {}, []
        coef = np.stack([estimator.coef_ for estimator in fitted.values()])
        values = coef @ self.X.T
        values += [[estimator.intercept_] for estimator in fitted.values()]
        return fitted, values

    def solve(self, estimators, weights):
        """The same, without predictions.

        Parameters
        ----------
        estimators : dict of {int: estimator}
        weights : TrainingWeights

        Returns
        -------
        fitted : dict of {int: estimator}
        """
        fitted, n_features = {}, len(self._means) - 1
        experts = [
            k
            for k in self._worthwhile(estimators, weights)
            # Columns that depended on each other will do so again.
            if getattr(estimators[k], "rank_", n_features) == n_features
        ]
        for intercept in (True, False):
            group = [k for k in experts if estimators[k].fit_intercept == intercept]
            if not group:
                continue
            means = intercept * self._means
            # What overflows has no finite condition.
            with np.errstate(over="ignore", invalid="ignore"):
                n_rows, moments = self._moments(group, weights, means)
                for k, n_own, own in zip(group, n_rows, moments):
                    # With fewer, its own fit takes in rows of negligible weight.
                    if n_own < max(MIN_ROWS, n_features + 1):
                        continue
                    estimator = _solved(estimators[k], own, means)
                    if estimator is not None:
                        fitted[k] = estimator
        return fitted

    def _worthwhile(self, estimators, weights):
        """The experts for which a pass over all rows may pay."""
        n_samples, n_features = self.X.shape
        experts = list(estimators)
        some_rows = slice(None, None, max(1, n_samples // N_INSPECTED))
        parts = (weights.of(experts, some_rows) > 0).mean(axis=1)
        return [k for k, p in zip(experts, parts) if p >= n_features / MAX_FEATURES]

    def _moments(self, experts, weights, means):
        return weighted_moments(self.X, self.y, experts, weights, means)


def weighted_moments(X, y, experts, weights, means):
    """Weighted products of the columns 1, X and y, less the means.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    experts : list of int
    weights : TrainingWeights
    means : ndarray of shape (n_features + 1,)

    Returns
    -------
    n_rows : ndarray of shape (n_experts,)
        Number of rows whose weight is not negligible; the others are left out.
    moments : ndarray of shape (n_experts, n_features + 2, n_features + 2)
        Both add up to those of more rows.
    """
    n_samples, n_features = X.shape
    n_columns = n_features + 2
    n_products = len(experts) * n_columns
    batches = list(gen_batches(n_samples, max(64, BLOCK // n_products)))
    largest = np.max([weights.of(experts, rows).max(axis=1) for rows in batches], 0)
    negligible = NEGLIGIBLE * largest[:, np.newaxis]
    moments, n_rows = np.zeros((n_products, n_columns)), np.zeros(len(experts))
    # Used again and again: workers of Dask return what is larger than 128 KB to the
    # system at once, and it is dear to get it back.
    size = batches[0].stop
    design = np.ones((n_columns, size))
    weighted = np.empty((len(experts), n_columns, size))
    for rows in batches:
        used = slice(rows.stop - rows.start)
        np.subtract(X[rows].T, means[:-1, np.newaxis], out=design[1:-1, used])
        np.subtract(y[rows], means[-1], out=design[-1, used])
        block = weights.of(experts, rows)
        substantial = block > negligible
        block *= substantial
        n_rows += np.count_nonzero(substantial, axis=1)
        np.multiply(block[:, np.newaxis], design[:, used], out=weighted[:, :, used])
        flat = weighted.reshape(n_products, -1)[:, used]
        moments += flat @ design[:, used].T
    return n_rows, moments.reshape(len(experts), n_columns, n_columns)


def _solved(estimator, moments, means):
    """A copy of an expert with new coefficients; None where they are not sure."""
    n_features = len(means) - 1
    spread = 1.0
    if estimator.fit_intercept:
        # Targets far from those of the others have lost digits to the distance.
        count, total, squares = moments[[0, 0, -1], [0, -1, -1]]
        spread = np.sqrt(max(0.0, 1 - total**2 / (count * squares))) if squares else 0.0
    else:
        moments = moments[1:, 1:]
    normal = moments[:-1, :-1].copy()
    if type(estimator) is Ridge:
        penalised = np.arange(-n_features, 0)
        normal[penalised, penalised] += estimator.alpha
    scales = np.sqrt(normal.diagonal())
    if not (np.isfinite(scales) & (scales > 0)).all():
        return None
    normal /= np.outer(scales, scales)
    factor, failed = lapack.dpotrf(normal)
    if failed:
        return None
    rcond, _ = lapack.dpocon(factor, np.abs(normal).sum(axis=0).max())
    if rcond * spread < MIN_RCOND:
        return None
    solution, _ = lapack.dpotrs(factor, moments[:-1, -1] / scales)
    solution = solution.ravel() / scales
    fitted = copy(estimator)
    fitted.coef_ = solution[-n_features:].copy()
    if estimator.fit_intercept:
        fitted.intercept_ = solution[0] + means[-1] - means[:-1] @ fitted.coef_
    if type(estimator) is Ridge:
        fitted.solver_ = "cholesky"
        return fitted
    # What is left of the factor without the intercept is that of the design centred by
    # its own mean.
    design = factor[-n_features:, -n_features:] * scales[-n_features:]
    fitted.rank_, fitted.singular_ = n_features, svdvals(design)
    largest, smallest = fitted.singular_[[0, -1]]
    return fitted if smallest > MARGIN * estimator.tol * largest else None
