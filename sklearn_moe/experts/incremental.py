"""Experts that go on learning from one batch after another."""

from copy import deepcopy

from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe.experts.pool import ExpertPool, blamed_on, expert_answers
from sklearn_moe.incremental import IncrementalFit, forget, learn


class IncrementalPool(ExpertPool):
    """Experts at work in EM on the first batch of a stream.

    In an M-step they look once more at the batch, from where the last one has ended.
    See `ExpertPool`.
    """

    def _fitting(self, expert, random_state):
        return IncrementalFit(
            expert, random_state, classes=getattr(self.answers, "classes", None)
        )

    def _predecessor(self, k, previous):
        return None if previous is None else previous[k].estimator


class OnlineExperts:
    """Fitted experts that meet a batch.

    Parameters
    ----------
    names : list of str
    X : array-like or frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    answers : callable
        ``answers(estimator, X)``, as in `ExpertPool`.
    offset : float
        In [0, 1); the randomness of the resamples of experts that take no weights.
    specialize : bool, default=True
        Whether each expert learns its own rows, or all learn all.
    n_jobs : int, default=None
        Number of experts that learn at the same time.
    fit_params : dict of dict, default=None
        Further arguments of each expert's `partial_fit`, by the expert's name.
    """

    def __init__(
        self,
        names,
        X,
        y,
        sample_weight,
        answers,
        *,
        offset,
        specialize=True,
        n_jobs=None,
        fit_params=None,
    ):
        self._names = names
        self._X, self._y = X, y
        self._sample_weight = sample_weight
        self._answers = answers
        self._specialize = specialize
        self._n_jobs = n_jobs
        self._fit_params = fit_params or {}
        self._how = {
            "classes": getattr(answers, "classes", None),
            "unit": sample_weight.mean(),
            "offset": offset,
        }

    def outputs(self, experts):
        """Their answers, shape (n_samples, n_experts, ...), or Outputs."""
        named = dict(zip(self._names, experts))
        return expert_answers(named, self._X, self._y, self._answers)

    def learn(self, experts, weights, active, kept):
        """Stepwise M-step of the experts.

        Parameters
        ----------
        experts : list of fitted estimators
            Not changed.
        weights : ndarray of shape (n_samples, n_experts)
        active : ndarray of shape (n_experts,), bool
            The others are left as they are.
        kept : float
            What is left of the weight of the rows before.

        Returns
        -------
        experts : list of fitted estimators
        """
        return Parallel(n_jobs=self._n_jobs)(
            delayed(_learn)(
                name,
                expert,
                self._X,
                self._y,
                weights[:, k] if self._specialize else self._sample_weight,
                kept if active[k] else None,
                self._how | {"fit_params": self._fit_params.get(name)},
            )
            for k, (name, expert) in enumerate(zip(self._names, experts))
        )


def _learn(name, expert, X, y, weights, kept, how):
    """A copy of an expert that knows the batch as well; the expert if it need not."""
    if kept is None or isinstance(expert, FrozenEstimator) or not weights.any():
        return expert
    with blamed_on(f"expert {name!r}"):
        expert = deepcopy(expert)
        forget(expert, kept)
        learn(expert, X, y, weights, **how)
    return expert
