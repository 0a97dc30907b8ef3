"""What an error of a part says beyond its own words: which part, and what may help."""

from contextlib import contextmanager

from sklearn_moe._frames import columns_without_numbers


@contextmanager
def error_note(part, X=None):
    """Have an error say which part of the mixture it comes from.

    Of rows `X` in a frame it says what may be hard to read for an expert, or for a
    classifier as the gate.
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about {part}.")
        others = columns_without_numbers(X)
        if others and isinstance(error, (TypeError, ValueError)):
            error.add_note(
                f"The dtypes of the columns {others} are none of numbers. SoftmaxGate "
                "and GaussianGate encode such columns by themselves; experts and other "
                "gates get them as they are, and one that takes numbers only needs a "
                "pipeline that encodes, converts or drops them, such as "
                "make_pipeline(make_column_transformer(...), Ridge())."
            )
        raise
