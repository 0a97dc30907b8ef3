"""Pictures of a fitted mixture, by the properties of what they are made of."""

import functools
import sys
from copy import deepcopy
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import (
    ConvergenceDisplay,
    ExpertDisplay,
    ExpertLoadDisplay,
    GateDisplay,
    ResponsibilityDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")
from matplotlib.colors import to_rgb  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (150, 2))
# Three rules: which holds depends on the first feature.
RULE = np.digitize(X[:, 0], [-0.3, 0.3])
Y = np.array([-3, 1, 3])[RULE] * X[:, 1] + RULE + 0.2 * RNG.normal(size=150)
LABELS = np.array(["no", "yes"])[(Y > 1).astype(int)]
TARGETS = {MixtureOfExpertsRegressor: Y, MixtureOfExpertsClassifier: LABELS}

both = pytest.mark.parametrize("Mixture", TARGETS)

# How each display is made of a fitted mixture.
DRAWN = {
    "gate": lambda moe, **kw: GateDisplay.from_estimator(moe, X, 0, **kw),
    "regions": lambda moe, **kw: GateDisplay.from_estimator(moe, X, (0, 1), **kw),
    "experts": lambda moe, **kw: ExpertDisplay.from_estimator(moe, X, 0, **kw),
    "convergence": lambda moe, **kw: ConvergenceDisplay.from_estimator(moe, **kw),
    "load": lambda moe, **kw: ExpertLoadDisplay.from_estimator(moe, **kw),
    "responsibilities": lambda moe, **kw: ResponsibilityDisplay.from_estimator(
        moe, X, LABELS if hasattr(moe, "predict_proba") else Y, **kw
    ),
}
each_display = pytest.mark.parametrize("name", DRAWN)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


def fitted(Mixture=MixtureOfExpertsRegressor, rows=X, y=None, **params):
    if rows is X and y is None and not params:
        return deepcopy(fitted_once(Mixture))
    params = {"n_experts": 2, "tol": 1e-2, "random_state": 0, **params}
    return Mixture(**params).fit(rows, TARGETS[Mixture] if y is None else y)


@functools.cache
def fitted_once(Mixture):
    """What many tests draw; each draws a copy, which it may change."""
    return Mixture(n_experts=2, tol=1e-3, random_state=0).fit(X, TARGETS[Mixture])


def along(values, held):
    """Rows whose first feature varies and whose second is held."""
    return np.column_stack([values, np.full(len(values), held)])


def lower_median(values):
    return np.sort(values)[(len(values) - 1) // 2]


def ends(area, x):
    """Lower and upper end of an area at some of its corners."""
    corners = np.vstack([path.vertices for path in area.get_paths()])
    heights = [corners[np.isclose(corners[:, 0], at), 1] for at in x]
    return np.array([[h.min(), h.max()] for h in heights]).T


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


def widths(bars):
    return np.array([bar.get_width() for bar in bars])


# All of them


@each_display
@both
def test_a_display_is_drawn_on_a_figure_of_its_own(name, Mixture):
    display = DRAWN[name](fitted(Mixture))
    axes = display.axes_ if hasattr(display, "axes_") else [display.ax_]
    assert all(ax.figure is display.figure_ for ax in axes)
    display.figure_.canvas.draw()


@pytest.mark.parametrize("name", ["gate", "regions", "experts", "convergence", "load"])
def test_a_display_is_drawn_on_the_axes_given(name):
    figure, ax = plt.subplots()
    display = DRAWN[name](fitted(), ax=ax)
    assert display.figure_ is figure
    assert len(figure.axes) == 1
    assert ax.has_data()


@each_display
def test_a_display_is_drawn_again_by_plot(name):
    display = DRAWN[name](fitted())
    figure = display.figure_
    assert display.plot() is display
    assert display.figure_ is not figure


@each_display
@pytest.mark.parametrize("ax", [3, "left", [None, None, None]])
def test_what_are_no_axes_is_refused(name, ax):
    moe = fitted()
    with pytest.raises(TypeError, match=r"'ax' must be .*matplotlib Axes; got"):
        DRAWN[name](moe, ax=ax)


@each_display
def test_a_mixture_that_is_not_fitted_is_refused(name):
    with pytest.raises(NotFittedError):
        DRAWN[name](MixtureOfExpertsRegressor())


@each_display
def test_what_is_no_mixture_is_refused(name):
    with pytest.raises(TypeError, match=r"needs a mixture of experts.*got Ridge"):
        DRAWN[name](Ridge().fit(X, Y))


@each_display
@pytest.mark.parametrize("inside", ["pipeline", "search"])
def test_the_mixture_may_be_in_a_pipeline_or_a_search(name, inside):
    wrapped = make_pipeline(StandardScaler(), fitted())
    if inside == "search":
        wrapped = GridSearchCV(
            wrapped, {"mixtureofexpertsregressor__n_experts": [2]}, cv=2
        )
    display = DRAWN[name](wrapped.fit(X, Y))
    alone = getattr(wrapped, "best_estimator_", wrapped)
    if name == "gate":
        rows = along(display.grid[0], lower_median(X[:, 1]))
        expected = alone[-1].predict_gate(alone[:-1].transform(rows))
        np.testing.assert_array_equal(display.gate_weights, expected)
    if name == "experts":
        rows = along(display.grid, lower_median(X[:, 1]))
        np.testing.assert_array_equal(display.prediction, alone.predict(rows))
    if name == "responsibilities":
        expected = alone[-1].responsibilities(alone[:-1].transform(X), Y)
        np.testing.assert_array_equal(display.responsibilities, expected)


@pytest.mark.parametrize(
    ("name", "argument", "artist"),
    [
        ("gate", "area_kw", lambda display: display.areas_[1]),
        ("regions", "mesh_kw", lambda display: display.mesh_),
        ("experts", "expert_kw", lambda display: display.expert_lines_[1]),
        ("experts", "line_kw", lambda display: display.line_),
        ("experts", "band_kw", lambda display: display.band_),
        ("experts", "points_kw", lambda display: display.points_),
        ("convergence", "line_kw", lambda display: display.lines_[0]),
        ("load", "bar_kw", lambda display: display.bars_[1][0]),
        ("load", "line_kw", lambda display: display.overflow_line_),
        ("load", "line_kw", lambda display: display.capacity_line_),
        ("responsibilities", "bar_kw", lambda display: display.bars_[1][0]),
    ],
)
def test_arguments_reach_the_artists_under_each_of_their_names(name, argument, artist):
    moe = fitted(assignment="hard", capacity_factor=1.5)
    more = {"y": Y} if name == "experts" else {}
    for keyword in ("lw", "linewidth"):
        display = DRAWN[name](moe, **more, **{argument: {keyword: 4.5}})
        assert np.ravel(artist(display).get_linewidth()) == [4.5]
    with pytest.raises(TypeError, match="Got both lw and linewidth"):
        DRAWN[name](moe, **more, **{argument: {"lw": 1, "linewidth": 1}})


@each_display
def test_without_matplotlib_it_says_what_to_install(name, monkeypatch):
    moe = fitted()
    display = DRAWN[name](moe)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    cls = type(display).__name__
    with pytest.raises(ImportError, match=rf"{cls}.from_estimator requires matplotlib"):
        DRAWN[name](moe)
    with pytest.raises(ImportError, match=rf"{cls}.plot requires matplotlib"):
        display.plot()


# The gate along one feature


GATES = {
    "softmax": SoftmaxGate(),
    "gaussian": GaussianGate(),
    "tree": DecisionTreeClassifier(max_depth=2),
    "pipeline": make_pipeline(StandardScaler(), SoftmaxGate()),
}


@both
@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_the_weights_are_those_of_the_gate_at_the_median_of_the_rest(Mixture, gate):
    moe = fitted(Mixture, gate=gate)
    display = GateDisplay.from_estimator(moe, X, 0, grid_resolution=30)
    [values] = display.grid
    np.testing.assert_allclose(values, np.linspace(X[:, 0].min(), X[:, 0].max(), 30))
    rows = along(values, lower_median(X[:, 1]))
    np.testing.assert_array_equal(display.gate_weights, moe.predict_gate(rows))


@both
def test_the_areas_of_the_gate_lie_on_each_other_up_to_one(Mixture):
    display = GateDisplay.from_estimator(fitted(Mixture, n_experts=3), X, 0)
    [values] = display.grid
    bottom = np.zeros(len(values))
    for area, weights in zip(display.areas_, display.gate_weights.T):
        lower, upper = ends(area, values)
        np.testing.assert_allclose(lower, bottom, atol=1e-12)
        np.testing.assert_allclose(upper - lower, weights, atol=1e-12)
        bottom = upper
    np.testing.assert_allclose(bottom, 1)
    assert display.ax_.get_ylim() == (0, 1)


@both
def test_the_lines_of_the_gate_are_its_weights(Mixture):
    display = GateDisplay.from_estimator(fitted(Mixture), X, "x1", kind="line")
    for line, weights in zip(display.lines_, display.gate_weights.T):
        np.testing.assert_array_equal(line.get_xdata(), display.grid[0])
        np.testing.assert_array_equal(line.get_ydata(), weights)
    assert display.ax_.get_xlabel() == "x1"


def test_experts_are_named_and_look_different_in_grey_as_well():
    display = GateDisplay(
        grid=[np.arange(3.0)],
        gate_weights=np.full((3, 8), 1 / 8),
        feature_names=["x0"],
        expert_names=list("abcdefgh"),
    )
    areas, lines = display.plot().areas_, display.plot(kind="line").lines_
    for artists in (areas, lines):
        assert [artist.get_label() for artist in artists] == list("abcdefgh")
    looks = [(to_rgb(a.get_facecolor()[0][:3]), a.get_hatch()) for a in areas]
    assert len(set(looks)) == 8
    assert len({hatch for _, hatch in looks[:5]}) == 5
    looks = [(to_rgb(line.get_color()), str(line._dash_pattern)) for line in lines]
    assert len(set(looks)) == 8
    assert len({dashes for _, dashes in looks[:5]}) == 5


def test_a_constant_column_holds_a_feature_elsewhere():
    moe = fitted(experts=LinearRegression(), gate=SoftmaxGate(alpha=1e-4))
    elsewhere = along(X[:, 0], 0.9)
    display = GateDisplay.from_estimator(moe, elsewhere, 0)
    expected = moe.predict_gate(along(display.grid[0], 0.9))
    np.testing.assert_array_equal(display.gate_weights, expected)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("x2", r"no feature 'x2'.*\['x0', 'x1'\].*position, 0 to 1"),
        (2, "no feature 2"),
        (-1, "no feature -1"),
        (None, "no feature None"),
        ((0, 1, 0), "one feature, or two different ones; got .'x0', 'x1', 'x0'"),
        ((0, "x0"), "one feature, or two different ones"),
        ([], "one feature, or two different ones"),
    ],
)
def test_features_that_cannot_be_drawn_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        GateDisplay.from_estimator(fitted(), X, features)


@pytest.mark.parametrize("grid_resolution", [1, 2.5, None])
def test_a_grid_has_two_values_at_least(grid_resolution):
    with pytest.raises(ValueError, match="'grid_resolution' must be"):
        GateDisplay.from_estimator(fitted(), X, 0, grid_resolution=grid_resolution)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_a_constant_feature_is_refused(value):
    rows = along(X[:, 0], value)
    with pytest.raises(ValueError, match="same value of feature 'x1', or none"):
        GateDisplay.from_estimator(fitted(), rows, 1)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'kind' must be 'area' or 'line'; got 'pie'"):
        GateDisplay.from_estimator(fitted(), X, 0, kind="pie")


# The gate over two features


@both
@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_the_regions_are_where_apply_chooses_the_expert(Mixture, gate):
    moe = fitted(Mixture, n_experts=3, gate=gate)
    display = GateDisplay.from_estimator(moe, X, (0, 1), grid_resolution=20)
    first, second = np.meshgrid(*display.grid)
    rows = np.column_stack([first.ravel(), second.ravel()])
    cells = np.asarray(display.mesh_.get_array()).reshape(-1, 4)
    colours = [
        patch.get_facecolor()[:3] for patch in display.ax_.get_legend().get_patches()
    ]
    np.testing.assert_allclose(cells[:, :3], np.array(colours)[moe.apply(rows)])
    np.testing.assert_allclose(cells[:, 3], moe.predict_gate(rows).max(axis=1))
    assert len(display.hatches_) == len(np.unique(moe.apply(rows)))


def test_each_cell_is_drawn_around_its_value():
    display = GateDisplay.from_estimator(fitted(), X, (1, 0), grid_resolution=11)
    corners = display.mesh_.get_coordinates()
    middles = (corners[1:, 1:] + corners[:-1, :-1]) / 2
    np.testing.assert_allclose(middles[0, :, 0], display.grid[0])
    np.testing.assert_allclose(middles[:, 0, 1], display.grid[1])
    assert display.ax_.get_xlabel() == "x1"
    assert display.ax_.get_ylabel() == "x0"


# Frames


SIZES = ["small", "medium", "large"]


def columns():
    rng = np.random.default_rng(1)
    return {
        "size": rng.choice(SIZES, 150),
        "town": rng.choice(["Bern", "Oslo"], 150, p=[0.3, 0.7]),
        "x": X[:, 1],
        "open": rng.uniform(size=150) < 0.8,
        "since": np.datetime64("2020-01-01") + np.arange(150),
    }


def pandas_frame():
    frame = pd.DataFrame(columns())
    frame["size"] = pd.Categorical(frame["size"], SIZES)
    frame["x"] = frame["x"].astype("Float64")
    return frame.set_index(np.arange(150)[::-1])


def polars_frame():
    return pl.DataFrame(columns())


each_frame = pytest.mark.parametrize("make_frame", [pandas_frame, polars_frame])


def of_frame(frame):
    """A mixture of lines in x; the gate sees all columns."""
    line = make_pipeline(make_column_transformer(("passthrough", ["x"])), Ridge())
    y = np.where(np.asarray(frame["size"]) == "large", 3, -3) * X[:, 1]
    return fitted(rows=frame, y=y + 0.1 * RNG.normal(size=150), experts=line)


@each_frame
@pytest.mark.parametrize("feature", ["size", "town", "x", "open", "since"])
def test_frames_are_drawn_along_columns_of_any_kind(make_frame, feature):
    frame = make_frame()
    moe = of_frame(frame)
    display = GateDisplay.from_estimator(moe, frame, feature, grid_resolution=7)
    [values] = display.grid
    held = {
        "size": max(SIZES, key=list(frame["size"]).count),
        "town": "Oslo",
        "x": lower_median(X[:, 1]),
        "open": True,
        "since": datetime(2020, 3, 15),
    }
    varied = {name: [value] * len(values) for name, value in held.items()}
    varied[feature] = values == "True" if feature == "open" else values.tolist()
    rows = type(frame)(varied)
    np.testing.assert_allclose(display.gate_weights, moe.predict_gate(rows))
    assert display.ax_.get_xlabel() == feature
    by_position = GateDisplay.from_estimator(
        moe, frame, list(frame.columns).index(feature), grid_resolution=7
    )
    np.testing.assert_array_equal(by_position.gate_weights, display.gate_weights)
    display.figure_.canvas.draw()


@each_frame
def test_categories_are_bars(make_frame):
    frame = make_frame()
    display = GateDisplay.from_estimator(of_frame(frame), frame, "size")
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == list(display.grid[0])
    # Pandas knows an order.
    assert labels == (SIZES if make_frame is pandas_frame else sorted(SIZES))
    for area, weights in zip(display.areas_, display.gate_weights.T):
        assert len(area.get_paths()) == 3
        lower, upper = ends(area, [0, 1, 2])
        np.testing.assert_allclose(upper - lower, weights, atol=1e-12)


@each_frame
@pytest.mark.parametrize("features", [("size", "x"), ("since", "town")])
def test_regions_are_drawn_over_columns_of_any_kind(make_frame, features):
    frame = make_frame()
    display = GateDisplay.from_estimator(
        of_frame(frame), frame, features, grid_resolution=5
    )
    shape = tuple(len(values) for values in display.grid)
    assert display.gate_weights.shape == (*shape, 2)
    assert display.mesh_.get_array().shape == (*shape[::-1], 4)
    display.figure_.canvas.draw()


@each_frame
@pytest.mark.parametrize("feature", ["size", "x", "since"])
def test_experts_are_drawn_along_columns_of_any_kind(make_frame, feature):
    frame = make_frame()
    display = ExpertDisplay.from_estimator(of_frame(frame), frame, feature, y=Y)
    display.figure_.canvas.draw()
    drawn = display.line_.get_ydata()
    assert set(drawn) == set(display.prediction)
    assert len(display.points_.get_offsets()) == 150


def test_a_missing_entry_is_a_category_and_no_number():
    frame = pandas_frame()
    frame.loc[[3, 4], ["town", "x"]] = None
    moe = fitted(
        rows=frame[["town"]],
        y=Y,
        experts=make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()),
    )
    [values] = GateDisplay.from_estimator(moe, frame[["town"]], "town").grid
    # What pandas calls a missing string depends on its version.
    assert list(values) == sorted(["Bern", "Oslo", str(frame.loc[3, "town"])])
    [numbers] = GateDisplay.from_estimator(
        of_frame(frame.fillna({"x": 0})), frame, "x"
    ).grid
    assert np.isfinite(numbers).all()


def test_sparse_rows_are_drawn_as_dense_ones():
    moe = fitted(rows=sparse.csr_array(X))
    drawn = [
        GateDisplay.from_estimator(moe, rows, 0) for rows in (X, sparse.csr_array(X))
    ]
    np.testing.assert_array_equal(drawn[0].gate_weights, drawn[1].gate_weights)


# The experts


@both
def test_the_curves_are_the_predictions(Mixture):
    moe = fitted(Mixture)
    display = ExpertDisplay.from_estimator(moe, X, 0, coverage=0.8)
    rows = along(display.grid, lower_median(X[:, 1]))
    if Mixture is MixtureOfExpertsRegressor:
        mixture, experts = moe.predict(rows), moe.transform(rows)
        lower, upper = ends(display.band_, display.grid)
        expected = moe.predict_interval(rows, coverage=0.8)
        np.testing.assert_allclose(np.column_stack([lower, upper]), expected)
        assert display.band_.get_label() == "80% interval"
    else:
        mixture, experts = moe.predict_proba(rows)[:, 1], moe.transform(rows)[:, 1::2]
        assert display.band_ is None
        assert display.ax_.get_ylabel() == "Probability of yes"
    np.testing.assert_array_equal(display.line_.get_ydata(), mixture)
    for line, expert in zip(display.expert_lines_, experts.T):
        np.testing.assert_array_equal(line.get_xdata(), display.grid)
        np.testing.assert_array_equal(line.get_ydata(), expert)


@both
def test_the_line_of_an_expert_is_as_wide_and_dark_as_it_is_trusted(Mixture):
    display = ExpertDisplay.from_estimator(fitted(Mixture), X, 0)
    for line, trust, weights in zip(
        display.expert_lines_, display.weight_bands_, display.gate_weights.T
    ):
        between = (weights[1:] + weights[:-1]) / 2
        np.testing.assert_allclose(trust.get_colors()[:, 3], between)
        widths = trust.get_linewidths()
        np.testing.assert_allclose(widths, between * np.max(widths / between))
        starts = np.array([segment[0] for segment in trust.get_segments()])
        np.testing.assert_allclose(starts, line.get_xydata()[:-1])


def test_experts_that_nobody_trusts_do_not_widen_the_picture():
    rows = np.linspace(0, 1, 200).reshape(-1, 1)
    y = np.where(rows[:, 0] < 0.9, 0, 1000 * (rows[:, 0] - 0.9))
    moe = fitted(
        rows=rows, y=y, gate=SoftmaxGate(alpha=1e-5), sharing=0, experts=Ridge(1e-6)
    )
    display = ExpertDisplay.from_estimator(moe, rows, 0, y=y)
    low, high = display.ax_.get_ylim()
    assert display.expert_predictions.min() < -500
    assert -100 < low < 0
    assert 100 <= high < 200


@both
def test_the_rows_are_points(Mixture):
    y = TARGETS[Mixture]
    display = ExpertDisplay.from_estimator(fitted(Mixture), X, 1, y=y)
    expected = y == "yes" if y is LABELS else y
    np.testing.assert_array_equal(
        display.points_.get_offsets(), np.column_stack([X[:, 1], expected])
    )
    assert ExpertDisplay.from_estimator(fitted(Mixture), X, 1).points_ is None


def test_the_axis_has_the_name_of_the_target():
    y = pd.Series(Y, name="price")
    assert ExpertDisplay.from_estimator(fitted(), X, 0, y=y).ax_.get_ylabel() == "price"


def test_one_class_of_several_is_drawn():
    y = np.digitize(Y, [-1, 1]) + 5
    moe = fitted(MixtureOfExpertsClassifier, y=y)
    display = ExpertDisplay.from_estimator(moe, X, 0, y=y, target=6)
    rows = along(display.grid, lower_median(X[:, 1]))
    np.testing.assert_array_equal(display.prediction, moe.predict_proba(rows)[:, 1])
    np.testing.assert_array_equal(
        display.expert_predictions, moe.transform(rows)[:, 1::3]
    )
    np.testing.assert_array_equal(display.points_.get_offsets()[:, 1], y == 6)
    for target in (None, 8):
        with pytest.raises(ValueError, match=r"'target' must be one of \[5, 6, 7\]"):
            ExpertDisplay.from_estimator(moe, X, 0, target=target)


def test_one_output_of_several_is_drawn():
    y = np.column_stack([Y, -2 * Y])
    moe = fitted(y=y)
    display = ExpertDisplay.from_estimator(moe, X, 0, y=y, target=1)
    rows = along(display.grid, lower_median(X[:, 1]))
    np.testing.assert_array_equal(display.prediction, moe.predict(rows)[:, 1])
    np.testing.assert_array_equal(
        display.expert_predictions, moe.transform(rows)[:, 1::2]
    )
    np.testing.assert_array_equal(display.interval, moe.predict_interval(rows)[:, 1])
    np.testing.assert_array_equal(display.points_.get_offsets()[:, 1], y[:, 1])
    with pytest.raises(ValueError, match=r"'target' must be one of \[0, 1\]; got None"):
        ExpertDisplay.from_estimator(moe, X, 0)


def test_targets_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ExpertDisplay.from_estimator(fitted(), X, 0, y=Y[:10])


# Convergence


@both
def test_there_is_a_line_for_each_start(Mixture):
    moe = fitted(Mixture, n_experts=3, n_init=4, init="random")
    display = ConvergenceDisplay.from_estimator(moe)
    assert len(display.lines_) == 4
    for line, path in zip(display.lines_, moe.objective_paths_):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(path) + 1))
        np.testing.assert_array_equal(line.get_ydata(), path)
    best = display.lines_[display.best_start_ - 1]
    np.testing.assert_array_equal(best.get_ydata(), moe.objective_path_)
    assert all(best.get_linewidth() >= line.get_linewidth() for line in display.lines_)


def test_a_star_marks_the_iteration_that_was_kept():
    paths = [
        np.array([-9.0, -5.0]),
        np.array([-8.0, -3.0, -3.0, -4.0]),
        np.array([-3.0]),
    ]
    display = ConvergenceDisplay(objective_paths=paths).plot()
    assert (display.best_start_, display.best_iteration_) == (2, 3)
    np.testing.assert_array_equal(display.star_.get_xydata(), [[3, -3]])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_iteration_that_is_marked_is_that_of_the_fitted_mixture():
    # Trees do not climb all the way, so that the best iteration is not the last.
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    params = {"experts": tree, "cv": None, "gate": SoftmaxGate(alpha=1e-3)}
    moe = fitted(**params)
    kept = ConvergenceDisplay.from_estimator(moe).best_iteration_
    assert 1 < kept < moe.n_iter_
    stopped = fitted(**params, max_iter=kept)
    np.testing.assert_array_equal(stopped.transform(X), moe.transform(X))


def test_the_objective_may_be_that_of_a_row():
    moe = fitted()
    display = ConvergenceDisplay.from_estimator(moe, n_samples=150)
    np.testing.assert_allclose(display.lines_[0].get_ydata(), moe.objective_path_ / 150)
    assert display.ax_.get_ylabel() == "Penalised log-likelihood of a row"


# Load


@both
def test_the_bars_are_share_and_load(Mixture):
    moe = fitted(Mixture, assignment="hard", capacity_factor=1.2)
    share, load = ExpertLoadDisplay.from_estimator(moe).bars_
    np.testing.assert_array_equal(widths(share), moe.expert_share_)
    np.testing.assert_array_equal(widths(load), moe.expert_load_)


def test_the_overflow_is_drawn_by_iteration():
    moe = fitted(assignment="hard", capacity_factor=1)
    display = ExpertLoadDisplay.from_estimator(moe)
    line = display.overflow_line_
    assert line.axes is display.axes_[1]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, moe.n_iter_ + 1))
    np.testing.assert_array_equal(line.get_ydata(), moe.overflow_fraction_)


@pytest.mark.parametrize(
    ("params", "capacity"),
    [
        ({"assignment": "hard", "capacity_factor": 1.5}, 0.75),
        ({"assignment": "hard", "capacity_factor": 2.5}, None),
        ({"assignment": "hard"}, None),
        ({"assignment": "expert_choice"}, 0.5),
        ({}, None),
    ],
)
def test_no_load_is_beyond_the_line_of_the_capacity(params, capacity):
    display = ExpertLoadDisplay.from_estimator(fitted(**params))
    if capacity is None:
        assert display.capacity_line_ is None
    else:
        assert list(display.capacity_line_.get_xdata()) == [capacity] * 2
        assert (display.load < capacity + 1 / 150).all()


def test_where_no_row_can_overflow_there_is_one_panel():
    display = ExpertLoadDisplay.from_estimator(fitted())
    assert len(display.axes_) == 1
    assert display.overflow_line_ is None


def test_load_is_drawn_on_two_axes_that_are_given():
    _, axes = plt.subplots(2, 1)
    moe = fitted(assignment="hard")
    display = ExpertLoadDisplay.from_estimator(moe, ax=axes)
    assert list(display.axes_) == list(axes)
    with pytest.raises(TypeError, match="'ax' must be 2 matplotlib Axes; got"):
        ExpertLoadDisplay.from_estimator(moe, ax=axes[0])


# Responsibilities


@both
def test_the_bars_count_the_rows_that_have_to_do_with_the_expert(Mixture):
    moe = fitted(Mixture)
    y = TARGETS[Mixture]
    display = ResponsibilityDisplay.from_estimator(moe, X, y, bins=5, eps=0.01)
    assert len(display.axes_) == len(display.bars_) == 2
    for bars, r in zip(display.bars_, moe.responsibilities(X, y).T):
        expected, edges = np.histogram(r[r > 0.01], bins=5, range=(0, 1))
        np.testing.assert_array_equal(heights(bars), expected)
        np.testing.assert_allclose([bar.get_x() for bar in bars], edges[:-1])
        assert heights(bars).sum() == (r > 0.01).sum() < len(r)


def test_heights_are_drawn_as_their_square_roots_and_on_equal_scales():
    display = ResponsibilityDisplay.from_estimator(fitted(), X, Y)
    for ax in display.axes_:
        four, one, zero = ax.transData.transform([(0, 4), (0, 1), (0, 0)])[:, 1]
        assert four - zero == pytest.approx(2 * (one - zero))
        assert ax.get_ylim() == display.axes_[0].get_ylim()
    tallest = max(heights(bars).max() for bars in display.bars_)
    assert display.axes_[0].get_ylim()[1] > tallest


@pytest.mark.parametrize(("n_samples", "n_bars"), [(2, 3), (64, 7), (150, 8)])
def test_the_number_of_bars_is_that_of_flexmix(n_samples, n_bars):
    rows = slice(n_samples)
    display = ResponsibilityDisplay.from_estimator(fitted(), X[rows], Y[rows])
    assert len(display.bars_[0]) == n_bars


def test_a_weight_of_two_counts_as_the_row_twice():
    moe, weights = fitted(), np.arange(150) % 3
    weighted = ResponsibilityDisplay.from_estimator(
        moe, X, Y, sample_weight=weights, bins=6
    )
    repeated = ResponsibilityDisplay.from_estimator(
        moe, X.repeat(weights, axis=0), Y.repeat(weights), bins=6
    )
    for left, right in zip(weighted.bars_, repeated.bars_):
        np.testing.assert_allclose(heights(left), heights(right))


def test_a_responsibility_of_a_little_more_than_one_is_counted():
    r = np.array([[1 + 1e-7, 0], [0.5, 0.5]], dtype=np.float32)
    display = ResponsibilityDisplay(responsibilities=r, expert_names=["a", "b"]).plot()
    assert heights(display.bars_[0])[-1] == 1


def test_an_expert_without_rows_has_an_empty_panel():
    r = np.array([[1.0, 0.0]] * 5)
    display = ResponsibilityDisplay(responsibilities=r, expert_names=["a", "b"]).plot()
    assert (heights(display.bars_[1]) == 0).all()
    display.figure_.canvas.draw()


def test_five_experts_have_panels_in_two_rows():
    r = np.full((10, 5), 0.2)
    display = ResponsibilityDisplay(responsibilities=r, expert_names=list("abcde"))
    display.plot()
    assert len(display.figure_.axes) == 5
    assert display.axes_[4].get_subplotspec().rowspan.start == 1


@pytest.mark.parametrize("bins", [0, 2.5, "auto"])
def test_a_number_of_bars_that_is_none_is_refused(bins):
    with pytest.raises(ValueError, match="'bins' must be a positive integer"):
        ResponsibilityDisplay.from_estimator(fitted(), X, Y, bins=bins)


# Many categories, long names, dark backgrounds


TOWNS = [f"Kingdom of {name} and all that" for name in "ABCDEFGHIJKLMNOPQRSTUVWXYZab"]


def frame_of_towns(n_towns):
    rng = np.random.default_rng(2)
    # The first are rare.
    shares = np.arange(1, n_towns + 1) / np.arange(1, n_towns + 1).sum()
    towns = rng.choice(TOWNS[:n_towns], 300, p=shares)
    towns[:n_towns] = TOWNS[:n_towns]
    return pd.DataFrame({"town": towns, "x": rng.uniform(-1, 1, 300)})


def of_towns(frame):
    line = make_pipeline(make_column_transformer(("passthrough", ["x"])), Ridge())
    code = frame["town"].map(TOWNS.index)
    y = np.where(code % 2, 3, -3) * frame["x"] + code / 5
    return fitted(rows=frame, y=y, experts=line, tol=0.1)


def overlaps(labels):
    """Whether the boxes of texts, turned as these are, overlap along the axis."""
    renderer = labels[0].figure.canvas.get_renderer()
    turned = np.deg2rad(labels[0].get_rotation())
    boxes = [label.get_window_extent(renderer) for label in labels]
    starts = np.array([box.x1 for box in boxes])
    height = labels[0].get_fontsize() * labels[0].figure.dpi / 72
    if turned == 0:
        return any(a.x1 > b.x0 for a, b in pairwise(boxes))
    return bool((np.diff(starts) * np.sin(turned) < 0.8 * height).any())


@pytest.mark.parametrize("size", [(4, 3), (6.4, 4.8), (12, 6)])
@pytest.mark.parametrize("n_towns", [2, 9, 28])
@pytest.mark.parametrize("Display", [GateDisplay, ExpertDisplay])
def test_names_of_categories_do_not_overlap(Display, n_towns, size):
    frame = frame_of_towns(n_towns)
    with plt.rc_context({"figure.figsize": size}):
        display = Display.from_estimator(of_towns(frame), frame, "town")
        display.figure_.canvas.draw()
    labels = display.ax_.get_xticklabels()
    assert len(labels) == min(n_towns, 16)
    assert not overlaps(labels)
    assert max(len(label.get_text()) for label in labels) <= 20


def test_short_names_stay_upright():
    frame = frame_of_towns(3)
    frame["town"] = frame["town"].str[11]
    line = make_pipeline(make_column_transformer(("passthrough", ["x"])), Ridge())
    moe = fitted(rows=frame, y=frame["x"], experts=line, tol=0.1)
    display = GateDisplay.from_estimator(moe, frame, "town")
    labels = display.ax_.get_xticklabels()
    assert [label.get_text() for label in labels] == ["A", "B", "C"]
    assert [label.get_rotation() for label in labels] == [0, 0, 0]


def test_rare_categories_are_drawn_together_as_their_mean():
    frame = frame_of_towns(28)
    moe = of_towns(frame)
    display = GateDisplay.from_estimator(moe, frame, "town")
    [grid] = display.grid
    counts = frame["town"].value_counts()
    assert grid[-1] == "13 others"
    assert counts[grid[:-1]].min() >= counts.drop(grid[:-1]).max()
    held = frame.assign(x=lower_median(frame["x"]))
    weights = pd.DataFrame(moe.predict_gate(held)).groupby(frame["town"]).first()
    np.testing.assert_allclose(display.gate_weights[:-1], weights.loc[grid[:-1]])
    others = counts.drop(grid[:-1])
    expected = np.average(weights.loc[others.index], axis=0, weights=others)
    np.testing.assert_allclose(display.gate_weights[-1], expected)


def test_experts_and_points_of_rare_categories_are_drawn_there():
    frame = frame_of_towns(28)
    moe = of_towns(frame)
    y = np.arange(300.0)
    display = ExpertDisplay.from_estimator(moe, frame, "town", y=y)
    rare = ~frame["town"].isin(display.grid)
    at = display.points_.get_offsets()[:, 0]
    np.testing.assert_array_equal(at == 15, rare)
    held = frame.assign(x=lower_median(frame["x"]))[rare]
    np.testing.assert_allclose(display.prediction[-1], moe.predict(held).mean())
    expected = moe.predict_interval(held).mean(axis=0)
    np.testing.assert_allclose(display.interval[-1], expected)


def test_regions_over_many_categories_have_rare_ones_together():
    frame = frame_of_towns(28)
    moe = of_towns(frame)
    display = GateDisplay.from_estimator(moe, frame, ("x", "town"), grid_resolution=5)
    assert display.gate_weights.shape == (5, 16, 2)
    along_towns = GateDisplay.from_estimator(
        moe, frame.assign(x=frame["x"].min()), "town"
    )
    np.testing.assert_allclose(display.gate_weights[0], along_towns.gate_weights)


def test_the_legend_of_many_experts_has_columns():
    display = GateDisplay(
        grid=[np.arange(3.0)],
        gate_weights=np.full((3, 40), 1 / 40),
        feature_names=["x0"],
        expert_names=[f"e{k}" for k in range(40)],
    )
    assert display.plot().ax_.get_legend()._ncols == 3


def colours(display):
    """Colours of the artists and texts of a display, with what these lie on."""
    for ax in display.axes_ if hasattr(display, "axes_") else [display.ax_]:
        for line in ax.get_lines():
            yield to_rgb(line.get_color())
        for text in (*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label):
            yield to_rgb(text.get_color())


@each_display
def test_nothing_is_drawn_in_the_colour_of_a_dark_background(name):
    with plt.style.context("dark_background"):
        display = DRAWN[name](fitted(assignment="hard", capacity_factor=1.5))
        display.figure_.canvas.draw()
        assert (0, 0, 0) not in [*colours(display)]


def test_the_mixture_has_the_colour_of_text():
    for style, ink in (("default", "black"), ("dark_background", "white")):
        with plt.style.context(style):
            display = ExpertDisplay.from_estimator(fitted(), X, 0, y=Y)
            assert to_rgb(display.line_.get_color()) == to_rgb(ink)
            band = to_rgb(display.band_.get_facecolor()[0])
            grey = 0.88 if ink == "black" else 0.12
            np.testing.assert_allclose(band, grey)
