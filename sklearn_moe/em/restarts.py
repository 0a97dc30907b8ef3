"""EM from several starts, with callbacks, progress messages and the best iterate."""

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
    """Arguments common to all starts, sent only once to each other process.

    Attributes
    ----------
    iterate : callable
        ``iterate(responsibilities=...)`` yields the iterations of EM until it
        converges.
    hooks : dict
        Arguments of every callback hook.
    fitted_attributes : callable
        ``fitted_attributes(run)`` returns what a callback needs to reconstruct the
        fitted estimator.
    printed_name : str or None
        The name under which the progress of each iteration is printed; None prints
        nothing.
    model : Iteration, default=None
        The model from which a warm start begins, if its objective is known. It is kept
        unless an iteration is at least as good.
    """

    iterate: Callable
    hooks: dict
    fitted_attributes: Callable
    printed_name: str | None
    model: Iteration | None = None


class Run:
    """Result of running EM from one start.

    Parameters
    ----------
    model : Iteration or None
        See `Shared`.

    Attributes
    ----------
    path : list of float
        Objective after each iteration.
    paths : list of list of float
        The `path` of every start that has not failed, in the order of the starts. Until
        all starts have ended it contains only the `path` of this one.
    overflow_path : list of float
        Fraction of the rows that trained no expert, in each iteration.
    last : Iteration
    best : Iteration
        The iteration with the best objective. It is the last, unless the experts do not
        maximise the likelihood exactly (trees, penalties) or a dead expert was
        reinitialised. If no iteration is as good as `model` it is `model`, whose
        `n_iter` is 0.
    fit_warnings : list
        Warnings of all fits up to the best iteration; see `collect_fit_warnings`.
    error : Exception or None
        The exception that a fit has raised; the start has failed then.
    failures : dict of {int: Exception}
        Errors of the failed starts, by the number of the start. Like `paths` it is
        complete only when all starts have ended.
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
        """Whether EM has converged, or has found nothing better than `model`."""
        return bool(self.last.converged) or not self.best.n_iter

    def record(self, iteration, fit_warnings):
        """Record an iteration, with the warnings of all fits so far."""
        self.path.append(iteration.objective)
        self.overflow_path.append(iteration.overflow_fraction)
        self.last = iteration
        if self.best is None or iteration.objective >= self.best.objective:
            self.best = iteration
            self.fit_warnings = fit_warnings[:]


def best_run(starts, shared, *, max_iter, n_jobs, context):
    """Run EM from every start, and return the best run.

    Parameters
    ----------
    starts : iterable of list of one ndarray
        Initial responsibilities; see `run_start`.
    shared : Shared
    max_iter : int
        Largest number of iterations of a start.
    n_jobs : int or None
        Number of starts that run in parallel.
    context : CallbackContext
        The task of which the starts are subtasks.

    Returns
    -------
    run : Run
        The run whose best iteration has the highest `level`, and the first of these if
        there are ties. If a callback stops the fit in one start, later starts are
        ignored, even if they ran in parallel.

    Raises
    ------
    Exception
        The error of the first start, if all starts have failed.
    """
    begun = (
        (context.subcontext("EM start", max_subtasks=max_iter), responsibilities)
        for responsibilities in starts
    )
    if effective_n_jobs(n_jobs) == 1:
        results = (run_start(*start, shared) for start in begun)
    else:
        # A list, so that no context is created while another is being pickled.
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
        Initial responsibilities. The array is removed from the list, so that a caller's
        reference to the list does not keep the array in memory.
    shared : Shared

    Returns
    -------
    run : Run
        If an expert, the gate or the likelihood could not be fitted, its `error` is
        set. An exception in a callback is propagated.
    stop : bool
        Whether a callback has requested that no further start be run.
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
    """Yield the callback context of each iteration, after its begin hooks."""
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
    # One call of write for each line, since starts in several threads print at once.
    print(
        f"[{name}] start {start.task_id + 1}, iteration {iteration.n_iter}: "
        f"objective {iteration.objective:.6g}{change}, time {seconds:.3f} s\n",
        end="",
    )
