"""EM as an estimator runs it: restarts, callbacks, progress, and the best iterate."""

import math
import time

from joblib import effective_n_jobs
from sklearn.utils.parallel import delayed

from sklearn_moe._parallel import sent_once, side_by_side


class Run:
    """What is kept of one start of EM.

    Attributes
    ----------
    path : list of float
        Objective after each iteration.
    paths : list of list of float
        Those of all starts that count, in their order; before the end of the last of
        them that of this one alone.
    overflow_path : list of float
        Part of the rows that trained no expert, in each iteration.
    last : Iteration
    best : Iteration
        The iteration with the best objective. It is the last, unless the experts do not
        maximise the likelihood exactly (trees, penalties) or a starved one was given
        new rows on the way.
    """

    def __init__(self):
        self.path = []
        self.paths = [self.path]
        self.overflow_path = []
        self.last = None
        self.best = None

    def record(self, iteration):
        """Take note of an iteration."""
        self.path.append(iteration.objective)
        self.overflow_path.append(iteration.overflow_fraction)
        self.last = iteration
        if self.best is None or iteration.objective >= self.best.objective:
            self.best = iteration


def best_run(starts, *, max_iter, n_jobs, context, **told):
    """Run EM from every start.

    Parameters
    ----------
    starts : iterable of list of one ndarray
        Responsibilities to begin with; see `run_start`.
    max_iter : int
        Largest number of iterations of a start.
    n_jobs : int or None
        Number of starts at the same time.
    context : CallbackContext
        The task that the starts belong to.
    **told : dict
        Passed to `run_start`, pickled where starts run in other processes.

    Returns
    -------
    run : Run
        The one with the best objective, the first of equals. Where a callback stops the
        starts, those after it do not count, even if they ran at the same time.
    """
    begun = (
        (context.subcontext("EM start", max_subtasks=max_iter), responsibilities)
        for responsibilities in starts
    )
    if effective_n_jobs(n_jobs) == 1:
        results = (run_start(*start, **told) for start in begun)
    else:
        # A list, so that no context is made while another is being pickled.
        with sent_once(n_jobs, told):
            results = side_by_side(
                n_jobs, [delayed(_run_start)(*start, told) for start in begun]
            )
    best, paths = None, []
    for run, stop in results:
        paths.append(run.path)
        if best is None or run.best.objective > best.best.objective:
            best = run
        if stop:
            break
    best.paths = paths
    return best


def _run_start(start, responsibilities, told):
    """The same, with what all starts are told in one piece."""
    return run_start(start, responsibilities, **told)


def run_start(
    start, responsibilities, *, iterate, hooks, fitted_attributes, printed_name
):
    """Run EM from one start.

    Parameters
    ----------
    start : CallbackContext
        The task of this start.
    responsibilities : list of one ndarray of shape (n_samples, n_experts)
        Where it begins. The list is emptied: a caller who holds it does not hold the
        array when EM is beyond it.
    iterate : callable
        ``iterate(responsibilities=...)`` yields the iterations of EM until it
        converges.
    hooks : dict
        What every callback hook is told.
    fitted_attributes : callable
        ``fitted_attributes(run)`` is what a callback needs to rebuild the estimator.
    printed_name : str or None
        The name with which each iteration is printed; None prints nothing.

    Returns
    -------
    run : Run
    stop : bool
        Whether a callback wants no further start.
    """
    start.call_on_fit_task_begin(**hooks)
    run = Run()
    begin = time.perf_counter()
    iterations = iterate(responsibilities=responsibilities.pop())
    for task, iteration in zip(_tasks(start, hooks), iterations):
        run.record(iteration)
        if printed_name is not None:
            _report(printed_name, start, iteration, time.perf_counter() - begin)
        stop = task.call_on_fit_task_end(
            **hooks, reconstruction_attributes=lambda: fitted_attributes(run)
        )
        if stop or iteration.converged:
            break
    stop = start.call_on_fit_task_end(
        **hooks, reconstruction_attributes=lambda: fitted_attributes(run)
    )
    return run, stop


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
    print(
        f"[{name}] start {start.task_id + 1}, iteration {iteration.n_iter}: "
        f"objective {iteration.objective:.6g}{change}, time {seconds:.3f} s"
    )
