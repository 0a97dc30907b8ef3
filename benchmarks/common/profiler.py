"""A sampling profiler that inspects the stack of a thread every millisecond."""

import sys
import threading
import time
from collections import defaultdict


class Profiler:
    """Measure where the time of a block goes, by sampling the stack of its thread.

    The measured code need not be changed. The time between two samples is attributed to
    the stack of the second one.

    Parameters
    ----------
    kind_of : callable
        ``kind_of(stack)`` returns the name to which a sample is attributed. The stack
        is a list of (module, function) from the outermost call to the innermost, with
        leading underscores of module names removed.
    clock : callable, default=time.process_time
        Clock to measure with. If other processes do the work, it should measure wall
        time.
    interval : float, default=0.001
        Seconds between two samples.

    Attributes
    ----------
    seconds : dict of float
        Time that is attributed to each name.
    """

    def __init__(self, kind_of, clock=time.process_time, interval=1e-3):
        self.kind_of, self.clock, self.interval = kind_of, clock, interval
        self.seconds = defaultdict(float)

    def __enter__(self):
        """Start sampling."""
        self._ended = threading.Event()
        self._sampler = threading.Thread(
            target=self._sample, args=(threading.get_ident(),), daemon=True
        )
        # With the default interval, Python code would block the sampler for 5 ms.
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(self.interval / 10)
        self._sampler.start()
        return self

    def __exit__(self, *error):
        """Stop sampling."""
        self._ended.set()
        self._sampler.join()
        sys.setswitchinterval(self._switch_interval)

    def _sample(self, thread):
        last = self.clock()
        while not self._ended.wait(self.interval):
            stack = stack_of(sys._current_frames()[thread])
            now = self.clock()
            self.seconds[self.kind_of(stack)] += now - last
            last = now


def stack_of(frame):
    """Return the stack of calls of a frame, the outermost first.

    Parameters
    ----------
    frame : frame

    Returns
    -------
    stack : list of (str, str)
        Name of the module without leading underscores, and of the function.
    """
    stack = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "").replace("._", ".")
        stack.append((module, frame.f_code.co_qualname))
        frame = frame.f_back
    return stack[::-1]
