"""Rivals whose latest release was made for an older scikit-learn.

linear-tree 0.3.5 (Cerliani) grows trees with a linear model in each leaf; DESlib 0.3.7
(Cruz et al., 2020) selects, for each row, the classifiers that are good near it. Both
call a method of scikit-learn's base class that has become a function, and run if a
mixin restores it.
"""

from deslib.des import KNORAE
from lineartree import LinearTreeClassifier, LinearTreeRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import validate_data


class _Validating:
    def _validate_data(self, X, y="no_validation", force_all_finite=True, **options):
        return validate_data(self, X, y, ensure_all_finite=force_all_finite, **options)


class LinearRegressionTree(_Validating, LinearTreeRegressor):
    """`lineartree.LinearTreeRegressor` for current versions of scikit-learn."""


class LinearClassificationTree(_Validating, LinearTreeClassifier):
    """`lineartree.LinearTreeClassifier` for current versions of scikit-learn."""


class _KNORAE(_Validating, KNORAE):
    pass


class DynamicSelection(ClassifierMixin, BaseEstimator):
    """KNORA-E: dynamic selection of classifiers that are right about all nearby rows.

    The classifiers are fitted to half of the training rows, and selected by the other
    half, as the authors recommend.

    Parameters
    ----------
    classifiers : list of (str, estimator)
    """

    def __init__(self, classifiers):
        self.classifiers = classifiers

    def fit(self, X, y):
        """Fit the classifiers and the selection."""
        X, X_select, y, y_select = train_test_split(
            X, y, test_size=0.5, stratify=y, random_state=0
        )
        pool = [clone(classifier).fit(X, y) for _, classifier in self.classifiers]
        self.selection_ = _KNORAE(pool, random_state=0).fit(X_select, y_select)
        self.classes_ = pool[0].classes_
        return self

    def predict(self, X):
        """Return the class that the majority of the selected classifiers predicts."""
        return self.selection_.predict(X)

    def predict_proba(self, X):
        """Return the shares of the votes."""
        return self.selection_.predict_proba(X)
