"""Linear experts, solved by the normal equations of all in one pass over the rows."""

from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, svdvals
from scipy.sparse import issparse
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from sklearn_moe import kernels
from sklearn_moe._estimators import MIN_ROWS, NEGLIGIBLE, learns_rows_alone
from sklearn_moe._parallel import in_one_blas_thread
from sklearn_moe._sklearn import cut_off_of_singular_values
from sklearn_moe._statistics import Sums
from sklearn_moe.experts.scaled_columns import ScaledColumns

# Equations whose reciprocal condition number, with columns scaled to length one, is
# below this are solved by the estimator's own fit, since their solution may be inexact.
MIN_RCOND = 1e-6

# If the variance of a column is below this, relative to the square of its mean, the
# estimator's own fit is used: StandardScaler decides whether the column is constant.
MIN_VARIANCE = 1e-10

# If a singular value is within this factor of the cut-off of LinearRegression, the
# estimator's own fit is used.
MARGIN = 1.5

# Number of weights of all experts that are in memory at a time.
BATCH_SIZE = 2**18

# With more columns than MAX_FEATURES the estimators' own solvers are as fast. With
# fewer, an expert takes part if its fraction of the rows is at least n_features /
# MAX_FEATURES: the pass is over all rows, but the estimator's own fit only over those
# with weight. If a pass takes no more products of two numbers than FEW_PRODUCTS it is
# faster in any case, since the estimator's own fit validates its arguments.
MAX_FEATURES = 80
FEW_PRODUCTS = 2**23

# Number of rows from which an expert's fraction of the rows is estimated.
N_INSPECTED = 1000


def is_least_squares(estimator):
    """Return whether an estimator is fitted by least squares, standardised or not.

    Parameters
    ----------
    estimator : estimator
        Subclasses are not recognised, since they may override `fit`.

    Returns
    -------
    known : bool
    """
    step, estimator = _parts(estimator)
    if type(estimator) is LinearRegression:
        known = not estimator.positive
    else:
        known = (
            type(estimator) is Ridge
            and not estimator.positive
            and estimator.solver in ("auto", "cholesky")
            and np.ndim(estimator.alpha) == 0
        )
    if step is None or not known:
        return known
    # Without an intercept, the columns must not be centred.
    return not learns_rows_alone(step) and all(
        estimator.fit_intercept if scaler.with_mean else scaler.with_std
        for scaler in _scalers(step)
    )


def _parts(expert):
    """Return the step that standardises columns, or None, and the linear estimator."""
    if type(expert) is Pipeline and len(expert.steps) == 2:
        step, last = (step for _, step in expert.steps)
        if type(step) in (StandardScaler, ScaledColumns):
            return step, last
    return None, expert


def _scalers(step):
    """Return the unfitted scalers in a step."""
    if isinstance(step, ScaledColumns):
        return [scaler for _, scaler in step.scalers]
    return [step]


@dataclass(frozen=True)
class NormalEquations(Sums):
    """Sufficient statistic of some experts' normal equations.

    Attributes
    ----------
    n_rows : ndarray of shape (n_experts,)
        Number of rows whose weight is not negligible; other rows are left out.
    moments : ndarray of shape (n_experts, n_features + 2, n_features + 2)
        Weighted products of a column of ones, the features and the target.
    """

    n_rows: np.ndarray
    moments: np.ndarray


class LeastSquares:
    """Weighted least squares of many experts on the same rows.

    One pass over the rows computes the normal equations of all experts. For experts
    with an intercept the columns are centred, so that large means do not reduce the
    precision of the sums.

    Parameters
    ----------
    rows : Rows
        Rows to which the estimators can be fitted.
    """

    def __init__(self, rows):
        self._rows = rows
        self._serves = rows.sample.y.ndim == 1
        if not self._serves:
            return
        design = _design_of_block(rows.sample)
        # A sparse frame is converted to a sparse design as well.
        self._serves = not issparse(design)
        if not self._serves:
            return
        n_features = design.shape[1]
        # The estimators compute in the precision of X; only double is supported here.
        double = design.dtype == np.float64
        few_columns = n_features <= MAX_FEATURES and n_features < rows.n_samples
        self._serves = double and few_columns
        if self._serves:
            self._means = rows.total(_means_of_block, rows.total_weight)
            # The columns, by whether they are centred.
            self._columns = {}

    @in_one_blas_thread
    def fit(self, estimators, weights):
        """Fit experts to new weights, if this is possible without loss of precision.

        Parameters
        ----------
        estimators : dict of {int: estimator}
            Experts, by the column of their weights. They must have been fitted to the
            same columns of X, and are not modified. A StandardScaler before a linear
            estimator is fitted as well; the penalty then applies to the coefficients of
            the standardised columns.
        weights : column of TrainingWeights

        Returns
        -------
        fitted : dict of {int: estimator}
            The experts whose coefficients are those of the estimator's own `fit`;
            others are left out.
        """
        if not self._serves or not estimators:
            return {}
        fitted, n_features = {}, len(self._means) - 1
        linear = {k: _parts(estimator)[1] for k, estimator in estimators.items()}
        experts = [
            k
            for k in self._worthwhile(estimators, weights)
            # Leave out experts whose columns were linearly dependent.
            if getattr(linear[k], "rank_", n_features) == n_features
        ]
        for centred in (True, False):
            group = [k for k in experts if linear[k].fit_intercept == centred]
            if not group:
                continue
            columns, means = self._columns_less_means(centred)
            # Overflow is detected later: the scales are not finite then.
            with np.errstate(over="ignore", invalid="ignore"):
                equations = self._rows.total(normal_equations, columns, weights, group)
                for k, n_own, own in zip(group, equations.n_rows, equations.moments):
                    # With fewer rows, the estimator's own fit also uses rows of
                    # negligible weight.
                    if n_own < max(MIN_ROWS, n_features + 1):
                        continue
                    expert = _fitted(estimators[k], own, means)
                    if expert is not None:
                        fitted[k] = expert
        return fitted

    @in_one_blas_thread
    def predict(self, estimators):
        """Predict the training rows with many experts at once.

        Parameters
        ----------
        estimators : list of fitted estimators

        Returns
        -------
        values : column of shape (n_estimators, n_samples)
        """
        lines, parts = [], [_parts(estimator) for estimator in estimators]
        centred = any(linear.fit_intercept for _, linear in parts)
        columns, means = self._columns_less_means(centred)
        for step, linear in parts:
            shifts, scales = _scales(step, len(self._means) - 1)
            coef = linear.coef_ / scales
            intercept = linear.intercept_ + coef @ (means[:-1] - shifts)
            lines.append((coef, intercept))
        return self._rows.map(_predict_block, columns, *map(np.stack, zip(*lines)))

    def _columns_less_means(self, centred):
        """Return the columns of the equations, and the means subtracted from them."""
        means, rows = centred * self._means, self._rows
        if centred not in self._columns:
            columns = rows.keep(rows.map(_columns_of_block, means))
            # If starts run in several threads, all use the columns stored first.
            self._columns.setdefault(centred, columns)
        return self._columns[centred], means

    def _worthwhile(self, estimators, weights):
        """Return the experts for which a pass over all rows is likely to be faster."""
        experts = list(estimators)
        if not self._rows.in_one_block:
            # The estimators' own fits would require the rows to be gathered.
            return experts
        n_samples, n_features = self._rows.n_samples, len(self._means) - 1
        if n_samples * (n_features + 2) ** 2 / 2 <= FEW_PRODUCTS:
            return experts
        some_rows = slice(None, None, max(1, n_samples // N_INSPECTED))
        fractions = (weights.of(experts, some_rows) > 0).mean(axis=1)
        return [
            k for k, own in zip(experts, fractions) if own >= n_features / MAX_FEATURES
        ]


def _design_of_block(block):
    """Convert rows as the estimators do; these have checked that they are finite."""
    return check_array(
        block.X,
        accept_sparse=True,
        dtype=(np.float64, np.float32),
        ensure_all_finite=False,
    )


def _means_of_block(block, total_weight):
    shares = block.sample_weight / total_weight
    y = np.asarray(block.y, dtype=np.float64)
    return np.append(shares @ _design_of_block(block), shares @ y)


def _columns_of_block(block, means):
    """Return the columns 1, X and y, of shape (n_features + 2, n_samples).

    The means are subtracted from X and y.
    """
    columns = np.ones((len(means) + 1, len(block.y)))
    np.subtract(_design_of_block(block).T, means[:-1, np.newaxis], out=columns[1:-1])
    np.subtract(block.y, means[-1], out=columns[-1])
    return columns


def _predict_block(block, columns, coef, intercept):
    values = coef @ columns[1:-1]
    values += intercept[:, np.newaxis]
    return values


def normal_equations(block, columns, weights, experts):
    """Return the weighted sums of products of all pairs of columns.

    Parameters
    ----------
    block : Block
    columns : ndarray of shape (n_features + 2, n_samples)
        A column of ones, the features and the target.
    weights : TrainingWeights
    experts : list of int

    Returns
    -------
    equations : NormalEquations
    """
    n_columns, n_samples = columns.shape
    batches = _batches(n_samples, BATCH_SIZE // len(experts))
    # A single batch, the usual case, is computed only once.
    computed = [weights.of(experts, rows) for rows in batches[:1]]
    others = (weights.of(experts, rows).max(axis=1) for rows in batches[1:])
    largest = np.max([computed[0].max(axis=1), *others], axis=0)
    negligible = NEGLIGIBLE * largest[:, np.newaxis]
    moments = np.zeros((len(experts), n_columns, n_columns))
    n_rows = np.zeros(len(experts))
    for rows in batches:
        own = computed.pop() if computed else weights.of(experts, rows)
        substantial = own > negligible
        own *= substantial
        n_rows += np.count_nonzero(substantial, axis=1)
        kernels.add_weighted_products(columns, own, moments, rows.start)
    return NormalEquations(n_rows, moments)


def _batches(n_samples, size):
    # `sklearn.utils.gen_batches` takes longer to validate its arguments than a batch.
    return [
        slice(first, min(first + size, n_samples))
        for first in range(0, n_samples, size)
    ]


def _fitted(expert, moments, means):
    """Return a copy of an expert, fitted to the moments; None if this is inexact."""
    step, linear = _parts(expert)
    if step is not None:
        step = _fitted_step(step, moments, means)
        if step is None:
            return None
    linear = _solved(linear, moments, means, *_scales(step, len(means) - 1))
    if step is None or linear is None:
        return linear
    fitted = copy(expert)
    (first, _), (last, _) = expert.steps
    fitted.steps = [(first, step), (last, linear)]
    return fitted


def _fitted_step(step, moments, means):
    """Return a fitted copy of a step that standardises; None if this is inexact."""
    if isinstance(step, StandardScaler):
        return _fitted_scaler(step, moments, means)
    fitted, numbers = copy(step), np.arange(1, len(means))
    fitted.scalers_ = []
    for scaler, columns in zip(step.scalers_, step.columns):
        own = np.r_[0, numbers[columns], len(means)]
        scaler = _fitted_scaler(scaler, moments[np.ix_(own, own)], means[own[1:] - 1])
        if scaler is None:
            return None
        fitted.scalers_.append(scaler)
    return fitted


def _fitted_scaler(scaler, moments, means):
    """Return a copy of a scaler, fitted to the moments; None if this is inexact."""
    count, (shifts, squares) = moments[0, 0], (moments[0], moments.diagonal())
    shifts, squares = shifts[1:-1] / count, squares[1:-1] / count
    variances = squares - shifts**2
    fitted = copy(scaler)
    fitted.n_samples_seen_, fitted.mean_ = count, means[:-1] + shifts
    if scaler.with_std:
        # A scaler divides columns that are constant up to rounding by one; which ones
        # these are cannot be decided from the moments.
        least = np.maximum(MIN_RCOND * squares, MIN_VARIANCE * fitted.mean_**2)
        if not (variances > least).all():
            return None
        fitted.var_, fitted.scale_ = variances, np.sqrt(variances)
    return fitted


def _scales(step, n_features):
    """Return the shifts and the scales of the columns in a fitted step, or None."""
    shifts, scales, fitted = np.zeros(n_features), np.ones(n_features), []
    if isinstance(step, ScaledColumns):
        fitted = zip(step.scalers_, step.columns)
    elif step is not None:
        fitted = [(step, slice(None))]
    for scaler, columns in fitted:
        if scaler.with_mean:
            shifts[columns] = scaler.mean_
        if scaler.with_std:
            scales[columns] = scaler.scale_
    return shifts, scales


def _solved(estimator, moments, means, shifts, units):
    """Return a copy of an estimator with new coefficients; None if they are inexact.

    The estimator's columns are the columns of the equations, minus `shifts`, divided by
    `units`.
    """
    n_features = len(means) - 1
    spread = 1.0
    if estimator.fit_intercept:
        # If the expert's targets are far from the overall mean, their variance is
        # inexact.
        count, total, squares = moments[[0, 0, -1], [0, -1, -1]]
        spread = np.sqrt(max(0.0, 1 - total**2 / (count * squares))) if squares else 0.0
    else:
        moments = moments[1:, 1:]
    normal = moments[:-1, :-1].copy()
    if type(estimator) is Ridge:
        penalised = np.arange(-n_features, 0)
        normal[penalised, penalised] += estimator.alpha * units**2
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
    coef = solution[-n_features:]
    fitted.coef_ = coef * units
    if estimator.fit_intercept:
        fitted.intercept_ = solution[0] + means[-1] - (means[:-1] - shifts) @ coef
    if type(estimator) is Ridge:
        fitted.solver_ = "cholesky"
        return fitted
    # Without the row and column of the intercept, this is the factor of the design
    # centred by its own mean.
    design = factor[-n_features:, -n_features:] * (scales[-n_features:] / units)
    fitted.rank_, fitted.singular_ = n_features, svdvals(design)
    largest, smallest = fitted.singular_[[0, -1]]
    cut_off = cut_off_of_singular_values(estimator) * largest
    return fitted if smallest > MARGIN * cut_off else None
