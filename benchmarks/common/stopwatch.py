"""Where the time of a call goes: the time of some functions, without their callees."""

import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from functools import wraps
from unittest.mock import patch


class Stopwatch:
    """Tells how long functions run, each without the others that it calls.

    One thread is all that it understands.

    Parameters
    ----------
    clock : callable, default=time.process_time
        Where others do the work, it should be one that goes on while they do.

    Attributes
    ----------
    seconds : dict of float
        Time of each part.
    """

    def __init__(self, clock=time.process_time):
        self.seconds = defaultdict(float)
        self._clock = clock
        self._inner = []

    @contextmanager
    def part(self, name):
        """Count the time of the block to a part."""
        self._inner.append(0.0)
        begin = self._clock()
        try:
            yield
        finally:
            taken = self._clock() - begin
            self.seconds[name] += taken - self._inner.pop()
            if self._inner:
                self._inner[-1] += taken

    def timed(self, name, function):
        """A function that does the same, and whose time counts to a part."""

        @wraps(function)
        def timed(*args, **kwargs):
            with self.part(name):
                return function(*args, **kwargs)

        return timed

    @contextmanager
    def watch(self, parts):
        """Watch functions while the block runs.

        Parameters
        ----------
        parts : dict of list
            By the name of the part, (owner, name of the function) of each.
        """
        with ExitStack() as stack:
            for name, functions in parts.items():
                for owner, attribute in functions:
                    function = self.timed(name, getattr(owner, attribute))
                    stack.enter_context(patch.object(owner, attribute, function))
            yield
