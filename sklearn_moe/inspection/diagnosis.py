"""Diagnosis of a mixture: its gain over one expert, and the use of its experts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, compress
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import entropy, t
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.metrics import check_scoring
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe._base import BaseMixtureOfExperts
from sklearn_moe._class_weights import weigh_classes
from sklearn_moe._estimators import WeightedFit, last_step
from sklearn_moe._folds import shuffled_splits
from sklearn_moe._frames import native
from sklearn_moe._inner_mixture import seen_by_mixture, unfitted_mixture, with_mixture
from sklearn_moe._metadata import check_groups, groups_routed
from sklearn_moe._sklearn import num_samples, safe_indexing
from sklearn_moe.em import is_learnt
from sklearn_moe.inspection._validation import check_data

# An expert has collapsed if its share is below this fraction of an even share.
COLLAPSED = 0.1

# A difference is clear if its two-sided p value is below this.
CLEAR = 0.05

# The verdict mentions the entropy of the gate, between 0 and 1, if it is below or above
# these values.
LOW_ENTROPY, HIGH_ENTROPY = 0.2, 0.8

# Minimum mean posterior of rows that are well assigned to an expert (Nagin, 2005).
WELL_ASSIGNED = 0.7

# Experts whose errors have a larger correlation than this make the same errors.
SAME_ERRORS = 0.95


@dataclass(frozen=True)
class Comparison:
    """Scores of a mixture on held-out rows, compared with its single experts.

    Read more in the :ref:`User Guide <guide_comparing>`.

    Attributes
    ----------
    scores : ndarray of shape (n_folds,)
        Scores of the mixture; greater is better.
    baseline_scores : dict of ndarray of shape (n_folds,)
        Scores of each single expert, fitted to all training rows, by its name.
    baseline : str
        Name of the best of these experts.
    gain, gain_std_error : float
        Mean difference between the scores of the mixture and of the baseline, and its
        standard error, which allows for the training rows that folds have in common.
    p_value : float
        Probability of such a difference, of either sign, if there is none.
    outcome : {"better", "no clear difference", "worse"}
        Outcome for the mixture, compared with the baseline.
    deciding_fold : int or None
        Index in `scores` of the deciding fold: the only fold without which the outcome
        would differ.
    outcome_without : {"better", "no clear difference", "worse"} or None
        The outcome without that fold.

    See Also
    --------
    diagnose : Function that compares.
    """

    scores: np.ndarray
    baseline_scores: dict
    baseline: str
    gain: float
    gain_std_error: float
    p_value: float
    outcome: str
    deciding_fold: int | None
    outcome_without: str | None


@dataclass(frozen=True)
class Diagnosis:
    """Result of :func:`~sklearn_moe.inspection.diagnose`. Print it to see the verdict.

    Read more in the :ref:`User Guide <guide_comparing>`.

    Attributes
    ----------
    verdict : list of str
        Sentences about the other attributes.
    worth : {"worth it", "no clear difference", "not worth it"}
        The verdict in short.
    points : Comparison
        Comparison by the score of predictions. Its `scores`, `baseline_scores`,
        `baseline`, `gain` and `gain_std_error` are attributes of the diagnosis, too.
    density : Comparison
        Comparison by the log-likelihood, the mean log density of the targets, which
        evaluates the whole predicted distribution.
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
        Names of the experts that are retired or have almost no rows.

    See Also
    --------
    diagnose : Function that returns a diagnosis.
    """

    verdict: list
    worth: str
    points: Comparison
    density: Comparison
    expert_share: np.ndarray
    n_effective_experts: float
    gate_entropy: float
    assigned_posterior: np.ndarray
    error_correlation: np.ndarray
    collapsed: list

    scores = property(lambda self: self.points.scores)
    baseline_scores = property(lambda self: self.points.baseline_scores)
    baseline = property(lambda self: self.points.baseline)
    gain = property(lambda self: self.points.gain)
    gain_std_error = property(lambda self: self.points.gain_std_error)

    def __str__(self):
        return "\n".join(fill(sentence, 80) for sentence in self.verdict)


def diagnose(
    model: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    scoring: Any = None,
    random_state: int | np.random.RandomState | None = 0,
    n_jobs: int | None = None,
) -> Diagnosis:
    """Diagnose whether a mixture beats one expert, and how well its experts are used.

    The mixture and each of its single experts are fitted again to the same folds, with
    the same sample weights and class weights, and two scores are compared: that of
    their predictions, and the log-likelihood of the held-out targets, which evaluates
    the whole distribution. A mixture is worth it if it is clearly better by one of
    them, and not clearly worse by the other. The other results describe the fitted
    mixture on the given rows.

    Read more in the :ref:`User Guide <guide_comparing>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or a model around one, such as a pipeline that ends in it or a
        search: see :func:`fitted_mixture`. It is not changed. In each fold, copies of
        the whole model are fitted, and copies with each expert in place of the mixture.
        For a search, these are copies of its best estimator.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Rows that the model was fitted to.
    y : array-like of shape (n_samples,)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    cv : int, cross-validation generator or iterable, default=5
        Folds. An integer is a number of shuffled folds, stratified by class.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows, which no fold divides: neither those of `cv`, nor those of the
        mixture if its own `cv` is a splitter that requests groups.
    scoring : str or callable, default=None
        Score of the predictions. None means `score`, which is R2 or accuracy.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds.
    n_jobs : int, default=None
        Number of parallel fits.

    Returns
    -------
    diagnosis : Diagnosis
        The result; ``print(diagnosis)`` shows its verdict.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If there is no mixture in the model.
    ValueError
        If a score is not finite, or a fold holds out no rows of positive weight.

    See Also
    --------
    describe : Table of the experts and their rows.
    sklearn_moe.model_selection.select_n_experts : Comparison of numbers of experts.

    Notes
    -----
    The test is a two-sided t test of the differences in the folds, at a level of 5 %
    for each of the two scores. Its standard error allows for the training rows that the
    folds have in common [1]_; otherwise two equally good models would seem to differ
    far too often [2]_. One bad fold cannot make a difference clear, but it can hide
    one: a fold decides if it is the only one without which the outcome of the test
    would differ, and the verdict names it, counting from 1.

    If there are several experts to compare with, the best is chosen on the same folds,
    so that the gain tends to be underestimated. The density of a single expert is that
    of a mixture of one, with the noise model of the mixture, fitted to out-of-fold
    predictions of the expert.

    For a search, the best estimator is fitted again, whose parameters were chosen with
    the help of the held-out rows. If the model transforms targets, the log-likelihood
    is that of the transformed targets, and the score is in the original units. A model
    that is frozen around the mixture is fitted again; frozen steps in front of the
    mixture stay frozen.

    As a rule of thumb, experts are not well separated if their mean posterior is below
    0.7 [3]_.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio (2003). Inference for the generalization error.
       Machine Learning 52(3), 239-281.
    .. [2] R. R. Bouckaert and E. Frank (2004). Evaluating the replicability of
       significance tests for comparing learning algorithms. PAKDD 2004, Lecture Notes
       in Computer Science 3056, 3-12.
    .. [3] D. S. Nagin (2005). Group-based modeling of development. Harvard University
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
    Worth it: score 0.987 by cross-validation, -0.0271 for Ridge alone
    """
    seen, weights = check_data(model, X, y, sample_weight, "diagnose")
    mixture, names = seen.mixture, list(seen.mixture.named_experts_)
    if mixture._known_subjects_ is not None:
        raise ValueError(
            "diagnose does not support 'subjects', with which this mixture was fitted. "
            "Compare it by cross_val_score, which routes them to fit."
        )
    X, y = indexable(native(X), y)
    groups = check_groups(groups, num_samples(X))
    splits = shuffled_splits(
        cv, X, y, random_state, classification=is_classifier(mixture), groups=groups
    )
    given_weights = None if sample_weight is None else weights
    if not all(weights[test].any() for _, test in splits):
        raise ValueError("A fold of 'cv' holds out no row with a positive weight.")
    points, density = _comparisons(
        model, X, y, given_weights, groups, splits, scoring, Parallel(n_jobs=n_jobs)
    )
    responsibilities = mixture.responsibilities(seen.X, seen.y)
    share = np.average(responsibilities, axis=0, weights=weights)
    lost = ~mixture._active_ | (share < COLLAPSED / len(share))
    diagnosis = Diagnosis(
        verdict=[],
        worth=_worth(points, density),
        points=points,
        density=density,
        expert_share=share,
        n_effective_experts=np.exp(entropy(share)),
        gate_entropy=_gate_entropy(mixture.predict_gate(seen.X), weights),
        assigned_posterior=_assigned_posterior(responsibilities, weights),
        error_correlation=_error_correlation(mixture, seen.X, seen.y, weights),
        collapsed=list(compress(names, lost)),
    )
    sentences = [
        *_sentences_of_worth(diagnosis, scoring),
        *_use_of_experts(diagnosis, names, isinstance(mixture.experts, list)),
    ]
    return replace(diagnosis, verdict=sentences)


# Comparison with the experts alone
# ---------------------------------


def _comparisons(model, X, y, weights, groups, splits, scoring, parallel):
    """Compare a model with its experts alone, by a score and by the log-likelihood."""
    score, tasks = partial(_score, scoring=scoring), []
    names, experts, mixtures = zip(*_alone(model))
    # A mixture applies class weights itself; single experts get the same weights.
    of_classes = getattr(unfitted_mixture(model, "diagnose"), "class_weight", None)
    for train, test in splits:
        begun, rows = _with_start_of(model, weights, train)
        tasks.append((begun, None, rows, test, [score, _log_likelihood]))
        tasks += [(expert, of_classes, train, test, [score]) for expert in experts]
        tasks += [
            (mixture, None, train, test, [_log_likelihood]) for mixture in mixtures
        ]
    measured = parallel(
        delayed(_measure)(X, y, weights, groups, *task) for task in tasks
    )
    by_fold = np.concatenate(measured).reshape(len(splits), -1).T
    own, alone = by_fold[:2], np.split(by_fold[2:], 2)
    for fold, values in enumerate(np.vstack([own[0], alone[0]]).T):
        if not np.isfinite(values).all():
            raise ValueError(
                f"The score of fold {fold + 1} of {len(splits)} is not finite; got "
                f"{values.tolist()}. Give 'cv' folds with more rows, or another "
                "'scoring'."
            )
    ratio = np.mean([len(test) / len(train) for train, test in splits])
    return [
        compare(scores, dict(zip(names, baseline_scores)), ratio)
        for scores, baseline_scores in zip(own, alone)
    ]


def _alone(model):
    """Yield the name of each expert, and two models with it in place of the mixture.

    The first contains the expert itself. The second contains a mixture of this one
    expert, which predicts the same and also a distribution. Its noise is fitted to
    out-of-fold predictions, so that the comparison is fair to experts that overfit
    their training rows.
    """
    mixture = unfitted_mixture(model, caller="diagnose")
    of_one = clone(mixture).set_params(
        n_experts=1,
        gate=DummyClassifier(),
        top_k=None,
        assignment="soft",
        capacity_factor=None,
        specialize=False,
        cv="auto" if mixture.cv is None else mixture.cv,
        init=_all_of_the_only_one,
        n_init=1,
    )
    for name, expert in mixture._composition().expert_parts():
        named = isinstance(mixture.experts, list)
        yield (
            name if named else type(last_step(expert)).__name__,
            with_mixture(model, expert),
            with_mixture(model, clone(of_one).set_params(experts=expert)),
        )


def _all_of_the_only_one(X):
    """Return the start of a mixture of one expert, for any rows."""
    return np.zeros(num_samples(X), dtype=int)


def _with_start_of(model, weights, rows):
    """Restrict a start that is given for each row to the training rows of a fold."""
    mixture = clone(unfitted_mixture(model, caller="diagnose"))
    init = mixture.init
    if not (isinstance(init, str) or is_learnt(init) or callable(init)):
        # An array has one entry for each row of X, and pipelines are not fitted to
        # rows of zero weight.
        rows = rows if weights is None else rows[weights[rows] > 0]
        mixture.set_params(init=safe_indexing(np.asarray(init), rows))
    return with_mixture(model, mixture), rows


def _measure(X, y, weights, groups, model, class_weight, train, test, measures):
    """Fit a model to training rows, and return its scores on test rows."""
    if isinstance(model, BaseMixtureOfExperts):
        own_weights = None if weights is None else weights[train]
        own_rows = safe_indexing(X, train), safe_indexing(y, train)
        own_groups = None if groups is None else groups[train]
        with groups_routed(model, own_groups) as own:
            fitted = clone(model).fit(*own_rows, own_weights, **own)
    else:
        labels = np.asarray(y)
        counts = np.ones(num_samples(X)) if weights is None else weights.copy()
        counts[train] = weigh_classes(class_weight, labels[train], counts[train])
        # Use the same seed in all folds.
        fitter = WeightedFit(model, np.random.RandomState(0))
        unit = counts[train].mean()
        with groups_routed(fitter.estimator, groups) as own:
            fitted = fitter.fit(
                X, labels, counts, rows=train, unit=unit, fit_params=own
            )
    held_out = safe_indexing(X, test), safe_indexing(y, test)
    params = {} if weights is None else {"sample_weight": weights[test]}
    return [measure(fitted, *held_out, **params) for measure in measures]


def _score(model, X, y, *, scoring, **params):
    return check_scoring(model, scoring)(model, X, y, **params)


def _log_likelihood(model, X, y, sample_weight=None):
    seen = seen_by_mixture(model, X, y, caller="diagnose")
    if not is_classifier(seen.mixture):
        log_density = seen.mixture.score_samples(seen.X, seen.y)
        return np.average(log_density, weights=sample_weight)
    # Leave out classes that are not among the training rows.
    known = np.flatnonzero(np.isin(seen.y, seen.mixture.classes_))
    rows, labels = safe_indexing(seen.X, known), safe_indexing(seen.y, known)
    log_density = seen.mixture.score_samples(rows, labels)
    weights = None if sample_weight is None else sample_weight[known]
    return np.average(log_density, weights=weights)


def compare(scores, baseline_scores, ratio):
    """Compare scores with the best of several baselines in the same folds.

    Parameters
    ----------
    scores : ndarray of shape (n_folds,)
    baseline_scores : dict of ndarray of shape (n_folds,)
    ratio : float
        Number of held-out rows, divided by the number of training rows.

    Returns
    -------
    comparison : Comparison
    """
    baseline = max(baseline_scores, key=lambda name: baseline_scores[name].mean())
    gains = scores - baseline_scores[baseline]
    outcome = _outcome(gains, ratio)
    without = {
        fold: other
        for fold in range(len(gains) if len(gains) > 1 else 0)
        if (other := _outcome(np.delete(gains, fold), ratio)) != outcome
    }
    deciding = next(iter(without)) if len(without) == 1 else None
    return Comparison(
        scores,
        baseline_scores,
        baseline,
        *_test_of_mean(gains, ratio),
        outcome,
        deciding,
        without.get(deciding),
    )


def _test_of_mean(gains, ratio):
    """Return the mean of differences, its standard error, and a two-sided p value.

    Folds have training rows in common, so that their differences are correlated. The
    correction assumes that the correlation equals the fraction of held-out rows.
    """
    n_folds, gain = len(gains), gains.mean()
    if n_folds < 2 or not np.isfinite(gain):
        return gain, np.nan, np.nan
    std_error = np.sqrt(gains.var(ddof=1) * (1 / n_folds + ratio))
    if std_error == 0:
        return gain, std_error, float(gain == 0)
    return gain, std_error, 2 * t.sf(abs(gain) / std_error, n_folds - 1)


def _outcome(gains, ratio):
    gain, _, p_value = _test_of_mean(gains, ratio)
    # A p value of NaN means no clear difference.
    if not p_value < CLEAR:
        return "no clear difference"
    return "better" if gain > 0 else "worse"


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
    # `set_output` may make it a frame.
    predictions = np.asarray(mixture.transform(X))
    predictions = predictions.reshape(len(weights), len(mixture.experts_), -1)
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


def _worth(points, density):
    """Return the short verdict: one score decides, unless the other contradicts it."""
    outcomes = {points.outcome, density.outcome} - {"no clear difference"}
    if outcomes == {"better"}:
        return "worth it"
    return "not worth it" if outcomes == {"worse"} else "no clear difference"


def _sentences_of_worth(diagnosis, scoring):
    """Yield the verdict, with the results of both scores."""
    score = scoring if isinstance(scoring, str) else "score"
    compared = [(diagnosis.points, score), (diagnosis.density, "log-likelihood")]
    if diagnosis.points.outcome == "no clear difference" != diagnosis.density.outcome:
        # The score that decides comes first.
        compared.reverse()
    (first, name), (second, other) = compared
    verdict = f"{diagnosis.worth.capitalize()}: {name} {_facts(first)}"
    if diagnosis.worth == "not worth it":
        verdict += f" Use {first.baseline} alone."
    yield " ".join([verdict, *_decision(first)])
    said = {
        "better": "it is better",
        "no clear difference": "there is no clear difference",
        "worse": "it is worse",
    }[second.outcome]
    if second.outcome == first.outcome:
        said += " either" if second.outcome == "no clear difference" else " as well"
    second_facts = f"By the {other} {said}: {_facts(second)}"
    yield " ".join([second_facts, *_decision(second)])
    if {first.outcome, second.outcome} == {"better", "worse"}:
        yield (
            f"The {name} and the {other} contradict each other: choose the one that "
            "matters for your application."
        )
    elif diagnosis.worth == "no clear difference":
        yield f"{first.baseline} alone is simpler."


def _facts(comparison):
    scores = comparison.scores
    baseline_scores = comparison.baseline_scores[comparison.baseline]
    n_better = np.count_nonzero(scores > baseline_scores)
    return (
        f"{scores.mean():.3g} by cross-validation, {baseline_scores.mean():.3g} for "
        f"{comparison.baseline} alone; the difference is {comparison.gain:.2g} with a "
        f"standard error of {comparison.gain_std_error:.2g}, and the mixture is better "
        f"in {n_better} of {len(scores)} folds."
    )


def _decision(comparison):
    """Yield a sentence about the fold that decides, if there is one."""
    fold = comparison.deciding_fold
    if fold is None:
        return
    gains = comparison.scores - comparison.baseline_scores[comparison.baseline]
    said = {
        "better": "and the mixture would be clearly better",
        "no clear difference": "and there would be no clear difference",
        "worse": "and the mixture would be clearly worse",
    }[comparison.outcome_without]
    yield (
        f"This depends on fold {fold + 1}, whose difference is {gains[fold]:.2g}: "
        f"without it the mean would be {np.delete(gains, fold).mean():.2g}, {said}."
    )


def _use_of_experts(diagnosis, names, listed):
    """Yield the sentences about the experts and the gate."""
    if len(names) == 1:
        return
    yield (
        f"The effective number of experts is {diagnosis.n_effective_experts:.1f} of "
        f"{len(names)}."
    )
    if diagnosis.gate_entropy < LOW_ENTROPY:
        yield "The gate trusts one expert for nearly every row."
    elif diagnosis.gate_entropy > HIGH_ENTROPY:
        yield (
            "The gate gives the experts nearly equal weights for most rows: the "
            "mixture is close to a fixed average. Lower the penalty of the gate, or "
            "average the experts."
        )
    collapsed = diagnosis.collapsed
    if collapsed:
        one, n_left = len(collapsed) == 1, len(names) - len(collapsed)
        advice = (
            f"Leave {'it' if one else 'them'} out of the list"
            if listed
            else f"Use {n_left} {'experts' if n_left > 1 else 'expert'}"
        )
        yield (
            f"{_enumerated(collapsed)} {'has' if one else 'have'} almost no rows. "
            f"{advice}."
        )
    blurred = [
        name
        for name, mean in zip(names, diagnosis.assigned_posterior)
        if mean < WELL_ASSIGNED and name not in collapsed
    ]
    if blurred:
        yield (
            f"Rows of {_enumerated(blurred)} could almost as well belong to another "
            f"expert (mean posterior below {WELL_ASSIGNED})."
        )
    for k, j in combinations(range(len(names)), 2):
        correlation = diagnosis.error_correlation[k, j]
        if correlation > SAME_ERRORS:
            yield (
                f"{names[k]} and {names[j]} make the same errors (correlation "
                f"{correlation:.2f}): one of them may be enough."
            )


def _enumerated(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
