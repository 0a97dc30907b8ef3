"""The gaussian gate, bound to the rows that EM fits it to."""

from copy import copy
from dataclasses import dataclass

import numpy as np

from sklearn_moe._estimators import last_step
from sklearn_moe.gates._columns import gate_columns, learn_columns, with_last_step
from sklearn_moe.gates._memory import Memory
from sklearn_moe.gates._regions import (
    ClassMoments,
    Regions,
    log_density_of,
    log_joint_of,
    log_weights_of,
)


@dataclass(frozen=True)
class GaussianFit:
    """A gaussian gate after an M-step.

    Attributes
    ----------
    regions : Regions
    log_density : float
        Mean log density of the features of the rows.
    """

    regions: Regions
    log_density: float


class BoundGaussian:
    """A gaussian gate, bound to the training rows; see `sklearn_moe._contracts.Gate`.

    EM maximises the joint density of features and targets: the log density of the
    features under the regions is the gate's term in the objective.

    Parameters
    ----------
    gate : GaussianGate or Pipeline
        Its means and scales of the columns must be set.
    columns : GateColumns
    past : ClassMoments, default=None
        Moments of the previous rows of a stream.
    memory : Memory, default=None
        Memory of all rows of a stream so far.
    """

    learns_penalty = False

    def __init__(self, gate, columns, past=None, memory=None):
        self._gate = gate
        self._gaussian = last_step(gate)
        self._rows = columns.rows
        self._design = columns.then(_standardise, self._gaussian).kept()
        self._past = past
        self._memory = memory

    @classmethod
    def bind(cls, gate, rows, n_experts, **_):
        """Bind a gate, whose preprocessing is fitted in place; see `bind_gate`."""
        columns = learn_columns(gate, rows)
        last_step(gate)._set_standards(columns.moments())
        return cls(gate, columns)

    @classmethod
    def resume(cls, estimator, rows, n_experts, *, memory, kept, **_):
        """Bind a fitted gate to a batch of a stream; see `resume_gate`.

        The moments of the regions are a sufficient statistic of the previous rows.
        """
        past = kept * memory
        columns, gaussian = gate_columns(estimator, rows), copy(last_step(estimator))
        moments = past.moments + columns.moments()
        gaussian._set_standards(moments)
        return cls(
            with_last_step(estimator, gaussian),
            columns,
            gaussian._regions().class_moments(past.weight),
            Memory(past.weight + rows.total_weight, moments),
        )

    @classmethod
    def remember(cls, estimator, rows, n_experts, *, weight):
        """Return the memory of a fitted gate; see `remember_gate`."""
        moments = gate_columns(estimator, rows).moments()
        return Memory(weight, (weight / rows.total_weight) * moments)

    @property
    def features(self):
        return self._design.of_all

    @property
    def sample_features(self):
        return self._design.of_sample

    def fit(self, targets, previous, learn_penalty=True):
        """Fit the regions, in closed form."""
        rows, design = self._rows, self._design.of_all
        moments = rows.total(
            ClassMoments.of_block, design, targets, self._gaussian.covariance_type
        )
        if self._past is not None:
            moments = self._past + moments
        regions = moments.regions(self._gaussian.reg_covar)
        log_joint = rows.map(log_joint_of, design, regions)
        log_weights = rows.map(log_weights_of, log_joint)
        # log p(x) = log p(x, k) - log p(k | x) for any class k with positive prior.
        largest = regions.priors.argmax()
        log_density = rows.total(log_density_of, log_joint, log_weights, largest)
        return GaussianFit(regions, log_density / rows.total_weight), log_weights

    def penalty(self, fitted, ahead=False):
        return -fitted.log_density

    def estimator(self, fitted, order):
        gaussian = copy(self._gaussian)
        gaussian.classes_ = np.arange(len(order))
        gaussian._set_regions(fitted.regions.take(order))
        return with_last_step(self._gate, gaussian)

    def recall(self, estimator):
        """Return None: an M-step has a closed form and needs no starting point."""

    def memory(self, fitted):
        return self._memory


def _standardise(block, columns, gaussian):
    return gaussian._standardised(columns)
