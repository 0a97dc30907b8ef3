"""Targets of regressors and classifiers, in which the two mixtures differ."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_array, column_or_1d, get_tags
from sklearn.utils.multiclass import check_classification_targets

from sklearn_moe._estimators import seeded_clone
from sklearn_moe._exposure import check_exposure, check_requests, counts_of_rates
from sklearn_moe._in_memory import check_in_memory
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._statistics import (
    LARGEST_FLOAT32_TO_SQUARE,
    LARGEST_TO_SQUARE,
    TargetMoments,
)
from sklearn_moe._subjects import missing_labels
from sklearn_moe.experts import (
    Predictions,
    Probabilities,
    has_density,
    is_uniform,
    over_range,
)
from sklearn_moe.gates import sorted_labels
from sklearn_moe.likelihoods import (
    CategoricalLikelihood,
    GaussianNoise,
    NestedDensity,
    NestedDensityLikelihood,
    NoiseLikelihood,
    noise_model,
)

# Smallest spread of targets whose square does not underflow.
LEAST_SPREAD = 1e-110


@saved_as_dict
@dataclass(frozen=True)
class NumberTargets:
    """Targets of a regressor.

    Attributes
    ----------
    noise : str or Noise, default="gaussian"
        The parameter of the mixture.
    shape : tuple, default=()
        Shape of the target of one row: () or (n_outputs,); set by fit.
    exposed : str or None, default=None
        The argument of `fit`, "exposure" or "sample_weight", that gave the exposure of
        the counts, or None if they had none; set by fit.
    """

    noise: Any = "gaussian"
    shape: tuple = ()
    exposed: str | None = None

    estimator_type = "regressor"
    has_noise = True
    classes = None
    class_weight = None

    # L2 penalty of the default gate for experts that do not specialise; see the user
    # guide.
    given_experts_alpha = 0.3

    @property
    def column_labels(self):
        """Labels of the columns of an expert's prediction, for each axis."""
        return [range(n_outputs) for n_outputs in self.shape]

    # Checks
    # ------

    def check(self, y):
        """Validate targets (n_samples,) or (n_samples, n_outputs)."""
        check_in_memory(y=y)
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        return y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)

    def learnt_from(self, y, named_experts):
        """Learn the shape of validated targets, which every expert must predict."""
        for name, expert in named_experts if y.ndim == 2 else ():
            if not get_tags(expert).target_tags.multi_output:
                raise ValueError(
                    f"y has {y.shape[1]} outputs, but expert {name!r}, a "
                    f"{type(expert).__name__}, predicts one; wrap it in "
                    "sklearn.multioutput.MultiOutputRegressor."
                )
        return replace(self, shape=y.shape[1:])

    def check_exposure(self, exposure, X, named_experts):
        """Validate exposures; raise ValueError if the targets cannot have any."""
        if exposure is None:
            return None
        if not noise_model(self.noise).takes_exposure:
            raise ValueError(
                f"'exposure' is for counts, but noise={self.noise!r} is not: it needs "
                "noise='poisson' or 'negative_binomial'. For amounts in proportion to "
                "an exposure, fit the rates, y / exposure."
            )
        for name, expert in named_experts:
            if is_uniform(expert):
                raise ValueError(
                    f"'exposure' does not support expert {name!r}, which is 'uniform': "
                    "counts of unequal exposure have no common range. Leave this "
                    "expert out; noise='negative_binomial' allows for outliers."
                )
            if has_density(expert):
                raise ValueError(
                    f"'exposure' does not reach expert {name!r}, which is a mixture "
                    "itself. Give its experts to this mixture."
                )
        return check_exposure(exposure, X)

    def with_exposure(self, X, y, sample_weight, exposure, named_experts):
        """Return validated targets, weights and exposures, and their argument's name.

        Rates whose weights are their exposures become counts.
        """
        exposed = None if exposure is None else "exposure"
        rated = exposed is None and noise_model(self.noise).takes_exposure
        if rated and sample_weight is not None:
            given = counts_of_rates(y, sample_weight, X)
            if given is not None:
                (y, sample_weight, exposure), exposed = given, "sample_weight"
        if exposed is None:
            return y, sample_weight, None, None
        exposure = self.check_exposure(exposure, X, named_experts)
        for name, expert in named_experts:
            check_requests(expert, name)
        return y, sample_weight, exposure, exposed

    def check_exposure_known(self, exposure):
        """Raise ValueError if exposures are missing that the fit had."""
        if self.exposed and exposure is None:
            raise ValueError(
                "The mixture was fitted to counts of unequal exposure: give that of "
                "these counts as 'exposure', which may be ones."
            )

    def encode(self, y):
        """Convert targets to floats, which the noise model must be able to produce."""
        y = self.check(y)
        if y.shape[1:] != self.shape:
            raise ValueError(
                "y must have the shape of a row's target in fit, "
                f"{self.shape}; got {y.shape[1:]}."
            )
        noise_model(self.noise).check_target(y)
        largest = float(np.abs(y).max(initial=0))
        if largest > LARGEST_TO_SQUARE:
            raise ValueError(
                f"y is too large: it has {largest:.3g}, and squares overflow beyond "
                f"{LARGEST_TO_SQUARE:.0e}. Change its unit, or take its logarithm."
            )
        keeps_float32 = y.dtype == np.float32 and largest <= LARGEST_FLOAT32_TO_SQUARE
        return y.astype(np.float32 if keeps_float32 else np.float64)

    def decode(self, encoded_y):
        """Invert `encode`."""
        return encoded_y

    def check_stream(self):
        """Raise ValueError if the noise cannot be learnt from batches."""
        noise_model(self.noise).check_stream()

    def going_on_from(self, learnt):
        """Return the targets of the stream; raise ValueError if the noise differs."""
        began, now = (type(noise_model(targets.noise)) for targets in (learnt, self))
        if began is not now:
            raise ValueError(
                f"The stream began with {began.__name__}; 'noise' is {now.__name__} "
                "now. Set it back, or start a new stream with a clone."
            )
        return learnt

    def check_partitions(self):
        """Raise ValueError if the noise cannot be learnt from partitions."""
        if not noise_model(self.noise).adds_up:
            raise ValueError(
                f"On Dask collections noise={self.noise!r} cannot be fitted: it needs "
                "all rows in one place. Noise models that are estimated from means are "
                "'gaussian', 'laplace', 'poisson', 'gamma' and 'lognormal'."
            )

    # Parts of EM
    # -----------

    @property
    def output_of(self):
        """Function that returns the output of one expert; with exposure, a rate."""
        return Predictions(self.shape, 1.0 if self.exposed else None)

    def default_expert(self):
        """Return the estimator that ``experts=None`` means."""
        try:
            noise = noise_model(self.noise)
        except ValueError:
            # `fit` raises an error about an invalid noise, but tags and HTML must not.
            noise = GaussianNoise()
        return noise.default_expert()

    def default_experts(self, named_experts, block):
        """Return the experts that ``experts=None`` means, for any unit of exposure.

        Penalty and tolerance are relative to the mean log-likelihood of a row, but the
        experts' loss is a mean per unit of exposure, so that both are rescaled.
        """
        if block.exposure is None:
            return named_experts
        unit = block.expert_weight.sum() / block.sample_weight.sum()
        expert = self.default_expert()
        expert.set_params(alpha=expert.alpha / unit, tol=expert.tol / unit)
        return [(name, expert) for name, _ in named_experts]

    def summarize(self, rows):
        """Return the moments and the range of all targets, for the likelihood."""
        return rows.total(_moments_of_block)

    def check_uniform(self, name):
        """Do nothing, since numbers may have a uniform density."""

    def over_range(self, named_experts, rows):
        """Set the range of a uniform expert to that of all targets."""
        if not any(is_uniform(expert) for _, expert in named_experts):
            return named_experts
        discrete = noise_model(self.noise).discrete
        return over_range(named_experts, self.summarize(rows), discrete=discrete)

    def range_of(self, moments, before=None):
        """Return the least and largest target (2, ...), including those before."""
        found = np.stack([moments.least, moments.largest]).astype(np.float64)
        if before is None:
            return found
        return np.stack([np.minimum(before, found)[0], np.maximum(before, found)[1]])

    def likelihood(self, moments, experts, random_state):
        """Create the likelihood that EM fits, for targets of these moments."""
        _check_spread(moments)
        noise = seeded_clone(noise_model(self.noise), random_state)
        noise = noise.of_experts(experts)
        return _with_nested(NoiseLikelihood(noise, moments), experts)

    def next_likelihood(self, fitted, moments, experts):
        """Create a likelihood that continues from one fitted to other rows."""
        _check_spread(moments)
        return _with_nested(NoiseLikelihood(without_nested(fitted), moments), experts)

    def n_parameters(self, fitted, experts, numbers):
        """Count the parameters of the likelihoods of the experts of these indices."""
        return without_nested(fitted).take(numbers).n_parameters()


@saved_as_dict
@dataclass(frozen=True)
class ClassTargets:
    """Targets of a classifier.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,), default=None
        Sorted labels; set by fit.
    class_weight : dict, "balanced" or None, default=None
        The parameter of the mixture.
    """

    classes: Any = None
    class_weight: Any = None

    estimator_type = "classifier"
    has_noise = False
    shape = ()
    given_experts_alpha = "auto"

    @property
    def column_labels(self):
        """Labels of the columns of an expert's prediction, for each axis."""
        return [self.classes]

    exposed = None

    def check_exposure(self, exposure, X, named_experts):
        """Raise ValueError if there is an exposure, which classes cannot have."""
        if exposure is not None:
            raise ValueError(
                "'exposure' is for counts; a mixture of classifiers has none. Give "
                "weights of rows as 'sample_weight'."
            )

    def with_exposure(self, X, y, sample_weight, exposure, named_experts):
        """Return the arguments unchanged; see `NumberTargets.with_exposure`."""
        self.check_exposure(exposure, X, named_experts)
        return y, sample_weight, None, None

    def check_exposure_known(self, exposure):
        """Do nothing, since classes have no exposure."""

    def check(self, y):
        """Validate labels; see `NumberTargets.check`."""
        check_in_memory(y=y)
        labels = np.asarray(y)
        if labels.dtype == object and labels.ndim == 1:
            missing = missing_labels(labels)
            if missing.any():
                raise ValueError(
                    f"y has no label for row {missing.argmax()}: Input y contains NaN, "
                    f"None or NA in {missing.sum()} rows. Leave them out, whatever "
                    "their weight."
                )
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        return column_or_1d(y, warn=True)

    def learnt_from(self, y, named_experts):
        """Learn the classes of validated labels, unless they are known.

        See `NumberTargets.learnt_from`.
        """
        if self.classes is not None:
            return self
        classes, _ = sorted_labels(y)
        check_classification_targets(y)
        if len(classes) < 2:
            raise ValueError(
                "A mixture of classifiers needs at least 2 classes in y; got one "
                f"class: {classes.tolist()[0]!r}."
            )
        return replace(self, classes=classes)

    def encode(self, y):
        """Convert labels to integers 0, ..., n_classes - 1."""
        y = self.check(y)
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"y has classes that were not seen in fit: {unknown.tolist()}. The "
                f"mixture knows {self.classes.tolist()}."
            )
        return np.searchsorted(self.classes, y)

    def decode(self, encoded_y):
        """Invert `encode`."""
        return self.classes[encoded_y]

    def check_stream(self):
        """Raise ValueError if class weights cannot be learnt from batches."""
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' cannot be learnt from batches, since the "
                "shares of the classes differ. Give the weights as a dict, such as "
                "dict(zip(classes, compute_class_weight('balanced', classes=classes, "
                "y=y))) of a sample of the targets."
            )

    def going_on_from(self, learnt):
        """Return the targets of the stream with the present class weights."""
        return replace(learnt, class_weight=self.class_weight)

    def check_partitions(self):
        """Do nothing, since error rates can be learnt from partitions."""

    @property
    def output_of(self):
        """Function that returns the output of one expert."""
        return Probabilities(self.classes)

    def default_expert(self):
        """Return the estimator that ``experts=None`` means."""
        return LogisticRegression()

    def check_uniform(self, name):
        """Raise TypeError, since classes have no range."""
        raise TypeError(
            f"Expert {name!r} is 'uniform', a density over a range of numbers, which "
            "is for mixtures of regressors. A mixture of classifiers takes estimators, "
            "and 'drop' to leave one out."
        )

    def over_range(self, named_experts, rows):
        """Return the experts unchanged; see `NumberTargets.over_range`."""
        return named_experts

    def default_experts(self, named_experts, block):
        """Return the experts unchanged; see `NumberTargets.default_experts`."""
        return named_experts

    def range_of(self, moments, before=None):
        """Return None, since classes have no range."""

    def summarize(self, rows):
        """Return None, since the likelihood needs no summary of the labels."""

    def likelihood(self, moments, experts, random_state):
        """Create the likelihood that EM fits; see `NumberTargets.likelihood`."""
        return _with_nested(CategoricalLikelihood(len(self.classes)), experts)

    def next_likelihood(self, fitted, moments, experts):
        """Create a likelihood that continues; see `NumberTargets.next_likelihood`."""
        return self.likelihood(moments, experts, None)

    def n_parameters(self, fitted, experts, numbers):
        """Count the error rates of experts that predict labels only."""
        error_rate = without_nested(fitted).error_rate
        return sum(
            error_rate[k] > 0 or not hasattr(experts[k], "predict_proba")
            for k in numbers
        )


def without_nested(fitted):
    """Return the likelihood of the experts without their own density."""
    return fitted.noise if isinstance(fitted, NestedDensity) else fitted


def _with_nested(likelihood, experts):
    nested = any(map(has_density, experts))
    return NestedDensityLikelihood(likelihood) if nested else likelihood


def _moments_of_block(block):
    moments = TargetMoments.of(block.encoded_rate, block.expert_weight)
    # A spread whose square underflows must not count as zero.
    varies = (moments.variance == 0) & (moments.least < moments.largest)
    return replace(moments, variance=np.where(varies, 1e-300, moments.variance))


def _check_spread(moments):
    """Raise ValueError if targets are so small that their squares underflow."""
    magnitude = np.maximum(np.abs(moments.mean), moments.spread)
    if np.any((magnitude > 0) & (magnitude < LEAST_SPREAD)):
        raise ValueError(
            f"y is too small: its numbers are below {LEAST_SPREAD:.0e}, and squares "
            "underflow. Change its unit."
        )
