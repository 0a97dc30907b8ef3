"""Cache of compiled functions on disk, whose failures do not affect the functions.

With ``njit(cache=True)`` a call raises an error if no folder is writable or if a file
of the cache is damaged; damaged machine code may even crash the process. Numba has no
public interface to change this, so that this module uses private names of Numba. If
these are moved in a later version, the cache of ``njit(cache=True)`` is used.
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
        """Serialisation of a compiled function, with a checksum."""

        def reduce(self, compiled):
            """Return the checksum and the bytes."""
            payload = dumps(super().reduce(compiled))
            return self._checksum(payload), payload

        def rebuild(self, target_context, reduced):
            """Return the compiled function, if the checksum of the bytes is correct."""
            checksum, payload = reduced
            if self._checksum(payload) != checksum:
                raise ValueError("The file is not what was written for this function.")
            return super().rebuild(target_context, pickle.loads(payload))

        def _checksum(self, payload):
            # Numba writes the index first. If the process ends then, the index points
            # to a file of the same name from an earlier version of the source.
            name, source = self.filename_base, self.locator.get_source_stamp()
            return sha256(repr((name, source)).encode() + payload).digest()

    class MendingCache(FunctionCache):  # type: ignore[no-redef]
        """The cache of one function, whose errors do not reach callers of this."""

        _impl_class = ChecksummedResults

        def load_overload(self, signature, target_context):
            """Return the compiled function, or None if it cannot be read."""
            # A damaged file may raise any exception.
            try:
                return super().load_overload(signature, target_context)
            except Exception:
                # Empty the index, so that the damaged file is replaced after
                # compilation. If it cannot be written, `save_overload` warns.
                with suppress(OSError):
                    self.flush()
                return None

        def save_overload(self, signature, compiled):
            """Save a compiled function, or warn if this is not possible."""
            try:
                super().save_overload(signature, compiled)
            except Exception as error:
                _warn_once(error)


_warned = False


def cached_njit(**options):
    """Return a decorator that compiles a function and caches the result on disk.

    Parameters
    ----------
    **options : dict
        Options of `numba.njit`.

    Returns
    -------
    decorator : callable
    """

    def compiled(function):
        dispatcher = njit(**options)(function)
        # With NUMBA_DISABLE_JIT, njit returns the function itself.
        if dispatcher is not function:
            try:
                _enable_cache(dispatcher)
            except (RuntimeError, OSError) as error:
                _warn_once(f"no cache folder is writable ({error})")
        return dispatcher

    return compiled


def _enable_cache(dispatcher):
    if MendingCache is None:  # pragma: no cover
        dispatcher.enable_caching()
    else:
        dispatcher._cache = MendingCache(dispatcher.py_func)


def _warn_once(reason):
    """Warn that the cache does not work, once in a process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "The functions that Numba compiles for sklearn_moe cannot be cached on disk"
            f", so that each process compiles them again, which is slow: {reason}. Set "
            "the environment variable NUMBA_CACHE_DIR to a writable folder.",
            UserWarning,
            stacklevel=2,
        )
