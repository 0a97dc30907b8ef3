"""EM as an estimator runs it: restarts, callbacks, progress, and the best iterate."""

import math
import time


class Run:
    """What is kept of one start of EM.

    Attributes
    ----------
    path : list of float
        Objective after each iteration.
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


def best_run(
    starts, iterate, *, max_iter, context, hooks, fitted_attributes, printed_name
):
    """Run EM from every start.

    Parameters
    ----------
    starts : iterable of ndarray
        Responsibilities to begin with.
    iterate : callable
        ``iterate(responsibilities)`` yields the iterations of EM until it converges.
    max_iter : int
        Largest number of iterations of a start.
    context : CallbackContext
        The task that the starts belong to.
    hooks : dict
        What every callback hook is told.
    fitted_attributes : callable
        ``fitted_attributes(run)`` is what a callback needs to rebuild the estimator.
    printed_name : str or None
        The name with which each iteration is printed; None prints nothing.

    Returns
    -------
    run : Run
        The one with the best objective.
    """
    runs = []
    for number, responsibilities in enumerate(starts, 1):
        start = context.subcontext("EM start", max_subtasks=max_iter)
        start.call_on_fit_task_begin(**hooks)
        run = Run()
        begin = time.perf_counter()
        for task, iteration in zip(_tasks(start, hooks), iterate(responsibilities)):
            run.record(iteration)
            if printed_name is not None:
                _report(printed_name, number, iteration, time.perf_counter() - begin)
            stop = task.call_on_fit_task_end(
                **hooks,
                reconstruction_attributes=lambda run=run: fitted_attributes(run),
            )
            if stop or iteration.converged:
                break
        stop = start.call_on_fit_task_end(
            **hooks, reconstruction_attributes=lambda run=run: fitted_attributes(run)
        )
        runs = [max([*runs, run], key=lambda run: run.best.objective)]
        if stop:
            break
    return runs[0]


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
        f"[{name}] start {start}, iteration {iteration.n_iter}: "
        f"objective {iteration.objective:.6g}{change}, time {seconds:.3f} s"
    )
