"""Rows in one block in this process, and their training weights for the experts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_moe._parallel import run_parallel
from sklearn_moe._sklearn import safe_indexing


@dataclass(frozen=True)
class Block:
    """Rows of positive weight with their targets and weights.

    Attributes
    ----------
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The targets that experts are fitted to.
    encoded_y : ndarray of the same shape
        The targets, encoded as the likelihood needs them.
    sample_weight : ndarray of shape (n_samples,)
    subjects : Subjects or None
        Subjects of the rows; all rows of a subject have the same responsibilities. None
        means that each row has its own.
    exposure : ndarray of shape (n_samples,), default=None
        Exposure of the counts. With it `y` holds rates, which are counts divided by
        their exposure.
    """

    X: Any
    y: np.ndarray
    encoded_y: np.ndarray
    sample_weight: np.ndarray
    subjects: Any = None
    exposure: Any = None

    @property
    def expert_weight(self):
        """Weights of the rows in the fits of experts, of shape (n_samples,)."""
        if self.exposure is None:
            return self.sample_weight
        return self.sample_weight * self.exposure

    @property
    def encoded_rate(self):
        """Encoded targets of the experts: the targets, or their rates with exposure."""
        if self.exposure is None:
            return self.encoded_y
        return _per_exposure(self.encoded_y, self.exposure)

    def arguments(self):
        """Return the arguments of `fit` for these rows, by name."""
        rows = {"X": self.X, "y": self.y, "sample_weight": self.sample_weight}
        if self.exposure is not None:
            rows |= {"y": self.encoded_y, "exposure": self.exposure}
        if self.subjects is not None:
            rows["subjects"] = self.subjects.codes
        return rows

    def take(self, rows):
        """Select rows.

        Parameters
        ----------
        rows : slice or ndarray of int

        Returns
        -------
        block : Block
        """
        return Block(
            safe_indexing(self.X, rows),
            self.y[rows],
            self.encoded_y[rows],
            self.sample_weight[rows],
            self.subjects and self.subjects.take(rows),
            None if self.exposure is None else self.exposure[rows],
        )


def _per_exposure(y, exposure):
    return (y.T / exposure).T


@dataclass(frozen=True)
class TrainingWeights:
    """The weights of the rows of a block for each expert, computed on demand.

    Attributes
    ----------
    fractions : ndarray of shape (n_samples, n_experts)
        Fraction of each row that each expert is trained on.
    sample_weight : ndarray of shape (n_samples,)
    sharing : float
        Fraction of each row that is divided evenly among the experts.
    working_weights : float or ndarray of shape (n_samples, n_experts), default=1
        Factor on all weights.
    """

    fractions: np.ndarray
    sample_weight: np.ndarray
    sharing: float = 0.0
    working_weights: Any = 1.0

    @classmethod
    def of_block(cls, block, fractions, sharing=0.0, working_weights=1.0):
        """Return the weights of the rows of a block.

        Parameters
        ----------
        block : Block
        fractions, sharing, working_weights : object
            See the class.

        Returns
        -------
        weights : TrainingWeights
        """
        return cls(fractions, block.sample_weight, sharing, working_weights)

    @classmethod
    def of_experts(cls, block, fractions, sharing=0.0, working_weights=1.0):
        """Return the weights for fits of experts, which include the exposure."""
        return cls(fractions, block.expert_weight, sharing, working_weights)

    def of(self, k, rows=slice(None)):
        """Return the weights of the rows for one expert, or stacked for several.

        Parameters
        ----------
        k : int or list of int
        rows : slice, default=slice(None)

        Returns
        -------
        weights : ndarray of shape (n_rows,) or (len(k), n_rows)
        """
        sample_weight = self.sample_weight[rows]
        weights = self.fractions.T[k, rows] * ((1 - self.sharing) * sample_weight)
        if self.sharing:
            weights += self.sharing / self.fractions.shape[1] * sample_weight
        if np.ndim(self.working_weights):
            weights *= self.working_weights.T[k, rows]
        return weights

    def take(self, rows):
        """Return the weights of some rows, given as a slice or by indices."""
        working_weights = self.working_weights
        if np.ndim(working_weights):
            working_weights = working_weights[rows]
        return TrainingWeights(
            self.fractions[rows],
            self.sample_weight[rows],
            self.sharing,
            working_weights,
        )

    def __array__(self, dtype=None, copy=None):
        """Return the weights for all experts, of shape (n_samples, n_experts)."""
        weights = np.empty(self.fractions.shape, dtype, order="F")
        for k in range(self.fractions.shape[1]):
            weights[:, k] = self.of(k)
        return weights


def field(block, values, name):
    """Return an attribute of the result of a function of a block."""
    return getattr(values, name)


@dataclass(frozen=True)
class FitTask:
    """A fit of one expert, for which its rows are gathered in one place.

    Attributes
    ----------
    k : int
        Number of the expert.
    name : str
    fitter : object
        ``fitter.fit(X, y, weights, ...)`` fits an estimator; see `WeightedFit`.
    previous : estimator, default=None
        The last fit, if this one resumes it.
    fit_params : dict, default=None
        Further arguments of the estimator's `fit`.
    fold : tuple of ndarray, default=None
        Indices of the rows to fit and of the rows to predict. None means all rows.
    block : Block, default=None
        The rows as transformed for the expert. None means the untransformed rows.
    """

    k: int
    name: str
    fitter: Any
    previous: Any = None
    fit_params: Any = None
    fold: Any = None
    block: Any = None


class LocalRows:
    """Rows in one block in this process; functions of the rows are called immediately.

    See `sklearn_moe._contracts.Rows` for the methods.

    Parameters
    ----------
    block : Block
    n_jobs : int, default=None
        Number of fits at the same time.
    """

    in_one_block = True

    def __init__(self, block, n_jobs=None):
        self.block = block
        self.n_jobs = n_jobs
        self.n_samples = len(block.sample_weight)
        self.total_weight = block.sample_weight.sum()

    @property
    def sample(self):
        """All rows."""
        return self.block

    def map(self, function, *columns):
        """Call a function with the block."""
        return function(self.block, *columns)

    # With one block there is nothing to add.
    total = map

    def keep(self, column):
        """Return the column, which is computed already."""
        return column

    def share(self, value):
        """Return the value, since the block is in this process."""
        return value

    def extend(self, of_sample, function, *columns):
        """Return the result for the sample, which is all rows."""
        return of_sample

    def gather(self, function, weights, tasks):
        """Call ``function(block, weights, unit, task, fold)`` for all tasks."""
        block, unit = self.block, self.block.expert_weight.mean()

        def weights_of(k):
            own = weights[k]
            return block.expert_weight if own is None else own.of(k)

        # Large objects are passed as separate arguments, so that joblib sends them to a
        # cluster once, or shares their memory between processes on one machine.
        return run_parallel(
            self.n_jobs,
            function,
            (
                (
                    block if task.block is None else task.block,
                    weights_of(task.k),
                    unit,
                    replace(task, fold=None, block=None),
                    task.fold,
                )
                for task in tasks
            ),
        )
