"""Collect the warnings of the fits within EM, and report those of the final fits.

EM fits each part of a mixture many times and keeps one of the fits. So the warnings of
a fit are held back until it is known which fit is kept. Filters that ignore a warning
apply at once, and all other filters when it is reported.
"""

import re
import warnings
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from threading import Lock

# Warnings that differ in numbers only count as the same. The digit of "expert0" belongs
# to a name.
NUMBER = re.compile(r"(?<!\w)[-+]?(\d[\d.,]*(e[-+]?\d+)?|inf|nan)")

_collected = ContextVar("collected", default=None)
_of_this_fit = ContextVar("of_this_fit", default=None)


def summaries(fits):
    """Summarise the warnings of the last fit of each part.

    A kind of warning is its category and its text without numbers.

    Parameters
    ----------
    fits : list of tuple of (str, dict)
        For each fit, the part that was fitted and the texts of its warnings by kind.

    Yields
    ------
    message : str
    category : type
    """
    n_fits = Counter(part for part, _ in fits)
    n_warned = Counter((part, kind) for part, texts in fits for kind in texts)
    for part, texts in dict(fits).items():
        for kind, text in texts.items():
            note = f"This is about {part}"
            if n_fits[part] > 1:
                note += (
                    f" as it is kept; {n_warned[part, kind]} of its {n_fits[part]} "
                    "fits warned so"
                )
            yield f"{text}\n{note}.", _plain(kind[0])


@contextmanager
def collect_fit_warnings():
    """Yield a list that collects the warnings of each `one_fit`; see `summaries`."""
    collected = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


@contextmanager
def one_fit(part):
    """Hold back the warnings of a fit of this part, if warnings are being collected."""
    collected = _collected.get()
    if collected is None:
        yield
        return
    with held_back() as texts:
        yield
    collected.append((part, texts))


def catch_in_threads():
    """Return a context for fits in several threads while warnings are collected.

    It must be entered before the threads start, since each thread of joblib restores
    the filters that it has found when it ends.
    """
    return nullcontext() if _collected.get() is None else catching


@contextmanager
def without_warnings():
    """Drop the warnings of the block, which another fit or prediction reports."""
    with held_back():
        yield


def collect_from_calls(run, function):
    """Collect the warnings of fits in other threads and processes.

    Parameters
    ----------
    run : callable
        ``run(call)`` calls ``call(...)`` in place of ``function(...)``, in any thread
        or process, and returns a list of the results.
    function : callable

    Returns
    -------
    results : list
        Results of the function.
    """
    collected = _collected.get()
    if collected is None:
        return run(function)
    results = []
    for result, of_call in run(partial(_call, function)):
        collected.extend(of_call)
        results.append(result)
    return results


def _call(function, *arguments):
    with collect_fit_warnings() as collected:
        return function(*arguments), collected


@contextmanager
def held_back():
    """Divert the warnings of this thread to a dict, text by kind; see `summaries`."""
    texts = {}
    # A nested fit, such as that of another mixture, collects its own warnings.
    outer, own = _collected.set(None), _of_this_fit.set(texts)
    try:
        with catching:
            yield texts
    finally:
        _of_this_fit.reset(own)
        _collected.reset(outer)


class Catching:
    """Context that passes each warning to the fit in the thread that raised it.

    `warnings.catch_warnings` may be used by one thread at a time only. This context may
    be entered by many: the first one changes the global state of the `warnings` module,
    and the last one restores it.
    """

    def __init__(self):
        self._lock, self._n_inside = Lock(), 0

    def __enter__(self):
        with self._lock:
            if not self._n_inside:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                # `catch_warnings` in another thread may have restored our function.
                if warnings.showwarning != self._hand_over:
                    self._show = warnings.showwarning
                    warnings.showwarning = self._hand_over
                self._filters, self._found = warnings.filters, warnings.filters[:]
                self._filters[:] = [
                    (action if action == "ignore" else "always", *rest)
                    for action, *rest in self._found
                ]
                # This call also makes Python re-read the filters.
                warnings.simplefilter("always", append=True)
            self._n_inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                # The list is changed in place, since `catch_warnings` in another thread
                # may restore this very list.
                self._filters[:] = self._found
                self._before.__exit__()

    def _hand_over(self, message, category, filename, lineno, file=None, line=None):
        texts, text = _of_this_fit.get(), str(message)
        if texts is None:
            self._show(message, category, filename, lineno, file, line)
        else:
            texts[category, NUMBER.sub("#", text)] = text


catching = Catching()


def _plain(category):
    """Return the category, or its first base class that takes a single text."""
    for base in category.__mro__:
        with suppress(TypeError):
            base("")
            return base
    return Warning
