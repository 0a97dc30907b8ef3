"""Linear experts: the normal equations of all of them in one pass over the rows."""

from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, svdvals
from scipy.sparse import issparse
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import check_array, gen_batches

from sklearn_moe._estimators import MIN_ROWS, NEGLIGIBLE
from sklearn_moe._statistics import Sums

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


@dataclass(frozen=True)
class NormalEquations(Sums):
    """What the normal equations of some experts need to know of the rows.

    Attributes
    ----------
    n_rows : ndarray of shape (n_experts,)
        Number of rows whose weight is not negligible; the others are left out.
    moments : ndarray of shape (n_experts, n_features + 2, n_features + 2)
        Weighted products of a column of ones, the features and the target.
    """

    n_rows: np.ndarray
    moments: np.ndarray


class LeastSquares:
    """Weighted least squares of many experts on the same rows.

    One product of a block of the weighted designs of all experts with the design
    itself is what the block adds to all normal equations. For experts with an intercept
    the columns are centred, once for all, so that large means take no digits from the
    sums.

    Parameters
    ----------
    rows : Rows
        To which the estimators can be fitted.
    """

    def __init__(self, rows):
        self._rows = rows
        self._serves = rows.sample.y.ndim == 1
        if not self._serves:
            return
        design = _design_of_block(rows.sample)
        # A frame may be sparse, too.
        self._serves = not issparse(design)
        if not self._serves:
            return
        n_features = design.shape[1]
        # The estimators compute in the precision of X.
        double = design.dtype == np.float64
        few_columns = n_features <= MAX_FEATURES and n_features < rows.n_samples
        self._serves = double and few_columns
        if self._serves:
            self._design = rows.extend(design, _design_of_block)
            self._means = rows.total(_means_of_block, self._design, rows.total_weight)

    def fit(self, estimators, weights):
        """Fit experts to new weights, as far as it can be done exactly.

        Parameters
        ----------
        estimators : dict of {int: estimator}
            By the column of their weights; fitted before, to the same columns of X.
            They are not changed.
        weights : column of TrainingWeights

        Returns
        -------
        fitted : dict of {int: estimator}
            Those whose coefficients are what the estimator's own `fit` finds.
        """
        if not self._serves or not estimators:
            return {}
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
                equations = self._rows.total(
                    normal_equations, self._design, weights, group, means
                )
                for k, n_own, own in zip(group, equations.n_rows, equations.moments):
                    # With fewer, its own fit takes in rows of negligible weight.
                    if n_own < max(MIN_ROWS, n_features + 1):
                        continue
                    estimator = _solved(estimators[k], own, means)
                    if estimator is not None:
                        fitted[k] = estimator
        return fitted

    def predict(self, estimators):
        """Predict for the training rows with many experts at once.

        Parameters
        ----------
        estimators : list of fitted estimators

        Returns
        -------
        values : column of shape (n_estimators, n_samples)
        """
        return self._rows.map(_predict_block, self._design, estimators)

    def _worthwhile(self, estimators, weights):
        """The experts for which a pass over all rows may pay."""
        experts = list(estimators)
        if not self._rows.in_one_block:
            # Their own fits would have rows sent around.
            return experts
        n_samples, n_features = self._design.shape
        some_rows = slice(None, None, max(1, n_samples // N_INSPECTED))
        fractions = (weights.of(experts, some_rows) > 0).mean(axis=1)
        return [
            k for k, own in zip(experts, fractions) if own >= n_features / MAX_FEATURES
        ]


def _design_of_block(block):
    """The rows as the estimators convert them, which have found them finite before."""
    return check_array(
        block.X,
        accept_sparse=True,
        dtype=(np.float64, np.float32),
        ensure_all_finite=False,
    )


def _means_of_block(block, design, total_weight):
    shares = block.sample_weight / total_weight
    y = np.asarray(block.y, dtype=np.float64)
    return np.append(shares @ design, shares @ y)


def _predict_block(block, design, estimators):
    values = np.stack([estimator.coef_ for estimator in estimators]) @ design.T
    values += [[estimator.intercept_] for estimator in estimators]
    return values


def normal_equations(block, design, weights, experts, means):
    """Weighted products of the columns 1, X and y, less the means.

    Parameters
    ----------
    block : Block
    design : ndarray of shape (n_samples, n_features)
    weights : TrainingWeights
    experts : list of int
    means : ndarray of shape (n_features + 1,)
        Subtracted from the columns and from the target.

    Returns
    -------
    equations : NormalEquations
    """
    y = np.asarray(block.y, dtype=np.float64)
    n_samples, n_features = design.shape
    n_columns = n_features + 2
    n_products = len(experts) * n_columns
    batches = list(gen_batches(n_samples, max(64, BLOCK // n_products)))
    largest = np.max([weights.of(experts, rows).max(axis=1) for rows in batches], 0)
    negligible = NEGLIGIBLE * largest[:, np.newaxis]
    moments, n_rows = np.zeros((n_products, n_columns)), np.zeros(len(experts))
    # Used again and again: see `sklearn_moe._contracts.Rows.map`.
    size = batches[0].stop
    columns = np.ones((n_columns, size))
    weighted = np.empty((len(experts), n_columns, size))
    for rows in batches:
        used = slice(rows.stop - rows.start)
        np.subtract(design[rows].T, means[:-1, np.newaxis], out=columns[1:-1, used])
        np.subtract(y[rows], means[-1], out=columns[-1, used])
        own = weights.of(experts, rows)
        substantial = own > negligible
        own *= substantial
        n_rows += np.count_nonzero(substantial, axis=1)
        np.multiply(own[:, np.newaxis], columns[:, used], out=weighted[:, :, used])
        flat = weighted.reshape(n_products, -1)[:, used]
        moments += flat @ columns[:, used].T
    return NormalEquations(n_rows, moments.reshape(len(experts), n_columns, n_columns))


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
