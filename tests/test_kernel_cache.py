"""What is compiled is kept on disk, and no fault of the disk reaches a fit."""

import errno
import os
import pickle
import shutil
import subprocess
import sys

import numba
import pytest
from numba.core.caching import IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

from sklearn_moe.kernels import _caching, _compiled
from sklearn_moe.kernels._caching import MendingCache, cached_njit

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled"
)


def double(x):
    return 2 * x


def triple(x):
    return 3 * x


def compiled(function=double):
    """The function as a new process has it: nothing is in memory."""
    return cached_njit()(function)


def n_loaded(function):
    return sum(function.stats.cache_hits.values())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of the cache, for a process that has not warned yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_caching, "_warned", False)
    return tmp_path / "cache"


chooses_folders = pytest.mark.skipif(
    not hasattr(numba.config, "CACHE_LOCATOR_CLASSES"),
    reason="Numba before 0.62 cannot be told where not to look for a folder",
)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder can be written to, not even by the superuser."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(
        numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator"
    )


def the_file(folder, suffix):
    (path,) = folder.rglob(f"*.{suffix}")
    return path


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def leave_a_hole(path):
    """The size is right, as where a copy reserves the room before it writes."""
    content = path.read_bytes()
    middle = len(content) // 8
    path.write_bytes(content[:middle] + bytes(middle) + content[2 * middle :])


def change_each_byte(path):
    path.write_bytes(bytes(byte ^ 0xFF for byte in path.read_bytes()))


def put_a_folder_in_its_place(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": truncate,
    "with a hole": leave_a_hole,
    "changed": change_each_byte,
    "something else": lambda path: path.write_bytes(pickle.dumps("something else")),
    "missing": lambda path: path.unlink(),
}


def test_every_kernel_has_such_a_cache():
    kernels = [k for k in vars(_compiled).values() if isinstance(k, Dispatcher)]
    assert kernels
    assert all(isinstance(kernel._cache, MendingCache) for kernel in kernels)


def test_what_is_compiled_is_loaded_the_next_time():
    assert n_loaded(compiled()) == 0
    compiled()(1)
    again = compiled()
    assert again(1) == 2
    assert n_loaded(again) == 1


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_replaced(folder, suffix, damage):
    compiled()(1)
    damage(the_file(folder, suffix))
    mended = compiled()
    assert mended(1) == 2
    assert n_loaded(mended) == 0
    again = compiled()
    assert again(1) == 2
    assert n_loaded(again) == 1


def test_other_signatures_outlive_a_damaged_file_as_new_ones(folder):
    function = compiled()
    function(1), function(1.5)
    first, _ = sorted(folder.rglob("*.nbc"))
    truncate(first)
    mended = compiled()
    assert (mended(1), mended(1.5)) == (2, 3.0)
    again = compiled()
    assert (again(1), again(1.5)) == (2, 3.0)
    assert n_loaded(again) == 2


def test_what_was_compiled_from_another_source_is_not_called(folder):
    compiled()(1), compiled(triple)(1)
    (own,), (other,) = (folder.rglob(f"*{name}*.nbc") for name in ("double", "triple"))
    shutil.copy(other, own)
    assert compiled()(1) == 2


@chooses_folders
def test_without_a_folder_functions_work_and_one_warning_names_the_remedy(nowhere):
    with pytest.warns(UserWarning, match="cannot be cached") as caught:
        functions = compiled(), compiled(triple)
    assert [function(1) for function in functions] == [2, 3]
    (warning,) = caught
    assert "no cache folder is writable" in str(warning.message)
    assert "NUMBA_CACHE_DIR" in str(warning.message)


def test_where_a_damaged_file_cannot_be_replaced_there_is_one_warning(folder):
    compiled()(1)
    put_a_folder_in_its_place(the_file(folder, "nbi"))
    with pytest.warns(UserWarning, match="cannot be cached.*NUMBA_CACHE_DIR") as caught:
        assert [compiled()(1), compiled()(1)] == [2, 2]
    assert len(caught) == 1


def test_a_full_disk_costs_a_warning_and_no_result(monkeypatch):
    def save(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(IndexDataCacheFile, "save", save)
    with pytest.warns(UserWarning, match="No space left") as caught:
        assert [compiled()(1), compiled(triple)(1)] == [2, 3]
    assert len(caught) == 1


def test_the_folder_may_vanish_between_import_and_call(folder):
    function = compiled()
    shutil.rmtree(folder)
    assert function(1) == 2


@chooses_folders
def test_a_fit_warns_before_the_experts_which_may_be_mixtures_are_fitted(tmp_path):
    (tmp_path / "file").touch()
    program = """
from sklearn.dummy import DummyRegressor
from sklearn_moe import MixtureOfExpertsRegressor
class Last(DummyRegressor):
    def fit(self, X, y, sample_weight=None):
        raise SystemExit
MixtureOfExpertsRegressor(Last()).fit([[1.0]] * 9, [1.0] * 9)
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": str(tmp_path / "file" / "cache"),
            "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr.count("cannot be cached on disk") == 1


def test_without_private_names_of_numba_the_cache_is_that_of_numba(monkeypatch):
    monkeypatch.setattr(_caching, "MendingCache", None)
    compiled()(1)
    again = compiled()
    assert again(1) == 2
    assert n_loaded(again) == 1
