"""The noise component: an expert with a uniform density of the targets."""

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin

from sklearn_moe._parameters import count_parameters
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._sklearn import num_samples

SINGLE = np.finfo(np.float32).eps


@saved_as_dict
class UniformExpert(RegressorMixin, BaseEstimator):
    """A uniform density over the range of the training targets, for outliers [1]_.

    A mixture replaces "uniform" in a list of experts by it. It is not fitted: the
    mixture sets the range. With several outputs, the density is uniform in a box.

    Parameters
    ----------
    least, largest : ndarray of shape () or (n_outputs,), default=None
        The range of the targets.
    discrete : bool, default=False
        Whether targets are counts: all counts in the range are then equally probable.

    References
    ----------
    .. [1] J. D. Banfield and A. E. Raftery (1993). Model-based Gaussian and
       non-Gaussian clustering. Biometrics 49(3), 803-821.
    """

    def __init__(self, least=None, largest=None, discrete=False):
        self.least = least
        self.largest = largest
        self.discrete = discrete

    def fit(self, X, y, sample_weight=None):
        """Return the expert: there is nothing to fit."""
        return self

    def predict(self, X):
        """Predict the middle of the range."""
        middle = (self.least + self.largest) / 2
        return np.broadcast_to(middle, (num_samples(X), *np.shape(middle))).copy()

    def score_samples(self, X, y):
        """Return the log density of targets, which is -inf outside the range."""
        # Targets at the ends of the range may have another precision than in fit.
        slack = SINGLE * np.maximum(np.abs(self.least), np.abs(self.largest))
        inside = (y >= self.least - slack) & (y <= self.largest + slack)
        width = self.largest - self.least + self.discrete
        log_density = np.where(inside, -np.log(width), -np.inf)
        return log_density if log_density.ndim == 1 else log_density.sum(axis=1)

    def distribution(self, n_rows):
        """Return the family of SciPy, and its parameters (n_rows, [n_outputs,] 1)."""
        width = self.largest - self.least
        parameters = {"loc": self.least, "scale": width}
        if self.discrete:
            parameters = {"low": self.least, "high": self.largest + 1}
        shape = (n_rows, *np.shape(width), 1)
        return stats.randint if self.discrete else stats.uniform, {
            name: np.broadcast_to(np.expand_dims(value, -1), shape)
            for name, value in parameters.items()
        }

    def __sklearn_is_fitted__(self):
        return self.least is not None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        return tags


@count_parameters.register
def _count_uniform(expert: UniformExpert):
    return 0


def is_uniform(expert):
    """Return whether an expert is a noise component."""
    return isinstance(expert, UniformExpert)


def over_range(named_experts, moments, *, discrete):
    """Set the range of the noise components among unfitted experts.

    Parameters
    ----------
    named_experts : list of (str, estimator)
    moments : TargetMoments
        Moments and range of the training targets.
    discrete : bool
        Whether the targets are counts.

    Returns
    -------
    named_experts : list of (str, estimator)

    Raises
    ------
    ValueError
        If all targets are the same.
    """
    least, largest = moments.least, moments.largest
    if np.any(least == largest):
        raise ValueError(
            "A 'uniform' expert is a density over the range of y, but y, or one of its "
            f"outputs, is constant: {np.ravel(least[least == largest])[0]:.6g}. Leave "
            "this expert out."
        )
    own = UniformExpert(*np.float64([least, largest]), discrete=discrete)
    return [(name, own if is_uniform(e) else e) for name, e in named_experts]
