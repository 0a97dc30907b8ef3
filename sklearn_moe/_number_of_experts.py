"""Choose the number of experts by the log-likelihood of held-out rows."""

from copy import deepcopy
from dataclasses import dataclass
from itertools import count

import numpy as np
from sklearn.base import is_classifier

from sklearn_moe._estimators import params_of_rows
from sklearn_moe._fit_warnings import without_warnings
from sklearn_moe._parallel import run_parallel
from sklearn_moe._sklearn import check_method_params, safe_indexing

# The largest number of experts that is tried, and the least number of training rows for
# each expert.
MOST_EXPERTS = 32
ROWS_OF_AN_EXPERT = 20

# Numbers up to this are tried in any case: two experts may not help where four do.
LEAST_TRIED = 4

# Number of folds. With fewer rows than FEW_ROWS each fold is held out in turn; with
# more, holding out one fold is enough.
HELD_OUT_FOLDS = 3
FEW_ROWS = 400


@dataclass(frozen=True)
class Trials:
    """Numbers of experts that were tried, compared on the same held-out rows.

    Attributes
    ----------
    numbers : list of int
    log_densities : list of ndarray of shape (n_held_out,)
        Log densities of the held-out targets, for each number of experts. It is a
        single NaN if there are too few rows for more than one expert, so that nothing
        was tried.
    weights : ndarray of shape (n_held_out,)
        Weights of the held-out rows, as numbers of rows.
    failed : tuple of (int, Exception) or None
        The number whose fit failed, at which the trials ended, and the error.
    """

    numbers: list
    log_densities: list
    weights: np.ndarray
    failed: tuple | None = None

    @property
    def means(self):
        """Mean log density of each number."""
        return np.average(self.log_densities, axis=1, weights=self.weights)

    def differences(self):
        """Return how far each number is below the best, and its standard error.

        It is the standard error of a mean of paired differences, row by row, so that
        rows that are hard for all numbers alike do not add to it.

        Returns
        -------
        differences, standard_errors : ndarray of shape (n_numbers,)
        """
        values, n_rows = np.array(self.log_densities), self.weights.sum()
        # A log density may be -inf, of which the difference is NaN.
        with np.errstate(invalid="ignore"):
            paired = values[np.argmax(self.means)] - values
            differences = np.average(paired, axis=1, weights=self.weights)
            squares = (paired - differences[:, np.newaxis]) ** 2 @ self.weights
        return differences, np.sqrt(squares / max(n_rows - 1, 1) / n_rows)

    def chosen(self):
        """The smallest number within one standard error of the best [1]_.

        References
        ----------
        .. [1] L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone (1984).
           Classification and regression trees. Wadsworth, section 3.4.3.
        """
        good = np.less_equal(*self.differences())
        # The best is always within one standard error, even where differences are NaN.
        good[np.argmax(self.means)] = True
        return int(np.min(self.numbers, where=good, initial=max(self.numbers)))

    def table(self):
        """Return the trials as a dict of arrays with one entry for each number."""
        differences, errors = self.differences()
        return {
            "n_experts": np.array(self.numbers),
            "log_likelihood": self.means,
            "difference": differences,
            "standard_error": errors,
        }

    def warnings(self):
        """Yield warnings, as (message, category)."""
        if self.failed is not None:
            number, error = self.failed
            notes = " ".join(getattr(error, "__notes__", ()))
            yield (
                f"n_experts='auto' tried no more than {self.numbers[-1]}: with "
                f"{number} experts the fit failed. {type(error).__name__}: {error} "
                f"{notes}".rstrip(),
                UserWarning,
            )


def double(log_densities_of, weights, largest):
    """Try 1, 2, 4, 8, ... experts until held-out rows are predicted no better.

    The last fit costs about as much as all before it together.

    Parameters
    ----------
    log_densities_of : callable
        ``log_densities_of(number)`` returns the log density of each held-out row.
    weights : ndarray of shape (n_held_out,)
    largest : int
        The largest number to be tried.

    Returns
    -------
    trials : Trials
    """
    numbers, log_densities, means, failed = [], [], [], None
    for number in (2**exponent for exponent in count()):
        no_better = len(means) > 1 and means[-1] <= max(means[:-1])
        if number > largest or (number > LEAST_TRIED and no_better):
            break
        try:
            values = log_densities_of(number)
        except Exception as error:
            if number == 1:
                raise
            failed = number, error
            break
        numbers.append(number)
        log_densities.append(values)
        means.append(np.average(values, weights=weights))
    return Trials(numbers, log_densities, weights, failed)


def most_experts(n_rows):
    """Return the largest number of experts to try with this many training rows."""
    return max(1, min(MOST_EXPERTS, n_rows // ROWS_OF_AN_EXPERT))


def try_numbers(
    mixture,
    training,
    random_state,
    *,
    fit="fit",
    fit_params,
    given_folds=None,
    **arguments,
):
    """Try numbers of experts in copies of a mixture, which itself is not changed.

    Parameters
    ----------
    mixture : unfitted mixture
    training : TrainingSet
    random_state : RandomState instance
        Its state is not changed, so that the final fit is the same as if the chosen
        number had been given.
    fit : {"fit", "partial_fit"}, default="fit"
        Method by which the mixture is going to be fitted.
    fit_params : dict
        Further arguments of the method, for the rows of the training set.
    given_folds : list of (ndarray, ndarray) or None
        Folds given by the user to evaluate the experts. They are used here as well,
        since they may keep groups of rows together.
    **arguments : dict
        Further arguments that do not depend on the rows.

    Returns
    -------
    trials : Trials
    """
    block, subjects = training.block, training.block.subjects
    if _largest(block) == 1:
        return Trials([1], [np.array([np.nan])], np.ones(1))
    random_state = deepcopy(random_state)
    seed = random_state.randint(np.iinfo(np.int32).max)
    classification = is_classifier(mixture)
    splits = given_folds
    if splits is None:
        splits = training.folds(
            HELD_OUT_FOLDS, random_state, classification=classification
        )
        if (len(block.y) if subjects is None else len(subjects)) >= FEW_ROWS:
            splits = splits[:1]
    if classification:
        moves = "groups" not in training.of_splitter
        splits = [_with_all_classes(block, *split, moves=moves) for split in splits]
    alone = len(splits) == 1
    params = mixture.get_params(deep=False) | {
        "n_jobs": mixture.n_jobs if alone else None,
        "random_state": seed,
        "verbose": 0,
        # The sample weights include the class weights already.
        **dict.fromkeys({"class_weight"} & vars(mixture).keys()),
    }

    def log_densities_of(number):
        calls = []
        for train, test in splits:
            own = {"n_experts": number}
            if given_folds is not None:
                own["cv"] = _inner(given_folds, train, training, mixture.cv)
            trial = type(mixture)(**params | own)
            calls.append((trial, fit, block, train, test, fit_params, arguments))
        results = run_parallel(1 if alone else mixture.n_jobs, _fit_trial, calls)
        return np.concatenate(results)

    largest = min(_largest(block.take(train)) for train, _ in splits)
    weights = [_weights_of_trial(block.take(test)) for _, test in splits]
    return double(log_densities_of, np.concatenate(weights), largest)


def _largest(block):
    """Return the largest number of experts to try with the rows of a block."""
    largest = most_experts(len(block.y))
    # All rows of a subject belong to one expert.
    return largest if block.subjects is None else min(largest, len(block.subjects))


def _weights_of_trial(block):
    """Return the weights of the rows of a block, or ones for its subjects."""
    if block.subjects is None:
        return block.sample_weight
    return np.ones(len(block.subjects))


def _fit_trial(mixture, fit, block, train, test, fit_params, arguments):
    """Fit the training rows; return the log densities of test rows or subjects."""
    own = params_of_rows(block.X, fit_params, train)
    training, held_out = block.take(train), block.take(test)
    # The final fit reports its own warnings.
    with without_warnings():
        getattr(mixture, fit)(**training.arguments(), **arguments, **own)
        rows = held_out.arguments()
        if block.subjects is None:
            del rows["sample_weight"]
            return mixture.score_samples(**rows)
        log_density = mixture.score_samples(**rows)
    return held_out.subjects.sums(log_density, held_out.sample_weight)


def _with_all_classes(block, train, test, *, moves):
    """Return a split without test rows of classes that are not in the training rows.

    With `moves`, these rows are moved to the training rows, whole subjects at a time.
    Otherwise, where this would divide groups, they are left out.
    """
    y, subjects = block.y, block.subjects
    lacking = ~np.isin(y[test], y[train])
    if subjects is not None:
        own = subjects.codes[test]
        lacking = np.isin(own, own[lacking])
    if moves:
        train = np.concatenate([train, test[lacking]])
    return train, test[~lacking]


def _inner(folds, train, training, splitter):
    """Return the folds restricted to the training rows of one of them, for inner CV."""
    block = training.block
    if len(folds) == 2:
        # The only other fold would leave no training rows.
        if not training.of_splitter:
            return 2
        X, y = safe_indexing(block.X, train), block.y[train]
        own = check_method_params(block.X, training.of_splitter, train)
        return list(splitter.split(X, y, **own))
    position = np.full(len(block.y), -1)
    position[train] = np.arange(len(train))
    within = [[position[rows] for rows in fold] for fold in folds]
    within = [[rows[rows >= 0] for rows in fold] for fold in within]
    return [(own_train, test) for own_train, test in within if len(test)]
