"""Whether a mixture was worth it."""

from dataclasses import dataclass
from textwrap import fill

import numpy as np
from scipy.stats import entropy
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe._compat import check_sample_weight, safe_indexing
from sklearn_moe._mixture import check_fitted_mixture
from sklearn_moe.weighting import WeightedFit, last_step

# A difference of so many standard errors is one.
CLEAR_DIFFERENCE = 2.0

# Entropy of the gate, 0 where it decides and 1 where it does not, worth a word.
DECIDED, UNDECIDED = 0.2, 0.8

# Rows are well assigned to an expert from this mean posterior on (Nagin, 2005).
WELL_ASSIGNED = 0.7

# Experts whose errors are correlated by more than this are one expert.
SAME_ERRORS = 0.95

# An expert with less than this part of an even share has next to nothing.
COLLAPSED = 0.1


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` has found; printed, it is the verdict.

    Attributes
    ----------
    verdict : list of str
        In words.
    scores : ndarray of shape (n_folds,)
        Of the mixture, on the rows held out.
    baseline_scores : dict of ndarray of shape (n_folds,)
        Of each single expert fitted to all rows, by its name.
    baseline : str
        The best of them.
    gain, gain_std_error : float
        Mean difference between the mixture and the baseline, and how sure it is.
    expert_share : ndarray of shape (n_experts,)
        Mean responsibility.
    n_effective_experts : float
        How many experts of equal share are as unequal as these: the exponential of the
        entropy of the shares.
    gate_entropy : float
        Mean over the rows of the entropy of the gate's weights, as a part of that of
        equal weights: 0 where it trusts one expert, 1 where all alike.
    assigned_posterior : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the rows assigned to it, those of which
        it has the largest; NaN for an expert without any.
    error_correlation : ndarray of shape (n_experts, n_experts)
        Of the errors of the experts on all rows.
    collapsed : list of str
        Experts that are retired or have next to no rows.

    See Also
    --------
    diagnose : Makes one, and has an example.
    """

    verdict: list
    scores: np.ndarray
    baseline_scores: dict
    baseline: str
    gain: float
    gain_std_error: float
    expert_share: np.ndarray
    n_effective_experts: float
    gate_entropy: float
    assigned_posterior: np.ndarray
    error_correlation: np.ndarray
    collapsed: list

    def __str__(self):
        return "\n".join(fill(sentence, 80) for sentence in self.verdict)


def diagnose(
    mixture,
    X,
    y,
    sample_weight=None,
    *,
    cv=5,
    scoring=None,
    random_state=0,
    n_jobs=None,
):
    """Say whether a mixture is better than one expert, and whether it is in health.

    The mixture and each of its experts alone are fitted anew to the same folds. All
    else is about the fitted mixture on the rows given.

    Parameters
    ----------
    mixture : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted. It is not changed.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        The rows that it was fitted to.
    y : array-like of shape (n_samples,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights. None means equal weights.
    cv : int, cross-validation generator or iterable, default=5
        Folds; a number of them is of shuffled rows.
    scoring : str or callable, default=None
        What is compared. None means `score`: R2 or accuracy.
    random_state : int, RandomState instance or None, default=0
        Of the shuffle.
    n_jobs : int, default=None
        Number of fits at the same time.

    Returns
    -------
    diagnosis : Diagnosis
        ``print(diagnosis)`` shows the verdict.

    Raises
    ------
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If it is none.

    See Also
    --------
    describe : A table of the experts.
    sklearn_moe.model_selection.select_n_experts : How many experts are best.

    Notes
    -----
    The standard error of the gain allows for the rows that the folds share [1]_. Where
    the experts are of several kinds, the best is chosen on the same folds: the gain
    over it is rather too small than too large. That a mean posterior below 0.7 tells of
    experts that are not well told apart is a rule of thumb [2]_.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio (2003). Inference for the generalization error.
       Machine Learning 52(3), 239-281.
    .. [2] D. S. Nagin (2005). Group-based modeling of development. Harvard University
       Press, section 5.5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import diagnose
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.1 * rng.normal(size=300)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> diagnosis = diagnose(moe, X, y)
    >>> print(diagnosis.verdict[0].partition(";")[0])
    Worth it: score 0.978 by cross-validation, -0.0271 of Ridge alone
    """
    check_fitted_mixture(mixture, "diagnose")
    X = mixture._checked_X(X)
    check_consistent_length(X, y)
    weights = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    splits = _splits(cv, X, y, is_classifier(mixture), random_state)
    scores, baseline_scores = _cross_validate(
        mixture,
        X,
        y,
        None if sample_weight is None else weights,
        splits,
        scoring,
        n_jobs,
    )
    baseline = max(baseline_scores, key=lambda name: baseline_scores[name].mean())
    gain = scores - baseline_scores[baseline]
    ratio = np.mean([len(test) / len(train) for train, test in splits])
    std_error = np.sqrt(gain.var(ddof=1) * (1 / len(gain) + ratio))
    responsibilities = mixture.responsibilities(X, y)
    share = np.average(responsibilities, axis=0, weights=weights)
    found = {
        "scores": scores,
        "baseline_scores": baseline_scores,
        "baseline": baseline,
        "gain": gain.mean(),
        "gain_std_error": std_error,
        "expert_share": share,
        "n_effective_experts": np.exp(entropy(share)),
        "gate_entropy": _gate_entropy(mixture.predict_gate(X), weights),
        "assigned_posterior": _assigned_posterior(responsibilities, weights),
        "error_correlation": _error_correlation(mixture, X, y, weights),
        "collapsed": _collapsed(mixture, share),
    }
    verdict = [_worth(scoring, **found), *_use(list(mixture.named_experts_), **found)]
    return Diagnosis(verdict, **found)


# Cross-validation
# ----------------


def _splits(cv, X, y, classification, random_state):
    if isinstance(cv, int):
        splitter = StratifiedKFold if classification else KFold
        random_state = check_random_state(random_state)
        cv = splitter(cv, shuffle=True, random_state=random_state)
    return list(check_cv(cv, y, classifier=classification).split(X, y))


def _cross_validate(mixture, X, y, weights, splits, scoring, n_jobs):
    """Scores of the mixture and of each of its experts alone, on the same folds."""
    contestants = [clone(mixture)]
    names = []
    for name, expert in mixture._parts()[1:]:
        named = isinstance(mixture.experts, list)
        names.append(name if named else type(last_step(expert)).__name__)
        # One seed for all folds.
        contestants.append(WeightedFit(expert, np.random.RandomState(0)))
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(contestant, X, y, weights, train, test, scoring)
        for contestant in contestants
        for train, test in splits
    )
    scores = np.reshape(scores, (len(contestants), len(splits)))
    return scores[0], dict(zip(names, scores[1:]))


def _fit_and_score(contestant, X, y, weights, train, test, scoring):
    X_train, X_test = safe_indexing(X, train), safe_indexing(X, test)
    y_train, y_test = safe_indexing(y, train), safe_indexing(y, test)
    if isinstance(contestant, WeightedFit):
        counts = np.ones(len(train)) if weights is None else weights[train]
        unit = counts.mean()
        fitted = contestant.fit(X_train, np.asarray(y_train), counts, unit=unit)
    else:
        counts = None if weights is None else weights[train]
        fitted = _for_rows(contestant, train).fit(X_train, y_train, counts)
    scorer = check_scoring(fitted, scoring)
    weighting = {} if weights is None else {"sample_weight": weights[test]}
    return scorer(fitted, X_test, y_test, **weighting)


def _for_rows(mixture, rows):
    """A clone of the mixture to fit to some of the rows."""
    mixture = clone(mixture)
    init = mixture.init
    if not isinstance(init, str) and not hasattr(init, "fit_predict"):
        # It says of each row where it begins.
        mixture.set_params(init=safe_indexing(np.asarray(init), rows))
    return mixture


# Health
# ------


def _gate_entropy(gate_weights, weights):
    if gate_weights.shape[1] == 1:
        return 0.0
    of_rows = entropy(gate_weights, axis=1) / np.log(gate_weights.shape[1])
    return float(np.average(of_rows, weights=weights))


def _assigned_posterior(responsibilities, weights):
    largest = responsibilities.argmax(axis=1)
    means = np.full(responsibilities.shape[1], np.nan)
    for k in range(len(means)):
        rows = (largest == k) & (weights > 0)
        if rows.any():
            means[k] = np.average(responsibilities[rows, k], weights=weights[rows])
    return means


def _error_correlation(mixture, X, y, weights):
    answers = mixture.transform(X).reshape(len(weights), len(mixture.experts_), -1)
    truth = np.asarray(y)
    if is_classifier(mixture):
        truth = truth[:, np.newaxis] == mixture.classes_
    errors = (answers - truth.reshape(len(truth), 1, -1)).swapaxes(1, 2)
    errors = errors.reshape(-1, answers.shape[1])
    counts = np.repeat(weights, answers.shape[2])
    errors = errors - np.average(errors, axis=0, weights=counts)
    covariance = (errors * counts[:, np.newaxis]).T @ errors
    scale = np.sqrt(np.diag(covariance))
    # An expert without errors is like no other.
    scale[scale == 0] = np.inf
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1)
    return correlation


def _collapsed(mixture, share):
    return [
        name
        for name, of_expert, active in zip(
            mixture.named_experts_, share, mixture._active_
        )
        if not active or of_expert < COLLAPSED / len(share)
    ]


# Words
# -----


def _worth(
    scoring, *, scores, baseline_scores, baseline, gain, gain_std_error, **others
):
    name = scoring if isinstance(scoring, str) else "score"
    rival = baseline_scores[baseline]
    better = np.count_nonzero(scores > rival)
    facts = (
        f"{name} {scores.mean():.3g} by cross-validation, {rival.mean():.3g} of "
        f"{baseline} alone; the difference is {gain:.2g} with a standard error of "
        f"{gain_std_error:.2g}, and the mixture is better in {better} of {len(scores)} "
        "folds."
    )
    if gain > CLEAR_DIFFERENCE * gain_std_error:
        return f"Worth it: {facts}"
    if gain > 0:
        return f"No clear gain: {facts} {baseline} alone is simpler."
    return f"Not worth it: {facts} Use {baseline} alone."


def _use(
    names,
    *,
    gate_entropy,
    n_effective_experts,
    assigned_posterior,
    error_correlation,
    collapsed,
    **others,
):
    if len(names) == 1:
        return
    yield (
        f"The {len(names)} experts are used as {n_effective_experts:.1f} of equal "
        "share would be."
    )
    if gate_entropy < DECIDED:
        yield "The gate trusts one expert for nearly every row."
    elif gate_entropy > UNDECIDED:
        yield (
            "The gate hardly decides: the mixture is close to a fixed average. Lower "
            "the penalty of the gate, or average the experts."
        )
    if collapsed:
        left = len(names) - len(collapsed)
        yield (
            f"{_listed(collapsed)} {_has(collapsed)} next to no rows. Ask for "
            f"{left} {'experts' if left > 1 else 'expert'}."
        )
    blurred = [
        name
        for name, mean in zip(names, assigned_posterior)
        if mean < WELL_ASSIGNED and name not in collapsed
    ]
    if blurred:
        yield (
            f"Rows of {_listed(blurred)} could nearly as well be another's (mean "
            f"posterior below {WELL_ASSIGNED})."
        )
    for k, first in enumerate(names):
        for j in range(k + 1, len(names)):
            if error_correlation[k, j] > SAME_ERRORS:
                yield (
                    f"{first} and {names[j]} make the same errors (correlation "
                    f"{error_correlation[k, j]:.2f}): one of them may do."
                )


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _has(names):
    return "has" if len(names) == 1 else "have"
