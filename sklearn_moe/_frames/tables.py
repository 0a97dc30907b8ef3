"""Distinction of tables from rows of other kinds: texts, dicts, images, ..."""

from collections.abc import Mapping, Sequence
from numbers import Number

import numpy as np
from scipy.sparse import issparse

from sklearn_moe._frames.frames import is_frame, names_of


def is_table(X):
    """Return whether rows have columns: a frame, a matrix or lists of equal length.

    A scalar counts as a table as well; the validation of tables raises an error for it.
    """
    if is_frame(X) or issparse(X):
        return True
    if not isinstance(X, Sequence):
        # Do not call functions of NumPy on objects that are only convertible to arrays.
        return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) in (0, 2)
    try:
        shapes = {np.shape(row) for row in X}
    except ValueError:
        # Lists of several lengths.
        return False
    return len(shapes) == 1 and len(shapes.pop()) == 1


def names_known(X, names):
    """Return the names of the columns: those of a frame, otherwise `names`.

    If `names` is None, or does not match the number of columns, the names are x0, x1,
    ... The list is empty if the rows are not a table.
    """
    if not is_table(X):
        return []
    own = list(map(str, names_of(X)))
    if is_frame(X) or names is None or len(names) != len(own):
        return own
    return list(map(str, names))


def rows_in_words(X):
    """Describe rows that are not a table, for messages."""
    shape = getattr(X, "shape", ())
    if len(shape) > 1:
        return f"an array of {len(shape)} dimensions"
    kinds = sorted({type(row).__name__ for row in X})
    if kinds == ["list"]:
        return "lists of different lengths"
    name = "array" if isinstance(X, np.ndarray) else type(X).__name__
    article = "an" if name[0] in "aeiou" else "a"
    return f"{article} {name} of {' and '.join(kinds) or 'nothing'}"


def are_numbers(X):
    """Return whether rows that are not a table are numbers, perhaps of one column."""
    return isinstance(next(iter(X), None), Number)


def to_numbers(X):
    """Return the code of a transformer from rows that are not a table to numbers."""
    row = next(iter(X), None)
    if isinstance(row, str):
        return "TfidfVectorizer()"
    return (
        "DictVectorizer()" if isinstance(row, Mapping) else "FunctionTransformer(...)"
    )
