"""Fit an estimator as a whole or not at all."""

from contextlib import contextmanager


@contextmanager
def all_or_nothing(estimator):
    """Restore the fitted attributes of an estimator if the `with` block raises."""

    def fitted_attributes():
        return {
            name: value for name, value in vars(estimator).items() if name.endswith("_")
        }

    before = fitted_attributes()
    try:
        yield
    except BaseException:
        for name in fitted_attributes():
            delattr(estimator, name)
        vars(estimator).update(before)
        raise
