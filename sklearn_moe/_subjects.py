r"""Subjects: groups of rows that all belong to one expert.

Repeated measures of a person, a customer or a machine belong to one component [1]_. The
log-likelihood is a sum over the subjects s,

.. math::
    \sum_s \log \sum_k g_k(s) \prod_{i \in s} p_k(y_i | x_i)^{w_i},

in which a row of weight 2 equals the row twice, as everywhere. A subject counts once in
the fit of the gate, however many rows it has.

References
----------
.. [1] B. Grün and F. Leisch (2008). FlexMix version 2: finite mixtures with concomitant
   variables and varying and constant parameters. Journal of Statistical Software 28(4),
   1-35.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Number
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length

from sklearn_moe import kernels
from sklearn_moe._frames import is_missing
from sklearn_moe._in_memory import check_in_memory
from sklearn_moe._persistence import saved_as_dict


@dataclass(frozen=True)
class Subjects:
    """The subjects of some rows.

    Values of a subject that are given for each row are the same in all of its rows.

    Attributes
    ----------
    labels : list of hashable
        One for each subject.
    codes : ndarray of shape (n_samples,), int
        Index of the subject of each row; each subject has at least one row.
    weights : ndarray of shape (n_samples,)
        Weight of each row within its subject.
    """

    labels: list
    codes: np.ndarray
    weights: np.ndarray

    def __len__(self):
        return len(self.labels)

    def weighted(self, weights):
        """Return the same subjects with these weights of the rows."""
        return replace(self, weights=weights)

    def take(self, rows):
        """Return the subjects of some rows, given as a slice or by indices."""
        numbers, codes = np.unique(self.codes[rows], return_inverse=True)
        labels = [self.labels[number] for number in numbers]
        return Subjects(labels, codes, self.weights[rows])

    @cached_property
    def first(self):
        """Index of the first row of each subject."""
        order, ends = self._by_subject
        return order[ends[:-1]]

    @cached_property
    def totals(self):
        """Weight of all rows of each subject."""
        return np.bincount(self.codes, self.weights)

    @cached_property
    def shares(self):
        """Weight of each row as a fraction of its subject; they sum to one by subject.

        In a subject without any weight, all rows have equal shares.
        """
        alone = self.totals[self.codes] == 0
        weights = np.where(alone, 1.0, self.weights)
        return weights / np.bincount(self.codes, weights)[self.codes]

    @cached_property
    def _by_subject(self):
        """Row indices sorted by subject, and the bounds of each subject in them."""
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self)))
        return np.argsort(self.codes, kind="stable"), np.r_[0, ends]

    def sums(self, values, weights):
        """Return the weighted sums of the rows of each subject, (n_subjects, ...).

        `values`, of shape (n_samples, n_columns), may be sparse.
        """
        order, ends = self._by_subject
        shape = len(self), len(order)
        return sparse.csr_array((weights[order], order, ends), shape) @ values

    def means(self, features):
        """Return the mean of the features of each subject, ignoring NaN.

        A feature without any value in a subject is NaN.
        """
        if not sparse.issparse(features):
            known = ~np.isnan(features)
            if not known.all():
                sums = self.sums(np.where(known, features, 0), self.shares)
                weights = self.sums(known.astype(np.float64), self.shares)
                means = sums / np.where(weights > 0, weights, np.nan)
                return means.astype(features.dtype, copy=False)
        elif np.isnan(features.data).any():
            raise ValueError(
                "Sparse rows with missing values have no means by 'subjects'. Impute "
                "X, or give the gate dense columns."
            )
        means = self.sums(features, self.shares)
        return means.astype(features.dtype, copy=False)

    def log_means(self, log_weights):
        """Return the log of the mean weights of each subject, for each of its rows.

        `log_weights` are of shape (n_samples, n_experts).
        """
        with np.errstate(divide="ignore"):
            return np.log(self.sums(np.exp(log_weights), self.shares))[self.codes]

    def divided(self, values):
        """Divide values of subjects among their rows.

        The weighted sum over the rows of a subject is its value.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.totals > 0, values / self.totals, 0)[self.codes]

    def posterior(self, log_gate, log_prob):
        """Take an E-step.

        Parameters
        ----------
        log_gate : ndarray of shape (n_samples, n_experts)
            Logarithm of the gate's weights.
        log_prob : ndarray of shape (n_samples, n_experts)
            Log density of each target under each expert.

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, n_experts)
        row_log_likelihood : ndarray of shape (n_samples,)
            Share of the row in the log-likelihood of its subject; see `divided`.
        total : float
            Sum over the subjects.
        """
        weighs = self.weights > 0
        # A row of zero weight has no effect, even if its log density is -inf.
        log_prob = np.where(weighs[:, np.newaxis], log_prob, 0).astype(np.float64)
        responsibilities, log_likelihood, total = kernels.responsibilities(
            log_gate[self.first],
            self.sums(log_prob, self.weights),
            np.ones(len(self)),
        )
        return responsibilities[self.codes], self.divided(log_likelihood), total


def check_subjects(subjects, X):
    """Validate the subjects of rows, whose labels may be any hashable objects.

    Parameters
    ----------
    subjects : array-like of shape (n_samples,)
    X : array-like or frame of shape (n_samples, n_features)

    Returns
    -------
    subjects : Subjects
        The subjects, with a weight of one for each row.

    Raises
    ------
    ValueError
        If a label is missing, or there is not one label for each row.
    TypeError
        If a label cannot be hashed, or `subjects` is a Dask collection.
    """
    check_in_memory(subjects=subjects)
    labels = np.asarray(subjects)
    if labels.ndim != 1 and not (labels.ndim == 2 and labels.shape[1] == 1):
        raise ValueError(
            "'subjects' must have one label for each row of X; got an array of shape "
            f"{labels.shape}."
        )
    labels = labels.ravel()
    try:
        check_consistent_length(X, labels)
    except ValueError as error:
        raise ValueError(
            f"'subjects' must have one label for each row of X: {error}"
        ) from error
    missing = missing_labels(labels)
    if missing.any():
        raise ValueError(
            f"'subjects' has no label for row {missing.argmax()}, and {missing.sum()} "
            "rows without one in all. Give a row that belongs to no other a label of "
            "its own."
        )
    if labels.dtype.kind == "O":
        numbers = {}
        try:
            codes = [numbers.setdefault(label, len(numbers)) for label in labels]
        except TypeError as error:
            raise TypeError(
                f"The labels in 'subjects' must be hashable: {error}."
            ) from error
        found, codes = list(numbers), np.array(codes, dtype=np.intp)
    else:
        if labels.dtype.kind in "mM":
            # Convert to one unit, so that labels of different calls are comparable.
            labels = labels.astype(f"{labels.dtype.kind}8[ns]")
        found, codes = np.unique(labels, return_inverse=True)
        found = found.tolist()
    return Subjects(found, codes, np.ones(len(labels)))


def missing_labels(labels):
    """Which labels of an array are missing: a bool for each."""
    if labels.dtype.kind == "O":
        return np.frompyfunc(is_missing, 1, 1)(labels).astype(bool)
    # NaN and NaT are equal to nothing.
    return labels != labels


@saved_as_dict
@dataclass(frozen=True)
class KnownSubjects:
    """Posterior probabilities of the experts for the subjects of the fit.

    Attributes
    ----------
    labels : list of hashable
    log_weights : ndarray of shape (n_subjects, n_experts)
        Logarithm of the posterior probability of each expert, given all rows of the
        subject.
    """

    labels: list
    log_weights: np.ndarray

    @cached_property
    def number(self):
        """Index of each subject, by its label."""
        return {label: number for number, label in enumerate(self.labels)}

    @classmethod
    def of(cls, subjects, responsibilities):
        """Create an instance from responsibilities of shape (n_samples, n_experts)."""
        own = responsibilities[subjects.first].astype(np.float64)
        with np.errstate(divide="ignore"):
            log_weights = np.log(own)
        return cls(subjects.labels, log_weights)

    def __add__(self, other):
        """Return the subjects of both, which must not overlap."""
        return KnownSubjects(
            self.labels + other.labels,
            np.concatenate([self.log_weights, other.log_weights]),
        )

    def check_new(self, subjects):
        """Raise ValueError if a subject of a batch was in an earlier batch."""
        again = [label for label in subjects.labels if label in self.number]
        if again:
            raise ValueError(
                f"Some of the 'subjects' of this batch were in a batch before: "
                f"{again[:5]}. All rows of a subject must come in one batch."
            )

    def recall(self, log_gate, subjects, among):
        """Replace the gate's log weights of known subjects by their own.

        New subjects keep the weights of the gate. So does a known subject whose
        probability is zero for all experts in `among`, a boolean array of shape
        (n_experts,).

        Raises
        ------
        ValueError
            If labels are of another type than those of the fit.
        """
        places = [self.number.get(label, -1) for label in subjects.labels]
        new = {_kind(k) for k, place in zip(subjects.labels, places) if place < 0}
        # Labels of a type that the fit did not have can never be recognised.
        strange = new - {_kind(label) for label in self.labels} if new else new
        if strange:
            kinds = " and ".join(sorted({_kind(label) for label in self.labels}))
            raise ValueError(
                f"'subjects' has labels that are {' and '.join(sorted(strange))}, but "
                f"those of fit are {kinds}. Give labels of the same kind, so that "
                "known subjects can be recognised."
            )
        places = np.array(places, dtype=np.intp)[subjects.codes]
        tells = np.isfinite(self.log_weights[:, among]).any(axis=1)
        known = (places >= 0) & tells[places]
        own = np.where(known[:, np.newaxis], self.log_weights[places], log_gate)
        return own.astype(log_gate.dtype, copy=False)


def _kind(label: Any):
    if isinstance(label, Number):
        return "numbers"
    return "strings" if isinstance(label, str) else type(label).__name__
