"""Estimates and standard errors of the parameters of a mixture of linear experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

import warnings

import numpy as np
from scipy.stats import norm

from sklearn_moe._subjects import check_subjects
from sklearn_moe.inspection._derivatives import expert_derivatives, gate_derivatives
from sklearn_moe.inspection._information import (
    information_of_subjects,
    observed_information,
    standard_errors,
)
from sklearn_moe.inspection._validation import check_data

COVARIANCES = ("observed", "sandwich", "opg")


def summary(
    model: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    subjects: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    covariance: Literal["observed", "sandwich", "opg"] = "observed",
) -> pd.DataFrame:
    r"""Return estimates, standard errors and tests for a mixture of linear experts.

    The standard errors are those of maximum likelihood, as in `refit` of the R package
    flexmix [1]_. They come from the joint information of all parameters, and are larger
    than for a single expert, since it is not known which expert a row came from.

    Read more in the :ref:`User Guide <guide_standard_errors>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or a model around one, such as a pipeline that ends in it or a
        search: see :func:`fitted_mixture`. Its experts are linear models, or pipelines
        that end in one: with gaussian noise any model with `coef_` and `intercept_`
        (:class:`~sklearn.linear_model.LinearRegression`), with Poisson noise models of
        the logarithm of the mean (:class:`~sklearn.linear_model.PoissonRegressor`), for
        classification :class:`~sklearn.linear_model.LogisticRegression`. A constant
        (:class:`~sklearn.dummy.DummyRegressor`) has an intercept if it is a mean, and
        none if it was given, as zero is in zero-inflated counts. Its gate is a
        :class:`~sklearn_moe.SoftmaxGate`, a pipeline that ends in one, or
        ``DummyClassifier(strategy="prior")``, a constant gate.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Rows that the model was fitted to.
    y : array-like of shape (n_samples,)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    subjects : array-like of shape (n_samples,), default=None
        Labels of the subjects of the rows, as in `fit`. Each subject is one
        observation, whose gradient is the weighted sum of those of its rows, so that
        "sandwich" is the covariance clustered by subject.
    exposure : array-like of shape (n_samples,), default=None
        Exposure of counts, as in the fit.
    covariance : {"observed", "sandwich", "opg"}, default="observed"
        Covariance of the estimates. With :math:`s_i` the gradient of
        :math:`\log p(y_i | x_i)` by the parameters, and :math:`I` the negative Hessian
        of :math:`\sum_i w_i \log p(y_i | x_i)`:

        - "observed": :math:`I^{-1}`, the inverse of the observed information. A row of
          weight 2 equals two rows.
        - "sandwich": :math:`I^{-1} (\sum_i w_i^2 s_i s_i^T) I^{-1}`, which does not
          assume that noise, links and number of experts are right [2]_. Each row counts
          as one observation, whatever its weight: the unit of the weights does not
          matter.
        - "opg": :math:`(\sum_i w_i s_i s_i^T)^{-1}`, the inverse of the outer products
          of gradients. A row of weight 2 equals two rows.

    Returns
    -------
    table : pandas.DataFrame
        One row for each parameter, with the columns `estimate`, `std_error`, `z` and
        `p_value` (two-sided). The index has two levels: `part`, the name of an expert
        or ``"gate: <expert>"``, and `parameter`, ``"(intercept)"``, the name of a
        column that the expert or the gate sees, or ``"(scale)"``. The gate's
        coefficients are relative to the first expert, in the units of the gate's input.
        With more than two classes, those of an expert are relative to the first class.
        A scale is not tested, since it cannot be zero. NaN means that there is no
        finite standard error.

    Raises
    ------
    TypeError
        If the type of an expert, of the noise or of the gate is not supported.
    ValueError
        If there are several targets, or `covariance` is unknown.
    ImportError
        If pandas is not installed.

    Warns
    -----
    UserWarning
        If the data have no information about some parameters.

    See Also
    --------
    sklearn_moe.MixtureOfExpertsRegressor : Estimator with `log_likelihood_`, to compare
        whole fits.

    Notes
    -----
    The theory is that of maximum likelihood. It requires ``sharing=0``, no penalty of
    experts and gate (``SoftmaxGate(alpha=0)``), soft assignment, no `cv`, and a small
    `tol`. For other fits the table is an approximation: it describes the curvature of
    the likelihood at the estimates, but not the bias due to a penalty. Parameters of
    the steps of a pipeline before the linear model are taken as known.

    The information is computed in closed form [3]_. It is the information if it were
    known which expert each row came from, less what is lost because it is not known:

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
    seen, _ = check_data(model, X, y, sample_weight, "summary", takes_exposure=True)
    mixture, X, targets = seen.mixture, seen.X, seen.mixture._targets_
    y = targets.encode(seen.y)
    weights = mixture._count_rows(X, targets.decode(y), sample_weight)
    mixture._check_subjects_given(subjects)
    responsibilities = mixture.responsibilities(
        X,
        targets.decode(y),
        subjects=subjects,
        exposure=exposure,
        sample_weight=sample_weight,
    ).astype(np.float64)
    if subjects is not None:
        subjects = check_subjects(subjects, X).weighted(weights)
    experts = expert_derivatives(mixture, X, y, weights, seen.names, exposure)
    gate = gate_derivatives(mixture, X, weights, seen.names, subjects)
    predictors = [p for part in [*experts, gate] for p in part.predictors]
    if subjects is None:
        information, products = observed_information(
            experts,
            gate,
            responsibilities,
            weights,
            weights**2 if covariance == "sandwich" else weights,
        )
    else:
        information, products = information_of_subjects(
            experts, gate, responsibilities, subjects
        )
    std_error = standard_errors(
        predictors,
        products if covariance == "opg" else information,
        products if covariance == "sandwich" else None,
        weights,
    )
    labels = [label for p in predictors for label in p.labels]
    index = pd.MultiIndex.from_tuples(labels, names=["part", "parameter"])
    _warn_if_unknown(index, np.isnan(std_error))
    estimate = np.concatenate([p.estimate for p in predictors])
    tested = np.concatenate([np.full(len(p.labels), p.tested) for p in predictors])
    z = np.where(tested, estimate / std_error, np.nan)
    columns = {
        "estimate": estimate,
        "std_error": std_error,
        "z": z,
        "p_value": 2 * norm.sf(np.abs(z)),
    }
    return pd.DataFrame(columns, index=index)


def _warn_if_unknown(index, unknown):
    if not unknown.any():
        return
    named = "any parameter"
    if not unknown.all():
        named = "; ".join(" ".join(pair) for pair in index[unknown])
    warnings.warn(
        "The information matrix is not positive definite: there is no finite standard "
        f"error of {named}. Columns may be constant or collinear, the gate or a "
        "classifier may separate its rows, an expert may have been retired, or the "
        "estimates may not maximise the likelihood of these rows (give the rows of the "
        "fit, lower tol, or raise max_iter).",
        UserWarning,
        stacklevel=3,
    )
