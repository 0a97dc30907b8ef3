"""Folds, for answers about rows that an estimator has not seen."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

# As many as in scikit-learn's own stacking.
DEFAULT_FOLDS = 5


def folds(cv, X, y, kept, n_given, random_state, *, classification):
    """Folds that hold each row out once.

    Parameters
    ----------
    cv : "auto", int, splitter or iterable
        An integer means shuffled folds, since tables are often sorted, stratified by
        class; "auto" means five, or as many as there are rows. The indices of an
        iterable count the rows as they were given.
    X : array-like or frame of shape (n_samples, n_features)
        The rows that take part.
    y : ndarray of shape (n_samples, ...)
    kept : ndarray of shape (n_samples,)
        Positions of these rows among those given.
    n_given : int
        Number of rows given.
    random_state : RandomState instance
    classification : bool

    Returns
    -------
    splits : list of (train, test)
        Positions among the rows that take part.

    Raises
    ------
    ValueError
        If a row is held out never, or more than once.
    """
    if cv == "auto" or isinstance(cv, Integral):
        splits = _shuffled(cv, y, random_state, classification)
    elif hasattr(cv, "split"):
        splits = list(cv.split(X, y))
    else:
        splits = _given(cv, kept, n_given)
    held_out = np.concatenate([np.empty(0, np.intp), *(test for _, test in splits)])
    name = f"cv={cv!r}" if hasattr(cv, "split") else "The iterable given as 'cv'"
    if not np.array_equal(np.sort(held_out), np.arange(len(kept))):
        raise ValueError(
            f"{name} must hold each row out exactly once, as KFold does; it holds out "
            f"{len(held_out)} rows of {len(kept)}, {len(np.unique(held_out))} of them "
            "different."
        )
    if not all(len(train) for train, _ in splits):
        raise ValueError(f"{name} leaves a fold without rows to train on.")
    return splits


def _given(cv, kept, n_given):
    """The folds of an iterable, as positions among the kept rows."""
    position = np.full(n_given, -1)
    position[kept] = np.arange(len(kept))
    splits = []
    for split in cv:
        try:
            train, test = (position[part] for part in split)
        except IndexError as error:
            raise ValueError(
                "The iterable given as 'cv' must yield pairs of row indices below the "
                f"number of rows given, {n_given}: {error}."
            ) from error
        train, test = train[train >= 0], test[test >= 0]
        if len(test):
            splits.append((train, test))
    return splits


def _shuffled(cv, y, random_state, classification):
    seed = random_state.randint(np.iinfo(np.int32).max)
    largest = np.unique(y, return_counts=True)[1].max() if classification else len(y)
    n_folds = max(2, min(DEFAULT_FOLDS, largest)) if cv == "auto" else cv
    # Where no class has a row for each fold, there is nothing to stratify.
    stratified = classification and largest >= n_folds
    splitter = StratifiedKFold if stratified else KFold
    with warnings.catch_warnings():
        # A class with fewer rows than folds is missing in none of them but its own.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = splitter(n_folds, shuffle=True, random_state=seed).split(y, y)
        return list(splits)
