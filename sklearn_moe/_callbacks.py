"""Callbacks, which scikit-learn has from 1.9 on; before, a fit has none to call."""

from dataclasses import dataclass, field
from itertools import count

try:
    from sklearn.callback import CallbackSupportMixin
except ModuleNotFoundError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What a mixture needs of the mixin, without callbacks."""

        def _init_callback_context(self, max_subtasks=0):
            return NoCallbacks(max_subtasks)


__all__ = ["CallbackSupportMixin"]


@dataclass
class NoCallbacks:
    """The task of a fit, which nobody is told of."""

    max_subtasks: int = 0
    task_id: int = 0
    _next_id: count = field(default_factory=count, repr=False)

    def subcontext(self, task_name, max_subtasks=0):
        """Return a task that is a part of this one."""
        return NoCallbacks(max_subtasks, next(self._next_id))

    def call_on_fit_task_begin(self, **hooks):
        """Nobody wants to know."""

    def call_on_fit_task_end(self, **hooks):
        """Nobody wants the fit to stop."""
        return False
