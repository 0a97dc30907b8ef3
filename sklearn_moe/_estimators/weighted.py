"""Fits of any estimator with sample weights, whether or not its `fit` takes them."""

from copy import deepcopy

import numpy as np
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier

from sklearn_moe._estimators.coefficients import (
    begins_at_coefficients,
    fit_from_coefficients,
)
from sklearn_moe._estimators.label_encoding import LabelEncodedClassifier
from sklearn_moe._estimators.nested import (
    copied,
    is_mixture,
    last_step,
    may_overwrite,
    nested_estimators,
    seeded_clone,
)
from sklearn_moe._estimators.row_selection import (
    equal_if_zero,
    substantial_weights,
    systematic_resample,
    with_all_classes,
)
from sklearn_moe._estimators.validation_rows import check_labels, params_of_rows
from sklearn_moe._estimators.weight_routing import (
    copy_requests,
    forget_requests,
    has_requests,
    min_rows,
    min_rows_of_class,
    request_weights,
    weights_of_steps,
)
from sklearn_moe._sklearn import safe_indexing

INFEASIBLE_NU = (
    "The rarer of any two classes must have at least the fraction nu / 2 of their "
    "weight. It may be rarer among the rows of an expert than among all rows. Choose a "
    "smaller nu, or SVC, which has no such limit."
)


class WeightedFit:
    """Fit an estimator with sample weights, whether or not its `fit` takes them.

    An estimator that takes `sample_weight` gets it ("direct"). A meta-estimator gets it
    by metadata routing ("routed"), whatever the user's configuration, and passes it to
    every nested estimator that takes it. If routing does not work for a pipeline, the
    weights are passed as parameters of its steps ("steps"). If some part learns the
    target and gets no weights in these ways, or adds and drops rows as SMOTE does, the
    whole estimator is fitted to a systematic resample of the rows ("resample") [1]_.
    Weights that are all one are not passed.

    A classifier that requires the labels 0, 1, ... is fitted to the codes of other
    labels, see `LabelEncodedClassifier`.

    All fits have the same seeds, for every `random_state` in the estimator that is None
    and for the resample, so that a fit depends on the weights alone.

    References
    ----------
    .. [1] W. G. Madow (1949). On the theory of systematic sampling, II. Annals of
       Mathematical Statistics 20(3), 333-354.
    """

    def __init__(self, estimator, random_state):
        self.estimator = seeded_clone(estimator, random_state)
        self.offset = random_state.uniform()
        has_own_requests = has_requests(self.estimator)
        self.weighting = request_weights(self.estimator)
        self._forgets = not has_own_requests and has_requests(self.estimator)
        self.may_overwrite = may_overwrite(self.estimator)
        self.begins_at_coefficients = (
            self.weighting != "resample" and begins_at_coefficients(self.estimator)
        )
        self._min_rows = min_rows(self.estimator)
        self._min_rows_of_class = min_rows_of_class(self.estimator)

    def goes_on_from(self, last):
        """Return whether a fit continues the last one, or starts at its coefficients.

        A mixture continues its last fit. If the last fit was to rows of one class, it
        is another estimator, from which no fit can start.
        """
        if is_mixture(last_step(last)):
            return True
        return (
            self.begins_at_coefficients
            and type(last) is type(self.estimator)
            and type(last_step(last)) is type(last_step(self.estimator))
        )

    def fit(
        self, X, y, weights, *, unit=1.0, rows=None, previous=None, fit_params=None
    ):
        """Fit a clone of the estimator to all rows, or to those with given indices.

        Weights that are all zero are replaced by equal weights. `unit` is the weight
        that counts as one row in the size of a resample. A mixture continues from the
        previous fit, as an M-step within an M-step. Other estimators start from the
        coefficients of the previous fit if this only saves time. Arrays in
        `fit_params`, further arguments of `fit`, with one element for each row are
        reduced to the rows that are used.
        """
        n_given = len(weights)
        rows = np.arange(n_given) if rows is None else rows
        weights = equal_if_zero(weights[rows])
        labels = y[rows] if is_classifier(self.estimator) else None
        if self.weighting == "resample":
            chosen, arguments = self._resample(weights, labels, unit), {}
        else:
            chosen, passed = substantial_weights(weights, labels)
            names = ["sample_weight"]
            if (passed == 1).all():
                # Many estimators are faster without weights.
                names = []
            elif self.weighting == "steps":
                names = weights_of_steps(self.estimator)
            arguments = dict.fromkeys(names, passed)
        rows = rows[chosen]
        arguments.update(params_of_rows(X, fit_params or {}, rows))
        if not np.array_equal(rows, np.arange(n_given)):
            X, y = safe_indexing(X, rows), y[rows]
        elif self.may_overwrite:
            X, y = copied(X), y.copy()
        if labels is not None and (y == y[0]).all():
            # Many classifiers raise an error for a single class; this one does not.
            return DummyClassifier(strategy="prior").fit(X, y)
        # Some estimators that take weights directly raise an error if routing is
        # enabled.
        routed = self.weighting == "routed" or bool(fit_params)
        with config_context(enable_metadata_routing=routed):
            fitted = self._fit(X, y, arguments, previous)
        if self._forgets:
            # The requests were only set for this fit.
            forget_requests(fitted)
        return fitted

    def _fit(self, X, y, arguments, previous):
        if previous is not None and is_mixture(last_step(previous)):
            return _fit_warm(previous, self.estimator, X, y, arguments)
        if previous is not None:
            fitted = fit_from_coefficients(previous, self.estimator, X, y, arguments)
            if fitted is not None:
                return fitted
        if is_classifier(self.estimator):
            return _fit_classifier(self.estimator, X, y, arguments)
        return clone(self.estimator).fit(X, y, **arguments)

    def learnt_weights(self, y, weights, unit):
        """Return the weights in a fit to all rows; in a resample, the draws of each."""
        if self.weighting != "resample" or not weights.any():
            return weights
        labels = y if is_classifier(self.estimator) else None
        rows = self._resample(weights, labels, unit)
        return np.bincount(rows, minlength=len(weights))

    def _resample(self, weights, labels, unit):
        rows = systematic_resample(weights, self.offset, unit, self._min_rows)
        if labels is None:
            return rows
        return with_all_classes(rows, weights, labels, self._min_rows_of_class)


class WarmStartError(ValueError):
    """Error in a warm start if the data do not match the previous fit."""


def _fit_warm(previous, estimator, X, y, arguments):
    """Continue the fit of a mixture, or of a pipeline that ends in one."""
    fitted = deepcopy(previous)
    copy_requests(estimator, fitted)
    last_step(fitted).set_params(warm_start=True)
    try:
        fitted.fit(X, y, **arguments)
    except WarmStartError:
        # With other weights a pipeline may produce other columns.
        return clone(estimator).fit(X, y, **arguments)
    warm_start = last_step(estimator).warm_start
    last_step(fitted).set_params(warm_start=warm_start)
    return fitted


# Classifiers that require the labels 0, 1, ...
# ---------------------------------------------


def _fit_classifier(classifier, X, y, arguments):
    """Fit a clone of a classifier, to the codes of the labels if it requires them.

    Whether it requires codes is only known from its error, which it raises at the
    beginning of a fit. Any other error occurs again in the fit to codes.
    """
    check_labels(arguments, y)
    try:
        return clone(classifier).fit(X, y, **arguments)
    except Exception as error:
        if "nu is infeasible" in str(error):
            error.add_note(INFEASIBLE_NU)
        if not any(map(_may_ask_for_codes, nested_estimators(classifier))):
            raise
        return _label_encoded(classifier, y).fit(X, y, **arguments)


def _may_ask_for_codes(estimator):
    """Return whether an estimator is a classifier of another package.

    Classifiers of scikit-learn accept any labels, and so does a mixture, which encodes
    labels for its experts itself.
    """
    if not is_classifier(estimator) or is_mixture(estimator):
        return False
    return type(estimator).__module__.partition(".")[0] != "sklearn"


def _label_encoded(classifier, y):
    """Return the classifier in a `LabelEncodedClassifier`.

    The objective of boosted trees differs between two and more classes. It is chosen in
    `fit` if the parameter has its default, but XGBoost sets the parameter to its
    choice; for two classes it is therefore reset.
    """
    classifier = clone(classifier)
    if len(np.unique(y)) == 2:
        for each in nested_estimators(classifier):
            if str(each.get_params(deep=False).get("objective")).startswith("multi"):
                each.set_params(objective=type(each)().objective)
    return LabelEncodedClassifier(classifier)
