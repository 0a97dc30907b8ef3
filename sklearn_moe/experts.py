"""Any scikit-learn estimator as an expert."""

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sklearn_moe._compat import routing_enabled


class ExpertPool:
    """The experts at work in EM: on one training set, for ever new weights.

    Parameters
    ----------
    named_experts : list of (str, estimator)
        Not fitted, and not changed: each M-step fits fresh clones, so that the experts
        of every iteration can be kept.
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    respond : callable
        ``respond(estimator, X)`` is what the mixture pools: an array with one row per
        row of X.
    fit_params : dict of dict, default=None
        Further arguments of each expert's `fit`, by the expert's name.
    """

    def __init__(self, named_experts, X, y, respond, fit_params=None):
        self.named_experts = named_experts
        self.X = X
        self.y = y
        self.respond = respond
        self.fit_params = fit_params or {}

    def fit(self, weights, active, previous):
        """M-step of the experts.

        Parameters
        ----------
        weights : ndarray of shape (n_samples, n_experts)
        active : ndarray of shape (n_experts,), bool
            An expert that is not active is left as it was.
        previous : list of estimators or None
            What the last M-step returned.

        Returns
        -------
        experts : list of estimators
        outputs : ndarray of shape (n_samples, n_experts, ...)
            Their outputs on the training rows.
        """
        experts = [
            self._fit_expert(k, weights[:, k]) if active[k] else previous[k]
            for k in range(len(self.named_experts))
        ]
        names = [name for name, _ in self.named_experts]
        return experts, expert_outputs(experts, names, self.X, self.respond)

    def _fit_expert(self, k, weights):
        name, expert = self.named_experts[k]
        weight_param = weight_parameter(expert)
        fit_params = {**self.fit_params.get(name, {}), weight_param: weights}
        return clone(expert).fit(self.X, self.y, **fit_params)


def expert_outputs(experts, names, X, respond):
    """Outputs of all experts for the rows of X.

    Parameters
    ----------
    experts : list of fitted estimators
    names : list of str
        For the error message.
    X : array-like or frame of shape (n_samples, n_features)
    respond : callable
        ``respond(estimator, X)``.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_experts, ...)

    Raises
    ------
    ValueError
        If an expert predicts NaN or infinity.
    """
    outputs = [respond(expert, X) for expert in experts]
    for name, output in zip(names, outputs):
        if not np.isfinite(output).all():
            raise ValueError(
                f"Expert {name!r} predicted NaN or infinity. Scale its features, "
                "regularise it, or choose another estimator."
            )
    return np.stack(outputs, axis=1)


def predict_mean(expert, X):
    """Point predictions of a regressor, shape (n_samples,)."""
    prediction = np.asarray(expert.predict(X))
    return prediction.reshape(len(prediction))


def predict_class_probabilities(expert, X, classes):
    """Probabilities of a classifier in the columns of `classes`.

    A class that the expert never saw has probability zero.

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_classes)
    """
    probabilities = np.asarray(expert.predict_proba(X))
    if len(expert.classes_) == len(classes):
        return probabilities
    aligned = np.zeros((len(probabilities), len(classes)), probabilities.dtype)
    aligned[:, np.searchsorted(classes, expert.classes_)] = probabilities
    return aligned


def weight_parameter(expert):
    """Name of the argument of ``expert.fit`` that takes the weights of the rows.

    Raises
    ------
    TypeError
        If the expert takes no weights.
    """
    if isinstance(expert, Pipeline) and not routing_enabled():
        step, last = expert.steps[-1]
        if has_fit_parameter(last, "sample_weight"):
            return f"{step}__sample_weight"
    elif isinstance(expert, Pipeline) or has_fit_parameter(expert, "sample_weight"):
        return "sample_weight"
    raise TypeError(
        f"{type(expert).__name__} cannot be an expert: its fit takes no "
        "'sample_weight', through which an expert learns which rows are its own."
    )


def seed_experts(named_experts, random_state):
    """Clones of the experts whose open random states are drawn, once for all of EM.

    One seed for all iterations keeps the M-step a function of the weights alone.

    Parameters
    ----------
    named_experts : list of (str, estimator)
    random_state : RandomState instance

    Returns
    -------
    named_experts : list of (str, estimator)
    """
    seeded = []
    for name, expert in named_experts:
        expert = clone(expert)
        for parameter, value in sorted(expert.get_params(deep=True).items()):
            if parameter.split("__")[-1] == "random_state" and value is None:
                seed = random_state.randint(np.iinfo(np.int32).max)
                expert.set_params(**{parameter: seed})
        seeded.append((name, expert))
    return seeded
