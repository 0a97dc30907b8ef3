"""EM as an estimator runs it: restarts, callbacks, progress, and the best iterate."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from joblib import effective_n_jobs

from sklearn_moe._fit_warnings import collect_fit_warnings
from sklearn_moe._parallel import run_parallel, scatter
from sklearn_moe.em.step import Iteration


@dataclass(frozen=True)
class Shared:
    """What all starts share; it is sent to other processes once.

    Attributes
    ----------
    iterate : callable
        ``iterate(responsibilities=...)`` yields the iterations of EM until it
        converges.
    hooks : dict
        Arguments of every callback hook.
    fitted_attributes : callable
        ``fitted_attributes(run)`` is what a callback needs to rebuild the estimator.
    printed_name : str or None
        The name with which each iteration is printed; None prints nothing.
    model : Iteration, default=None
        The model with which a warm start begins, where its objective is known; it is
        kept unless an iteration is as good.
    """

    iterate: Callable
    hooks: dict
    fitted_attributes: Callable
    printed_name: str | None
    model: Iteration | None = None


class Run:
    """What is kept of one start of EM.

    Parameters
    ----------
    model : Iteration or None
        See `Shared`.

    Attributes
    ----------
    path : list of float
        Objective after each iteration.
    paths : list of list of float
        Those of all starts that count, in their order; before the end of the last of
        them that of this one alone.
    overflow_path : list of float
        Fraction of the rows that trained no expert, in each iteration.
    last : Iteration
    best : Iteration
        The iteration with the best objective. It is the last, unless the experts do not
        maximise the likelihood exactly (trees, penalties) or a dead one was
        reinitialised on the way. Its number is 0 where it is that model.
    fit_warnings : list
        Those of all fits up to the best iteration; see `collect_fit_warnings`.
    error : Exception or None
        What a fit has raised: the start has failed.
    failures : dict of {int: Exception}
        Errors of the starts that have failed, by their number; see `paths`.
    """

    def __init__(self, model=None):
        self.path = []
        self.paths = [self.path]
        self.overflow_path = []
        self.last = None
        self.best = model
        self.fit_warnings = []
        self.error = None
        self.failures = {}

    @property
    def converged(self):
        """Whether EM has, or has found nothing better than the model it began with."""
        return bool(self.last.converged) or not self.best.n_iter

    def record(self, iteration, fit_warnings):
        """Take note of an iteration, and of the warnings of the fits so far."""
        self.path.append(iteration.objective)
        self.overflow_path.append(iteration.overflow_fraction)
        self.last = iteration
        if self.best is None or iteration.objective >= self.best.objective:
            self.best = iteration
            self.fit_warnings = fit_warnings[:]


def best_run(starts, shared, *, max_iter, n_jobs, context):
    """Run EM from every start.

    Parameters
    ----------
    starts : iterable of list of one ndarray
        Responsibilities to begin with; see `run_start`.
    shared : Shared
    max_iter : int
        Largest number of iterations of a start.
    n_jobs : int or None
        Number of starts at the same time.
    context : CallbackContext
        The task that the starts belong to.

    Returns
    -------
    run : Run
        The one with the best level, the first of equals. Where a callback stops the
        starts, those after it do not count, even if they ran at the same time.

    Raises
    ------
    Exception
        That of the first start, if all have failed.
    """
    begun = (
        (context.subcontext("EM start", max_subtasks=max_iter), responsibilities)
        for responsibilities in starts
    )
    if effective_n_jobs(n_jobs) == 1:
        results = (run_start(*start, shared) for start in begun)
    else:
        # A list, so that no context is made while another is being pickled.
        with scatter(n_jobs, shared):
            arguments = [(*start, shared) for start in begun]
            results = run_parallel(n_jobs, run_start, arguments)
    winner, paths, failures = None, [], {}
    for number, (run, stop) in enumerate(results):
        if run.error is not None:
            failures[number] = run.error
        else:
            paths.append(run.path)
            if winner is None or run.best.level > winner.best.level:
                winner = run
        if stop:
            break
    if winner is None:
        raise failures[0]
    winner.paths, winner.failures = paths, failures
    return winner


def run_start(start, responsibilities, shared):
    """Run EM from one start.

    Parameters
    ----------
    start : CallbackContext
        The task of this start.
    responsibilities : list of one ndarray of shape (n_samples, n_experts)
        Where it begins. The list is emptied: a caller who holds it does not hold the
        array when EM is beyond it.
    shared : Shared

    Returns
    -------
    run : Run
        Where an expert, the gate or the noise could not be fitted it has the error.
        What a callback raises is raised.
    stop : bool
        Whether a callback wants no further start.
    """
    run, begin = Run(shared.model), time.perf_counter()
    hooks = shared.hooks
    start.call_on_fit_task_begin(**hooks)

    def end(task):
        attributes = partial(shared.fitted_attributes, run)
        return task.call_on_fit_task_end(
            **hooks,
            reconstruction_attributes=attributes if run.error is None else None,
        )

    iterations = shared.iterate(responsibilities=responsibilities.pop())
    with collect_fit_warnings() as fit_warnings:
        for task in _tasks(start, hooks):
            try:
                iteration = next(iterations)
            except Exception as error:
                run.error = error
                end(task)
                break
            run.record(iteration, fit_warnings)
            if shared.printed_name is not None:
                seconds = time.perf_counter() - begin
                _report(shared.printed_name, start, iteration, seconds)
            if end(task) or iteration.converged:
                break
    return run, end(start)


def _tasks(start, hooks):
    """Yield the callback context of each iteration, begun."""
    for _ in range(start.max_subtasks):
        task = start.subcontext("EM iteration")
        task.call_on_fit_task_begin(**hooks)
        yield task


def _report(name, start, iteration, seconds):
    change = (
        f", change {iteration.change:.3g} a row"
        if math.isfinite(iteration.change)
        else ""
    )
    # One write a line: starts in threads print at the same time.
    print(
        f"[{name}] start {start.task_id + 1}, iteration {iteration.n_iter}: "
        f"objective {iteration.objective:.6g}{change}, time {seconds:.3f} s\n",
        end="",
    )
