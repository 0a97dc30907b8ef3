"""Fit an estimator as a whole or not at all."""

from contextlib import contextmanager

import numpy as np


@contextmanager
def all_or_nothing(estimator):
    """Leave an estimator as it was if the `with` block raises.

    Its fitted attributes are restored, and so is the state of a `RandomState` instance
    that it was given as `random_state`.
    """

    def fitted_attributes():
        return {
            name: value for name, value in vars(estimator).items() if name.endswith("_")
        }

    before = fitted_attributes()
    generator = getattr(estimator, "random_state", None)
    has_state = isinstance(generator, np.random.RandomState)
    state = generator.get_state() if has_state else None
    try:
        yield
    except BaseException:
        for name in fitted_attributes():
            delattr(estimator, name)
        vars(estimator).update(before)
        if has_state:
            generator.set_state(state)
        raise
