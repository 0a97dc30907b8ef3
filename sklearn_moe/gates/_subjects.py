"""Gates whose weights belong to subjects, each of which has several rows.

A gate of the package is fitted to the mean features of each subject. Any other gate,
such as a classifier, is fitted to all rows, and the weights of a subject are the mean
of the weights that it predicts for the rows of the subject.
"""

from dataclasses import replace

import numpy as np

from sklearn_moe._rows import LocalRows


def rows_of_gate(rows, *, by_features):
    """Return the rows to which a gate is bound if the training rows have subjects.

    Parameters
    ----------
    rows : LocalRows
    by_features : bool
        Whether the gate sees the mean features of each subject.

    Returns
    -------
    units : LocalRows
        A row of weight one for each subject, if `by_features`; otherwise the same rows,
        with weights that sum to one in each subject.
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
    """A gate, bound to the subjects of the rows; see `sklearn_moe._contracts.Gate`.

    Parameters
    ----------
    bound : Gate
        The gate, bound to `units`.
    rows : LocalRows
        The training rows.
    units : LocalRows
        Result of `rows_of_gate` for these.
    """

    def __init__(self, bound, rows, units):
        self._bound = bound
        self._subjects = rows.block.subjects
        self._by_features = units.block.subjects is not None
        # Converts a penalty per unit of weight of `units` to one of `rows`.
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
