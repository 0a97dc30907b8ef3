"""The softmax gate, bound to the rows that EM fits it to."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from sklearn_moe._estimators import last_step
from sklearn_moe._parallel import in_one_blas_thread
from sklearn_moe.gates._columns import gate_columns, learn_columns, with_last_step
from sklearn_moe.gates._memory import Memory
from sklearn_moe.gates._secants import NO_SECANTS, Secants

# Steps of the gate in one M-step. They start where the last M-step ended, so that few
# are enough: the expected log-likelihood rises, which is all that generalised EM needs.
# A stream has one M-step for a batch, and its rows before have left their curvature:
# there they are Newton's.
MOST_STEPS = 10
NEWTON_STEPS_PER_BATCH = 2

# The responsibilities with which EM begins are a guess, and often certain of all rows:
# the first M-step has a gate lean towards them, and not be as certain.
FIRST_STEPS = 2

# They end where they leave so small a fraction of the gradient.
GRADIENT_PER_M_STEP = 0.05
GRADIENT_PER_BATCH = 0.1

# The largest softmax gate whose curvature is kept from batch to batch: 32 megabytes.
MAX_PARAMETERS = 2000


@dataclass(frozen=True)
class SoftmaxFit:
    """A softmax gate after an M-step.

    Attributes
    ----------
    parameters : ndarray of shape (n_experts, n_gate_features + 1)
        Coefficients on standardised features, the intercepts last.
    penalty : float
        The gate's term in the objective, per unit of sample weight.
    next_penalty : float
        What that is with `next_alpha`.
    alpha : float
        The strength of the L2 penalty in it.
    next_alpha : float
        That of the next M-step.
    information : ndarray of shape (n_experts, n_experts) or None
        What the rows tell of the weights, where alpha is learnt; see `_evidence`.
    memory : Memory or None
        Memory of all rows of a stream up to now.
    secants : Secants
        What the last M-steps have shown of the curvature.
    """

    parameters: np.ndarray
    penalty: float
    next_penalty: float
    alpha: float
    next_alpha: float
    information: np.ndarray | None = None
    memory: Memory | None = None
    secants: Secants = NO_SECANTS


class BoundSoftmax:
    """A softmax gate, bound to the training rows; see `sklearn_moe._contracts.Gate`.

    Parameters
    ----------
    gate : SoftmaxGate or Pipeline
        It has learnt all but the parameters.
    objective : SoftmaxObjective
    start : SoftmaxFit, default=None
        Where an M-step begins that follows no other.
    memory : Memory, default=None
        Memory of all rows of a stream up to now, but for the surrogate.
    """

    def __init__(self, gate, objective, start=None, memory=None):
        self._gate = gate
        self._objective = objective
        self._start = start
        self._memory = memory

    @classmethod
    def bind(cls, gate, rows, n_experts, **_):
        """Bind a gate, whose preprocessing is fitted in place; see `bind_gate`."""
        columns, softmax = learn_columns(gate, rows), last_step(gate)
        # EM counts no iterations of the gate.
        softmax.n_iter_ = 0
        return cls(gate, softmax._objective(columns, n_experts))

    @classmethod
    def resume(cls, estimator, rows, n_experts, *, memory, kept, **_):
        """Bind a fitted gate to a batch of a stream; see `resume_gate`."""
        past = kept * memory
        columns, softmax = gate_columns(estimator, rows), copy(last_step(estimator))
        moments = past.moments + columns.moments()
        objective = softmax._objective(columns, n_experts, moments, past)
        return cls(
            with_last_step(estimator, softmax),
            objective,
            _standing(softmax, objective),
            Memory(past.weight + rows.total_weight, moments),
        )

    @classmethod
    def remember(cls, estimator, rows, n_experts, *, weight):
        """The memory of a fitted gate; see `remember_gate`."""
        columns, softmax = gate_columns(estimator, rows), copy(last_step(estimator))
        moments = (weight / rows.total_weight) * columns.moments()
        objective = softmax._objective(columns, n_experts, moments)
        parameters = _standing(softmax, objective).parameters
        if parameters.size > MAX_PARAMETERS:
            raise ValueError(
                f"A SoftmaxGate of {n_experts} experts and {len(moments.mean)} columns "
                f"has {parameters.size} parameters, more than the {MAX_PARAMETERS} for "
                "which it can learn from batches. Set gate=SGDClassifier("
                "loss='log_loss'), or give it fewer columns in a pipeline."
            )
        # Where the gate fits, the penalty holds the balance.
        gradient = np.zeros_like(parameters)
        surrogate = objective.surrogate(
            parameters, objective.log_weights(parameters), gradient
        )
        return Memory(weight, moments, surrogate, softmax._information_)

    @property
    def learns_penalty(self):
        return last_step(self._gate).alpha == "auto"

    @property
    def features(self):
        seen = self._objective.seen
        return seen.rows.map(_features_of, seen.of_all)

    @property
    def sample_features(self):
        return self._objective.seen.of_sample.design[:, :-1]

    @in_one_blas_thread
    def fit(self, targets, previous, learn_penalty=True):
        """Go a few steps, from where the last M-step ended."""
        gate, start = last_step(self._gate), previous or self._start
        alpha = gate.alpha_
        if gate.alpha == "auto" and start is not None:
            alpha = start.next_alpha
        objective = self._objective.with_alpha(alpha)
        parameters = None if start is None else start.parameters
        if self._memory is None:
            secants, n_steps = NO_SECANTS, FIRST_STEPS
            if start is not None:
                secants, n_steps = start.secants, MOST_STEPS
            solution, log_weights = objective.improve(
                targets, parameters, secants, n_steps, gate.tol, GRADIENT_PER_M_STEP
            )
        else:
            solution, log_weights = objective.solve(
                targets,
                parameters,
                NEWTON_STEPS_PER_BATCH,
                gate.tol,
                GRADIENT_PER_BATCH,
            )
        parameters, loss, memory = solution.parameters, solution.loss, self._memory
        next_alpha, information = alpha, None
        if self.learns_penalty and learn_penalty:
            information = objective.information(log_weights, targets)
            next_alpha = self._objective.learnt_alpha(alpha, parameters, information)
        next_penalty = loss.penalty + (
            objective.with_alpha(next_alpha).l2_penalty(parameters)
            - objective.l2_penalty(parameters)
        )
        if memory is not None:
            surrogate = objective.surrogate(parameters, log_weights, loss.gradient)
            memory = replace(memory, surrogate=surrogate, information=information)
        fitted = SoftmaxFit(
            parameters,
            loss.penalty,
            next_penalty,
            alpha,
            next_alpha,
            information,
            memory,
            solution.secants,
        )
        return fitted, log_weights

    def penalty(self, fitted, ahead=False):
        return fitted.next_penalty if ahead else fitted.penalty

    def estimator(self, fitted, order):
        softmax = copy(last_step(self._gate))
        softmax.classes_ = np.arange(len(order))
        softmax.alpha_, softmax._next_alpha_ = fitted.alpha, fitted.next_alpha
        information = fitted.information
        if information is not None:
            information = information[np.ix_(order, order)]
        softmax._information_ = information
        softmax._set_parameters(self._objective.standards, fitted.parameters[order])
        return with_last_step(self._gate, softmax)

    def recall(self, estimator):
        """Where to begin to go on from a fitted gate; None if its features differ."""
        softmax = last_step(estimator)
        if softmax.coef_.shape[1] != len(self._objective.standards.scale):
            return None
        return _standing(softmax, self._objective)

    def memory(self, fitted):
        return fitted.memory


def _standing(softmax, objective):
    """The parameters of a fitted gate on features standardised as in the objective."""
    parameters = objective.standards.from_input_units(softmax.coef_, softmax.intercept_)
    alphas = softmax.alpha_, softmax._next_alpha_
    return SoftmaxFit(parameters, np.nan, np.nan, *alphas)


def _features_of(block, seen):
    return seen.design[:, :-1]
