"""What rows, experts, likelihoods and gates are to each other in EM.

One idea holds them together: *what an M-step needs to know of the rows is a sufficient
statistic, which adds up*. So

- a fit to one block of rows solves for the statistic of that block,
- a fit to partitions solves for the sum of the statistics of all of them,
- a stream solves for ``decay * past + batch``,

and the same functions of a block serve all three. What cannot be summed up, such as the
fit of a forest, has the rows of an expert gathered in one place.

In the shapes below, a *column* is a value with one entry for each row: an array where
the rows lie in one block, and something that the rows know how to compute, block by
block, where they lie in many.

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
        """Statistic of the rows of both."""

    def __rmul__(self, factor: float) -> Self:
        """Statistic of the same rows, each of which counts `factor` times."""


class Rows(Protocol):
    """The training rows, wherever they lie.

    Attributes
    ----------
    n_samples : int
    total_weight : float
        Sum of the weights of all rows.
    sample : Block
        Rows that are in this process: all where they lie in one block, else some, whose
        weights sum to those of all.
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
        """``function(block, *columns)`` of each block, with its rows of each column.

        What is no column is handed over as it is. Temporary arrays of a function
        should be smaller than 128 KB, or be used again: workers of Dask have a
        ``MALLOC_TRIM_THRESHOLD_`` with which larger ones are returned to the system at
        once, and page faults then take more time than the arithmetic.
        """

    def total(self, function: Callable, *columns: Column) -> Statistic:
        """Sum over the blocks of the statistic ``function(block, *columns)``."""

    def keep(self, column: Column) -> Column:
        """The same column, computed once and kept where the rows are."""

    def share(self, value: Any) -> Any:
        """A value that all blocks need, sent to each place once."""

    def extend(self, of_sample: Any, function: Callable, *columns: Column) -> Column:
        """As `map`, where the value of the sample is known already."""

    def gather(self, function: Callable, weights: dict, tasks: list) -> list:
        """``function(block, weights, unit, task)`` for each task, in parallel.

        In one block a task may have a fold, which is a further argument, and a block of
        its own with the same rows.

        Parameters
        ----------
        function : callable
        weights : dict of {int: column of TrainingWeights or None}
            By the number of the expert; None means the weights of the rows.
        tasks : list of FitTask

        Returns
        -------
        results : list
            Each is of a block with the rows that the expert of a task has to be fitted
            to, their weights for it (n_rows,), and the weight of one row.
        """


class Experts(Protocol):
    """The experts, bound to the training rows.

    Attributes
    ----------
    is_noise : ndarray of shape (n_experts,), bool, or False
        Which of them are components of noise, that live with few rows, or none.
    """

    is_noise: Any = False

    def fit(
        self, weights: Column, active: np.ndarray, previous: list | None
    ) -> tuple[list, Column]:
        """M-step of the experts.

        Parameters
        ----------
        weights : column of TrainingWeights, (n_samples, n_experts)
        active : ndarray of shape (n_experts,), bool
            The others are left as they are.
        previous : list or None
            What the last M-step returned.

        Returns
        -------
        fitted : list
            For each expert what `fit` wants to know of it next time.
        outputs : column of shape (n_samples, n_experts, ...), or of `Outputs`
            What the experts predict for the training rows.
        """

    def grows(self, fitted: list, active: np.ndarray) -> bool:
        """Whether the next `fit` goes on building what this one has returned."""
        return False

    def begin_anew(self, fitted: list, chosen: list) -> list:
        """What `fit` is to go on from where the chosen experts are given other rows."""
        return fitted

    def train(self, weights: Column, active: np.ndarray, estimators: list) -> list:
        """Have fitted experts learn a batch as well; the M-step of a stream."""

    def outputs(self, estimators: list) -> Column:
        """What fitted experts predict for the training rows; see `fit`."""


class FittedLikelihood(Protocol):
    """What an expert's output says about the target, p_k(y | x)."""

    # Whether `working_weights` are other than 1.
    has_working_weights: bool

    def log_prob(self, y, outputs, X) -> np.ndarray:
        """Log density of targets (n_samples, n_experts) of a block."""

    def working_weights(self, y, outputs) -> float | np.ndarray:
        """Factor (n_samples, n_experts) on the weights of the experts' next fit."""

    def predictive(self, outputs) -> np.ndarray:
        """What each expert expects (n_samples, n_experts, ...)."""

    def take(self, order: np.ndarray) -> Self:
        """The same for the experts in another order."""


class Likelihood(Protocol):
    """A likelihood that is to be learnt from the training rows."""

    def summarize(self, block, outputs, weights) -> Statistic:
        """Statistic of a block for the M-step.

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
        """M-step of the likelihood."""

    def recall(self, fitted: FittedLikelihood, weight: np.ndarray) -> Statistic:
        """Statistic of rows of this weight (n_experts,) that `solve` turns to this."""

    def normalised_error(self, y, values, weights) -> float:
        """Error of one expert's output relative to that of knowing the mean alone.

        `y` are targets as the likelihood wants them, and `weights` theirs (n_samples,).
        """


class Gate(Protocol):
    """The gate, bound to the training rows.

    Attributes
    ----------
    features : column of shape (n_samples, n_gate_features)
        What the gate sees, standardised and without missing values.
    sample_features : {ndarray, CSR} of shape (n_sample, n_gate_features)
        The same of ``rows.sample``.
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
            What the last M-step returned, or `recall`.
        learn_penalty : bool, default=True
            Whether the strength of a penalty may change for the next M-step.

        Returns
        -------
        fitted : object
        log_weights : column of shape (n_samples, n_experts)
            Logarithm of the gate's weights on the training rows; a new array.
        """

    def penalty(self, fitted: Any, ahead: bool = False) -> float:
        """The gate's term in the objective, per unit of sample weight.

        `ahead` asks for what it is with the strength of the next M-step.
        """

    def estimator(self, fitted: Any, order: np.ndarray) -> Any:
        """The fitted gate, an estimator, for the experts in this order."""

    def recall(self, estimator: Any) -> Any:
        """What `fit` is to begin with to go on from a fitted gate; may be None."""


class ResumedGate(Gate, Protocol):
    """A fitted gate, bound to a batch of a stream, which `fit` learns as well.

    The class of a bound gate has three classmethods: ``bind(gate, rows, n_experts,
    **others)``, ``resume(estimator, rows, n_experts, *, memory, kept, **others)`` and
    ``remember(estimator, rows, n_experts, *, weight, **others)``. See `bind_gate`,
    `resume_gate` and `remember_gate` in `sklearn_moe.gates`.
    """

    # Here `fit` may return None for the weights, which are needed before it only.

    def memory(self, fitted: Any) -> Statistic | None:
        """What is remembered of all rows up to now, beside the fitted gate."""
