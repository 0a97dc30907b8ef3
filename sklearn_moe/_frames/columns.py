"""Columns of frames and arrays: their kinds and values."""

import datetime
import sys
from decimal import Decimal
from math import isfinite
from numbers import Complex, Integral, Real

import narwhals.stable.v2 as nw
import numpy as np

# The kinds of columns, in words.
NUMBERS, CATEGORIES, NOTHING = "numbers", "categories", "no values"
DATES, AWARE_DATES = "dates without a time zone", "dates with a time zone"
SPANS = "spans of time"
TIMES = (DATES, AWARE_DATES, SPANS)

# Kinds of columns
# ----------------


def kind_of(column, name):
    """Return the kind of a column: one of the words above.

    The kind of a column of objects is that of its values. Strings that represent
    numbers with fractions are numbers, as for most experts, and strings that represent
    dates are dates.
    """
    if isinstance(column, nw.Series):
        # Narwhals inspects only a few values, and may treat objects as strings.
        if str(getattr(column.to_native(), "dtype", None)) != "object":
            kind = kind_by_dtype(column.dtype)
            if kind is not None:
                return kind
    elif column.dtype.kind in "biufSV":
        return NUMBERS if column.dtype.kind in "biuf" else CATEGORIES
    values = [value for value in _objects(column) if not is_missing(value)]
    types = set(map(type, values))
    if types == {str}:
        if _spell_numbers(values):
            return NUMBERS
        if _spell_dates(values):
            values = list(map(_point_in_time, values))
            types = set(map(type, values))
    kinds = set(map(_kind_by_type, types))
    if DATES in kinds and kinds <= {DATES}:
        aware = {getattr(value, "tzinfo", None) is not None for value in values}
        if len(aware) > 1:
            raise ValueError(
                f"Column {name!r} holds dates with and without a time zone. Use a time "
                "zone for all of them, or for none."
            )
        return AWARE_DATES if aware.pop() else DATES
    if "complex numbers" in kinds:
        raise ValueError(
            f"Complex data not supported: column {name!r} holds complex numbers."
        )
    if len(kinds) > 1:
        return CATEGORIES
    return kinds.pop() if kinds else NOTHING


def kind_by_dtype(dtype):
    """Return the kind of a column by its dtype; None if it depends on the values."""
    if dtype.is_numeric() or dtype == nw.Boolean:
        return NUMBERS
    if dtype == nw.Datetime:
        return DATES if dtype.time_zone is None else AWARE_DATES
    if dtype == nw.Date:
        return DATES
    if dtype == nw.Duration:
        return SPANS
    # Categories are not interpreted as numbers or dates; a time of day is no point in
    # time.
    known = (nw.Categorical, nw.Enum, nw.Time, nw.Binary)
    return CATEGORIES if dtype in known else None


def _kind_by_type(cls):
    # NumPy's timedelta64 is a subclass of integers; it must be tested first.
    if issubclass(cls, (datetime.timedelta, np.timedelta64)):
        return SPANS
    if issubclass(cls, (datetime.date, np.datetime64)):
        return DATES
    if issubclass(cls, (Real, Decimal, np.bool_)):
        return NUMBERS
    return "complex numbers" if issubclass(cls, Complex) else CATEGORIES


def _spell_numbers(texts):
    """Return whether texts are numbers, some with fractions; integers may be codes."""
    try:
        numbers = np.array(texts, dtype=np.float64)
    except ValueError:
        return False
    return bool(np.isfinite(numbers).all() and (numbers % 1 != 0).any())


def _spell_dates(texts):
    """Return whether texts are ISO 8601 dates with dashes; others may be codes."""
    try:
        return all(text[4] == text[7] == "-" and _point_in_time(text) for text in texts)
    except (IndexError, ValueError):
        return False


def is_missing(value):
    """Return whether a value is None, NaN, NaT or the NA of pandas."""
    if value is None or value is getattr(sys.modules.get("pandas"), "NA", None):
        return True
    unequal = (float, Decimal, np.inexact, np.datetime64, np.timedelta64)
    # The NaT of pandas is an instance of these classes.
    unequal = (*unequal, datetime.date, datetime.timedelta)
    return isinstance(value, unequal) and bool(value != value)


def _objects(column):
    # Converted to an array, missing categories of pyarrow would become categories.
    return column.to_list() if isinstance(column, nw.Series) else list(column)


def holds_flags(column):
    """Return whether a column of numbers has only the values True and False."""
    if isinstance(column, nw.Series) and column.dtype == nw.Boolean:
        return True
    return {type(v) for v in _objects(column) if not is_missing(v)} <= {bool, np.bool_}


def category_names(column):
    """Return the names of a categorical dtype's categories, in its order."""
    dtype = getattr(column, "dtype", None)
    if isinstance(column, nw.Series):
        dtype = getattr(column.to_native(), "dtype", None)
    return [str(category) for category in getattr(dtype, "categories", ())]


# Values
# ------


def values_in(column, name, kind):
    """Return the values of a column, interpreted by its kind in fit.

    Parameters
    ----------
    column : object
        A column from `columns_of`.
    name : str
        Name of the column, for errors.
    kind : str
        Result of `kind_of` in fit.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Numbers, with NaN for missing values; points in time and spans of time in
        seconds. Categories are strings, with NaN for missing values.

    Raises
    ------
    ValueError
        If the column is of another kind now.
    """
    if kind == CATEGORIES:
        return texts_in(column)
    return numbers_in(column, name, kind)


def numbers_in(column, name, kind):
    """Return numbers and times as floats; see `values_in`."""
    now = kind_of(column, name)
    if kind == NOTHING and now != CATEGORIES:
        # In a stream, the column may have been empty in the first batch.
        kind = now
    if kind == NUMBERS and now in (NUMBERS, CATEGORIES):
        try:
            return _floats(column)
        except (TypeError, ValueError, OverflowError) as error:
            raise _changed(column, name, kind, now) from error
    if kind in (DATES, AWARE_DATES) and now == CATEGORIES:
        try:
            column = _dates(column)
        except (TypeError, ValueError) as error:
            raise _changed(column, name, kind, now) from error
        now = kind_of(column, name)
    if kind == now and kind in TIMES:
        return _seconds(column, np.timedelta64 if kind == SPANS else np.datetime64)
    if kind == NOTHING or all(map(is_missing, _objects(column))):
        return np.full(len(column), np.nan)
    raise _changed(column, name, kind, now)


def texts_in(column):
    """Return categories as strings, so that a column may have values of several types.

    Missing values are NaN, for any missing-value marker of the frame.
    """
    texts = [
        value
        # The most frequent case, which is fast to test.
        if type(value) is str
        else (np.nan if is_missing(value) else _text(value))
        for value in _objects(column)
    ]
    return np.array(texts, dtype=object)


def number_spelt(text):
    """Return the canonical spelling of a number or truth value in a text, or None.

    Truth values are spelt as one and zero.
    """
    try:
        number = float({"True": "1", "False": "0"}.get(text, text))
    except (TypeError, ValueError):
        return None
    return _text(number) if isfinite(number) else None


def _changed(column, name, kind, now):
    values = [value for value in _objects(column) if not is_missing(value)]
    example = next((v for v in values if not _can_be(v, kind)), values[0])
    return ValueError(
        f"In fit, column {name!r} held {kind}; now it holds {now}, such as "
        f"{example!r}. Convert it to what it was."
    )


def _can_be(value, kind):
    if kind not in (NUMBERS, DATES, AWARE_DATES):
        return False
    try:
        float(value) if kind == NUMBERS else _point_in_time(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _array(column):
    return column.to_numpy() if isinstance(column, nw.Series) else column


def _floats(column):
    array = _array(column)
    if array.dtype.kind not in "biuf":
        array = [np.nan if is_missing(v) else float(v) for v in _objects(column)]
    return np.asarray(array, dtype=np.float64)


def _dates(column):
    dates = [None if is_missing(v) else _point_in_time(v) for v in _objects(column)]
    return np.array(dates, dtype=object)


def _point_in_time(value):
    """Return a date, or the date that a text represents by ISO 8601."""
    if _kind_by_type(type(value)) == DATES:
        return value
    return datetime.datetime.fromisoformat(value)


def times_in(column, scalar=np.datetime64):
    """Return points in time (UTC if the zone is known) or spans, in microseconds."""
    times = _array(column)
    if times.dtype.kind not in "mM":
        times = np.array([_microseconds(value, scalar) for value in _objects(column)])
    return times.astype(f"{times.dtype.kind}8[us]")


def _seconds(column, scalar):
    times = times_in(column, scalar)
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)


def _microseconds(value, scalar):
    """Convert a point in time (to UTC if its zone is known) or a span for NumPy."""
    if is_missing(value):
        return scalar("NaT", "us")
    if isinstance(value, str):
        value = _point_in_time(value)
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return scalar(value, "us")


def _text(value):
    """Return a category as a string; equal numbers of any type are equal strings."""
    if isinstance(value, bool | np.timedelta64):
        return str(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real | Decimal):
        if isfinite(value) and value == int(value):
            return str(int(value))
        # A float32 has fewer digits as a string than after conversion to float.
        return str(value if isinstance(value, np.floating) else float(value))
    return str(value)


def column_like(column, values):
    """Return values as a column with time zone (UTC) if that of `column` has one."""
    if kind_of(column, "") != AWARE_DATES:
        return values
    aware = [None if np.isnat(v) else v.item() for v in values]
    return np.array([v and v.replace(tzinfo=datetime.UTC) for v in aware], dtype=object)
