"""How sure the parameters of a mixture of linear experts are."""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import issparse
from scipy.special import softmax
from scipy.stats import norm
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import gen_batches

from sklearn_moe._compat import check_sample_weight
from sklearn_moe._mixture import check_fitted_mixture
from sklearn_moe.gates import SoftmaxGate, softmax_columns
from sklearn_moe.likelihoods import GaussianNoise, PoissonNoise

COVARIANCES = ("observed", "sandwich", "opg")

# Information below this part of what the same rows could tell at best is none.
LEAST_INFORMATION = 1e-8

# A parameter has no standard error if more than this part of it (the square of a
# cosine) lies where there is no information.
LARGEST_UNKNOWN_PART = 1e-8

# So many rows at a time: of each the second derivatives by all pairs of terms are held.
BATCH_SIZE = 1024


def summary(mixture, X, y, sample_weight=None, *, covariance="observed"):
    r"""Estimates, standard errors and tests for a mixture of linear experts.

    The standard errors are those of maximum likelihood, as `refit` of the R package
    flexmix [1]_ gives them. They are about all parameters at once: that it is not known
    which expert a row came from makes them larger than those of each expert alone.

    Parameters
    ----------
    mixture : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted. Its experts are linear models, or pipelines that end in one: with
        gaussian noise any with `coef_` and `intercept_`
        (:class:`~sklearn.linear_model.LinearRegression`), with Poisson noise those of
        the logarithm of the mean (:class:`~sklearn.linear_model.PoissonRegressor`),
        among classifiers :class:`~sklearn.linear_model.LogisticRegression`. Its gate is
        a :class:`SoftmaxGate`, a pipeline that ends in one, or
        ``DummyClassifier(strategy="prior")``, a constant gate.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        The rows that it was fitted to.
    y : array-like of shape (n_samples,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights. None means equal weights.
    covariance : {"observed", "sandwich", "opg"}, default="observed"
        Covariance of the estimates. With :math:`s_i` the gradient of
        :math:`\log p(y_i | x_i)` by the parameters, and :math:`I` the negative Hessian
        of :math:`\sum_i w_i \log p(y_i | x_i)`:

        - "observed": :math:`I^{-1}`, the inverse of the observed information. A weight
          of 2 equals the row twice.
        - "sandwich": :math:`I^{-1} (\sum_i w_i^2 s_i s_i^T) I^{-1}`, which does not
          suppose that noise, links and number of experts are right [2]_. Each row
          counts as one observation, whatever its weight: the unit of the weights does
          not matter.
        - "opg": :math:`(\sum_i w_i s_i s_i^T)^{-1}`, of outer products of gradients
          alone. A weight of 2 equals the row twice.

    Returns
    -------
    table : pandas.DataFrame
        One row for each parameter, with the columns `estimate`, `std_error`, `z` and
        `p_value` (two-sided). The index has two levels: `part`, the name of an expert
        or ``"gate: <expert>"``, and `parameter`, ``"(intercept)"``, the name of a
        column or ``"(scale)"``. The gate's coefficients are those against the first
        expert, in the units of what the gate sees; with more than two classes those of
        an expert are against the first class. No test is made of a scale, which cannot
        be zero. NaN stands where there is no finite standard error.

    Raises
    ------
    TypeError
        If an expert, the noise or the gate is of another kind.
    ValueError
        If there are several targets, or `covariance` is unknown.
    ImportError
        If pandas is not installed.

    Warns
    -----
    UserWarning
        If there are parameters of which the data tell nothing.

    See Also
    --------
    MixtureOfExpertsRegressor : Its `log_likelihood_` compares whole fits.

    Notes
    -----
    The theory is that of maximum likelihood. For it set ``sharing=0``, no penalty of
    experts and gate (``SoftmaxGate(alpha=0)``), soft assignment, no `cv`, and a small
    `tol`. For other fits the table is an approximation: it tells how sharply the
    likelihood bends where the estimates are, and nothing of the bias that a penalty
    brings. What the steps of a pipeline before the linear model have learnt counts as
    known.

    The information is computed in closed form [3]_: what rows would tell if one knew
    which expert they came from, less what is lost by not knowing,

    .. math::
        I = \sum_i w_i \Big( \sum_k r_{ik} B_{ik}
        - \sum_k r_{ik} (s_{ik} - s_i) (s_{ik} - s_i)^T \Big),

    where :math:`r_{ik}` are the responsibilities, :math:`s_{ik}` and :math:`B_{ik}` the
    gradient and the negative Hessian of :math:`\log g_k(x_i) \, p_k(y_i | x_i)`, and
    :math:`s_i = \sum_k r_{ik} s_{ik}`. The standard error of a scale follows from that
    of its logarithm by the delta method.

    References
    ----------
    .. [1] B. Grün and F. Leisch (2008). FlexMix version 2: finite mixtures with
       concomitant variables and varying and constant parameters. Journal of Statistical
       Software 28(4), 1-35.
    .. [2] H. White (1982). Maximum likelihood estimation of misspecified models.
       Econometrica 50(1), 1-25.
    .. [3] T. A. Louis (1982). Finding the observed information matrix when using the EM
       algorithm. Journal of the Royal Statistical Society B 44(2), 226-233.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate
    >>> from sklearn_moe.inspection import summary
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.3 * rng.normal(size=300)
    >>> moe = MixtureOfExpertsRegressor(
    ...     LinearRegression(),
    ...     n_experts=2,
    ...     gate=SoftmaxGate(alpha=0),
    ...     sharing=0,
    ...     tol=1e-8,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> summary(moe, X, y).loc["expert0"].round(2)
                 estimate  std_error      z  p_value
    parameter
    (intercept)      0.02       0.05   0.35     0.73
    x0               0.99       0.03  36.59     0.00
    (scale)          0.28       0.02    NaN      NaN
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "summary returns a pandas frame, but pandas is not installed. Install it: "
            "pip install pandas."
        ) from error
    if covariance not in COVARIANCES:
        raise ValueError(
            f"'covariance' must be one of {list(COVARIANCES)}; got {covariance!r}."
        )
    check_fitted_mixture(mixture, "summary")
    X, y = mixture._checked_X(X), mixture._encode_y(y)
    responsibilities = mixture.responsibilities(X, mixture._decode_y(y)).astype(
        np.float64
    )
    weights = check_sample_weight(
        sample_weight, responsibilities, dtype=np.float64, ensure_non_negative=True
    )
    experts = _experts(mixture, X, y, weights)
    gate = _gate(mixture, X, weights)
    terms = [term for part in [*experts, gate] for term in part.terms]
    information, products = _information(
        experts,
        gate,
        responsibilities,
        weights,
        weights**2 if covariance == "sandwich" else weights,
    )
    std_error = _standard_errors(
        terms,
        products if covariance == "opg" else information,
        products if covariance == "sandwich" else None,
        weights,
    )
    index = pd.MultiIndex.from_tuples(
        [(term.part, name) for term in terms for name in term.names],
        names=["part", "parameter"],
    )
    _warn_of_the_unknown(index, np.isnan(std_error))
    estimate = np.concatenate([term.estimate for term in terms])
    tested = np.concatenate([np.full(len(t.names), t.tested) for t in terms])
    z = np.where(tested, estimate / std_error, np.nan)
    columns = {
        "estimate": estimate,
        "std_error": std_error,
        "z": z,
        "p_value": 2 * norm.sf(np.abs(z)),
    }
    return pd.DataFrame(columns, index=index)


# The parts of a mixture
# ----------------------


@dataclass(frozen=True)
class Term:
    """Parameters that act together, as one number for each row.

    The number is the sum of the columns of a design, each times its parameter.

    Attributes
    ----------
    part : str
    names : list of str
    estimate : ndarray of shape (n_parameters,)
    design : ndarray of shape (n_samples, n_parameters)
        Standardised, so that units and origins do no harm.
    jacobian : ndarray of shape (n_parameters, n_parameters)
        Derivatives of the parameters by those of the standardised design.
    unit : float
        The information on the number that a row may be expected to give, if it is
        known which expert it came from.
    tested : bool
        Whether it makes sense to ask if the parameters are zero.
    """

    part: str
    names: list
    estimate: np.ndarray
    design: np.ndarray
    jacobian: np.ndarray
    unit: float
    tested: bool = True


@dataclass(frozen=True)
class Part:
    """An expert or the gate: its terms, and derivatives by the numbers of the terms.

    Attributes
    ----------
    terms : list of Term
    score : ndarray of shape (n_samples, n_terms)
        Derivatives of the log density of each target under the expert. For the gate
        of shape (n_samples, n_experts, n_terms): of the logarithms of its weights.
    curvature : ndarray of shape (n_samples, n_terms, n_terms)
        Negative second derivatives. (Those of all weights of a gate are the same.)
    """

    terms: list
    score: np.ndarray
    curvature: np.ndarray


@dataclass(frozen=True)
class LinearModel:
    """A linear model, and what it sees of the rows.

    Attributes
    ----------
    names : list of str
        Of its columns.
    columns : ndarray of shape (n_samples, n_columns)
    coef : ndarray of shape (n_numbers, n_columns)
        One row for each number that the model computes.
    intercept : ndarray of shape (n_numbers,) or None
    """

    names: list
    columns: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray | None

    @classmethod
    def of(cls, estimator, X):
        """The linear model at the end of a fitted expert, or None."""
        last, seen, names = _last_step(estimator, X)
        # What a frozen estimator holds was given, not estimated.
        frozen = isinstance(last, FrozenEstimator)
        if frozen or not (hasattr(last, "coef_") and hasattr(last, "intercept_")):
            return None
        columns = _as_array(seen)
        coef = np.atleast_2d(np.asarray(last.coef_, np.float64))
        if coef.shape[1] != columns.shape[1]:
            return None
        intercept = None
        if getattr(last, "fit_intercept", True):
            intercept = np.asarray(last.intercept_, np.float64).reshape(len(coef))
        return cls(names, columns, coef, intercept)

    @property
    def numbers(self):
        """What the model computes, shape (n_samples, n_numbers)."""
        numbers = self.columns @ self.coef.T
        return numbers if self.intercept is None else numbers + self.intercept

    def against_first(self):
        """The same, each number less the first."""
        intercept = self.intercept
        if intercept is not None:
            intercept = intercept[1:] - intercept[0]
        coef = self.coef[1:] - self.coef[0]
        return LinearModel(self.names, self.columns, coef, intercept)

    def terms(self, parts, weights, unit, prefixes=None):
        """One term for each number that the model computes."""
        names, estimates = self.names, self.coef
        mean = np.zeros(self.columns.shape[1])
        if self.intercept is not None:
            names = ["(intercept)", *names]
            estimates = np.column_stack([self.intercept, self.coef])
            mean = np.average(self.columns, axis=0, weights=weights)
        centred = self.columns - mean
        scale = np.sqrt(np.average(centred**2, axis=0, weights=weights))
        # A column of which only rounding is left is constant.
        constant = scale <= 1e-12 * np.abs(mean)
        design = np.where(constant, 0.0, centred / np.where(constant, 1.0, scale))
        jacobian = np.diag(1 / np.where(constant, 1.0, scale))
        if self.intercept is not None:
            design = np.column_stack([np.ones(len(design)), design])
            jacobian = block_diag(1.0, jacobian)
            jacobian[0, 1:] = -mean * jacobian.diagonal()[1:]
        return [
            Term(
                part,
                [prefix + name for name in names],
                estimate,
                design,
                jacobian,
                unit,
            )
            for part, prefix, estimate in zip(
                parts, prefixes or [""] * len(estimates), estimates
            )
        ]


def _last_step(estimator, X):
    """The last step of a fitted pipeline, what it sees, and the names of that."""
    names = list(X.columns) if hasattr(X, "columns") else None
    while isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            head = estimator[:-1]
            X, names = head.transform(X), None
            # A transformer need not know the names of its columns.
            with suppress(AttributeError, ValueError):
                names = list(head.get_feature_names_out())
        estimator = estimator[-1]
    if names is None:
        names = [f"x{j}" for j in range(X.shape[1])]
    return estimator, X, [str(name) for name in names]


def _as_array(columns):
    columns = columns.toarray() if issparse(columns) else columns
    return np.asarray(columns, dtype=np.float64)


def _experts(mixture, X, y, weights):
    """The experts, differentiated."""
    if y.ndim > 1:
        raise ValueError(
            f"summary is about mixtures with one target; y has {y.shape[1]}."
        )
    if is_classifier(mixture):
        differentiate, supported = _logistic_expert, "LogisticRegression"
        own = [mixture.classes_] * len(mixture.experts_)
    elif isinstance(mixture.noise_, GaussianNoise):
        differentiate, supported = _gaussian_expert, "LinearRegression or its like"
        own = mixture.noise_.scale_
    elif isinstance(mixture.noise_, PoissonNoise):
        differentiate, supported = _poisson_expert, "PoissonRegressor"
        own = [None] * len(mixture.experts_)
    else:
        raise TypeError(
            "summary knows gaussian and Poisson noise; the noise of this mixture is "
            f"{mixture.noise_!r}."
        )
    parts = []
    for (name, expert), known in zip(mixture.named_experts_.items(), own):
        model = LinearModel.of(expert, X)
        part = None
        if model is not None:
            part = differentiate(model, name, expert, X, y, weights, known)
        if part is None:
            raise TypeError(
                f"summary needs linear experts that EM has fitted, here {supported}, "
                f"or pipelines that end in one; expert {name!r} is {expert!r}."
            )
        parts.append(part)
    return parts


def _gaussian_expert(model, name, expert, X, y, weights, scale):
    [mean] = model.numbers.T
    if not _agree(mean, expert.predict(X)):
        return None
    error = (y - mean) / scale
    # What is normal for large samples is normal for smaller ones in the logarithm.
    log_scale = Term(
        name,
        ["(scale)"],
        np.array([scale]),
        np.ones((len(y), 1)),
        np.array([[scale]]),
        2.0,
        tested=False,
    )
    curvature = np.empty((len(y), 2, 2))
    curvature[:, 0, 0] = 1 / scale**2
    curvature[:, 0, 1] = curvature[:, 1, 0] = 2 * error / scale
    curvature[:, 1, 1] = 2 * error**2
    return Part(
        [*model.terms([name], weights, 1 / scale**2), log_scale],
        np.column_stack([error / scale, error**2 - 1]),
        curvature,
    )


def _poisson_expert(model, name, expert, X, y, weights, _):
    mean = np.exp(model.numbers)
    if not _agree(mean[:, 0], expert.predict(X)):
        return None
    terms = model.terms([name], weights, np.average(y, weights=weights))
    return Part(terms, y[:, np.newaxis] - mean, mean[:, :, np.newaxis])


def _logistic_expert(model, name, expert, X, y, weights, classes):
    labels, prefixes = [name], None
    if len(model.coef) > 1:
        labels = [name] * (len(classes) - 1)
        prefixes = [f"{label}: " for label in classes[1:]]
        model = model.against_first()
    logits = np.column_stack([np.zeros(len(y)), model.numbers])
    probability = softmax(logits, axis=1)
    if not (
        hasattr(expert, "predict_proba")
        and _agree(probability, expert.predict_proba(X))
        and np.array_equal(expert.classes_, classes)
    ):
        return None
    came_true = y[:, np.newaxis] == np.arange(len(classes))
    return Part(
        model.terms(labels, weights, 1.0, prefixes),
        (came_true - probability)[:, 1:],
        _softmax_curvature(probability),
    )


def _agree(computed, answered):
    """Whether an expert answers what its coefficients say."""
    tolerance = 1e-4 * np.abs(computed).max()
    return computed.shape == answered.shape and np.allclose(
        computed, answered, rtol=1e-4, atol=tolerance
    )


def _gate(mixture, X, weights):
    """The gate, differentiated by its logits against the first expert."""
    gate_weights = mixture.predict_gate(X).astype(np.float64)
    others = list(mixture.named_experts_)[1:]
    terms = []
    if others:
        model = _gate_model(mixture.gate_, X, gate_weights).against_first()
        terms = model.terms([f"gate: {name}" for name in others], weights, 1.0)
    came_from = np.eye(len(others) + 1)
    return Part(
        terms,
        (came_from - gate_weights[:, np.newaxis])[:, :, 1:],
        _softmax_curvature(gate_weights),
    )


def _gate_model(gate, X, gate_weights):
    """The linear model of a gate's logits."""
    last, X, names = _last_step(gate, X)
    if isinstance(last, SoftmaxGate):
        if last.encoder_ is not None:
            names = list(last.encoder_.get_feature_names_out())
        columns = _as_array(softmax_columns(last, X))
        return LinearModel(names, columns, last.coef_, last.intercept_)
    if isinstance(last, DummyClassifier) and last.strategy == "prior":
        # All rows have the same weights; that of a retired expert is zero.
        log_prior = np.log(np.maximum(gate_weights[0], np.finfo(np.float64).tiny))
        columns = np.empty((len(gate_weights), 0))
        return LinearModel([], columns, np.empty((len(log_prior), 0)), log_prior)
    raise TypeError(
        "summary needs a SoftmaxGate, a pipeline that ends in one, or a constant gate, "
        f'DummyClassifier(strategy="prior"); the gate is {gate!r}.'
    )


def _softmax_curvature(probability):
    """Negative Hessian of the log probability by the logits against the first."""
    others = probability[:, 1:, np.newaxis]
    return others * (np.eye(others.shape[1]) - others.swapaxes(1, 2))


# Information
# -----------


def _information(experts, gate, responsibilities, weights, product_weights):
    """Observed information by Louis's formula, and outer products of gradients.

    Both are about the parameters of the standardised designs.

    Parameters
    ----------
    experts : list of Part
    gate : Part
    responsibilities : ndarray of shape (n_samples, n_experts)
    weights, product_weights : ndarray of shape (n_samples,)
        Of the rows in the information, and in the products.

    Returns
    -------
    information, products : ndarray of shape (n_parameters, n_parameters)
    """
    parts = [*experts, gate]
    designs = [term.design for part in parts for term in part.terms]
    ends = np.cumsum([design.shape[1] for design in designs])
    columns = [slice(end - d.shape[1], end) for d, end in zip(designs, ends)]
    of_part = np.cumsum([0, *(len(part.terms) for part in parts)])
    own = [slice(*ends) for ends in pairwise(of_part)]
    information = np.zeros((ends[-1], ends[-1]))
    products = np.zeros_like(information)
    for rows in gen_batches(len(weights), BATCH_SIZE):
        r = responsibilities[rows]
        # If it were known which expert a row came from.
        score = np.zeros((*r.shape, len(designs)))
        curvature = np.zeros((len(r), len(designs), len(designs)))
        for k, (terms, expert) in enumerate(zip(own, experts)):
            score[:, k, terms] = expert.score[rows]
            share = r[:, k, np.newaxis, np.newaxis]
            curvature[:, terms, terms] = share * expert.curvature[rows]
        score[:, :, own[-1]] = gate.score[rows]
        curvature[:, own[-1], own[-1]] = gate.curvature[rows]
        # It is not known.
        expected = np.einsum("nk,nkt->nt", r, score)
        deviation = score - expected[:, np.newaxis]
        spread = (r[:, :, np.newaxis] * deviation).swapaxes(1, 2) @ deviation
        curvature -= spread
        curvature *= weights[rows, np.newaxis, np.newaxis]
        here = [design[rows] for design in designs]
        for s, left in enumerate(here):
            for t, right in enumerate(here[: s + 1]):
                block = left.T @ (curvature[:, s, t, np.newaxis] * right)
                information[columns[s], columns[t]] += block
        gradient = np.hstack(
            [expected[:, [t]] * design for t, design in enumerate(here)]
        )
        products += gradient.T @ (product_weights[rows, np.newaxis] * gradient)
    lower = np.tril(information)
    return lower + np.tril(lower, -1).T, products


def _standard_errors(terms, information, products, weights):
    """Standard errors of the parameters, NaN where the information says nothing.

    Parameters
    ----------
    terms : list of Term
    information : ndarray of shape (n_parameters, n_parameters)
    products : ndarray of shape (n_parameters, n_parameters) or None
        The middle of a sandwich.
    weights : ndarray of shape (n_samples,)

    Returns
    -------
    std_error : ndarray of shape (n_parameters,)
    """
    best = np.concatenate([term.unit * (weights @ term.design**2) for term in terms])
    scale = 1 / np.sqrt(np.where(best > 0, best, 1.0))
    information = scale[:, np.newaxis] * information * scale
    values, vectors = np.linalg.eigh(information)
    known = values > LEAST_INFORMATION
    root = vectors[:, known] / np.sqrt(values[known])
    covariance = root @ root.T
    if products is not None:
        covariance = covariance @ (scale[:, np.newaxis] * products * scale) @ covariance
    jacobian = block_diag(*(term.jacobian for term in terms)) * scale
    variance = np.einsum("ij,ij->i", jacobian @ covariance, jacobian)
    unknown = np.sum((jacobian @ vectors[:, ~known]) ** 2, axis=1)
    lost = unknown > LARGEST_UNKNOWN_PART * np.sum(jacobian**2, axis=1)
    return np.where(lost, np.nan, np.sqrt(np.maximum(variance, 0.0)))


def _warn_of_the_unknown(index, unknown):
    if not unknown.any():
        return
    named = "any parameter"
    if not unknown.all():
        named = "; ".join(" ".join(row) for row in index[unknown])
    warnings.warn(
        "The information matrix is not positive definite: there is no finite standard "
        f"error of {named}. Columns may be constant or collinear, the gate or a "
        "classifier may separate its rows, an expert may have been retired, or the fit "
        "is no maximum of the likelihood (lower tol, raise max_iter; these must be the "
        "rows that it was fitted to).",
        UserWarning,
        stacklevel=3,
    )
