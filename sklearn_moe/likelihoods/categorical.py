"""The likelihood of classes: the probability that an expert gives to the true class."""

from dataclasses import dataclass

import numpy as np

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._statistics import Sums

# Lower limit of probabilities, so that the log loss of a mistake is finite.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)

# Number of rows that are inspected first to find the experts that predict
# probabilities; all rows are inspected only if some expert predicts none in these.
N_INSPECTED = 1000


@saved_as_dict
@dataclass(frozen=True)
class Categorical:
    """The probability that a classifier gives to the true class.

    A classifier that only votes, with probabilities 0 and 1, has an error rate e: the
    class for which it votes has the probability 1 - e, and each of the others
    e / (n_classes - 1). It can abstain, by giving all classes the same probability.

    Attributes
    ----------
    error_rate : ndarray of shape (n_experts,)
        Zero for experts that predict probabilities.
    """

    error_rate: np.ndarray

    has_working_weights = False

    def log_prob(self, y, outputs, X):
        """Return the log probability of classes encoded as 0, ..., n_classes - 1."""
        chosen = np.take_along_axis(outputs, y[:, np.newaxis, np.newaxis], axis=2)
        probability = self._with_errors(chosen[:, :, 0], outputs.shape[2])
        np.maximum(probability, SMALLEST_PROBABILITY, out=probability)
        return np.log(probability, out=probability)

    def working_weights(self, y, outputs):
        return 1.0

    def predictive(self, outputs):
        """Return class probabilities that account for the error rates of votes."""
        n_classes = outputs.shape[2]
        return self._with_errors(outputs.swapaxes(1, 2), n_classes).swapaxes(1, 2)

    def take(self, order):
        return Categorical(self.error_rate[order])

    def _with_errors(self, probabilities, n_classes):
        """Map probabilities 1 and 0 to 1 - e and e / (n_classes - 1).

        The experts are on the last axis.
        """
        if not self.error_rate.any():
            return probabilities
        error_rate = self.error_rate.astype(probabilities.dtype, copy=False)
        slip = error_rate / (n_classes - 1)
        return slip + (1 - n_classes * slip) * probabilities


@dataclass(frozen=True)
class VoteSums(Sums):
    """Statistic for the error rates of experts that only vote.

    Attributes
    ----------
    unsure : ndarray of shape (n_experts,)
        Number of inspected rows for which an expert predicts probabilities.
    wrong, decided : ndarray of shape (n_experts,)
        For an expert that only votes, the weight of the rows on which it is wrong, and
        of all rows on which it does not abstain; zero for other experts.
    """

    unsure: np.ndarray
    wrong: np.ndarray
    decided: np.ndarray


class CategoricalLikelihood:
    """Likelihood of classes; it estimates the error rates of experts that only vote.

    See `sklearn_moe._contracts.Likelihood` for its methods.

    Parameters
    ----------
    n_classes : int
        Targets are encoded as integers 0, ..., n_classes - 1.
    """

    def __init__(self, n_classes):
        self.n_classes = n_classes

    def summarize(self, block, outputs, weights):
        """Return the statistic of a block.

        In a block in which an expert predicts probabilities, its votes are not counted.
        """
        wrong, decided = np.zeros((2, outputs.shape[1]))
        unsure, _ = self._unsure(outputs[:N_INSPECTED])
        if unsure.all():
            return VoteSums(unsure, wrong, decided)
        unsure, abstains = self._unsure(outputs)
        y, weights = block.encoded_y, np.asarray(weights)
        misses = outputs[np.arange(len(y)), :, y] == 0
        for k in np.flatnonzero(unsure == 0):
            wrong[k] = weights[misses[:, k], k].sum()
            decided[k] = weights[~abstains[:, k], k].sum()
        return VoteSums(unsure, wrong, decided)

    def _unsure(self, outputs):
        """Return each expert's number of rows with probabilities, and abstentions."""
        certain = ((outputs == 0) | (outputs == 1)).all(axis=2)
        abstains = np.all(outputs == 1 / self.n_classes, axis=2)
        return np.count_nonzero(~(certain | abstains), axis=0), abstains

    def solve(self, statistic):
        """Return the error rates of the experts that only vote, in all rows."""
        wrong, decided = statistic.wrong, statistic.decided
        votes = (statistic.unsure == 0) & (decided > 0)
        error_rate = np.divide(wrong, decided, out=np.zeros(len(votes)), where=votes)
        # At chance level at most: the votes of a worse expert are not inverted.
        return Categorical(np.minimum(error_rate, 1 - 1 / self.n_classes))

    def recall(self, fitted, weight):
        return VoteSums(np.zeros(len(weight)), fitted.error_rate * weight, weight)

    def normalised_error(self, y, values, weights):
        """Return the mean probability that is given to wrong classes."""
        chosen = values[np.arange(len(y)), y]
        return 1 - np.average(chosen, weights=weights)
