"""The experts at work in EM."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe._compat import safe_indexing
from sklearn_moe.experts.answers import Outputs, has_own_density, own_log_density
from sklearn_moe.weighting import WeightedFit


@dataclass(frozen=True)
class Member:
    """One expert after an M-step.

    Attributes
    ----------
    weights : ndarray of shape (n_samples,)
        With which it was fitted.
    estimator : estimator or None
        None where it is cross-fitted: it is fitted to all rows only when it is needed.
    values : ndarray of shape (n_samples, ...)
        Its answers on the training rows.
    log_density : ndarray of shape (n_samples,) or None
        Of the training targets, where it has a density of its own.
    """

    weights: np.ndarray
    estimator: Any
    values: np.ndarray
    log_density: Any


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
        self._experts = [
            expert if frozen else WeightedFit(expert, random_state)
            for (_, expert), frozen in zip(named_experts, self.frozen)
        ]
        self.X, self.y = X, y
        self.sample_weight = sample_weight
        self.answers = answers
        self.splits = splits
        self.specialize = specialize
        self.n_jobs = n_jobs
        self._fit_params = fit_params or {}
        self._settled = {}

    def fit(self, weights, active, previous):
        """M-step of the experts.

        Parameters
        ----------
        weights : ndarray of shape (n_samples, n_experts)
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
        members = [None] * len(self.names)
        tasks = []
        for k in range(len(members)):
            if k in self._settled:
                members[k] = self._settled[k]
            elif not active[k]:
                members[k] = previous[k]
            elif self.frozen[k]:
                members[k] = self._settled[k] = self._frozen_member(k)
            else:
                tasks.append(k)
        if tasks:
            if not self.specialize:
                weights = np.tile(self.sample_weight[:, np.newaxis], len(members))
            fitted = self._fit_members(tasks, weights, previous, self.splits)
            for k, member in zip(tasks, fitted):
                members[k] = member
                if not self.specialize:
                    self._settled[k] = member
        return members, _stacked(members, self.names)

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
        fitted = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit)(
                self.names[k],
                self._experts[k],
                self.X,
                self.y,
                members[k].weights,
                **self._fit_arguments(k),
            )
            for k in pending
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
        members = list(members)
        if self.splits is None:
            tasks = [k for k in order if not self.frozen[k]]
            weights = np.stack([member.weights for member in members], axis=1)
            for k, member in zip(
                tasks, self._fit_members(tasks, weights, None, splits)
            ):
                members[k] = member
        return _stacked([members[k] for k in order], [self.names[k] for k in order])

    def _fit_members(self, tasks, weights, previous, splits):
        """Fit experts, the folds of each as well, side by side."""
        folds = splits or [(None, None)]
        results = iter(
            Parallel(n_jobs=self.n_jobs)(
                delayed(_fit_and_answer)(
                    self.names[k],
                    self._experts[k],
                    self.X,
                    self.y,
                    weights[:, k],
                    train,
                    test,
                    self.answers,
                    self._predecessor(k, previous),
                    self._fit_arguments(k),
                )
                for k in tasks
                for train, test in folds
            )
        )
        for k in tasks:
            parts = [next(results) for _ in folds]
            if splits is None:
                [(estimator, values, log_density)] = parts
            else:
                order = np.argsort(np.concatenate([test for _, test in folds]))
                estimator = None
                values = np.concatenate([part[1] for part in parts])[order]
                log_density = None
                if has_own_density(self._experts[k].estimator):
                    log_density = _joined_densities(parts)[order]
            yield Member(weights[:, k], estimator, values, log_density)

    def _frozen_member(self, k):
        expert = self._experts[k]
        with blamed_on(f"expert {self.names[k]!r}"):
            answer = _answer(expert, self.X, self.y, self.answers)
        return Member(self.sample_weight, expert, *answer)

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
            return fitted, *_answer(fitted, X, y, answers)
        return None, *_answer(fitted, safe_indexing(X, test), y[test], answers)


def _fit(name, expert, X, y, weights, **arguments):
    with blamed_on(f"expert {name!r}"):
        return expert.fit(X, y, weights, **arguments)


def _answer(expert, X, y, answers):
    scored = y is not None and has_own_density(expert)
    return answers(expert, X), own_log_density(expert, X, y) if scored else None


@contextmanager
def blamed_on(part):
    """Have an error say which part of the mixture it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about {part}.")
        raise


def _joined_densities(parts):
    """Log densities of all folds; a fold of one class gets an expert that has none."""
    return np.concatenate(
        [
            np.full(len(values), np.nan) if log_density is None else log_density
            for _, values, log_density in parts
        ]
    )


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
    members = []
    for name, expert in named_experts.items():
        with blamed_on(f"expert {name!r}"):
            members.append(Member(None, expert, *_answer(expert, X, y, answers)))
    return _stacked(members, named_experts)


def _stacked(members, names):
    for name, member in zip(names, members):
        if not np.isfinite(member.values).all():
            raise ValueError(
                f"Expert {name!r} predicted NaN or infinity. Scale its features, "
                "regularise it, or choose another estimator."
            )
    # The values of each expert stay in one piece.
    values = np.stack([member.values for member in members]).swapaxes(0, 1)
    if all(member.log_density is None for member in members):
        return values
    log_density = [
        np.full(len(values), np.nan) if m.log_density is None else m.log_density
        for m in members
    ]
    return Outputs(values, np.stack(log_density, axis=1))
