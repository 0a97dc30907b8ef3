"""What fits warn of while EM works: collected, and told of the fits that are kept.

EM fits each part of a mixture many times and keeps one of the fits. So the warnings of
a fit are held back until it is known which one that is. Filters that ignore a warning
are obeyed at once, and all others when it is told.
"""

import re
import warnings
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from threading import Lock

# Warnings that differ in such numbers alone are the same; "expert0" is a name.
NUMBER = re.compile(r"(?<!\w)[-+]?(\d[\d.,]*(e[-+]?\d+)?|inf|nan)")

_collected = ContextVar("collected", default=None)
_of_this_fit = ContextVar("of_this_fit", default=None)


def summaries(fits):
    """Summarise what the last fit of each part has warned of.

    A kind of warning is its category and its text without numbers.

    Parameters
    ----------
    fits : list of tuple of (str, dict)
        For each fit the part that was fitted, and the texts of its warnings by kind.

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
    """Have a list of what each `one_fit` within the block warns of; see `summaries`."""
    collected = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


@contextmanager
def one_fit(part):
    """Hold the warnings of a fit of this part back, if such are being collected."""
    collected = _collected.get()
    if collected is None:
        yield
        return
    with held_back() as texts:
        yield
    collected.append((part, texts))


def catch_in_threads():
    """Make ready for fits in many threads, where warnings of fits are collected.

    To be entered before they start: the threads of joblib put the filters back that
    they have found, each when it ends.
    """
    return nullcontext() if _collected.get() is None else catching


@contextmanager
def without_warnings():
    """Drop the warnings of the block: another fit, or prediction, has told the same."""
    with held_back():
        yield


def collect_from_calls(run, function):
    """Collect the warnings of fits in other threads and processes.

    Parameters
    ----------
    run : callable
        ``run(call)`` calls ``call(...)`` in place of ``function(...)`` wherever it
        likes, and returns a list of what that returns.
    function : callable

    Returns
    -------
    results : list
        What the function has returned.
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
    """Have the warnings of this thread in a dict: texts by kind; see `summaries`."""
    texts = {}
    # What is fitted in there, such as another mixture, collects for itself.
    outer, own = _collected.set(None), _of_this_fit.set(texts)
    try:
        with catching:
            yield texts
    finally:
        _of_this_fit.reset(own)
        _collected.reset(outer)


class Catching:
    """Hands each warning to the fit of the thread that it is raised in.

    `warnings.catch_warnings` may be used by one thread at a time. This context may be
    entered by many: the first changes what is Python's, and the last restores it.
    """

    def __init__(self):
        self._lock, self._n_inside = Lock(), 0

    def __enter__(self):
        with self._lock:
            if not self._n_inside:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                # Threads with contexts of Python's own may have left it there.
                if warnings.showwarning != self._hand_over:
                    self._show = warnings.showwarning
                    warnings.showwarning = self._hand_over
                self._filters, self._found = warnings.filters, warnings.filters[:]
                self._filters[:] = [
                    (action if action == "ignore" else "always", *rest)
                    for action, *rest in self._found
                ]
                # It has Python look at the filters anew, too.
                warnings.simplefilter("always", append=True)
            self._n_inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                # Contexts of other threads that have found this list put it back.
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
    """The category, or its first base that can be made of a text."""
    for base in category.__mro__:
        with suppress(TypeError):
            base("")
            return base
    return Warning
