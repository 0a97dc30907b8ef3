"""Folds for cross-validation and for out-of-fold predictions."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import get_routing_for_object

# The default of scikit-learn's StackingRegressor.
DEFAULT_FOLDS = 5


def shuffled_splits(cv, X, y, random_state, *, classification, groups=None):
    """Return a list of splits, which keep groups whole if there are any.

    A number means shuffled folds, stratified by class. An iterable is used as given.
    """
    if isinstance(cv, Integral):
        splitter = StratifiedKFold if classification else KFold
        if groups is not None:
            splitter = StratifiedGroupKFold if classification else GroupKFold
        cv = splitter(cv, shuffle=True, random_state=check_random_state(random_state))
    elif groups is not None and hasattr(cv, "split") and not asks_for_groups(cv):
        raise ValueError(
            f"cv={cv!r} would divide the groups, which it does not use. Set 'cv' to a "
            "number of folds, or to a splitter that uses groups, such as GroupKFold(5)."
        )
    return list(check_cv(cv, y, classifier=classification).split(X, y, groups))


def asks_for_groups(cv):
    """Whether a splitter uses groups."""
    request = get_routing_for_object(cv).split.requests.get("groups", False)
    return request not in (None, False)


def out_of_fold_splits(
    cv,
    X,
    y,
    kept,
    n_given,
    random_state,
    *,
    classification,
    subjects=None,
    **of_splitter,
):
    """Return splits that hold each row out exactly once.

    An integer means folds that are shuffled, since tables are often sorted, and
    stratified by class; "auto" means five folds, or as many as there are rows. X and y
    hold the rows of positive weight: `kept` are their indices among the `n_given` rows
    that were passed to `fit`, to which the indices of an iterable refer. Further
    arguments of a splitter, such as groups, are for the rows of positive weight as
    well. If rows have subjects, no fold divides a subject.
    """
    if cv == "auto" or isinstance(cv, Integral):
        splits = _shuffled_folds(cv, y, random_state, classification, subjects)
    elif hasattr(cv, "split"):
        splits = list(cv.split(X, y, **of_splitter))
    else:
        splits = _given_folds(cv, kept, n_given)
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
    if subjects is not None:
        check_undivided(splits, subjects, name)
    return splits


def check_undivided(splits, subjects, name="The iterable given as 'cv'"):
    """Raise ValueError where a fold divides one of the subjects.

    Parameters
    ----------
    splits : list of (train, test)
    subjects : Subjects
    name : str, default="The iterable given as 'cv'"
        Source of the folds, for the message.
    """
    for train, test in splits:
        divided = np.intersect1d(subjects.codes[train], subjects.codes[test])
        if len(divided):
            raise ValueError(
                f"{name} divides {len(divided)} of the 'subjects', "
                f"for example {subjects.labels[divided[0]]!r}: an expert would be "
                "evaluated on subjects that it was trained on. Set cv to a number of "
                "folds, which keep subjects whole."
            )


def _given_folds(cv, kept, n_given):
    """Return the folds of an iterable, as indices among the kept rows."""
    position = np.full(n_given, -1)
    position[kept] = np.arange(len(kept))
    splits = []
    for split in cv:
        try:
            train, test = (position[rows] for rows in split)
        except IndexError as error:
            raise ValueError(
                "The iterable given as 'cv' must yield pairs of row indices below the "
                f"number of rows given, {n_given}: {error}. Where the mixture is "
                "cross-validated these are the rows of a fold: set 'cv' to a splitter, "
                "and to a group splitter, such as GroupKFold(5), where rows belong "
                "together."
            ) from error
        train, test = train[train >= 0], test[test >= 0]
        if len(test):
            splits.append((train, test))
    return splits


def _shuffled_folds(cv, y, random_state, classification, subjects=None):
    seed = random_state.randint(np.iinfo(np.int32).max)
    if subjects is not None:
        return _folds_of_subjects(cv, y, seed, classification, subjects)
    largest = np.unique(y, return_counts=True)[1].max() if classification else len(y)
    n_folds = max(2, min(DEFAULT_FOLDS, largest)) if cv == "auto" else cv
    # Folds cannot be stratified if no class has a row for each of them.
    stratified = classification and largest >= n_folds
    splitter = StratifiedKFold if stratified else KFold
    splitter = splitter(n_folds, shuffle=True, random_state=seed)
    return _stratified(splitter, y)


def _folds_of_subjects(cv, y, seed, classification, subjects):
    n_folds = max(2, min(DEFAULT_FOLDS, len(subjects))) if cv == "auto" else cv
    if n_folds > len(subjects):
        raise ValueError(
            f"cv={cv!r} needs {n_folds} 'subjects', one for each fold; got "
            f"{len(subjects)}. Set a smaller number, or cv=None."
        )
    # Folds of whole subjects are stratified only roughly, and may then be empty.
    if classification:
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        splits = _stratified(splitter, y, subjects.codes)
        if all(len(test) for _, test in splits):
            return splits
    splitter = GroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(y, y, subjects.codes))


def _stratified(splitter, y, groups=None):
    with warnings.catch_warnings():
        # A class with fewer rows than folds is still in every training set, unless one
        # fold holds all of its rows.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(y, y, groups))
