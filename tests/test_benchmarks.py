"""What is measured with defaults says with which, and is measured again with others."""

import re
import warnings
from pathlib import Path

import pytest
from lightgbm import LGBMRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import scale

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

# The tests may lie where the benchmarks do not.
defaults = pytest.importorskip("benchmarks.common.defaults")

RESULTS = Path(defaults.__file__).parents[1] / "results"
NUMBERS, CLASSES = load_diabetes(return_X_y=True), load_iris(return_X_y=True)
BOOSTING = LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1, random_state=0)
UNLIKE = [("ridge", Ridge()), ("neighbours", KNeighborsRegressor(10))]
MIXTURES = {
    "ridge": MixtureOfExpertsRegressor(random_state=0),
    "logistic": MixtureOfExpertsClassifier(random_state=0),
    "boosting": MixtureOfExpertsRegressor(BOOSTING, 2, random_state=0),
    "unlike": MixtureOfExpertsRegressor(UNLIKE, random_state=0),
}


@pytest.mark.parametrize("kind", MIXTURES)
def test_the_version_of_the_defaults_is_raised_when_they_change(kind):
    X, y = CLASSES if kind == "logistic" else NUMBERS
    if kind != "logistic":
        y = scale(y)
    with warnings.catch_warnings():
        # EM may stop at its 100 iterations.
        warnings.simplefilter("ignore")
        fitted = MIXTURES[kind].fit(X, y)
    expected = pytest.approx(defaults.MEAN_LOG_LIKELIHOODS[kind], abs=1e-3)
    assert fitted.score_samples(X, y).mean() == expected, (
        "Raise VERSION in benchmarks/common/defaults.py and write this number beside "
        "it, then measure again what is in benchmarks/results/quality."
    )


# Times do not depend on the defaults, unless they name their version.
NAMED = {
    path.relative_to(RESULTS).as_posix(): re.findall(
        r"defaults (\d+)", path.read_text()
    )
    for path in sorted(RESULTS.rglob("*.txt"))
}


@pytest.mark.parametrize(
    "result",
    [path for path, named in NAMED.items() if named or path.startswith("quality/")],
)
def test_what_is_said_of_defaults_was_measured_with_those_of_today(result):
    assert NAMED[result] == [str(defaults.VERSION)]


def test_a_cache_returns_what_the_same_rows_and_defaults_have_measured(
    tmp_path, monkeypatch
):
    kept = pytest.importorskip("benchmarks.common.cache")
    monkeypatch.setattr(kept, "RESULTS", tmp_path)
    cache = kept.Cache("quality/toy", {"folds": 2, "max_rows": 100})
    rival, mixture = ("iris", 0, "ridge"), ("iris", 0, "mixture")
    cache.add(rival, {"score": 0.5}, is_mixture=False)
    cache.add(mixture, {"score": 0.75}, is_mixture=True)
    assert cache.places() == {rival, mixture}
    assert cache.read()["score"].tolist() == [0.5, 0.75]
    assert not kept.Cache("quality/toy", {"folds": 3, "max_rows": 100}).places()
    monkeypatch.setattr(defaults, "VERSION", defaults.VERSION + 1)
    assert cache.places() == {rival}


def test_the_comparison_has_the_mean_ranks_that_were_measured():
    text = (RESULTS / "quality/accuracy.txt").read_text(encoding="utf-8")
    tables = text.split("mean ranks and medians of seconds\n")[1:]
    row = re.compile(r"(\S.*?) {2,}(\d+\.\d+) +(\d+\.\d+) ")
    numbers, classes = (
        {name: (mean, held_out) for name, mean, held_out in row.findall(table)}
        for table in (tables[0].split("\n\n")[0], tables[-1].split("\n\n")[0])
    )
    page = (RESULTS.parents[1] / "doc/comparison.rst").read_text(encoding="utf-8")
    shown = page[page.index("On sixty tables\n") :]
    for label, of_numbers, of_classes in (
        ("mixture of unlike experts", "mixture, unlike", "mixture, unlike"),
        ("stack of the same unlike experts", "stacking, unlike", "stacking, unlike"),
        ("mixture of four, defaults", "mixture", "mixture"),
        ("boosting, searched", "boosting, searched", "boosting, searched"),
        ("ridge or logistic regression", "ridge", "logistic"),
    ):
        said = re.search(rf"^{label}" + r" +([\d.]+)" * 4, shown, re.MULTILINE).groups()
        measured = numbers[of_numbers] + classes[of_classes]
        # Each figure is rounded from two decimals to one.
        assert [float(x) for x in said] == pytest.approx(
            [float(x) for x in measured], abs=0.051
        )
