"""Rows that are tables, and rows of any other kind: texts, dicts, images, ..."""

from collections.abc import Mapping, Sequence
from numbers import Number

import numpy as np
from scipy.sparse import issparse

from sklearn_moe._frames.frames import is_frame, names_of


def is_table(X):
    """Whether rows have columns: those of a frame, a matrix or lists of one length.

    A scalar, which has no rows at all, is left to be refused as a table.
    """
    if is_frame(X) or issparse(X):
        return True
    if not isinstance(X, Sequence):
        # No function of NumPy is called on what only turns into an array.
        return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) in (0, 2)
    try:
        shapes = {np.shape(row) for row in X}
    except ValueError:
        # Lists of several lengths.
        return False
    return len(shapes) == 1 and len(shapes.pop()) == 1


def names_known(X, names):
    """Names of the columns as text: those of a frame, or these if it is none.

    None, or names of another number of columns, say that nobody knows them. Rows that
    are no table have none.
    """
    if not is_table(X):
        return []
    own = list(map(str, names_of(X)))
    if is_frame(X) or names is None or len(names) != len(own):
        return own
    return list(map(str, names))


def rows_in_words(X):
    """What rows that are no table are, for messages."""
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
    """Whether rows that are no table are numbers: they may be meant as a column."""
    return isinstance(next(iter(X), None), Number)


def to_numbers(X):
    """The transformer, in words, that turns rows that are no table to numbers."""
    row = next(iter(X), None)
    if isinstance(row, str):
        return "TfidfVectorizer()"
    return (
        "DictVectorizer()" if isinstance(row, Mapping) else "FunctionTransformer(...)"
    )
