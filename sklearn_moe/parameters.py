"""How many numbers an estimator has learnt: what information criteria charge for."""

from functools import singledispatch

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


class CannotCountError(TypeError):
    """Nobody has said how to count the parameters of an estimator of this type."""


@singledispatch
def count_parameters(estimator):
    """Count the free parameters of a fitted estimator.

    What is counted depends on the type of the estimator:

    - linear models, which is all that has `coef_` and `intercept_`: intercepts, and
      coefficients that are not zero, so that those of a lasso are its degrees of
      freedom [1]_; of a softmax over several classes all but those of one class, which
      is redundant,
    - trees: a threshold for each split and a value for each leaf and output; of a
      classifier one value less than there are classes. Which feature a split looks at
      is not counted,
    - mixtures of experts: the experts that are not retired, their noise, and the gate,
    - gates: the logits of all classes but one, linear in the columns of a
      :class:`SoftmaxGate`, quadratic in those of a :class:`GaussianGate`,
    - pipelines: the last step. What was learnt to prepare the features is not counted,
    - searches, :class:`~sklearn.compose.TransformedTargetRegressor` and several
      outputs: the fitted estimators inside,
    - :class:`~sklearn.frozen.FrozenEstimator`: nothing, since nothing is estimated.

    Other types can be registered, as with any :func:`functools.singledispatch`
    function. A type stands for those that inherit from it.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    n_parameters : int

    Raises
    ------
    TypeError
        If it is not known how to count the parameters of the estimator.

    See Also
    --------
    MixtureOfExpertsRegressor.bic : Charges for each parameter.

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

    Neighbours have no parameters to count, but smooth as much as a table with a value
    for every so many rows:

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
            f"It is not known how to count the parameters of {name}. Say it with "
            f"count_parameters.register({name}, function), where the function takes "
            "the fitted estimator and returns a number."
        )
    n_intercepts = np.size(estimator.intercept_) if _fits_intercept(estimator) else 0
    return int(np.count_nonzero(estimator.coef_)) + n_intercepts


@count_parameters.register(LogisticRegression)
@count_parameters.register(LinearDiscriminantAnalysis)
def _count_softmax(classifier):
    check_is_fitted(classifier)
    # Probabilities depend on the differences between classes only.
    n_free = len(classifier.classes_) - 1
    of_feature = np.count_nonzero(classifier.coef_, axis=0)
    n_intercepts = n_free if _fits_intercept(classifier) else 0
    return int(np.minimum(of_feature, n_free).sum()) + n_intercepts


@count_parameters.register
def _count_tree(tree: BaseDecisionTree):
    check_is_fitted(tree)
    n_leaves = tree.get_n_leaves()
    n_splits = tree.tree_.node_count - n_leaves
    values = _n_free_classes(tree) if is_classifier(tree) else tree.n_outputs_
    return int(n_splits + n_leaves * values)


@count_parameters.register
def _count_shares(dummy: DummyClassifier):
    check_is_fitted(dummy)
    learns = dummy.strategy in ("prior", "most_frequent", "stratified")
    return _n_free_classes(dummy) if learns else 0


@count_parameters.register
def _count_constants(dummy: DummyRegressor):
    check_is_fitted(dummy)
    return 0 if dummy.strategy == "constant" else dummy.constant_.size


@count_parameters.register
def _count_nothing(frozen: FrozenEstimator):
    return 0


@count_parameters.register
def _count_last_step(pipeline: Pipeline):
    return count_parameters(pipeline[-1])


@count_parameters.register
def _count_inner(regressor: TransformedTargetRegressor):
    check_is_fitted(regressor)
    return count_parameters(regressor.regressor_)


@count_parameters.register(GridSearchCV)
@count_parameters.register(RandomizedSearchCV)
def _count_best(search):
    check_is_fitted(search)
    return count_parameters(search.best_estimator_)


@count_parameters.register(MultiOutputRegressor)
@count_parameters.register(MultiOutputClassifier)
def _count_all(outputs):
    check_is_fitted(outputs)
    return sum(count_parameters(estimator) for estimator in outputs.estimators_)


def _fits_intercept(estimator):
    return getattr(estimator, "fit_intercept", True)


def _n_free_classes(classifier):
    """One class less than there are, of all outputs."""
    return int(np.sum(np.asarray(classifier.n_classes_) - 1))
