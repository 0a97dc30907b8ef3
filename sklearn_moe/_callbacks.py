"""Callback support of scikit-learn 1.9 and later, and a stand-in for older versions."""

from dataclasses import dataclass, field
from itertools import count

try:
    from sklearn.callback import CallbackSupportMixin
except ModuleNotFoundError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in with the methods that a mixture calls; there are no callbacks."""

        def _init_callback_context(self, max_subtasks=0):
            return NoCallbacks(max_subtasks)


__all__ = ["CallbackSupportMixin"]


@dataclass
class NoCallbacks:
    """Context of a task of a fit that reports to no callbacks."""

    max_subtasks: int = 0
    task_id: int = 0
    _next_id: count = field(default_factory=count, repr=False)

    def subcontext(self, task_name, max_subtasks=0):
        """Return the context of a subtask of this task."""
        return NoCallbacks(max_subtasks, next(self._next_id))

    def call_on_fit_task_begin(self, **hooks):
        """Do nothing, since there are no callbacks to notify."""

    def call_on_fit_task_end(self, **hooks):
        """Return False, since no callback asks the fit to stop."""
        return False
