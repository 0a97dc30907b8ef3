"""Rows that lie in one block, in this process, and the weights of rows for experts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_moe._parallel import run_parallel
from sklearn_moe._sklearn import safe_indexing


@dataclass(frozen=True)
class Block:
    """Some rows of positive weight, their targets and their weights.

    Attributes
    ----------
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The targets that experts are fitted to.
    encoded_y : ndarray of the same shape
        The targets as a likelihood wants them.
    sample_weight : ndarray of shape (n_samples,)
    subjects : Subjects or None
        Which rows share an expert, with the same weights; None where each may have
        its own.
    exposure : ndarray of shape (n_samples,), default=None
        Of counts, for which `y` are rates, the counts divided by it.
    """

    X: Any
    y: np.ndarray
    encoded_y: np.ndarray
    sample_weight: np.ndarray
    subjects: Any = None
    exposure: Any = None

    @property
    def expert_weight(self):
        """Weights of the rows in the fits of experts, shape (n_samples,)."""
        if self.exposure is None:
            return self.sample_weight
        return self.sample_weight * self.exposure

    @property
    def encoded_rate(self):
        """What experts are to predict, encoded: the targets, or their rates."""
        if self.exposure is None:
            return self.encoded_y
        return _per_exposure(self.encoded_y, self.exposure)

    def arguments(self):
        """What a fit to these rows is given, by name."""
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
    """The weight of each row of a block for each expert, made when it is asked for.

    Attributes
    ----------
    fractions : ndarray of shape (n_samples, n_experts)
        Fraction of each row that each expert is trained on.
    sample_weight : ndarray of shape (n_samples,)
    sharing : float
        Fraction of each row that is divided evenly among the experts.
    working_weights : float or ndarray of shape (n_samples, n_experts), default=1
        A factor on all.
    """

    fractions: np.ndarray
    sample_weight: np.ndarray
    sharing: float = 0.0
    working_weights: Any = 1.0

    @classmethod
    def of_block(cls, block, fractions, sharing=0.0, working_weights=1.0):
        """Weights of the rows of a block.

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
        """The same for the fits of experts, in which rows count by their exposure."""
        return cls(fractions, block.expert_weight, sharing, working_weights)

    def of(self, k, rows=slice(None)):
        """Weights of the rows for one expert, or, one below the other, for several.

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
        """Weights of some rows, a slice or numbers, for each expert."""
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
        """Weights for all experts, shape (n_samples, n_experts)."""
        weights = np.empty(self.fractions.shape, dtype, order="F")
        for k in range(self.fractions.shape[1]):
            weights[:, k] = self.of(k)
        return weights


def field(block, values, name):
    """Return a field of what a function has made of a block."""
    return getattr(values, name)


@dataclass(frozen=True)
class FitTask:
    """A fit of one expert, for which its rows have to be brought together.

    Attributes
    ----------
    k : int
        Number of the expert.
    name : str
    fitter : object
        ``fitter.fit(X, y, weights, ...)`` fits an estimator; see `WeightedFit`.
    previous : estimator, default=None
        The last fit, where this one goes on from it.
    fit_params : dict, default=None
        Further arguments of the estimator's `fit`.
    fold : tuple of ndarray, default=None
        Rows to fit to, and rows to predict. None means all.
    block : Block, default=None
        The rows as the expert is fitted to them. None means as they are.
    """

    k: int
    name: str
    fitter: Any
    previous: Any = None
    fit_params: Any = None
    fold: Any = None
    block: Any = None


class LocalRows:
    """Rows in one block, in this process: a function of the rows is called at once.

    See `sklearn_moe._contracts.Rows` for what each method means.

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
        """Call a function of the block."""
        return function(self.block, *columns)

    # With one block there is nothing to add.
    total = map

    def keep(self, column):
        """Return the column: it is there already."""
        return column

    def share(self, value):
        """Return the value: every block is here."""
        return value

    def extend(self, of_sample, function, *columns):
        """Return what is known of the sample, which is all rows."""
        return of_sample

    def gather(self, function, weights, tasks):
        """Call ``function(block, weights, unit, task, fold)`` for each, in parallel."""
        block, unit = self.block, self.block.expert_weight.mean()

        def weights_of(k):
            own = weights[k]
            return block.expert_weight if own is None else own.of(k)

        # What is large is an argument of its own: a cluster that holds it is not sent
        # it, and processes on one machine share it.
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
