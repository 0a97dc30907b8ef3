"""Protocols of the rows, experts, likelihoods and gates that EM works with.

They share one idea: *an M-step needs only a sufficient statistic of the rows, and
statistics of different rows can be added*. So

- a fit to one block of rows solves the M-step for the statistic of that block,
- a fit to partitions solves it for the sum of the statistics of all of them,
- a stream solves it for ``decay * past + batch``,

and the same functions of a block serve all three. For a fit without a sufficient
statistic, such as that of a forest, the rows of an expert are gathered in one place.

In the shapes below, a *column* is a value with one entry for each row: an array if the
rows are in one block, and otherwise a deferred value that the rows compute block by
block.

References
----------
.. [1] A. P. Dempster, N. M. Laird and D. B. Rubin (1977). Maximum likelihood from
   incomplete data via the EM algorithm. Journal of the Royal Statistical Society B
   39(1), 1-38, section 2.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np

Column = Any


class Statistic(Protocol):
    """A sufficient statistic of some rows."""

    def __add__(self, other: Self) -> Self:
        """Return the statistic of the rows of both."""

    def __rmul__(self, factor: float) -> Self:
        """Return the statistic of the same rows, each counted `factor` times."""


class Rows(Protocol):
    """The training rows, in this process or distributed.

    Attributes
    ----------
    n_samples : int
    total_weight : float
        Sum of the weights of all rows.
    sample : Block
        Rows in this process: all of them if they are in one block, else a sample, whose
        weights sum to those of all rows.
    in_one_block : bool
        Whether a column is an array of all rows.
    n_jobs : int or None
        Number of fits at the same time.
    """

    n_samples: int
    total_weight: float
    sample: Any
    in_one_block: bool
    n_jobs: int | None

    def map(self, function: Callable, *columns: Column) -> Column:
        """Call ``function(block, *columns)`` for each block, with its rows of columns.

        Arguments that are not columns are passed unchanged. Temporary arrays of a
        function should be smaller than 128 KB, or be reused: with the
        ``MALLOC_TRIM_THRESHOLD_`` of Dask workers, larger ones are returned to the
        system at once, and page faults then take more time than the arithmetic.
        """

    def total(self, function: Callable, *columns: Column) -> Statistic:
        """Return the sum over the blocks of ``function(block, *columns)``."""

    def keep(self, column: Column) -> Column:
        """Return the same column, computed once and kept where the rows are."""

    def share(self, value: Any) -> Any:
        """Return a value that all blocks need, sent to each worker only once."""

    def extend(self, of_sample: Any, function: Callable, *columns: Column) -> Column:
        """Do the same as `map` where the result for the sample is known already."""

    def gather(self, function: Callable, weights: dict, tasks: list) -> list:
        """Call ``function(block, weights, unit, task)`` for each task, in parallel.

        If the rows are in one block, a task may have a fold, which is passed as a
        further argument, and its own version of the block, with the same rows.

        Parameters
        ----------
        function : callable
        weights : dict of {int: column of TrainingWeights or None}
            Training weights by the number of the expert; None means the sample weights.
        tasks : list of FitTask

        Returns
        -------
        results : list
            One for each task. The function is given a block with the rows that the
            expert is fitted to, their weights for it (n_rows,), and the weight of one
            row.
        """


class Experts(Protocol):
    """The experts, bound to the training rows.

    Attributes
    ----------
    is_noise : ndarray of shape (n_experts,), bool, or False
        Which of them are uniform noise components, which may have few rows or none.
    are_given : bool
        Whether EM does not fit them.
    """

    is_noise: Any = False
    are_given: bool = False

    def fit(
        self, weights: Column, active: np.ndarray, previous: list | None
    ) -> tuple[list, Column]:
        """Take the M-step of the experts.

        Parameters
        ----------
        weights : column of TrainingWeights, (n_samples, n_experts)
        active : ndarray of shape (n_experts,), bool
            Inactive experts are not fitted.
        previous : list or None
            The `fitted` of the last M-step.

        Returns
        -------
        fitted : list
            For each expert its fit, which the next call takes as `previous`.
        outputs : column of shape (n_samples, n_experts, ...), or of `Outputs`
            Predictions of the experts for the training rows.
        """

    def grows(self, fitted: list, active: np.ndarray) -> bool:
        """Whether the next `fit` adds to the fitted experts, as boosting does."""
        return False

    def begin_anew(self, fitted: list, chosen: list) -> list:
        """Return a `previous` for `fit` with which the chosen experts start afresh."""
        return fitted

    def train(self, weights: Column, active: np.ndarray, estimators: list) -> list:
        """Update fitted experts with a batch; the M-step of a stream."""

    def outputs(self, estimators: list) -> Column:
        """Return the predictions of fitted experts for the training rows; see `fit`."""


class FittedLikelihood(Protocol):
    """The fitted density of the target given an expert's output, p_k(y | x)."""

    # Whether `working_weights` may differ from 1.
    has_working_weights: bool

    def log_prob(self, y, outputs, X) -> np.ndarray:
        """Return the log density (n_samples, n_experts) of the targets of a block."""

    def working_weights(self, y, outputs) -> float | np.ndarray:
        """Return factors (n_samples, n_experts) on the weights of the next fit."""

    def predictive(self, outputs) -> np.ndarray:
        """Return the mean of the target by each expert (n_samples, n_experts, ...)."""

    def take(self, order: np.ndarray) -> Self:
        """Return the likelihood of the experts in another order."""


class Likelihood(Protocol):
    """An unfitted likelihood, whose parameters are estimated from the training rows."""

    def summarize(self, block, outputs, weights) -> Statistic:
        """Return the statistic of a block for the M-step.

        Parameters
        ----------
        block : Block
        outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
        weights : TrainingWeights, (n_samples, n_experts)

        Returns
        -------
        statistic : Statistic
        """

    def solve(self, statistic: Statistic) -> FittedLikelihood:
        """Take the M-step of the likelihood."""

    def recall(self, fitted: FittedLikelihood, weight: np.ndarray) -> Statistic:
        """Return a statistic of this weight that `solve` maps to `fitted`.

        `weight` is of shape (n_experts,).
        """

    def normalised_error(self, y, values, weights) -> float:
        """Return the error of one expert relative to that of the constant mean.

        `y` are targets as the likelihood encodes them, and `weights` theirs
        (n_samples,).
        """


class Gate(Protocol):
    """The gate, bound to the training rows.

    Attributes
    ----------
    features : column of shape (n_samples, n_gate_features)
        Inputs of the gate, standardised and with missing values imputed.
    sample_features : {ndarray, CSR} of shape (n_sample, n_gate_features)
        The features of ``rows.sample``.
    learns_penalty : bool
        Whether the strength of a penalty is learnt.
    """

    features: Column
    sample_features: Any
    learns_penalty: bool

    def fit(
        self, targets: Column, previous: Any, learn_penalty: bool = True
    ) -> tuple[Any, Column]:
        """M-step of the gate.

        Parameters
        ----------
        targets : column of shape (n_samples, n_experts)
            Rows sum to one.
        previous : object or None
            The `fitted` of the last M-step, or the result of `recall`.
        learn_penalty : bool, default=True
            Whether the strength of a penalty may change for the next M-step.

        Returns
        -------
        fitted : object
        log_weights : column of shape (n_samples, n_experts)
            Logarithm of the gate's weights on the training rows; a new array.
        """

    def penalty(self, fitted: Any, ahead: bool = False) -> float:
        """Return the gate's term in the objective, per unit of sample weight.

        With `ahead`, it is the term for the penalty strength of the next M-step.
        """

    def estimator(self, fitted: Any, order: np.ndarray) -> Any:
        """Return the fitted gate as an estimator, for the experts in this order."""

    def recall(self, estimator: Any) -> Any:
        """Return the `previous` with which `fit` resumes a fitted gate; may be None."""


class ResumedGate(Gate, Protocol):
    """A fitted gate, bound to a batch of a stream, with which `fit` updates it.

    The class of a bound gate has three classmethods: ``bind(gate, rows, n_experts,
    **others)``, ``resume(estimator, rows, n_experts, *, memory, kept, **others)`` and
    ``remember(estimator, rows, n_experts, *, weight, **others)``. See `bind_gate`,
    `resume_gate` and `remember_gate` in `sklearn_moe.gates`.
    """

    # `fit` may return None as `log_weights` here: a step needs them before `fit` only.

    def memory(self, fitted: Any) -> Statistic | None:
        """Return the statistic of all rows so far, beside the fitted gate."""
