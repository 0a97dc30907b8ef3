"""Explain individual predictions of a mixture."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

from dataclasses import dataclass
from html import escape

import numpy as np
from sklearn.base import is_classifier

from sklearn_moe._frames import is_missing, names_of
from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._sklearn import check_pandas_support
from sklearn_moe.inspection._attribution import break_down
from sklearn_moe.inspection._grid import FeatureTable
from sklearn_moe.inspection._origins import (
    Origins,
    UntraceableError,
    line_of,
    trace,
)
from sklearn_moe.inspection.rules import as_table

# Names of the parts of a prediction that do not belong to a column.
INTERCEPT = "(intercept)"
NOT_ATTRIBUTED, CLIPPED = "(not attributed)", "(clipped)"

# Numbers of rows, and of parts of each row, that are shown when it is printed.
MAX_ROWS = 3
MAX_PARTS = 8


@dataclass(frozen=True, repr=False)
class Explanation:
    """Result of :func:`~sklearn_moe.inspection.explain`. Print it to read it.

    Read more in the :ref:`User Guide <guide_explanations>`.

    Attributes
    ----------
    of : str
        The explained quantity: "prediction", the probability of a class, or an output.
    columns : list of str
        Names of the columns.
    note : str
        Differences to the model, such as explanations in transformed columns, on a
        transformed scale, or before calibration; empty if there are none.
    expert_names : list of str
        Names of the experts.
    parts : list of str
        Names of the parts of a prediction: ``"(intercept)"``, the columns, and if they
        occur, ``"(not attributed)"``, the prediction of an expert that cannot be
        attributed to columns, and ``"(clipped)"``, a prediction of an expert that is
        clipped to a range.
    index : list
        Names of the rows: the index of a pandas frame, otherwise their numbers.
    values : list of list
        Values of the columns, for each row.
    prediction : ndarray of shape (n_samples,)
        The predictions that are explained.
    interval : ndarray of shape (n_samples, 2) or None
        Prediction interval of a regressor.
    coverage : float
        Probability of the interval.
    gate_weights : ndarray of shape (n_samples, n_experts)
        Weights of the gate.
    weights : ndarray of shape (n_samples, n_experts)
        Weights of the experts in the prediction. They are those of the gate, unless
        ``combination="argmax"`` or `top_k` leaves some experts out.
    expert_predictions : ndarray of shape (n_samples, n_experts)
        Prediction of each expert.
    contributions : ndarray of shape (n_samples, n_experts, n_parts)
        Contribution of each part to the prediction through each expert. They sum to the
        prediction; NaN where an expert does not have the part.
    terms : ndarray of shape (n_samples, n_experts, n_parts)
        Intercept and terms, values times coefficients, of the linear predictor of each
        expert; NaN where there is none.
    coefficients : ndarray of shape (n_experts, n_columns)
        Coefficients in the units of the columns; NaN for columns that have none, such
        as categories.
    scales : list of str or None
        Scale on which the terms of each expert sum up: "prediction", "logarithm" (of
        the prediction), "log odds" or, for several classes, the score relative to their
        mean. None for an expert that is not linear.
    gate_terms : ndarray of shape (n_samples, n_experts, n_columns) or None
        Terms of the logits of the gate, relative to their mean over the experts: by how
        much the value of the column raises the logit of the expert. None if the gate is
        not linear.
    gate_intercept : ndarray of shape (n_experts,) or None
        Logits of the gate at the mean of the columns.

    See Also
    --------
    explain : Function that returns an explanation.
    """

    of: str
    columns: list
    note: str
    expert_names: list
    parts: list
    index: list
    values: list
    prediction: np.ndarray
    interval: np.ndarray | None
    coverage: float
    gate_weights: np.ndarray
    weights: np.ndarray
    expert_predictions: np.ndarray
    contributions: np.ndarray
    terms: np.ndarray
    coefficients: np.ndarray
    scales: list
    gate_terms: np.ndarray | None
    gate_intercept: np.ndarray | None

    @property
    def frame(self) -> "pd.DataFrame":
        """All parts of the predictions, as a pandas frame.

        The index has three levels: `row`, `expert` and `part`. The columns are `value`
        (of the user's column), `gate_term`, `coefficient`, `term` and `contribution`.
        The contributions of a row sum to its prediction.
        """
        pd = check_pandas_support("Explanation.frame")
        n_samples, n_experts, n_parts = self.contributions.shape
        after = n_parts - len(self.columns) - 1

        def padded(array):
            """Pad an array (..., n_columns) with NaN for the other parts."""
            width = [(0, 0)] * (array.ndim - 1) + [(1, after)]
            return np.pad(array.astype(np.float64), width, constant_values=np.nan)

        values = np.empty((n_samples, 1, n_parts), dtype=object)
        values[:, 0, 1 : -after or None] = _objects(self.values, len(self.columns))
        gate_term = np.full(self.contributions.shape, np.nan)
        if self.gate_terms is not None:
            gate_term = padded(self.gate_terms)
            gate_term[:, :, 0] = self.gate_intercept
        index = pd.MultiIndex.from_product(
            [self.index, self.expert_names, self.parts],
            names=["row", "expert", "part"],
        )
        shape = self.contributions.shape
        table = {
            "value": np.broadcast_to(values, shape).ravel(),
            "gate_term": gate_term.ravel(),
            "coefficient": np.broadcast_to(padded(self.coefficients), shape).ravel(),
            "term": self.terms.ravel(),
            "contribution": self.contributions.ravel(),
        }
        frame = pd.DataFrame(table, index=index)
        # Leave out parts that an expert does not have, except columns.
        kept = frame.drop(columns="value").notna().any(axis=1)
        return frame[kept | np.tile(self._is_column, n_samples * n_experts)]

    @property
    def experts(self) -> "pd.DataFrame":
        """Weights and answers of the experts, as a pandas frame.

        The index has the levels `row` and `expert`. The columns are `gate_weight`,
        `weight`, `prediction` (the answer of the expert) and `contribution`, the
        product of the last two. Contributions of a row sum to its prediction.
        """
        pd = check_pandas_support("Explanation.experts")
        index = pd.MultiIndex.from_product(
            [self.index, self.expert_names], names=["row", "expert"]
        )
        table = {
            "gate_weight": self.gate_weights.ravel(),
            "weight": self.weights.ravel(),
            "prediction": self.expert_predictions.ravel(),
            "contribution": (self.weights * self.expert_predictions).ravel(),
        }
        return pd.DataFrame(table, index=index)

    @property
    def _is_column(self):
        places = np.arange(len(self.parts))
        return (places > 0) & (places <= len(self.columns))

    def label(self, row: int, part: int) -> str:
        """Return the name of a part and, for a column, its value in a row.

        Parameters
        ----------
        row : int
            Number of the row.
        part : int
            Index of the part, in `parts`.

        Returns
        -------
        label : str
        """
        if not self._is_column[part]:
            return self.parts[part]
        return f"{self.parts[part]} = {_in_words(self.values[row][part - 1])}"

    def headline(self, row: int) -> str:
        """Return the prediction for a row, and its interval, as text.

        Parameters
        ----------
        row : int
            Number of the row.

        Returns
        -------
        text : str
        """
        text = f"{self.of} {self.prediction[row]:.4g}"
        if self.interval is not None:
            low, high = self.interval[row]
            text += f", {self.coverage:.0%} interval {low:.4g} to {high:.4g}"
        return text

    @property
    def has_parts(self) -> bool:
        """Whether the prediction of any expert is attributed to columns."""
        return not np.isnan(self.contributions[:, :, self._is_column]).all()

    @property
    def has_gate_terms(self) -> bool:
        """Whether there are several experts, and terms of a linear gate."""
        return self.gate_terms is not None and len(self.expert_names) > 1

    def parts_of(self, row: int) -> np.ndarray:
        """Return the indices of the parts that at least one expert has in a row.

        Parameters
        ----------
        row : int
            Number of the row.

        Returns
        -------
        parts : ndarray of int
        """
        return np.flatnonzero(~np.isnan(self.contributions[row]).all(axis=0))

    def __repr__(self):
        n_rows = len(self.prediction)
        texts = ["\n".join(_text_of(self, row)) for row in range(min(n_rows, MAX_ROWS))]
        if n_rows > MAX_ROWS:
            texts.append(f"... and {n_rows - MAX_ROWS} more rows; see `frame`.")
        if self.note:
            texts.append(self.note)
        return "\n\n".join(texts)

    def _repr_html_(self):
        n_rows = len(self.prediction)
        parts = [_html_of(self, row) for row in range(min(n_rows, MAX_ROWS))]
        if n_rows > MAX_ROWS:
            parts.append(
                f"<p>... and {n_rows - MAX_ROWS} more rows; see <code>frame</code>.</p>"
            )
        if self.note:
            parts.append(f"<p>{escape(self.note)}</p>")
        return "\n".join(parts)


def explain(
    model: Any,
    X: Any,
    *,
    target: Any = None,
    coverage: float = 0.9,
    background: Any = None,
) -> Explanation:
    r"""Explain predictions of a mixture by its gate, its experts and the columns.

    A prediction of a mixture is a sum, :math:`\sum_k g_k(x) f_k(x)`, to which each
    expert contributes one term. The prediction of a linear expert is itself a sum of
    values times coefficients, so that each column contributes to the prediction through
    each expert, and all contributions add up to the prediction. The terms of the gate's
    logits explain the weights of the experts.

    Read more in the :ref:`User Guide <guide_explanations>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or a model around one: see :func:`fitted_mixture`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Rows whose predictions are explained.
    target : int, str or class label, default=None
        Class whose probability is explained, or index of the output. It may be None if
        there are two classes, of which the second is explained, or if there is one
        output.
    coverage : float, default=0.9
        Probability of the prediction interval of a regressor.
    background : {array-like, frame} of shape (n_rows, n_features), default=None
        Rows whose mean is the reference for the values: a term is then the coefficient
        times the difference of the value to this mean, and the intercept is the linear
        predictor at the mean. If None, terms of experts are values times coefficients,
        and terms of the gate are relative to the mean of its training rows.

    Returns
    -------
    explanation : Explanation
        The explanation. Printing it shows the largest parts; `frame` and `experts` hold
        all of them.

    Raises
    ------
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If there is no mixture in `model`.
    ValueError
        If there are several classes or outputs, and `target` is none of them.

    See Also
    --------
    ExplanationDisplay : Plot of an explanation.
    local_slopes : Change of a prediction with a small change of a value.
    gate_rules : Rules for where each expert is trusted.

    Notes
    -----
    Columns are traced through steps in front of the mixture, an expert or the gate that
    scale, encode, impute or select columns: coefficients are in the units of the
    original columns, and the dummies of a category are summed. If a step combines
    several columns, such as principal components, the explanation refers to the columns
    that the mixture sees, and its `note` says so. Behind a
    :class:`~sklearn.compose.TransformedTargetRegressor` that scales the target, the
    explanation is in the units of the target; behind other transformations it is on the
    transformed scale, which the `note` says as well.

    An expert may predict a function of its linear predictor: the exponential, or the
    probability of a class. Its terms are then those of the logarithm or the log odds,
    and the contribution of a column to the prediction is its term times the mean slope
    of the function on the straight path from the intercept to the row [1]_. The
    contributions of a mixture that is an expert are those of its experts. The
    predictions of other experts are not attributed to columns: their part is called
    ``"(not attributed)"``.

    A prediction of an expert that is clipped to the range of the targets
    (`extrapolation`) or of the noise does not depend on the columns: it is the part
    ``"(clipped)"``.

    As in `predict` without `subjects` and `exposure`, each row is a new subject, and
    the exposure is one, so that rates are explained for counts with exposure. A
    "uniform" expert has no part in these predictions.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan (2017). Axiomatic attribution for deep
       networks. Proceedings of the 34th International Conference on Machine Learning,
       3319-3328.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import explain
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 2))
    >>> y = np.where(X[:, 0] > 0, 2 * X[:, 1], 5 - X[:, 1])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    >>> explain(moe.fit(X, y), [[2.0, 1.5]])
    Row 0: prediction 2.994, 90% interval 2.933 to 3.054
    <BLANKLINE>
    expert   weight  prediction  contribution
    expert0    100%       2.994         2.994
    expert1      0%       3.503         0.000
    <BLANKLINE>
    Contributions to the prediction:
    x1 = 1.5     +2.994
    x0 = 2       -0.001
    (intercept)  +0.000
    <BLANKLINE>
    Why expert0 has the largest weight (terms of the gate's logit):
    x0 = 2       +28.46
    (intercept)   +3.61
    x1 = 1.5      -0.02
    """
    found = _Found.of(model, X, "explain")
    mixture, seen = found.mixture, found.seen
    of, position = _target(mixture, target)
    if background is not None:
        background = _Found.of(model, background, "explain").seen
    breakdown = found.break_down(position, background)
    interval = None
    if not is_classifier(mixture):
        interval = mixture.predict_interval(seen, coverage)
        slope, offset = found.line(position)
        interval = interval.reshape(len(interval), -1, 2)[:, position]
        interval = (interval - offset) / slope
    parts, contributions, terms = _parts(breakdown, found.columns)
    gate = breakdown.gate
    return Explanation(
        of=of,
        columns=found.columns,
        note=found.note,
        expert_names=list(mixture.named_experts_),
        parts=parts,
        index=found.index,
        values=found.values,
        prediction=np.sum(breakdown.weights * breakdown.answers, axis=1),
        interval=interval,
        coverage=coverage,
        gate_weights=breakdown.gate_weights,
        weights=breakdown.weights,
        expert_predictions=breakdown.answers,
        contributions=contributions,
        terms=terms,
        coefficients=np.array([expert.coefficients for expert in breakdown.experts]),
        scales=[expert.scale for expert in breakdown.experts],
        gate_terms=None if gate is None else gate.terms,
        gate_intercept=None if gate is None else gate.intercept,
    )


def local_slopes(model: Any, X: Any, *, target: Any = None) -> "pd.DataFrame":
    r"""Return the partial derivatives of predictions by the columns.

    With :math:`g_k` the weights of the gate, :math:`\ell_k` its logits and :math:`f_k`
    the experts,

    .. math::
        \frac{\partial}{\partial x_j} \sum_k g_k f_k = \sum_k g_k
        \Big( \frac{\partial f_k}{\partial x_j} + f_k \Big( \frac{\partial \ell_k}
        {\partial x_j} - \sum_m g_m \frac{\partial \ell_m}{\partial x_j} \Big) \Big):

    the sum of the slopes of the experts and the effect of the changing gate weights.
    The derivatives are exact, and describe small changes.

    Read more in the :ref:`User Guide <guide_explanations>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture of linear experts with a linear gate, or a model around one: see
        :func:`fitted_mixture`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    target : int, str or class label, default=None
        Class whose probability is differentiated, or index of the output. It may be
        None if there are two classes, of which the second is used, or if there is one
        output.

    Returns
    -------
    slopes : pandas.DataFrame of shape (n_samples, n_features)
        Derivatives in the units of the columns. NaN where there is none: for categories
        and dates, missing values, and columns with a nonlinear transformation.

    Raises
    ------
    ImportError
        If pandas is not installed.
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If there is no mixture in `model`, or an expert or the gate is not linear.
    ValueError
        If there are several classes or outputs, and `target` is none of them.

    See Also
    --------
    explain : Contribution of each value to a prediction.
    sklearn.inspection.partial_dependence : The mean prediction along a feature.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import local_slopes
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 2))
    >>> y = np.where(X[:, 0] > 0, 2 * X[:, 1], 5 - X[:, 1])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    >>> local_slopes(moe.fit(X, y), [[2.0, 1.5], [-2.0, 1.5]]).round(1) + 0.0
        x0   x1
    0  0.0  2.0
    1  0.0 -1.0
    """
    pd = check_pandas_support("local_slopes")
    found = _Found.of(model, X, "local_slopes")
    mixture = found.mixture
    _, position = _target(mixture, target)
    breakdown = found.break_down(position)
    if breakdown.gate is None:
        raise TypeError(
            "local_slopes needs a gate whose logits are linear in the columns, such as "
            f"SoftmaxGate; the gate is {mixture.gate_!r}."
        )
    for k, (name, expert) in enumerate(mixture.named_experts_.items()):
        if not breakdown.experts[k].smooth:
            raise TypeError(
                "local_slopes needs linear experts, or pipelines that end in one; "
                f"expert {name!r} is {expert!r}."
            )
    missing = [[is_missing(value) for value in row] for row in found.values]
    slopes = np.where(missing, np.nan, breakdown.slopes)
    return pd.DataFrame(slopes, index=found.index, columns=found.columns)


# The mixture and its columns
# ---------------------------


@dataclass(frozen=True)
class _Found:
    """A mixture in a model, with rows as the user and as the mixture sees them."""

    mixture: object
    seen: object
    columns: list
    origins: Origins
    values: list
    index: list
    note: str
    lines: list

    @classmethod
    def of(cls, model, X, caller):
        X = as_table(X, caller)
        seen = seen_by_mixture(model, X, caller=caller)
        columns, shown, notes = list(map(str, names_of(X))), X, []
        try:
            origins = Origins.of_table(columns)
            for step in seen.steps:
                origins = trace(step, origins)
        except UntraceableError as error:
            # The columns that the mixture sees are used, so its rows must be a table.
            as_table(seen.X, caller)
            columns, shown = list(map(str, seen.names)), seen.X
            origins = Origins.of_table(columns)
            notes.append(
                "The columns are those that the mixture sees, since "
                f"{type(error.args[0]).__name__} makes columns of several."
            )
        lines = list(map(line_of, seen.target_steps))
        if None in lines:
            notes.append("The target is transformed, and all is on that scale.")
            lines = []
        if seen.mixture._targets_.exposed:
            notes.append("The predictions are rates: those for an exposure of one.")
        if seen.calibrated:
            notes.append("The probabilities are those before calibration.")
        table = FeatureTable(shown)
        values = zip(*(_entries(column.entries) for column in table.columns))
        index = list(getattr(X, "index", range(X.shape[0])))
        note = " ".join(notes)
        return cls(
            seen.mixture,
            seen.X,
            columns,
            origins,
            list(map(list, values)),
            index,
            note,
            lines,
        )

    def line(self, position):
        """Return slope and offset of the linear transform of a target."""
        slope, offset = 1.0, 0.0
        for step in self.lines:
            own_slope, own_offset = (
                values.item() if values.size == 1 else values[position]
                for values in map(np.ravel, step)
            )
            slope, offset = own_slope * slope, own_slope * offset + own_offset
        return slope, offset

    def break_down(self, position, background=None):
        """Return the breakdown of a class or an output, in the target's units."""
        breakdown = break_down(
            self.mixture,
            self.seen,
            self.origins,
            len(self.columns),
            position,
            background,
        )
        return breakdown.before(*self.line(position)) if self.lines else breakdown


def _entries(column):
    return column.to_list() if hasattr(column, "to_list") else column.tolist()


def _target(mixture, target):
    """Return the name of the explained quantity, and its position."""
    if is_classifier(mixture):
        targets, n_by_default = mixture.classes_.tolist(), 2
    else:
        labels = mixture._targets_.column_labels
        targets, n_by_default = list(labels[0]) if labels else [0], 1
    if target is None and len(targets) == n_by_default:
        target = targets[-1]
    if target not in targets:
        raise ValueError(f"'target' must be one of {targets}; got {target!r}.")
    position = targets.index(target)
    if is_classifier(mixture):
        return f"probability of {target}", position
    return "prediction" if len(targets) == 1 else f"output {target}", position


def _parts(breakdown, columns):
    """Return the names of the parts of predictions, their contributions and terms."""
    by_columns = breakdown.column_contributions
    answered = breakdown.weights * breakdown.answers
    rest = answered - np.where(np.isnan(by_columns), 0, by_columns).sum(axis=2)
    rest[breakdown.held] = 0
    linear = np.array([expert.scale is not None for expert in breakdown.experts])
    known = linear | ~np.isnan(by_columns).all(axis=(0, 2))
    names, nothing = [INTERCEPT, *columns], np.full_like(rest, np.nan)
    contributions = [np.where(known, rest, np.nan)[:, :, np.newaxis], by_columns]
    terms = [
        np.stack([expert.intercept for expert in breakdown.experts], axis=1)[..., None],
        np.stack([expert.terms for expert in breakdown.experts], axis=1),
    ]
    others = []
    if not known.all():
        others.append((NOT_ATTRIBUTED, np.where(known, np.nan, rest)))
    if breakdown.held.any():
        others.append((CLIPPED, np.where(breakdown.held, answered, np.nan)))
    for name, values in others:
        names.append(name)
        contributions.append(values[:, :, np.newaxis])
        terms.append(nothing[:, :, np.newaxis])
    return names, np.concatenate(contributions, axis=2), np.concatenate(terms, axis=2)


def _objects(values, n_columns):
    """Return values of any type as an object array (n_samples, n_columns)."""
    array = np.empty((len(values), n_columns), dtype=object)
    for row, of_row in enumerate(values):
        for column, value in enumerate(of_row):
            array[row, column] = value
    return array


# Text
# ----


def _in_words(value):
    """Return a short text for a value of a column."""
    if is_missing(value):
        return "missing"
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.number)
    ):
        return str(value).removesuffix(" 00:00:00")
    return f"{value:.4g}"


def _aligned(numbers, sign):
    """Format numbers with the decimals that the largest needs for four digits."""
    size = np.max(np.abs(numbers), initial=0)
    if not 1e-3 <= size < 1e6:
        return [f"{number:{sign}.4g}" for number in numbers]
    decimals = max(3 - int(np.floor(np.log10(size))), 0)
    # Adding zero turns -0.0 into 0.0.
    rounded = np.round(numbers, decimals) + 0.0
    return [f"{number:{sign}.{decimals}f}" for number in rounded]


def largest(sizes, n_largest):
    """Return the indices of the largest values, and of the others, sorted by size.

    If there would be a single other value, it is added to the largest.
    """
    sizes = np.abs(np.nan_to_num(sizes))
    order = np.argsort(-sizes, kind="stable")
    if len(sizes) <= n_largest + 1:
        return order, order[:0]
    return order[:n_largest], order[n_largest:]


def _expert_rows(explanation, row):
    """Return name, weight, answer and contribution of experts, by descending weight."""
    weights, answers = explanation.weights[row], explanation.expert_predictions[row]
    shown, others = largest(weights, MAX_PARTS)
    groups = [np.array([k]) for k in shown]
    names = [explanation.expert_names[k] for k in shown]
    if len(others):
        groups.append(others)
        names.append(f"{len(others)} others")
    weight = [f"{weights[group].sum():.0%}" for group in groups]
    answered = [*_aligned(answers[shown], ""), ""]
    adds = _aligned([np.sum(weights[group] * answers[group]) for group in groups], "")
    return list(zip(names, weight, answered, adds))


def named_parts(explanation, row, parts, numbers, n_largest):
    """Return the largest of some parts, and the others together.

    Parameters
    ----------
    explanation : Explanation
    row : int
    parts : ndarray of int
        Indices of the parts.
    numbers : ndarray
        Value of each part.
    n_largest : int

    Returns
    -------
    named : list of (str, ndarray of int)
        A name, and the indices of the parts that it covers. Parts whose value is zero
        are left out, unless all are zero.
    """
    if numbers[parts].any():
        parts = parts[numbers[parts] != 0]
    shown, others = largest(numbers[parts], n_largest)
    named = [(explanation.label(row, parts[i]), parts[[i]]) for i in shown]
    if len(others):
        named.append((f"{len(others)} others", parts[others]))
    return named


def _part_rows(explanation, row):
    """Return the names of the largest parts, and their contributions."""
    adds = np.nansum(explanation.contributions[row], axis=0)
    return _number_rows(explanation, row, explanation.parts_of(row), adds)


def _gate_rows(explanation, row):
    """Return the largest terms of the gate's logit of the expert of largest weight."""
    k = explanation.weights[row].argmax()
    terms = np.append(explanation.gate_intercept[k], explanation.gate_terms[row, k])
    return _number_rows(explanation, row, np.arange(len(terms)), terms)


def _number_rows(explanation, row, parts, numbers):
    named = named_parts(explanation, row, parts, numbers, MAX_PARTS)
    sums = [numbers[own].sum() for _, own in named]
    return list(zip([name for name, _ in named], _aligned(sums, "+")))


def _tables(explanation, row):
    """Return captions, headers and rows of the tables that show an explanation."""
    header = ("expert", "weight", "prediction", "contribution")
    tables = [("", header, _expert_rows(explanation, row))]
    if (
        any(scale is not None for scale in explanation.scales)
        or len(explanation.parts) > len(explanation.columns) + 1
    ):
        tables.append(
            (
                f"Contributions to the {explanation.of}",
                ("", ""),
                _part_rows(explanation, row),
            )
        )
    if explanation.has_gate_terms:
        name = explanation.expert_names[explanation.weights[row].argmax()]
        caption = f"Why {name} has the largest weight (terms of the gate's logit)"
        tables.append((caption, ("", ""), _gate_rows(explanation, row)))
    return tables


def _text_of(explanation, row):
    """Yield the lines of text about one row."""
    yield _title_of(explanation, row)
    for caption, header, rows in _tables(explanation, row):
        rows = [header, *rows] if any(header) else rows
        yield ""
        if caption:
            yield f"{caption}:"
        widths = [max(map(len, column)) for column in zip(*rows)]
        for first, *others in rows:
            numbers = [text.rjust(w) for text, w in zip(others, widths[1:])]
            yield "  ".join([first.ljust(widths[0]), *numbers]).rstrip()


def _title_of(explanation, row):
    return f"Row {explanation.index[row]}: {explanation.headline(row)}"


def _html_of(explanation, row):
    """Return HTML about one row."""
    parts = [f"<p><b>{escape(_title_of(explanation, row))}</b></p>"]
    for caption, header, rows in _tables(explanation, row):
        caption = f"<caption>{escape(caption)}</caption>" if caption else ""
        head = "".join(f"<th>{escape(text)}</th>" for text in header)
        head = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
        body = "".join(
            f"<tr><th>{escape(first)}</th>"
            + "".join(f"<td>{escape(text)}</td>" for text in others)
            + "</tr>"
            for first, *others in rows
        )
        parts.append(f"<table>{caption}{head}<tbody>{body}</tbody></table>")
    return "\n".join(parts)
