"""The experts of a mixture, bound to the training rows."""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_moe._estimators import WeightedFit, error_note, reseeded
from sklearn_moe._fit_warnings import collect_fit_warnings, one_fit
from sklearn_moe._rows import FitTask
from sklearn_moe._sklearn import safe_indexing
from sklearn_moe.experts.growing import (
    at_once,
    can_grow,
    goes_on,
    is_growing,
    next_step,
)
from sklearn_moe.experts.least_squares import LeastSquares, is_least_squares
from sklearn_moe.experts.logistic import LogisticNewton, is_logistic
from sklearn_moe.experts.nested import has_density
from sklearn_moe.experts.outputs import (
    Output,
    Predictions,
    join_folds,
    output_of_expert,
    stack_outputs,
)
from sklearn_moe.experts.shared_steps import Division, PreparedRows
from sklearn_moe.experts.uniform import UniformExpert, is_uniform


@dataclass(frozen=True)
class FittedExpert:
    """One expert after an M-step.

    Attributes
    ----------
    estimator : fitted estimator or None
        The fitted expert, without the steps that are shared by all M-steps; see
        `Division`. None if it is cross-fitted: it is fitted to all rows only when this
        is needed.
    weights : column of TrainingWeights or None
        Weights of all experts in its last fit; None for the sample weights.
    output : Output or None
        Output for the training rows, if these lie in one block and the expert is
        cross-fitted or is not fitted any more.
    folds : list of estimator or None
        The estimators fitted without each fold, if the expert is cross-fitted and the
        next fit starts from them.
    n_fits : int
        Number of fits in which the expert has grown.
    """

    estimator: Any
    weights: Any = None
    output: Any = None
    folds: Any = None
    n_fits: int = 0


class ExpertPool:
    """The experts, fitted by EM to the same training rows with changing weights.

    Parameters
    ----------
    named_experts : list of (str, estimator)
        They are not modified: each M-step fits new clones, so that the experts of every
        iteration can be kept. A :class:`~sklearn.frozen.FrozenEstimator` and a noise
        component are used as they are.
    rows : Rows
    output_of : Predictions or Probabilities
        ``output_of(estimator, X)`` returns the predictions that the mixture pools.
    fitter : callable, default=WeightedFit
        ``fitter(estimator, random_state)`` returns the fitter of an expert.
    random_state : RandomState instance
        Seeds the experts, once for all iterations of EM.
    splits : list of (train, test), default=None
        Folds in which each row is held out once; the outputs of the experts are then
        out-of-fold predictions [1]_. None means that the outputs are predictions for
        the training rows.
    are_given : bool, default=False
        Whether the experts are fitted once, to all rows, unless they are frozen.
        Otherwise they are fitted in each M-step, with the weights of this M-step.
    fit_params : dict of dict, default=None
        Further arguments of each expert's `fit`, by the expert's name.

    References
    ----------
    .. [1] D. H. Wolpert (1992). Stacked generalization. Neural Networks 5(2), 241-259.
    """

    def __init__(
        self,
        named_experts,
        rows,
        output_of,
        *,
        fitter=WeightedFit,
        random_state,
        splits=None,
        are_given=False,
        fit_params=None,
    ):
        self.names = [name for name, _ in named_experts]
        # Experts that are clones of one estimator are the same object here.
        ids = [id(expert) for _, expert in named_experts]
        self._first_alike = [ids.index(own) for own in ids]
        given = (FrozenEstimator, UniformExpert)
        self.frozen = [isinstance(expert, given) for _, expert in named_experts]
        self.is_noise = np.array([is_uniform(expert) for _, expert in named_experts])
        self.rows = rows
        self.splits = splits
        self._solvers, self._known = {}, {}
        self._fitted_to_all = {}
        self.are_given = are_given
        self._output_of = output_of
        self._fit_params = fit_params or {}
        self._divisions, self._fitters = [], []
        for k, (name, expert) in enumerate(named_experts):
            division = Division(expert, expert)
            # Nothing is shared if there are further arguments of `fit`, which may be
            # for any step, or if the rows are gathered from several blocks for a fit.
            if rows.in_one_block and not self._fit_params.get(name):
                division = Division.of(k, expert, random_state)
            rest = division.rest
            self._divisions.append(division)
            self._fitters.append(rest if self.frozen[k] else fitter(rest, random_state))
        self._prepared = self._prepare(None)
        self._prepared_folds = splits and self._prepare_folds(splits)
        # Experts that are not fitted any more, by their number.
        self._settled = {
            k: FittedExpert(expert)
            for k, (expert, frozen) in enumerate(zip(self._fitters, self.frozen))
            if frozen
        }

    def _prepare(self, train):
        """Return the rows, transformed by shared steps that are fitted to `train`."""
        return PreparedRows(self._divisions, self.names, self.rows, train)

    def _prepare_folds(self, splits):
        return [self._prepare(train) for train, _ in splits]

    @property
    def unfitted(self):
        """The unfitted experts, as set by the user."""
        return [division.expert for division in self._divisions]

    def check_frozen(self):
        """Raise ValueError if a frozen expert knows none of the classes."""
        for name, expert, frozen in zip(self.names, self._fitters, self.frozen):
            if frozen:
                with error_note(f"expert {name!r}"):
                    self._output_of.check_labels(expert, self.rows.sample.X)

    # The M-step
    # ----------

    def fit(self, weights, active, previous):
        """Run the M-step; return each expert as a `FittedExpert`, and the outputs."""
        settled = {
            k: self._remember_output(k, expert) for k, expert in self._settled.items()
        }
        left = {
            k: self._remember_output(k, previous[k])
            for k in range(len(self.names))
            if k not in settled and (not active[k] or self._is_grown(k, previous))
        }
        fitted, outputs = self._train(
            weights, settled | left, previous, predict=self.rows.in_one_block
        )
        if self.are_given:
            fitted = [replace(f, output=outputs[k]) for k, f in enumerate(fitted)]
            settled = dict(enumerate(fitted))
        self._settled = settled
        return fitted, self._outputs([f.estimator for f in fitted], outputs)

    def fit_to_all(self):
        """Fit the experts to all rows, clones of one estimator only once.

        Returns
        -------
        estimators : list of fitted estimators
        outputs : column of shape (n_samples, n_experts, ...) or of Outputs
            Their outputs for the training rows.
        """
        weights = {k: None for k in set(self._first_alike) if not self.frozen[k]}
        # Discard the warnings, since the user does not get these fits.
        with collect_fit_warnings():
            found = self._gather(weights, None, None, predict=self.rows.in_one_block)
        self._fitted_to_all = {
            k: FittedExpert(reseeded(found[first][0], self._fitters[k].estimator))
            for k, first in enumerate(self._first_alike)
            if first in found and self._is_known(k)
        }
        fitted = {k: (self._fitters[k], None) for k in range(len(self.names))}
        for k, (estimator, output, _) in found.items():
            fitted[k] = self._prepared.whole(k, estimator), output
        estimators, outputs = zip(*(fitted[k] for k in self._first_alike))
        n_experts = len(estimators)
        if n_experts > 1 and set(self._first_alike) == {0} and not self._has_density(0):
            # All experts are equal: repeat the outputs without a copy.
            alone = self._outputs(estimators[:1], outputs[:1])
            return list(estimators), self.rows.map(_repeat, alone, n_experts)
        return list(estimators), self._outputs(estimators, outputs)

    def train(self, weights, active, estimators):
        """Run the M-step for a batch of a stream; see `fit`.

        The experts are passed and returned as fitted estimators.
        """
        previous = [FittedExpert(estimator) for estimator in estimators]
        left = {
            k: expert
            for k, expert in enumerate(previous)
            if self.frozen[k] or not active[k]
        }
        fitted, _ = self._train(weights, left, previous, predict=False)
        return [expert.estimator for expert in fitted]

    def outputs(self, estimators):
        """Return the outputs of fitted estimators for the training rows."""
        return self._outputs(estimators, [None] * len(estimators))

    def _train(self, weights, left, previous, *, predict):
        """Fit all experts except for those in `left`.

        Return all experts, and a list with the Output of each for the training rows, or
        None if it was not computed.
        """
        fitted, outputs = dict(left), {k: own.output for k, own in left.items()}
        learning = [k for k in range(len(self.names)) if k not in left]
        weights = None if self.are_given else weights
        known = self._fitted_to_all if previous is None else previous
        solved = self._solve(learning, weights, known, predict=predict)
        rest = [k for k in learning if k not in solved]
        gathered = self._gather(
            dict.fromkeys(rest, weights), previous, self.splits, predict=predict
        )
        for k, (estimator, output, folds) in gathered.items():
            kept = output if self.splits is not None else None
            n_fits = 1 if previous is None else previous[k].n_fits + 1
            fitted[k] = FittedExpert(estimator, weights, kept, folds, n_fits)
            outputs[k] = output
        if previous is None and not self._predicts_numbers:
            # The first fits, by the estimators themselves, have stopped some distance
            # from the optimum.
            solved |= self._solve(rest, weights, fitted, predict=predict)
        for k, (estimator, output) in solved.items():
            fitted[k], outputs[k] = FittedExpert(estimator, weights), output
            # This fit has no warnings; it replaces those of previous fits.
            with one_fit(f"expert {self.names[k]!r}"):
                pass
        numbers = range(len(self.names))
        return [fitted[k] for k in numbers], [outputs.get(k) for k in numbers]

    def _remember_output(self, k, expert):
        """Return the expert with its output, if the rows lie in one block."""
        if not self.rows.in_one_block or expert.output is not None:
            return expert
        with error_note(f"expert {self.names[k]!r}"):
            output = self._prepared.rows(k).map(
                _output_of_block, expert.estimator, self._output_of
            )
        return replace(expert, output=output)

    def _outputs(self, estimators, known):
        outputs = self.rows.map(
            _outputs_of_block,
            self.rows.share(estimators),
            known,
            self.names,
            self._output_of,
        )
        # Store the outputs, since both the likelihood's fit and its densities use them.
        return self.rows.keep(outputs)

    # Linear and logistic experts, which are solved together
    # ------------------------------------------------------

    def _solve(self, learning, weights, previous, *, predict):
        """Fit linear and logistic experts by a solver that reproduces their own fits.

        The first fit of each expert, or of one of its clones to all rows, is the
        estimator's own, which validates the rows. A single expert is always fitted by
        itself, so that it equals the bare estimator.
        Return a dict of estimator and Output of each expert that was solved; the Output
        is None unless `predict`.
        """
        if not previous or self.splits is not None or weights is None:
            return {}
        if len(self.names) == 1:
            return {}
        together = defaultdict(dict)
        for k in filter(self._is_known, learning):
            together[self._prepared.rows(k)][k] = previous[k].estimator
        solved = {}
        for rows, known in together.items():
            solver = self._solver(rows)
            fitted, outputs = solver.fit(known, weights), repeat(None)
            if predict and fitted:
                outputs = map(Output, solver.predict(list(fitted.values())))
            solved |= dict(zip(fitted, zip(fitted.values(), outputs)))
        return solved

    def _is_known(self, k):
        if k not in self._known:
            is_known = is_least_squares if self._predicts_numbers else is_logistic
            self._known[k] = (
                is_known(self._fitters[k].estimator)
                and self._fitters[k].weighting != "resample"
                and not self._fit_params.get(self.names[k])
            )
        return self._known[k]

    @property
    def _predicts_numbers(self):
        return isinstance(self._output_of, Predictions)

    def _solver(self, rows):
        if rows not in self._solvers:
            solver = (
                LeastSquares(rows)
                if self._predicts_numbers
                else LogisticNewton(rows, self._output_of.classes)
            )
            # If starts run in several threads, all use the solver stored first.
            self._solvers.setdefault(rows, solver)
        return self._solvers[rows]

    # All other experts, fitted to rows that are gathered for each
    # ------------------------------------------------------------

    def _gather(self, weights, previous, splits, *, predict, fitters=None):
        """Fit the experts in `weights`, or all folds of each, in parallel.

        Return a dict with the estimator of each expert, None if it is cross-fitted; its
        Output, None unless `predict` or cross-fitted; and its `folds`, see
        `FittedExpert`.
        """
        folds, prepared = splits or [None], [self._prepared]
        if splits is not None:
            is_own = splits is self.splits
            prepared = self._prepared_folds if is_own else self._prepare_folds(splits)
        if fitters is None:
            fitters = {
                k: next_step(self._fitters[k], previous and previous[k])
                for k in weights
            }
        tasks = [
            self._task(k, fitters[k], own, last, fold)
            for k in weights
            for last, fold, own in zip(
                self._last_fits(k, previous, splits), folds, prepared
            )
        ]
        function = partial(fit_expert, output_of=self._output_of if predict else None)
        results = iter(self.rows.gather(function, weights, tasks))
        fitted = {}
        for k in weights:
            found = [next(results) for _ in folds]
            fitted[k] = *found[0], None
            if splits is not None:
                estimators, outputs = zip(*found)
                kept = estimators if goes_on(self._fitters[k]) else None
                fitted[k] = None, self._join(k, outputs, splits), kept
        return fitted

    def _last_fits(self, k, previous, splits):
        """Return the previous fits of an expert, one for each fold."""
        if splits is None:
            return [None if previous is None else previous[k].estimator]
        last = None if previous is None else previous[k].folds
        return last or [None] * len(splits)

    def _task(self, k, fitter, prepared, last=None, fold=None):
        name, fitter = self.names[k], prepared.fitter(k, fitter)
        return FitTask(
            k,
            name,
            fitter,
            last if last is not None and fitter.goes_on_from(last) else None,
            self._fit_params.get(name),
            fold,
            prepared.block(k),
        )

    def _join(self, k, outputs, splits):
        """Join the outputs of one expert for the folds to that for all rows."""
        order = np.argsort(np.concatenate([test for _, test in splits]))
        return join_folds(outputs, order, with_density=self._has_density(k))

    def _has_density(self, k):
        return not self.frozen[k] and has_density(self._fitters[k].estimator)

    # Experts that grow
    # -----------------

    def grows(self, fitted, active):
        """Return whether an active expert continues to grow in the next M-step."""
        return any(
            can_grow(self._fitters[k]) and is_growing(self._fitters[k], fitted[k])
            for k in np.flatnonzero(active)
        )

    def begin_anew(self, fitted, chosen):
        """Reset the chosen experts, so that they grow from the beginning."""
        return [
            replace(expert, estimator=None, folds=None, n_fits=0)
            if k in chosen and can_grow(self._fitters[k])
            else expert
            for k, expert in enumerate(fitted)
        ]

    def _is_grown(self, k, previous):
        """Return whether a growing expert has been fitted and has stopped growing."""
        if previous is None or not previous[k].n_fits:
            return False
        fitter = self._fitters[k]
        return can_grow(fitter) and not is_growing(fitter, previous[k])

    # After EM
    # --------

    def estimators(self, fitted, order):
        """Return the estimators of an M-step, fitted to all rows, in a given order."""
        pending = {k: fitted[k].weights for k in order if fitted[k].estimator is None}
        found = self._gather(
            pending, None, None, predict=False, fitters=self._at_once(fitted)
        )
        estimators = {k: estimator for k, (estimator, *_) in found.items()}
        # A start in another process has returned copies of frozen estimators; use the
        # original ones.
        estimators.update((k, self._fitters[k]) for k in order if self.frozen[k])
        return [
            self._prepared.whole(k, estimators.get(k, fitted[k].estimator))
            for k in order
        ]

    def out_of_fold(self, fitted, order, splits):
        """Return out-of-fold outputs of the experts for the training rows.

        Parameters
        ----------
        fitted : list of FittedExpert
            Result of an M-step, whose weights are used again.
        order : ndarray of shape (n_experts,)
            The order of the experts in the outputs.
        splits : list of (train, test)
            Folds for experts that are not cross-fitted already.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
        """
        outputs = {k: expert.output for k, expert in enumerate(fitted)}
        if self.splits is None:
            weights = {k: fitted[k].weights for k in order if not self.frozen[k]}
            # Discard the warnings, since the user does not get these fits.
            with collect_fit_warnings():
                found = self._gather(
                    weights, None, splits, predict=True, fitters=self._at_once(fitted)
                )
            outputs.update((k, output) for k, (_, output, _) in found.items())
        names = [self.names[k] for k in order]
        return stack_outputs([outputs[k] for k in order], names, of_training=True)

    def mean_output(self, k, expert):
        """Return the weighted mean prediction of a `FittedExpert` for the sample."""
        sample, output = self._prepared.rows(k).sample, expert.output
        if output is None:
            output = _output_of_block(sample, expert.estimator, self._output_of)
        first = output.values.reshape(len(output.values), -1)[:, 0]
        return np.average(first, weights=sample.sample_weight)

    def _at_once(self, fitted):
        """Return the fitters of experts after EM, which fit all trees at once."""
        return list(map(at_once, self._fitters, fitted))

    def refit(self, k, expert, weights, rows):
        """Fit one expert from scratch to some rows of a single block."""
        block = self._prepared.rows(k).block
        unit = block.expert_weight.mean()
        task = self._task(k, at_once(self._fitters[k], expert), self._prepared)
        return fit_expert(block, weights, unit, task, (rows, None))[0]

    def learnt_weights(self, k, weights):
        """Return the weights that the fit of an expert uses, for a single block."""
        block, fit_params = self.rows.block, self._fit_params.get(self.names[k])
        unit = block.expert_weight.mean()
        arguments = _as_learnt(block, weights, unit, fit_params)
        return self._fitters[k].learnt_weights(*arguments)

    def predict(self, k, estimator, rows):
        """Return the predictions of a fitted expert for some rows of a single block."""
        block = self._prepared.rows(k).block
        output_of = self._output_of.at(block.exposure).take(rows)
        return output_of(estimator, safe_indexing(block.X, rows))


def fit_expert(block, weights, unit, task, fold=None, output_of=None):
    """Fit an expert to a block of its rows, and predict them if `output_of` is given.

    With a fold, the held-out rows are predicted, and the estimator is returned only if
    the next fit can start from it; otherwise it is not needed any more. `unit` is the
    mean weight of a row.
    """
    train, test = fold or (None, None)
    part = f"expert {task.name!r}"
    y, weights, unit = _as_learnt(block, weights, unit, task.fit_params)
    with error_note(part, block.X, train), one_fit(part):
        estimator = task.fitter.fit(
            block.X,
            y,
            weights,
            unit=unit,
            rows=train,
            previous=task.previous,
            fit_params=task.fit_params,
        )
        if output_of is None:
            return estimator, None
        if test is None:
            return estimator, _output_of_block(block, estimator, output_of)
        held_out = safe_indexing(block.X, test), block.y[test]
        output_of = output_of.at(block.exposure).take(test)
        output = output_of_expert(estimator, *held_out, output_of)
        return estimator if goes_on(task.fitter) else None, output


def _as_learnt(block, weights, unit, fit_params):
    """Return targets, weights and mean weight of a row for the fit of an expert.

    An expert that is passed the exposure is fitted to counts; other experts are fitted
    to rates, with weights in proportion to the exposure.
    """
    if "exposure" not in (fit_params or {}):
        return block.y, weights, unit
    return block.encoded_y, weights / block.exposure, block.sample_weight.mean()


def _repeat(block, outputs, n_experts):
    """Repeat the outputs of one expert for several experts."""
    return np.broadcast_to(outputs, (len(outputs), n_experts, *outputs.shape[2:]))


def _output_of_block(block, estimator, output_of):
    output_of = output_of.at(block.exposure)
    return output_of_expert(estimator, block.X, block.y, output_of)


def _outputs_of_block(block, estimators, known, names, output_of):
    """Return the outputs of experts for a block, computing those that are None."""
    outputs = []
    for name, estimator, output in zip(names, estimators, known):
        if output is None:
            with error_note(f"expert {name!r}", block.X):
                output = _output_of_block(block, estimator, output_of)
        outputs.append(output)
    return stack_outputs(outputs, names, of_training=True)
