"""Encoding of the categories and dates of a frame as numbers for a gate."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_moe._frames import (
    CATEGORIES,
    NOTHING,
    NUMBERS,
    TIMES,
    are_numbers,
    as_array,
    columns_of,
    columns_without_numbers,
    floats_at_hand,
    has_learnt_columns,
    is_frame,
    is_table,
    kind_of,
    names_of,
    native,
    number_spelt,
    rows_in_words,
    to_numbers,
    values_in,
)
from sklearn_moe._persistence import saved_as_dict

FLOATS = (np.float64, np.float32)

# Limit on the one-hot columns of a feature; rarer categories share the last of these,
# since a gate can learn little from each of them.
MAX_CATEGORIES = 20


def gate_features(gate, X, y="no_validation", *, reset, in_stream=False):
    """Validate the rows passed to a gate, and encode the columns of a frame as numbers.

    Parameters
    ----------
    gate : estimator
        Its `encoder_` is set if `reset`, and used otherwise.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Categories of a frame are one-hot encoded, with missing values as a category of
        their own; points in time are encoded in seconds.
    y : None or "no_validation"
        None raises the error that scikit-learn raises if a required target is missing.
    reset : bool
        Whether the gate is being fitted.
    in_stream : bool, default=False
        Whether a fitted gate is to learn from the rows.

    Returns
    -------
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
        Numbers, some of which may be NaN.
    """
    X = native(X)
    encoder = None if reset else gate.encoder_
    if not reset and encoder is None and has_learnt_columns(gate, X):
        features = floats_at_hand(X)
        if features is not None:
            return features
    # `validate_data` below has its own error for numbers in one dimension.
    if not (is_table(X) or are_numbers(X)):
        name = type(gate).__name__
        raise ValueError(
            f"{name} needs a table of features, but X is {rows_in_words(X)}. Use a "
            "pipeline that turns the rows into numbers and ends in the gate, such as "
            f"gate=make_pipeline({to_numbers(X)}, {name}())."
        )
    if encoder is None and not columns_without_numbers(X):
        try:
            features = validate_data(
                gate,
                X,
                y,
                accept_sparse=gate._accept_sparse,
                dtype=FLOATS,
                ensure_all_finite="allow-nan",
                reset=reset,
            )
        except (TypeError, ValueError) as error:
            if str(getattr(X, "dtype", None)) == "object":
                error.add_note(
                    "A gate accepts only numbers in an array. In a frame, such as "
                    "pandas.DataFrame(X), it also encodes categories and dates."
                )
            raise
        if features.dtype not in FLOATS:
            # Scikit-learn does not convert sparse frames of booleans.
            features = features.astype(np.float64)
    else:
        X = X if is_frame(X) else as_array(X, accept_sparse=False)
        validate_data(gate, X, y, reset=reset, skip_check_array=True)
        if encoder is None:
            encoder = FrameEncoder(X, only_numbers=not reset)
        if in_stream:
            encoder.check_stream(X)
        features = encoder.transform(X)
        if encoder.only_numbers:
            # Arrays are accepted as well in predictions then.
            encoder = None
    if reset:
        gate.encoder_ = encoder
    return features


class _AnyGate(BaseEstimator):
    _accept_sparse = "csr"


def numbers_of(X, names):
    """Return the rows as a gate encodes them, and the names and sources of the columns.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    names : list of str
        Names of its columns.

    Returns
    -------
    numbers : {ndarray, CSR} of shape (n_samples, n_columns)
    names : list of str
        Names of the columns of numbers.
    places : ndarray of shape (n_columns,), int
        Index of the column of X from which each of them is encoded.
    """
    gate = _AnyGate()
    numbers = gate_features(gate, X, reset=True)
    if gate.encoder_ is None:
        return numbers, names, np.arange(len(names))
    places, _ = gate.encoder_.sources()
    return numbers, gate.encoder_.get_feature_names_out().tolist(), places


@saved_as_dict
class FrameEncoder:
    """Encoder of the columns of a frame: first numbers, then times, then categories.

    Parameters
    ----------
    X : frame of shape (n_samples, n_features)
        Determines the kind of each column (numbers, times or categories), which
        `transform` then expects.
    only_numbers : bool, default=False
        Whether `transform` expects numbers in all columns, whatever they are in `X`.
    """

    def __init__(self, X, only_numbers=False):
        self._names = list(map(str, names_of(X)))
        self._kinds = [NUMBERS] * len(self._names)
        if not only_numbers:
            self._kinds = list(map(kind_of, columns_of(X), self._names))
        self.only_numbers = set(self._kinds) == {NUMBERS}
        self._one_hot = None
        if CATEGORIES in self._kinds:
            self._one_hot = OneHotEncoder(
                max_categories=MAX_CATEGORIES,
                handle_unknown="infrequent_if_exist",
                sparse_output=False,
            ).set_output(transform="default")
            self._one_hot.fit(np.column_stack(self._texts(X)))

    def transform(self, X):
        """Encode a frame, or an array with the same columns.

        Returns
        -------
        features : ndarray of shape (n_samples, n_columns)
        """
        columns = columns_of(X)
        numbers = [
            values_in(columns[j], self._names[j], self._kinds[j]) for j in self._numeric
        ]
        features = np.column_stack(numbers) if numbers else np.empty((len(X), 0))
        if self._one_hot is not None:
            categories = self._one_hot.transform(self._categories(X))
            features = np.hstack([features, categories])
        return check_array(features, ensure_all_finite="allow-nan", input_name="X")

    def check_stream(self, X):
        """Raise ValueError if a column has categories but was empty when fitted."""
        columns = columns_of(X)
        for j in self._places(NOTHING):
            if kind_of(columns[j], self._names[j]) == CATEGORIES:
                raise ValueError(
                    f"Column {self._names[j]!r} had no values in the first batch, but "
                    "now has categories, for which the gate has no columns. Begin the "
                    "stream with a batch that has values in it, or drop the column."
                )

    def get_feature_names_out(self):
        """Return the names of the columns that `transform` returns.

        Returns
        -------
        names : ndarray of str
        """
        names = [self._names[j] for j in self._numeric]
        if self._one_hot is not None:
            own = [self._names[j] for j in self._places(CATEGORIES)]
            names.extend(self._one_hot.get_feature_names_out(own))
        return np.array(names, dtype=object)

    def sources(self):
        """Return the sources of the columns that `transform` returns.

        Returns
        -------
        places : ndarray of shape (n_columns,)
            Index of the source of each column.
        numbers : ndarray of shape (n_columns,), bool
            Whether the column is a column of numbers, passed through unchanged.
        """
        places = list(self._numeric)
        if self._one_hot is not None:
            own = self._places(CATEGORIES)
            marks = [f"{place}/" for place in own]
            names = self._one_hot.get_feature_names_out(marks)
            places.extend(int(name.partition("/")[0]) for name in names)
        kinds = np.array(self._kinds, dtype=object)[places]
        return np.array(places, dtype=int), np.isin(kinds, [NUMBERS, NOTHING])

    @property
    def kinds(self):
        """Name and kind of each column."""
        return list(zip(self._names, self._kinds))

    def tables(self):
        """Yield the texts of each categorical column, and their one-hot rows.

        Two more rows encode a missing category and an unknown one.
        """
        if self._one_hot is None:
            return
        known, end = self._one_hot.categories_, 0
        for j, categories in enumerate(known):
            texts = [value for value in categories if isinstance(value, str)]
            # The last text is longer than any category, and therefore unknown.
            own = [*texts, np.nan, "".join(texts) + "?"]
            rows = np.empty((len(own), len(known)), dtype=object)
            rows[:] = [values[0] for values in known]
            rows[:, j] = own
            rare = self._one_hot.infrequent_categories_[j]
            begin, end = end, end + len(categories)
            if rare is not None:
                end -= len(rare) - 1
            yield texts, self._one_hot.transform(rows)[:, begin:end]

    @property
    def _numeric(self):
        """Indices of the columns that are encoded as a single column each."""
        return self._places(NUMBERS, NOTHING) + self._places(*TIMES)

    def _places(self, *kinds):
        return [j for j, kind in enumerate(self._kinds) if kind in kinds]

    def _texts(self, X):
        columns, places = columns_of(X), self._places(CATEGORIES)
        return [values_in(columns[j], self._names[j], CATEGORIES) for j in places]

    def _categories(self, X):
        """Return the categories, spelt as in the training data; see `_as_known`."""
        return np.column_stack(
            list(map(_as_known, self._texts(X), self._one_hot.categories_))
        )


def _as_known(texts, known):
    """Spell numbers and truth values in texts as the equal ones among known texts."""
    new = set(texts).difference(known)
    if not new:
        return texts
    spellings = {number_spelt(text): text for text in known}
    spellings.pop(None, None)
    known_as = {text: spellings.get(number_spelt(text), text) for text in new}
    return np.array([known_as.get(text, text) for text in texts], dtype=object)
