"""A gate that is asked about subjects, each of which has several rows.

A gate of the package sees the mean of the features of a subject. Any other, a
classifier for instance, sees the rows of a subject, each a part of it, and the weights
of the subject are the mean of what it gives to them.
"""

from dataclasses import replace

import numpy as np

from sklearn_moe._rows import LocalRows


def rows_of_gate(rows, *, by_features):
    """What a gate is bound to in place of rows that have subjects.

    Parameters
    ----------
    rows : LocalRows
    by_features : bool
        Whether it sees the mean of features.

    Returns
    -------
    units : LocalRows
        One for each subject, of weight one; or the same rows, whose weights sum to one
        in each.
    """
    block = rows.block
    subjects = block.subjects
    if by_features:
        ones = np.ones(len(subjects))
        block = replace(block, y=None, encoded_y=None, sample_weight=ones)
    else:
        block = replace(block, sample_weight=subjects.shares, subjects=None)
    return LocalRows(block, rows.n_jobs)


class GateOfSubjects:
    """A gate, bound to the subjects of rows; see `sklearn_moe._contracts.Gate`.

    Parameters
    ----------
    bound : Gate
        Bound to `units`.
    rows : LocalRows
        The training rows.
    units : LocalRows
        What `rows_of_gate` has made of them.
    """

    def __init__(self, bound, rows, units):
        self._bound = bound
        self._subjects = rows.block.subjects
        self._by_features = units.block.subjects is not None
        # A penalty is per unit of weight.
        self._unit = units.total_weight / rows.total_weight

    @property
    def learns_penalty(self):
        return self._bound.learns_penalty

    @property
    def features(self):
        features = self._bound.features
        return features[self._subjects.codes] if self._by_features else features

    # All rows are in this process.
    sample_features = features

    def fit(self, targets, previous, learn_penalty=True):
        """Fit the gate to the responsibilities of the subjects."""
        subjects = self._subjects
        if self._by_features:
            targets = targets[subjects.first]
        fitted, log_weights = self._bound.fit(targets, previous, learn_penalty)
        if log_weights is None:
            return fitted, None
        if self._by_features:
            return fitted, log_weights[subjects.codes]
        return fitted, subjects.log_means(log_weights)

    def penalty(self, fitted, ahead=False):
        return self._unit * self._bound.penalty(fitted, ahead)

    def estimator(self, fitted, order):
        return self._bound.estimator(fitted, order)

    def recall(self, estimator):
        return self._bound.recall(estimator)

    def memory(self, fitted):
        return self._bound.memory(fitted)
