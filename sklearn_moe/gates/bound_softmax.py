"""The softmax gate, bound to the rows that EM fits it to."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from sklearn_moe._estimators import last_step
from sklearn_moe._parallel import in_one_blas_thread
from sklearn_moe.gates._columns import gate_columns, learn_columns, with_last_step
from sklearn_moe.gates._memory import Memory
from sklearn_moe.gates._secants import NO_SECANTS, Secants

# Limits on the steps of the gate in one M-step. Few steps are enough, since they start
# where the last M-step ended: generalised EM only needs an increase of the expected
# log-likelihood. These are L-BFGS steps. A stream has only one M-step for each batch,
# and keeps the curvature of the previous rows: it uses Newton steps.
MOST_STEPS = 10
NEWTON_STEPS_PER_BATCH = 2

# Limit for the first M-step. The initial responsibilities are a guess, but are often
# all zeros and ones: with few steps the gate does not become as certain as they are.
FIRST_STEPS = 2

# The steps end when the gradient has fallen to this fraction.
GRADIENT_PER_M_STEP = 0.15
GRADIENT_PER_BATCH = 0.1

# Largest number of parameters for which the curvature is kept from batch to batch; it
# takes 32 megabytes then.
MAX_PARAMETERS = 2000


@dataclass(frozen=True)
class SoftmaxFit:
    """A softmax gate after an M-step.

    Attributes
    ----------
    parameters : ndarray of shape (n_experts, n_gate_features + 1)
        Coefficients on standardised features, with the intercepts in the last column.
    penalty : float
        The gate's term in the objective, per unit of sample weight.
    next_penalty : float
        The same with the strength `next_alpha`.
    alpha : float
        Strength of the L2 penalty in this M-step.
    next_alpha : float
        Strength of the L2 penalty in the next M-step.
    information : ndarray of shape (n_experts, n_experts) or None
        Mean covariance of the labels, if alpha is learnt; see `_evidence`.
    memory : Memory or None
        Memory of all rows of a stream so far.
    secants : Secants
        Steps of the last M-steps, from which L-BFGS continues.
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
        All but its coefficients must be fitted.
    objective : SoftmaxObjective
    start : SoftmaxFit, default=None
        Starting point of an M-step without a previous one.
    memory : Memory, default=None
        Memory of all rows of a stream so far, without the surrogate.
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
        # The iterations of the gate are not counted in EM.
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
        """Return the memory of a fitted gate; see `remember_gate`."""
        columns, softmax = gate_columns(estimator, rows), copy(last_step(estimator))
        moments = (weight / rows.total_weight) * columns.moments()
        objective = softmax._objective(columns, n_experts, moments)
        parameters = _standing(softmax, objective).parameters
        if parameters.size > MAX_PARAMETERS:
            raise ValueError(
                f"A SoftmaxGate of {n_experts} experts and {len(moments.mean)} columns "
                f"has {parameters.size} parameters, more than the {MAX_PARAMETERS} for "
                "which it can learn from batches. Set gate=SGDClassifier("
                "loss='log_loss'), or reduce the columns in a pipeline."
            )
        # The gate is at the minimum of the penalised objective: the gradient is zero.
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
        """Take a few steps from the parameters of the last M-step."""
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
        """Return the state of a fitted gate; None if its features differ."""
        softmax = last_step(estimator)
        if softmax.coef_.shape[1] != len(self._objective.standards.scale):
            return None
        return _standing(softmax, self._objective)

    def memory(self, fitted):
        return fitted.memory


def _standing(softmax, objective):
    """Return the fitted gate's parameters on the objective's standardised features."""
    parameters = objective.standards.from_input_units(softmax.coef_, softmax.intercept_)
    alphas = softmax.alpha_, softmax._next_alpha_
    return SoftmaxFit(parameters, np.nan, np.nan, *alphas)


def _features_of(block, seen):
    return seen.design[:, :-1]
