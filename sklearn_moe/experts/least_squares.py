"""Linear experts: the normal equations of all of them in one pass over the rows."""

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

# Equations whose reciprocal condition, their columns scaled to length one, is below
# this are left to the estimator: their solution may differ by more than rounding.
MIN_RCOND = 1e-6

# Columns whose variance is below this, relative to the square of the mean, are left to
# StandardScaler, which has to tell whether they are constant.
MIN_VARIANCE = 1e-10

# A singular value within this factor of where LinearRegression cuts them off is for it
# to judge.
MARGIN = 1.5

# Weights of all experts that are held at a time.
BATCH_SIZE = 2**18

# With more columns the estimators' own solvers take as long. With fewer, an expert
# takes part if it has as large a part of the rows: the pass goes over all rows, a fit
# over its own. A pass that takes no more products of two numbers than these is faster
# in any case: a fit has to check what it is given.
MAX_FEATURES = 80
FEW_PRODUCTS = 2**23

# How many rows tell how large a part an expert has.
N_INSPECTED = 1000


def is_least_squares(estimator):
    """Whether `fit` solves the normal equations of its rows, standardised or not.

    Parameters
    ----------
    estimator : estimator
        A subclass may do otherwise, and is not known.

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
    # Without an intercept the equations are those of columns that are not moved.
    return not learns_rows_alone(step) and all(
        estimator.fit_intercept if scaler.with_mean else scaler.with_std
        for scaler in _scalers(step)
    )


def _parts(expert):
    """The step that standardises columns, or None, and the linear estimator itself."""
    if type(expert) is Pipeline and len(expert.steps) == 2:
        step, last = (step for _, step in expert.steps)
        if type(step) in (StandardScaler, ScaledColumns):
            return step, last
    return None, expert


def _scalers(step):
    """The scalers in a step, before they are fitted."""
    if isinstance(step, ScaledColumns):
        return [scaler for _, scaler in step.scalers]
    return [step]


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

    One pass over the rows has the normal equations of all experts. For those with an
    intercept the columns are centred, so that large means take no digits from the sums.

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
            self._means = rows.total(_means_of_block, rows.total_weight)
            # For columns that are centred, and for others.
            self._columns = {}

    @in_one_blas_thread
    def fit(self, estimators, weights):
        """Fit experts to new weights, as far as it can be done exactly.

        Parameters
        ----------
        estimators : dict of {int: estimator}
            By the column of their weights; fitted before, to the same columns of X.
            They are not changed. A StandardScaler in front of one is fitted by itself:
            then the penalty is one on what comes out of it.
        weights : column of TrainingWeights

        Returns
        -------
        fitted : dict of {int: estimator}
            Those whose coefficients are what the estimator's own `fit` finds.
        """
        if not self._serves or not estimators:
            return {}
        fitted, n_features = {}, len(self._means) - 1
        linear = {k: _parts(estimator)[1] for k, estimator in estimators.items()}
        experts = [
            k
            for k in self._worthwhile(estimators, weights)
            # Columns that depended on each other will do so again.
            if getattr(linear[k], "rank_", n_features) == n_features
        ]
        for centred in (True, False):
            group = [k for k in experts if linear[k].fit_intercept == centred]
            if not group:
                continue
            columns, means = self._columns_less_means(centred)
            # What overflows has no finite condition.
            with np.errstate(over="ignore", invalid="ignore"):
                equations = self._rows.total(normal_equations, columns, weights, group)
                for k, n_own, own in zip(group, equations.n_rows, equations.moments):
                    # With fewer, its own fit takes in rows of negligible weight.
                    if n_own < max(MIN_ROWS, n_features + 1):
                        continue
                    expert = _fitted(estimators[k], own, means)
                    if expert is not None:
                        fitted[k] = expert
        return fitted

    @in_one_blas_thread
    def predict(self, estimators):
        """Predict for the training rows with many experts at once.

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
        """The columns of the equations, and what was subtracted from them."""
        means, rows = centred * self._means, self._rows
        if centred not in self._columns:
            columns = rows.keep(rows.map(_columns_of_block, means))
            # Of starts in threads, all go on with what was there first.
            self._columns.setdefault(centred, columns)
        return self._columns[centred], means

    def _worthwhile(self, estimators, weights):
        """The experts for which a pass over all rows may pay."""
        experts = list(estimators)
        if not self._rows.in_one_block:
            # Rows would be sent around.
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
    """The rows as the estimators convert them, which have found them finite before."""
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
    """The columns 1, X and y (n_features + 2, n_samples), the last ones less means."""
    columns = np.ones((len(means) + 1, len(block.y)))
    np.subtract(_design_of_block(block).T, means[:-1, np.newaxis], out=columns[1:-1])
    np.subtract(block.y, means[-1], out=columns[-1])
    return columns


def _predict_block(block, columns, coef, intercept):
    values = coef @ columns[1:-1]
    values += intercept[:, np.newaxis]
    return values


def normal_equations(block, columns, weights, experts):
    """Weighted products of each two columns.

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
    largest = np.max([weights.of(experts, rows).max(axis=1) for rows in batches], 0)
    negligible = NEGLIGIBLE * largest[:, np.newaxis]
    moments = np.zeros((len(experts), n_columns, n_columns))
    n_rows = np.zeros(len(experts))
    for rows in batches:
        own = weights.of(experts, rows)
        substantial = own > negligible
        own *= substantial
        n_rows += np.count_nonzero(substantial, axis=1)
        kernels.add_weighted_products(columns, own, moments, rows.start)
    return NormalEquations(n_rows, moments)


def _batches(n_samples, size):
    # The function of scikit-learn takes longer than a batch to check its arguments.
    return [
        slice(first, min(first + size, n_samples))
        for first in range(0, n_samples, size)
    ]


def _fitted(expert, moments, means):
    """A copy of an expert, fitted to the moments; None where that is not sure."""
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
    """A copy of a step that standardises; None where that is not sure."""
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
    """A copy of a scaler, fitted to the moments; None where these lose its digits."""
    count, (shifts, squares) = moments[0, 0], (moments[0], moments.diagonal())
    shifts, squares = shifts[1:-1] / count, squares[1:-1] / count
    variances = squares - shifts**2
    fitted = copy(scaler)
    fitted.n_samples_seen_, fitted.mean_ = count, means[:-1] + shifts
    if scaler.with_std:
        # It divides columns that are all but constant by one.
        least = np.maximum(MIN_RCOND * squares, MIN_VARIANCE * fitted.mean_**2)
        if not (variances > least).all():
            return None
        fitted.var_, fitted.scale_ = variances, np.sqrt(variances)
    return fitted


def _scales(step, n_features):
    """What a fitted step, or None, subtracts from columns, and divides them by."""
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
    """A copy of an estimator with new coefficients; None where they are not sure.

    Its columns are those of the equations less `shifts`, divided by `units`.
    """
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
    # What is left of the factor without the intercept is that of the design centred by
    # its own mean.
    design = factor[-n_features:, -n_features:] * (scales[-n_features:] / units)
    fitted.rank_, fitted.singular_ = n_features, svdvals(design)
    largest, smallest = fitted.singular_[[0, -1]]
    cut_off = cut_off_of_singular_values(estimator) * largest
    return fitted if smallest > MARGIN * cut_off else None
