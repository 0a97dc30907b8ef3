"""Starting responsibilities that the user gives for each row, as `init` or `start`."""

import numpy as np

from sklearn_moe._estimators import copied, error_note
from sklearn_moe._frames import (
    is_frame,
    names_of,
    values_by_index,
    values_of_column,
)
from sklearn_moe._sklearn import num_samples
from sklearn_moe.em import (
    STARTS,
    check_start,
    given_responsibilities,
    is_learnt,
    whole_subjects,
)


def given_start(mixture, start, training, n_experts):
    """Return the responsibilities from which EM starts, if the user gives them.

    Parameters
    ----------
    mixture : mixture
    start : array-like of shape (n_samples,) or (n_samples, n_experts), or None
        The argument of `fit`; it takes precedence over the `init` of the mixture.
    training : TrainingSet
    n_experts : int

    Returns
    -------
    responsibilities : ndarray of shape (n_kept, n_experts) or None
        None if the start is learnt from the rows. The rows of a subject have the mean
        of the responsibilities that are given for them.

    Raises
    ------
    ValueError
        If labels or responsibilities do not match the rows and experts, or there is no
        column of that name.
    """
    if start is None and is_learnt(mixture.init):
        return None
    found = _of_rows(mixture, start, training, n_experts)
    return whole_subjects(found, training.block.subjects)


def _of_rows(mixture, start, training, n_experts):
    init, X = mixture.init, training.block.X
    if start is not None:
        values = check_start(start, training.n_given, "start")[training.kept]
        return given_responsibilities(values, n_experts, "start")
    if isinstance(init, str):
        values = _column(mixture, X)
        with error_note(f"the column {init!r}, which 'init' names"):
            values = check_start(values, num_samples(X))
            return given_responsibilities(values, n_experts)
    if callable(init):
        with error_note("the function given as 'init'"):
            values = check_start(init(copied(X)), num_samples(X))
            return given_responsibilities(values, n_experts)
    if np.shape(init)[:1] != (training.n_given,):
        # The rows may be a subset, such as a fold, of the rows of a pandas series.
        values = values_by_index(init, X)
        if values is not None:
            return given_responsibilities(check_start(values, len(X)), n_experts)
    values = check_start(init, training.n_given)[training.kept]
    return given_responsibilities(values, n_experts)


def _column(mixture, X):
    if is_frame(X) and mixture.init in names_of(X):
        return values_of_column(X, mixture.init)
    columns = (
        f"the columns are {names_of(X)}"
        if is_frame(X)
        else "X is no frame, so that its columns have no names"
    )
    raise ValueError(
        f"The 'init' parameter of {type(mixture).__name__} must be a str among "
        f"{sorted(STARTS)}, or the name of a column of X; got {mixture.init!r}, and "
        f"{columns}."
    )


def check_start_of_any_number(mixture, start):
    """Raise ValueError if a start or gate fixes the number of experts to be chosen."""
    for name, given in (
        ("start", start is not None),
        ("init", not (isinstance(mixture.init, str) and is_learnt(mixture.init))),
        ("gate", mixture._composition().gate_is_frozen),
    ):
        if given:
            raise ValueError(
                f"n_experts='auto' tries several numbers of experts, but the "
                f"{name!r} that is given is for one of them. Set n_experts to this "
                f"number, or give another {name!r}."
            )
