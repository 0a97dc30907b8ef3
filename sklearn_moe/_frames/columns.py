"""Columns of frames and arrays: what they hold, and their values."""

import datetime
import sys
from decimal import Decimal
from math import isfinite
from numbers import Complex, Integral, Real

import narwhals.stable.v2 as nw
import numpy as np

# What columns may hold, in words.
NUMBERS, CATEGORIES, NOTHING = "numbers", "categories", "no values"
DATES, AWARE_DATES = "dates without a time zone", "dates with a time zone"
SPANS = "spans of time"
TIMES = (DATES, AWARE_DATES, SPANS)

# What a column holds
# -------------------


def kind_of(column, name):
    """What a column holds: one of the words above.

    A column of objects holds what its values are. Text that spells fractions holds
    numbers, as it does for most experts, and text that spells dates holds dates.
    """
    if isinstance(column, nw.Series):
        # Narwhals looks at a few values only, and takes objects for strings.
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
                f"Column {name!r} holds dates with and without a time zone. Give all "
                "of them one, or none."
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
    """What a column of a dtype holds, or None where only its values tell."""
    if dtype.is_numeric() or dtype == nw.Boolean:
        return NUMBERS
    if dtype == nw.Datetime:
        return DATES if dtype.time_zone is None else AWARE_DATES
    if dtype == nw.Date:
        return DATES
    if dtype == nw.Duration:
        return SPANS
    # A category stays one, whatever its name; the hour of a day is no point in time.
    known = (nw.Categorical, nw.Enum, nw.Time, nw.Binary)
    return CATEGORIES if dtype in known else None


def _kind_by_type(cls):
    # NumPy's spans of time are integers, too.
    if issubclass(cls, (datetime.timedelta, np.timedelta64)):
        return SPANS
    if issubclass(cls, (datetime.date, np.datetime64)):
        return DATES
    if issubclass(cls, (Real, Decimal, np.bool_)):
        return NUMBERS
    return "complex numbers" if issubclass(cls, Complex) else CATEGORIES


def _spell_numbers(texts):
    """Whether texts are numbers that are no codes: some are fractions."""
    try:
        numbers = np.array(texts, dtype=np.float64)
    except ValueError:
        return False
    return bool(np.isfinite(numbers).all() and (numbers % 1 != 0).any())


def _spell_dates(texts):
    """Whether texts are dates by ISO 8601; those without dashes may be codes."""
    try:
        return all(text[4] == text[7] == "-" and _point_in_time(text) for text in texts)
    except (IndexError, ValueError):
        return False


def is_missing(value):
    """Whether a value is None, NaN, NaT or the NA of pandas."""
    if value is None or value is getattr(sys.modules.get("pandas"), "NA", None):
        return True
    unequal = (float, Decimal, np.inexact, np.datetime64, np.timedelta64)
    # NaT is a date for Python.
    unequal = (*unequal, datetime.date, datetime.timedelta)
    return isinstance(value, unequal) and bool(value != value)


def _objects(column):
    # As an array, the missing categories of pyarrow would be categories.
    return column.to_list() if isinstance(column, nw.Series) else list(column)


def holds_flags(column):
    """Whether a column of numbers is one of True and False."""
    if isinstance(column, nw.Series) and column.dtype == nw.Boolean:
        return True
    return {type(v) for v in _objects(column) if not is_missing(v)} <= {bool, np.bool_}


def category_names(column):
    """Names of the categories that a dtype has, in its order; none for others."""
    dtype = getattr(column, "dtype", None)
    if isinstance(column, nw.Series):
        dtype = getattr(column.to_native(), "dtype", None)
    return [str(category) for category in getattr(dtype, "categories", ())]


# Values
# ------


def values_in(column, name, kind):
    """The values of a column, read as what it held in fit.

    Parameters
    ----------
    column : object
        One of `columns_of`.
    name : str
        For errors.
    kind : str
        What `kind_of` has found in fit.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Numbers, of which missing ones are NaN; points in time and spans of it are
        counted in seconds. Categories are strings, and missing ones NaN.

    Raises
    ------
    ValueError
        If the column holds something else now.
    """
    if kind == CATEGORIES:
        return texts_in(column)
    return numbers_in(column, name, kind)


def numbers_in(column, name, kind):
    """Numbers and times as floats; see `values_in`."""
    now = kind_of(column, name)
    if kind == NOTHING and now != CATEGORIES:
        # In a stream the first batch may have been without a value.
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
    """Categories as strings, so that values of any kind may stand in one column.

    A missing one is NaN, whatever the frame's own word for it.
    """
    texts = [
        value
        # Most are, and this takes next to no time.
        if type(value) is str
        else (np.nan if is_missing(value) else _text(value))
        for value in _objects(column)
    ]
    return np.array(texts, dtype=object)


def number_spelt(text):
    """The one spelling of the number, or the truth value, that a text spells, or None.

    Truth values are one and zero.
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
    """A date as it is, and that which a text spells by ISO 8601."""
    if _kind_by_type(type(value)) == DATES:
        return value
    return datetime.datetime.fromisoformat(value)


def times_in(column, scalar=np.datetime64):
    """Points in time (UTC where their zone is known), or spans, in microseconds."""
    times = _array(column)
    if times.dtype.kind not in "mM":
        times = np.array([_microseconds(value, scalar) for value in _objects(column)])
    return times.astype(f"{times.dtype.kind}8[us]")


def _seconds(column, scalar):
    times = times_in(column, scalar)
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)


def _microseconds(value, scalar):
    """A point in time, in UTC where its zone is known, or a span of time for NumPy."""
    if is_missing(value):
        return scalar("NaT", "us")
    if isinstance(value, str):
        value = _point_in_time(value)
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return scalar(value, "us")


def _text(value):
    """A category as a string; equal numbers are the same one, of whatever type."""
    if isinstance(value, bool | np.timedelta64):
        return str(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real | Decimal):
        if isfinite(value) and value == int(value):
            return str(int(value))
        # The digits of a float32 are fewer than those of the same number as a float.
        return str(value if isinstance(value, np.floating) else float(value))
    return str(value)


def column_like(column, values):
    """A column of numbers or points in time, with the time zone of another."""
    if kind_of(column, "") != AWARE_DATES:
        return values
    aware = [None if np.isnat(v) else v.item() for v in values]
    return np.array([v and v.replace(tzinfo=datetime.UTC) for v in aware], dtype=object)
