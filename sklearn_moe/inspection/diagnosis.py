"""Diagnosis of a fitted mixture: its gain over one expert, and its health."""

from dataclasses import dataclass, replace
from itertools import combinations, compress
from textwrap import fill

import numpy as np
from scipy.stats import entropy
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe._class_weights import weigh_classes
from sklearn_moe._estimators import WeightedFit, last_step
from sklearn_moe._folds import shuffled_splits
from sklearn_moe._metadata import check_groups, groups_routed
from sklearn_moe._sklearn import num_samples, safe_indexing
from sklearn_moe.em import is_learnt
from sklearn_moe.inspection._validation import check_data

# An expert has collapsed if its share is below this fraction of an even share.
COLLAPSED = 0.1

# The mixture is said to be better if the mean difference of the scores is larger than
# this number of standard errors.
CLEAR_DIFFERENCE = 2.0

# Values of the entropy of the gate, between 0 and 1, below and above which there is a
# sentence about it.
LOW_ENTROPY, HIGH_ENTROPY = 0.2, 0.8

# Smallest mean posterior of rows that are well assigned to an expert (Nagin, 2005).
WELL_ASSIGNED = 0.7

# Experts whose errors have a larger correlation than this make the same errors.
SAME_ERRORS = 0.95


@dataclass(frozen=True)
class Diagnosis:
    """Result of :func:`diagnose`. Print it to see the verdict.

    Attributes
    ----------
    verdict : list of str
        Sentences about the other attributes.
    scores : ndarray of shape (n_folds,)
        Scores of the mixture on the rows held out.
    baseline_scores : dict of ndarray of shape (n_folds,)
        Scores of each expert fitted alone to all training rows, by its name.
    baseline : str
        Name of the best of these experts.
    gain, gain_std_error : float
        Mean difference between the scores of the mixture and of the baseline, and its
        standard error.
    expert_share : ndarray of shape (n_experts,)
        Mean responsibility of each expert.
    n_effective_experts : float
        Effective number of experts: the exponential of the entropy of the shares, which
        is the number of experts if these are equal.
    gate_entropy : float
        Mean over the rows of the entropy of the gate weights, divided by that of equal
        weights: 0 if one expert has all weight in each row, 1 if all have the same.
    assigned_posterior : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the rows assigned to it, those for which
        its responsibility is the largest; NaN for an expert without such rows.
    error_correlation : ndarray of shape (n_experts, n_experts)
        Correlation of the errors of the experts on all rows.
    collapsed : list of str
        Names of the experts that are retired or have next to no rows.

    See Also
    --------
    diagnose : Function that returns a diagnosis.
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
    groups=None,
    scoring=None,
    random_state=0,
    n_jobs=None,
):
    """Diagnose whether a mixture beats one expert, and how well its experts are used.

    The mixture and each of its experts alone are fitted again to the same folds, under
    the same weights of rows and classes, and their scores are compared. All else is
    about the fitted mixture on the given rows.

    Parameters
    ----------
    mixture : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted mixture. It is not changed.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Rows that the mixture was fitted to.
    y : array-like of shape (n_samples,)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    cv : int, cross-validation generator or iterable, default=5
        Folds. An integer is a number of shuffled folds, stratified by class.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows, which no fold divides: those of `cv`, and those of the mixture
        where its own `cv` is a splitter that asks for groups.
    scoring : str or callable, default=None
        Score that is compared. None means `score`, which is R2 or accuracy.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds.
    n_jobs : int, default=None
        Number of fits at the same time.

    Returns
    -------
    diagnosis : Diagnosis
        Result, whose verdict is shown by ``print(diagnosis)``.

    Raises
    ------
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If `mixture` is not a mixture.

    See Also
    --------
    describe : Table of the experts and their rows.
    sklearn_moe.model_selection.select_n_experts : Comparison of numbers of experts.

    Notes
    -----
    The standard error of the gain allows for the training rows that the folds have in
    common [1]_. If there are several experts to compare with, the best is chosen on the
    same folds, so that the gain is rather underestimated. It is a rule of thumb that
    experts are not well separated if their mean posterior is below 0.7 [2]_.

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
    Worth it: score 0.987 by cross-validation, -0.0271 of Ridge alone
    """
    X, weights = check_data(mixture, X, y, sample_weight, "diagnose")
    if mixture._known_subjects_ is not None:
        raise ValueError(
            "diagnose fits mixtures to rows apart, but this one was fitted with "
            "'subjects'. Compare it by cross_val_score, which routes them to fit."
        )
    classification = is_classifier(mixture)
    groups = check_groups(groups, num_samples(X))
    splits = shuffled_splits(
        cv, X, y, random_state, classification=classification, groups=groups
    )
    given_weights = None if sample_weight is None else weights
    class_weight = mixture._targets_.class_weight
    rivals = _unfitted(mixture)
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(
            rival, X, y, given_weights, class_weight, groups, train, test, scoring
        )
        for _, rival in rivals
        for train, test in splits
    )
    scores, *alone = np.reshape(scores, (len(rivals), len(splits)))
    baseline_scores = dict(zip([name for name, _ in rivals[1:]], alone))
    baseline = max(baseline_scores, key=lambda name: baseline_scores[name].mean())
    gain = scores - baseline_scores[baseline]
    ratio = np.mean([len(test) / len(train) for train, test in splits])
    responsibilities = mixture.responsibilities(X, y)
    share = np.average(responsibilities, axis=0, weights=weights)
    lost = ~mixture._active_ | (share < COLLAPSED / len(share))
    names = list(mixture.named_experts_)
    diagnosis = Diagnosis(
        verdict=[],
        scores=scores,
        baseline_scores=baseline_scores,
        baseline=baseline,
        gain=gain.mean(),
        gain_std_error=np.sqrt(gain.var(ddof=1) * (1 / len(gain) + ratio)),
        expert_share=share,
        n_effective_experts=np.exp(entropy(share)),
        gate_entropy=_gate_entropy(mixture.predict_gate(X), weights),
        assigned_posterior=_assigned_posterior(responsibilities, weights),
        error_correlation=_error_correlation(mixture, X, y, weights),
        collapsed=list(compress(names, lost)),
    )
    sentences = [
        _gain(diagnosis, scoring),
        *_use_of_experts(diagnosis, names, isinstance(mixture.experts, list)),
    ]
    return replace(diagnosis, verdict=sentences)


# Comparison with the experts alone
# ---------------------------------


def _unfitted(mixture):
    """Return pairs of a name and what is to be fitted: the mixture, and its experts."""
    rivals = [("mixture", clone(mixture))]
    for name, expert in mixture._composition().expert_parts():
        named = isinstance(mixture.experts, list)
        # All folds have the same seed.
        fit = WeightedFit(expert, np.random.RandomState(0))
        rivals.append((name if named else type(last_step(expert)).__name__, fit))
    return rivals


def _fit_and_score(rival, X, y, weights, class_weight, groups, train, test, scoring):
    """Fit the mixture, or an expert alone, to the training rows; score the others."""
    if isinstance(rival, WeightedFit):
        labels = np.asarray(y)
        counts = np.ones(num_samples(X)) if weights is None else weights.copy()
        counts[train] = weigh_classes(class_weight, labels[train], counts[train])
        unit = counts[train].mean()
        with groups_routed(rival.estimator, groups) as own:
            fitted = rival.fit(X, labels, counts, rows=train, unit=unit, fit_params=own)
    else:
        fitted = clone(rival)
        if not (
            isinstance(rival.init, str) or is_learnt(rival.init) or callable(rival.init)
        ):
            # An array has one element or row for each row of X.
            fitted.set_params(init=safe_indexing(np.asarray(rival.init), train))
        train_weights = None if weights is None else weights[train]
        own_groups = None if groups is None else groups[train]
        with groups_routed(fitted, own_groups) as own:
            fitted.fit(
                safe_indexing(X, train), safe_indexing(y, train), train_weights, **own
            )
    score = check_scoring(fitted, scoring)
    score_params = {} if weights is None else {"sample_weight": weights[test]}
    return score(fitted, safe_indexing(X, test), safe_indexing(y, test), **score_params)


# Use of the experts
# ------------------


def _gate_entropy(gate_weights, weights):
    if gate_weights.shape[1] == 1:
        return 0.0
    entropies = entropy(gate_weights, axis=1) / np.log(gate_weights.shape[1])
    return float(np.average(entropies, weights=weights))


def _assigned_posterior(responsibilities, weights):
    largest = responsibilities.argmax(axis=1)
    means = np.full(responsibilities.shape[1], np.nan)
    for k in range(len(means)):
        mask = (largest == k) & (weights > 0)
        if mask.any():
            means[k] = np.average(responsibilities[mask, k], weights=weights[mask])
    return means


def _error_correlation(mixture, X, y, weights):
    predictions = mixture.transform(X).reshape(len(weights), len(mixture.experts_), -1)
    truth = np.asarray(y)
    if is_classifier(mixture):
        truth = truth[:, np.newaxis] == mixture.classes_
    errors = (predictions - truth.reshape(len(truth), 1, -1)).swapaxes(1, 2)
    errors = errors.reshape(-1, predictions.shape[1])
    counts = np.repeat(weights, predictions.shape[2])
    errors = errors - np.average(errors, axis=0, weights=counts)
    covariance = (errors * counts[:, np.newaxis]).T @ errors
    scale = np.sqrt(np.diag(covariance))
    # An expert without errors is not correlated with any other.
    scale[scale == 0] = np.inf
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1)
    return correlation


# The verdict
# -----------


def _gain(diagnosis, scoring):
    """Return the sentence about the gain over the best expert alone."""
    name = scoring if isinstance(scoring, str) else "score"
    baseline = diagnosis.baseline
    scores, baseline_scores = diagnosis.scores, diagnosis.baseline_scores[baseline]
    n_better = np.count_nonzero(scores > baseline_scores)
    facts = (
        f"{name} {scores.mean():.3g} by cross-validation, {baseline_scores.mean():.3g} "
        f"of {baseline} alone; the difference is {diagnosis.gain:.2g} with a standard "
        f"error of {diagnosis.gain_std_error:.2g}, and the mixture is better in "
        f"{n_better} of {len(scores)} folds."
    )
    if diagnosis.gain > CLEAR_DIFFERENCE * diagnosis.gain_std_error:
        return f"Worth it: {facts}"
    if diagnosis.gain > 0:
        return f"No clear gain: {facts} {baseline} alone is simpler."
    return f"Not worth it: {facts} Use {baseline} alone."


def _use_of_experts(diagnosis, names, listed):
    """Yield the sentences about the experts and the gate."""
    if len(names) == 1:
        return
    yield (
        f"The {len(names)} experts are used like {diagnosis.n_effective_experts:.1f} "
        "experts of equal share."
    )
    if diagnosis.gate_entropy < LOW_ENTROPY:
        yield "The gate trusts one expert for nearly every row."
    elif diagnosis.gate_entropy > HIGH_ENTROPY:
        yield (
            "The gate hardly decides: the mixture is close to a fixed average. Lower "
            "the penalty of the gate, or average the experts."
        )
    collapsed = diagnosis.collapsed
    if collapsed:
        one, n_left = len(collapsed) == 1, len(names) - len(collapsed)
        advice = (
            f"Leave {'it' if one else 'them'} out of the list"
            if listed
            else f"Ask for {n_left} {'experts' if n_left > 1 else 'expert'}"
        )
        yield (
            f"{_enumerated(collapsed)} {'has' if one else 'have'} next to no rows. "
            f"{advice}."
        )
    blurred = [
        name
        for name, mean in zip(names, diagnosis.assigned_posterior)
        if mean < WELL_ASSIGNED and name not in collapsed
    ]
    if blurred:
        yield (
            f"Rows of {_enumerated(blurred)} could nearly as well belong to another "
            f"expert (mean posterior below {WELL_ASSIGNED})."
        )
    for k, j in combinations(range(len(names)), 2):
        correlation = diagnosis.error_correlation[k, j]
        if correlation > SAME_ERRORS:
            yield (
                f"{names[k]} and {names[j]} make the same errors (correlation "
                f"{correlation:.2f}): one of them may do."
            )


def _enumerated(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
