"""Notes on errors in a part of a mixture: which part it was, and what may help."""

from contextlib import contextmanager

from sklearn_moe._frames import columns_without_numbers


@contextmanager
def error_note(part, X=None, train=None):
    """Add a note to an error that names the part of the mixture in which it occurred.

    If the rows `X` are in a frame, another note names the columns without numbers,
    which the expert, or a classifier as the gate, may not support. If the part is
    fitted without a fold, to the rows `train`, another tells their number.
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about {part}.")
        if train is not None:
            error.add_note(
                f"It was fitted to {len(train)} rows, without those of a fold: 'cv' is "
                "the number of folds, and None means that there are none."
            )
        others = columns_without_numbers(X)
        if others and isinstance(error, (TypeError, ValueError)):
            error.add_note(
                f"The dtypes of the columns {others} are not numeric. SoftmaxGate and "
                "GaussianGate encode such columns by themselves. Experts and other "
                "gates get these columns unchanged; for those that accept only numbers "
                "use a pipeline that encodes, converts or drops these columns, such as "
                "make_pipeline(make_column_transformer(...), Ridge())."
            )
        raise
