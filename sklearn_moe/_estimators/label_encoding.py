"""Label encoding for classifiers that require the labels 0, 1, ..."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags

from sklearn_moe._estimators.validation_rows import encoded
from sklearn_moe._persistence import saved_as_dict


@saved_as_dict
class LabelEncodedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Classifier that is fitted to the codes 0, 1, ... of the sorted labels.

    All other attributes are those of the inner classifier.

    Parameters
    ----------
    classifier : estimator

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    classifier_ : estimator
        The inner classifier, fitted to the codes.
    """

    def __init__(self, classifier):
        self.classifier = classifier

    def fit(self, X, y, **fit_params):
        """Fit the classifier to the codes of the labels."""
        classes, codes = np.unique(y, return_inverse=True)
        fit_params = encoded(fit_params, classes)
        classifier = clone(self.classifier).fit(X, codes, **fit_params)
        return self.take(classifier, classes)

    def take(self, classifier, classes):
        """Set a classifier that was fitted to the codes of the classes."""
        self.classifier_, self.classes_ = classifier, classes
        return self

    def predict(self, X):
        """Predict labels."""
        return self.classes_[np.asarray(self.classifier_.predict(X), dtype=np.intp)]

    def __getattr__(self, name):
        # During copying or unpickling, the object has no attributes yet.
        inner = vars(self).get("classifier_", vars(self).get("classifier"))
        if inner is None or name.startswith("__"):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(inner, name)

    def __sklearn_tags__(self):
        return get_tags(self.classifier)
