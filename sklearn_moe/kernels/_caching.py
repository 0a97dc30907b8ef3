"""Compiled functions that are kept on disk, and that work where that does not.

With ``njit(cache=True)`` every call is an error where no folder can be written to, and
where a file of the cache is damaged: it may even end the process, if machine code is
what is damaged. There is no public way to change that, hence the private names of Numba
below. If they move, the cache is that of ``njit(cache=True)``.
"""

import pickle
import warnings
from contextlib import suppress
from hashlib import sha256

from numba import njit

try:
    from numba.core.caching import CompileResultCacheImpl, FunctionCache
    from numba.core.serialize import dumps
except ImportError:  # pragma: no cover
    MendingCache: type | None = None
else:

    class ChecksummedResults(CompileResultCacheImpl):
        """How a compiled function is turned into bytes and back, with a checksum."""

        def reduce(self, compiled):
            """Return the checksum and the bytes."""
            payload = dumps(super().reduce(compiled))
            return self._checksum(payload), payload

        def rebuild(self, target_context, reduced):
            """Return the compiled function, if the bytes are those that were saved."""
            checksum, payload = reduced
            if self._checksum(payload) != checksum:
                raise ValueError("The file is not what was written for this function.")
            return super().rebuild(target_context, pickle.loads(payload))

        def _checksum(self, payload):
            # Numba writes the index first. If the process ends there, it points to a
            # file of the same name that an earlier version of the source has left.
            name, source = self.filename_base, self.locator.get_source_stamp()
            return sha256(repr((name, source)).encode() + payload).digest()

    class MendingCache(FunctionCache):  # type: ignore[no-redef]
        """The cache of one function; no fault of it reaches those who call that."""

        _impl_class = ChecksummedResults

        def load_overload(self, signature, target_context):
            """Return what was compiled before, or None where it cannot be read."""
            # What is damaged may raise anything while it is read.
            try:
                return super().load_overload(signature, target_context)
            except Exception:
                # With an empty index, what is compiled now takes the place of what is
                # damaged. If that cannot be written, `save_overload` will say so.
                with suppress(OSError):
                    self.flush()
                return None

        def save_overload(self, signature, compiled):
            """Keep what was compiled, where that is possible."""
            try:
                super().save_overload(signature, compiled)
            except Exception as error:
                _warn_once(error)


_warned = False


def cached_njit(**options):
    """Make a decorator that compiles a function and keeps the result on disk.

    Parameters
    ----------
    **options : dict
        Of `numba.njit`.

    Returns
    -------
    decorator : callable
    """

    def compiled(function):
        dispatcher = njit(**options)(function)
        # With NUMBA_DISABLE_JIT it is the function itself.
        if dispatcher is not function:
            try:
                _enable_cache(dispatcher)
            except (RuntimeError, OSError) as error:
                _warn_once(f"no folder for it can be written to ({error})")
        return dispatcher

    return compiled


def _enable_cache(dispatcher):
    if MendingCache is None:  # pragma: no cover
        dispatcher.enable_caching()
    else:
        dispatcher._cache = MendingCache(dispatcher.py_func)


def _warn_once(reason):
    """Warn that nothing can be kept, for the first function of this process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "What Numba compiles for sklearn_moe cannot be kept on disk, so that each "
            f"process compiles it anew, which takes a while: {reason}. Set the "
            "environment variable NUMBA_CACHE_DIR to a folder that can be written to.",
            UserWarning,
            stacklevel=2,
        )
