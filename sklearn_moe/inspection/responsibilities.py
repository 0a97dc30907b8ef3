"""How clearly the rows belong to the experts."""

from numbers import Integral

import numpy as np

from sklearn_moe._compat import (
    check_matplotlib_support,
    check_sample_weight,
    validate_style_kwargs,
)
from sklearn_moe.inspection._pictures import fitted_mixture, look, panels_for


class ResponsibilityDisplay:
    """Rootograms of the responsibilities, one for each expert.

    A histogram whose heights are square roots of numbers of rows, so that few rows can
    be seen beside many [1]_. Rows at one belong to the expert without doubt; rows in
    the middle might be another's as well. Most rows have next to nothing to do with an
    expert: responsibilities of `eps` and less are left out. It is what `plot` of the R
    package flexmix draws.

    It is made by `from_estimator`.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Posterior probabilities of the experts.
    sample_weight : ndarray of shape (n_samples,), default=None
        How often each row counts; None means once.
    expert_names : list of str
        The names of the experts.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_experts,)
        Axes of the panels.
    figure_ : matplotlib Figure
        Figure of the plot.
    bars_ : list of matplotlib BarContainer
        The bars of each expert; their heights are numbers of rows.

    See Also
    --------
    MixtureOfExpertsRegressor.responsibilities : The numbers of the plot.

    References
    ----------
    .. [1] F. Leisch (2004). Exploring the structure of mixture model components.
       COMPSTAT 2004, Proceedings in Computational Statistics, 1405-1412.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import ResponsibilityDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = ResponsibilityDisplay.from_estimator(moe, X, y)
    >>> len(display.bars_)
    2
    """

    def __init__(self, *, responsibilities, sample_weight=None, expert_names):
        self.responsibilities = responsibilities
        self.sample_weight = sample_weight
        self.expert_names = expert_names

    def plot(self, ax=None, *, bins=None, eps=1e-4, bar_kw=None):
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of such, default=None
            Where to draw, one for each expert. None means a new figure.
        bins : int, default=None
            Number of bars between zero and one. None means one more than the binary
            logarithm of the number of rows, as in flexmix.
        eps : float, default=1e-4
            The largest responsibility that is left out.
        bar_kw : dict, default=None
            Further arguments of `bar`, which draws the bars.

        Returns
        -------
        display : ResponsibilityDisplay
        """
        n_samples, n_experts = self.responsibilities.shape
        if bins is None:
            bins = max(round(np.log2(n_samples)) + 1, 3)
        elif not isinstance(bins, Integral) or bins < 1:
            raise ValueError(f"'bins' must be a positive integer; got {bins!r}.")
        weights = self.sample_weight
        if weights is None:
            weights = np.ones(n_samples)
        self.axes_, self.figure_ = panels_for(self, ax, n_experts)
        edges = np.linspace(0, 1, bins + 1)
        self.bars_ = []
        for k, (ax, name) in enumerate(zip(self.axes_, self.expert_names)):
            # In single precision it may be more than one by a little.
            r = np.minimum(self.responsibilities[:, k], 1)
            heights, _ = np.histogram(r[r > eps], edges, weights=weights[r > eps])
            style = {"align": "edge", "width": 1 / bins, "edgecolor": "white"}
            style |= look(k, "color", "hatch")
            style = validate_style_kwargs(style, bar_kw or {})
            self.bars_.append(ax.bar(edges[:-1], heights, **style))
            ax.set(title=name, xlabel="Responsibility", xlim=(0, 1), xticks=(0, 0.5, 1))
        top = max(bar.get_height() for bars in self.bars_ for bar in bars)
        for ax in self.axes_:
            ax.set_yscale("function", functions=(_root, np.square))
            ax.set_ylim(0, 1.1 * top if top > 0 else 1)
        self.axes_[0].set_ylabel("Rows (square-root scale)")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        sample_weight=None,
        ax=None,
        bins=None,
        eps=1e-4,
        bar_kw=None,
    ):
        """Draw the responsibilities of a fitted mixture for some rows.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, a pipeline that ends in one, or a search over such.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; None means once.
        ax : matplotlib Axes or array-like of such, default=None
            Where to draw, one for each expert. None means a new figure.
        bins : int, default=None
            Number of bars between zero and one. None means one more than the binary
            logarithm of the number of rows, as in flexmix.
        eps : float, default=1e-4
            The largest responsibility that is left out.
        bar_kw : dict, default=None
            Further arguments of `bar`, which draws the bars.

        Returns
        -------
        display : ResponsibilityDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        mixture, X = fitted_mixture(estimator, X)
        responsibilities = mixture.responsibilities(X, y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, responsibilities, ensure_non_negative=True
            )
        display = cls(
            responsibilities=responsibilities,
            sample_weight=sample_weight,
            expert_names=list(mixture.named_experts_),
        )
        return display.plot(ax, bins=bins, eps=eps, bar_kw=bar_kw)


def _root(heights):
    # Matplotlib asks for the limits of an axis before they are set.
    return np.sqrt(np.maximum(heights, 0))
