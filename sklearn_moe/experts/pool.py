"""The experts at work in EM."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import delayed

from sklearn_moe._compat import safe_indexing
from sklearn_moe._parallel import side_by_side
from sklearn_moe.experts.answers import (
    Outputs,
    PointAnswers,
    has_own_density,
    own_log_density,
)
from sklearn_moe.experts.linear import LeastSquares, is_least_squares
from sklearn_moe.weighting import WeightedFit, spared


class Answer(NamedTuple):
    """What one expert says of some rows.

    Attributes
    ----------
    values : ndarray of shape (n_samples, ...)
    log_density : ndarray of shape (n_samples,) or None
        Of the targets, where it has a density of its own.
    """

    values: np.ndarray
    log_density: Any


@dataclass(frozen=True)
class Member:
    """One expert after an M-step.

    Attributes
    ----------
    estimator : estimator or None
        None where it is cross-fitted: it is fitted to all rows only when it is needed.
    mean : float
        Of its answers on the training rows.
    position : int
        Its place among the experts.
    training_weights : TrainingWeights or None
        Of all experts in its last fit; None for the weights of the rows themselves.
    answer : Answer or None
        On the training rows; None where it is in the way: large, and not needed again.
    """

    estimator: Any
    mean: float
    position: int
    training_weights: Any = None
    answer: Any = None


class ExpertPool:
    """The experts at work in EM: on one training set, for ever new weights.

    Parameters
    ----------
    named_experts : list of (str, estimator)
        Not changed: each M-step fits fresh clones, so that the experts of every
        iteration can be kept. A :class:`~sklearn.frozen.FrozenEstimator` is used as it
        is.
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    answers : callable
        ``answers(estimator, X)`` is what the mixture pools: an array with one row per
        row of X.
    random_state : RandomState instance
        Seeds the experts, once for all of EM.
    splits : list of (train, test), default=None
        Folds that hold each row out once. Each expert answers for a row as fitted
        without it [1]_. None means that the answers are those of the fit itself.
    specialize : bool, default=True
        Whether the experts are fitted again in each M-step, to their own rows. If not,
        they are fitted once, to all rows.
    n_jobs : int, default=None
        Number of fits at the same time.
    fit_params : dict of dict, default=None
        Further arguments of each expert's `fit`, by the expert's name.

    References
    ----------
    .. [1] D. H. Wolpert (1992). Stacked generalization. Neural Networks 5(2), 241-259.
    """

    def __init__(
        self,
        named_experts,
        X,
        y,
        sample_weight,
        answers,
        *,
        random_state,
        splits=None,
        specialize=True,
        n_jobs=None,
        fit_params=None,
    ):
        self.names = [name for name, _ in named_experts]
        self.frozen = [isinstance(e, FrozenEstimator) for _, e in named_experts]
        self.answers = answers
        self._experts = [
            expert if frozen else self._fitting(expert, random_state)
            for (_, expert), frozen in zip(named_experts, self.frozen)
        ]
        self.X, self.y = X, y
        self.sample_weight = sample_weight
        self.splits = splits
        self.specialize = specialize
        self.n_jobs = n_jobs
        self._fit_params = fit_params or {}
        self._settled = {}

    def _fitting(self, expert, random_state):
        """How an expert is fitted."""
        return WeightedFit(expert, random_state)

    def fit(self, weights, active, previous):
        """M-step of the experts.

        Parameters
        ----------
        weights : TrainingWeights
            ``weights.of(k)`` are those of expert k, ``weights.of([k, l], rows)`` those
            of several in some of the rows, one row for each expert.
        active : ndarray of shape (n_experts,), bool
            An expert that is not active is left as it was.
        previous : list of Member or None
            What the last M-step returned.

        Returns
        -------
        members : list of Member
        outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
            Their answers on the training rows.
        """
        members, answers, tasks = [None] * len(self.names), {}, {}
        for k in range(len(members)):
            if k in self._settled:
                members[k] = self._settled[k]
            elif not active[k]:
                members[k] = previous[k]
                if members[k].answer is None:
                    # Once more as it was: nobody has kept what it said.
                    tasks[k] = members[k].training_weights
            elif self.frozen[k]:
                members[k] = self._settled[k] = self._frozen_member(k)
            else:
                tasks[k] = weights if self.specialize else None
        solved = list(self._solve(tasks, weights, previous))
        done = {k for k, *_ in solved}
        rest = {k: own for k, own in tasks.items() if k not in done}
        fitted = self._fit_members(rest, previous, self.splits)
        for k, estimator, answer in chain(solved, fitted):
            again = active[k] and self.specialize and self.splits is None
            members[k] = self._member(
                k, estimator, answer, tasks[k], kept=None if again else answer
            )
            answers[k] = answer
            if not self.specialize:
                self._settled[k] = members[k]
        answers = [answers.get(k, member.answer) for k, member in enumerate(members)]
        return members, _stacked(answers, self.names)

    def weights(self, member):
        """Weights of the rows in the last fit of an expert, shape (n_samples,)."""
        return self._weights(member.position, member.training_weights)

    def estimators(self, members, order):
        """The experts of an M-step, fitted to all rows.

        Parameters
        ----------
        members : list of Member
        order : ndarray of shape (n_experts,)
            In which the experts are wanted.

        Returns
        -------
        experts : list of fitted estimators
        """
        pending = [k for k in order if members[k].estimator is None]
        fitted = side_by_side(
            self.n_jobs,
            (
                delayed(_fit)(
                    self.names[k],
                    self._experts[k],
                    self.X,
                    self.y,
                    self.weights(members[k]),
                    **self._fit_arguments(k),
                )
                for k in pending
            ),
        )
        fitted = dict(zip(pending, fitted))
        # A start in another process sends copies of the frozen ones back.
        fitted.update((k, self._experts[k]) for k in order if self.frozen[k])
        return [fitted.get(k, members[k].estimator) for k in order]

    def refit(self, k, weights, rows):
        """Fit one expert anew, to some of the rows."""
        return _fit(
            self.names[k],
            self._experts[k],
            self.X,
            self.y,
            weights,
            rows=rows,
            **self._fit_arguments(k),
        )

    def ask(self, expert, rows):
        """Answers of a fitted expert for some of the rows."""
        return self.answers(expert, safe_indexing(self.X, rows))

    def out_of_fold(self, members, order, splits):
        """Answers on the training rows as fitted without each row.

        Parameters
        ----------
        members : list of Member
            What an M-step returned; its weights are used again.
        order : ndarray of shape (n_experts,)
            In which the experts are wanted.
        splits : list of (train, test)
            Used where the members are not cross-fitted already.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
        """
        answers = [member.answer for member in members]
        if self.splits is None:
            tasks = {
                k: members[k].training_weights for k in order if not self.frozen[k]
            }
            for k, _, answer in self._fit_members(tasks, None, splits):
                answers[k] = answer
        return _stacked([answers[k] for k in order], [self.names[k] for k in order])

    def _solve(self, tasks, weights, previous):
        """Fit the linear experts together, as far as nothing but the time tells.

        Yields what `_fit_members` does. The first fit of each is the estimator's own:
        it has checked the rows.
        """
        if previous is None or self.splits is not None:
            return
        estimators = {
            k: previous[k].estimator
            for k in tasks
            if tasks[k] is weights and self._is_linear(k)
        }
        if estimators:
            fitted, values = self._least_squares.fit(estimators, weights)
            for (k, estimator), own in zip(fitted.items(), values):
                yield k, estimator, Answer(own, None)

    def _is_linear(self, k):
        return (
            is_least_squares(self._experts[k].estimator)
            and self._experts[k].way == "direct"
            and not self._fit_params.get(self.names[k])
            and isinstance(self.answers, PointAnswers)
            and self.y.ndim == 1
            and not issparse(self.X)
        )

    @cached_property
    def _least_squares(self):
        return LeastSquares(self.X, self.y, self.sample_weight)

    def _fit_members(self, tasks, previous, splits):
        """Fit experts, the folds of each as well, side by side.

        Parameters
        ----------
        tasks : dict
            The training weights of each expert that is to be fitted.
        previous : list of Member or None
        splits : list of (train, test) or None

        Yields
        ------
        k : int
        estimator : estimator or None
        answer : Answer
        """
        folds = splits or [(None, None)]
        results = iter(
            side_by_side(
                self.n_jobs,
                (
                    delayed(_fit_and_answer)(
                        self.names[k],
                        self._experts[k],
                        self.X,
                        self.y,
                        own,
                        train,
                        test,
                        self.answers,
                        self._predecessor(k, previous),
                        self._fit_arguments(k),
                    )
                    for k, weights in tasks.items()
                    for own in [self._weights(k, weights)]
                    for train, test in folds
                ),
            )
        )
        for k in tasks:
            parts = [next(results) for _ in folds]
            if splits is None:
                [(estimator, answer)] = parts
            else:
                order = np.argsort(np.concatenate([test for _, test in folds]))
                estimator, answer = None, self._joined(k, parts, order)
            yield k, estimator, answer

    def _weights(self, k, training_weights):
        return (
            self.sample_weight if training_weights is None else training_weights.of(k)
        )

    def _joined(self, k, parts, order):
        """The answers of all folds of one expert, in the order of the rows."""
        answers = [answer for _, answer in parts]
        values = np.concatenate([answer.values for answer in answers])[order]
        log_density = None
        if has_own_density(self._experts[k].estimator):
            # A fold of one class gets an expert that has none.
            log_density = np.concatenate([_density(a) for a in answers])[order]
        return Answer(values, log_density)

    def _frozen_member(self, k):
        expert = self._experts[k]
        with blamed_on(f"expert {self.names[k]!r}"):
            answer = _answer(expert, self.X, self.y, self.answers)
        return self._member(k, expert, answer, None, kept=answer)

    def _member(self, k, estimator, answer, training_weights, kept):
        values = answer.values.reshape(len(self.sample_weight), -1)[:, 0]
        mean = np.average(values, weights=self.sample_weight)
        return Member(estimator, mean, k, training_weights, kept)

    def _predecessor(self, k, previous):
        """The last fit of a mixture, which it goes on from."""
        if previous is None or self.splits is not None:
            return None
        last = previous[k].estimator
        return last if has_own_density(last) else None

    def _fit_arguments(self, k):
        return {
            "unit": self.sample_weight.mean(),
            "fit_params": self._fit_params.get(self.names[k]),
        }


def _fit_and_answer(
    name, expert, X, y, weights, train, test, answers, previous, arguments
):
    """One task: fit an expert to some rows, and ask it about others."""
    with blamed_on(f"expert {name!r}"):
        fitted = expert.fit(X, y, weights, rows=train, previous=previous, **arguments)
        if test is None:
            return fitted, _answer(fitted, X, y, answers)
        return None, _answer(fitted, safe_indexing(X, test), y[test], answers)


def _fit(name, expert, X, y, weights, **arguments):
    with blamed_on(f"expert {name!r}"):
        return expert.fit(X, y, weights, **arguments)


def _answer(expert, X, y, answers):
    scored = y is not None and has_own_density(expert)
    log_density = own_log_density(expert, spared(X, expert), y) if scored else None
    return Answer(answers(expert, spared(X, expert)), log_density)


@contextmanager
def blamed_on(part):
    """Have an error say which part of the mixture it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about {part}.")
        raise


def _density(answer):
    """Log densities; NaN where there are none."""
    if answer.log_density is None:
        return np.full(len(answer.values), np.nan)
    return answer.log_density


def expert_answers(named_experts, X, y, answers):
    """Answers of fitted experts for new rows.

    Parameters
    ----------
    named_experts : dict of fitted estimators
    X : array-like or frame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or None
        Targets, for the experts that have a density of their own; None asks for
        predictions alone.
    answers : callable
        ``answers(estimator, X)``.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs

    Raises
    ------
    ValueError
        If an expert predicts NaN or infinity.
    """
    given = []
    for name, expert in named_experts.items():
        with blamed_on(f"expert {name!r}"):
            given.append(_answer(expert, X, y, answers))
    return _stacked(given, named_experts)


def _stacked(answers, names):
    for name, answer in zip(names, answers):
        if not np.isfinite(answer.values).all():
            raise ValueError(
                f"Expert {name!r} predicted NaN or infinity. Scale its features, "
                "regularise it, or choose another estimator."
            )
    # The values of each expert stay in one piece.
    values = np.stack([answer.values for answer in answers]).swapaxes(0, 1)
    if all(answer.log_density is None for answer in answers):
        return values
    return Outputs(values, np.stack([_density(answer) for answer in answers], axis=1))
