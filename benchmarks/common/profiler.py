"""A profiler that looks at a thread from outside, every millisecond."""

import sys
import threading
import time
from collections import defaultdict


class Profiler:
    """Tells where the time of a block goes, by samples of the stack of its thread.

    Nothing that is measured has to be changed or named beforehand. The time between
    two samples counts to what the stack is at the second one.

    Parameters
    ----------
    kind_of : callable
        ``kind_of(stack)`` is the name to which a sample counts. The stack is a list of
        (module, function) from the outermost call to the innermost, without leading
        underscores of the names of modules.
    clock : callable, default=time.process_time
        Where others do the work, it should be one that goes on while they do.
    interval : float, default=0.001
        Seconds between two samples.

    Attributes
    ----------
    seconds : dict of float
        Time that counts to each name.
    """

    def __init__(self, kind_of, clock=time.process_time, interval=1e-3):
        self.kind_of, self.clock, self.interval = kind_of, clock, interval
        self.seconds = defaultdict(float)

    def __enter__(self):
        """Begin to look."""
        self._ended = threading.Event()
        self._sampler = threading.Thread(
            target=self._sample, args=(threading.get_ident(),), daemon=True
        )
        # Else Python code keeps the sampler waiting for five milliseconds.
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(self.interval / 10)
        self._sampler.start()
        return self

    def __exit__(self, *error):
        """End it."""
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
    """Return the calls that have led to a frame, the outermost first.

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
