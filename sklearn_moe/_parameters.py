"""Number of free parameters of an estimator, for information criteria."""

from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.tree import BaseDecisionTree
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._estimators import LabelEncodedClassifier


class CannotCountError(TypeError):
    """Raised for an estimator of a type whose parameters cannot be counted."""


@singledispatch
def count_parameters(estimator: Any) -> int:
    """Count the free parameters of a fitted estimator.

    The number depends on the type of the estimator:

    - linear models, which are all estimators with `coef_` and `intercept_`: number of
      intercepts and of nonzero coefficients, which estimates the degrees of freedom of
      a lasso [1]_. For a softmax over several classes, those of one class are
      redundant, and not counted;
    - trees: a threshold for each split and a value for each leaf and output; a
      classifier has as many values as classes less one. The choice of the feature of a
      split is not counted;
    - mixtures of experts: parameters of the experts that are not retired, of their
      noise models, and of the gate;
    - gates: coefficients of the logits of all classes but one, which are linear in the
      columns of a :class:`SoftmaxGate` and quadratic in those of a
      :class:`GaussianGate`;
    - pipelines: parameters of the last step. Those of earlier steps are not counted;
    - searches, :class:`~sklearn.compose.TransformedTargetRegressor`,
      :class:`~sklearn.multioutput.MultiOutputRegressor` and
      :class:`~sklearn.multioutput.MultiOutputClassifier`: parameters of the fitted
      estimators in them;
    - :class:`~sklearn.frozen.FrozenEstimator`: zero, since nothing is estimated.

    Other types can be registered, as with any :func:`functools.singledispatch`
    function. A function that is registered for a type applies to its subclasses as
    well.

    Read more in the :ref:`User Guide <guide_number_of_experts>`.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    n_parameters : int

    Raises
    ------
    TypeError
        If no function is registered for the type of the estimator.

    See Also
    --------
    MixtureOfExpertsRegressor.bic : Criterion with a penalty for each parameter.

    References
    ----------
    .. [1] H. Zou, T. Hastie and R. Tibshirani (2007). On the "degrees of freedom" of
       the lasso. The Annals of Statistics 35(5), 2173-2192.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from sklearn_moe import count_parameters
    >>> X, y = load_diabetes(return_X_y=True)
    >>> count_parameters(LinearRegression().fit(X, y))
    11

    Nearest neighbours have no parameters, but about as many effective parameters as
    there are groups of `n_neighbors` rows:

    >>> @count_parameters.register
    ... def count_neighbours(estimator: KNeighborsRegressor):
    ...     return estimator.n_samples_fit_ // estimator.n_neighbors
    >>> count_parameters(KNeighborsRegressor(20).fit(X, y))
    22
    """
    check_is_fitted(estimator)
    if not (hasattr(estimator, "coef_") and hasattr(estimator, "intercept_")):
        name = type(estimator).__name__
        raise CannotCountError(
            f"It is not known how to count the parameters of {name}. Call "
            f"count_parameters.register({name}, function) with a function that takes "
            "the fitted estimator and returns their number."
        )
    n_intercepts = np.size(estimator.intercept_) if _fits_intercept(estimator) else 0
    return int(np.count_nonzero(estimator.coef_)) + n_intercepts


@count_parameters.register(LogisticRegression)
@count_parameters.register(LinearDiscriminantAnalysis)
def _count_softmax(classifier):
    check_is_fitted(classifier)
    # Probabilities depend only on differences of logits between classes.
    n_free = len(classifier.classes_) - 1
    n_coefs = np.count_nonzero(classifier.coef_, axis=0)
    n_intercepts = n_free if _fits_intercept(classifier) else 0
    return int(np.minimum(n_coefs, n_free).sum()) + n_intercepts


@count_parameters.register
def _count_tree(tree: BaseDecisionTree):
    check_is_fitted(tree)
    n_leaves = tree.get_n_leaves()
    n_splits = tree.tree_.node_count - n_leaves
    n_values = _n_free_classes(tree) if is_classifier(tree) else tree.n_outputs_
    return int(n_splits + n_leaves * n_values)


@count_parameters.register
def _count_class_priors(dummy: DummyClassifier):
    check_is_fitted(dummy)
    learns = dummy.strategy in ("prior", "most_frequent", "stratified")
    return _n_free_classes(dummy) if learns else 0


@count_parameters.register
def _count_constants(dummy: DummyRegressor):
    check_is_fitted(dummy)
    return 0 if dummy.strategy == "constant" else dummy.constant_.size


@count_parameters.register
def _count_frozen(frozen: FrozenEstimator):
    return 0


@count_parameters.register
def _count_last_step(pipeline: Pipeline):
    return count_parameters(pipeline[-1])


@count_parameters.register
def _count_inner_regressor(regressor: TransformedTargetRegressor):
    check_is_fitted(regressor)
    return count_parameters(regressor.regressor_)


@count_parameters.register
def _count_encoded(encoded: LabelEncodedClassifier):
    return count_parameters(encoded.classifier_)


@count_parameters.register(GridSearchCV)
@count_parameters.register(RandomizedSearchCV)
def _count_best_estimator(search):
    check_is_fitted(search)
    return count_parameters(search.best_estimator_)


@count_parameters.register(MultiOutputRegressor)
@count_parameters.register(MultiOutputClassifier)
def _count_each_output(estimator):
    check_is_fitted(estimator)
    return sum(count_parameters(output) for output in estimator.estimators_)


def _fits_intercept(estimator):
    return getattr(estimator, "fit_intercept", True)


def _n_free_classes(classifier):
    """Return the number of classes less one, summed over the outputs."""
    return int(np.sum(np.asarray(classifier.n_classes_) - 1))
