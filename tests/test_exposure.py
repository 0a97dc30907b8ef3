"""Counts of unequal exposure: experts are rates, and the exposure is an offset.

References are those of R; see tests/data/README.rst.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, PoissonRegressor, SGDRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_moe._sampled_start
from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import (
    ResponsibilityDisplay,
    describe,
    diagnose,
    summary,
)
from sklearn_moe.model_selection import (
    log_likelihood_scorer,
    neg_crps_scorer,
    select_n_experts,
)

DATA = Path(__file__).parent / "data"
NOISES = ["poisson", "negative_binomial"]
each_noise = pytest.mark.parametrize("noise", NOISES)


def poisson_expert():
    return PoissonRegressor(
        alpha=0, solver="newton-cholesky", tol=1e-8, max_iter=10_000
    )


def regressor(noise="poisson", n_experts=2, **params):
    params = {"sharing": 0, "random_state": 0, "tol": 1e-3} | params
    return MixtureOfExpertsRegressor(
        poisson_expert(), n_experts=n_experts, noise=noise, **params
    )


def claims(n=200, seed=0, spread=1.0):
    """Two regimes of rates, and exposures that differ."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    exposure = np.exp(rng.normal(0, spread, n)) * 3
    return X, rng.poisson(exposure * np.exp(np.abs(X[:, 0]))), exposure


def assert_same(one, other, X, rtol=1e-6):
    np.testing.assert_allclose(one.log_likelihood_, other.log_likelihood_, rtol=rtol)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=10 * rtol)


@pytest.fixture(scope="module")
def seizures():
    data = pd.read_csv(DATA / "seizure.csv")
    data["Both"] = data.Treatment * data.LogDay
    return data[["Treatment", "LogDay", "Both"]], data.Seizures, data.Hours


# One expert: a generalised linear model with an offset
# -----------------------------------------------------


def test_one_poisson_expert_is_that_of_glm_with_an_offset():
    data = pd.read_csv(DATA / "insurance.csv")
    X, y, exposure = data[["District", "Group", "Age"]], data.Claims, data.Holders
    mixture = regressor(n_experts=1).set_params(experts__tol=1e-12)
    mixture.fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(-187.174145269, abs=1e-6)
    [expert] = mixture.experts_
    np.testing.assert_allclose(
        [expert.intercept_, *expert.coef_],
        [-1.9273874229814, 0.0548805241177, 0.1971536061065, -0.1792325422476],
        rtol=1e-6,
    )
    criteria = (
        mixture.aic(X, y, exposure=exposure),
        mixture.bic(X, y, exposure=exposure),
    )
    np.testing.assert_allclose(criteria, [382.348290539, 390.983822872], atol=1e-5)


def test_its_standard_errors_are_those_of_glm():
    data = pd.read_csv(DATA / "insurance.csv")
    X, y, exposure = data[["District", "Group", "Age"]], data.Claims, data.Holders
    mixture = regressor(n_experts=1).fit(X, y, exposure=exposure)
    table = summary(mixture, X, y, exposure=exposure)
    np.testing.assert_allclose(
        table["std_error"],
        [0.0847877322774, 0.0179208509589, 0.0208105719014, 0.0185398826171],
        rtol=1e-5,
    )


def test_one_negative_binomial_expert_is_that_of_glm_nb_with_an_offset(seizures):
    X, y, exposure = seizures
    mixture = regressor("negative_binomial", 1, tol=1e-12, max_iter=1000)
    mixture.fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(-438.986483314, abs=1e-6)
    [expert] = mixture.experts_
    np.testing.assert_allclose(
        [expert.intercept_, *expert.coef_],
        [2.147628957646, 4.610623428110, -0.241053241524, -1.428829587483],
        rtol=1e-5,
    )
    assert mixture.noise_.size_[0] == pytest.approx(1.51762570024, rel=1e-6)


# Two experts: flexmix
# --------------------


@pytest.mark.parametrize(
    ("gate", "log_likelihood"),
    [
        (DummyClassifier(), -376.176205123),
        (
            make_pipeline(
                make_column_transformer(("passthrough", ["LogDay", "Treatment"])),
                SoftmaxGate(alpha=0),
            ),
            -373.991240566,
        ),
    ],
    ids=["constant", "concomitant"],
)
def test_two_experts_are_those_of_flexmix_with_an_offset(
    gate, log_likelihood, seizures
):
    X, y, exposure = seizures
    mixture = regressor(
        gate=gate, cv=None, init="random", n_init=3, tol=1e-8, max_iter=1000
    ).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-4)


# Rates with weights
# ------------------


@each_noise
def test_rates_whose_weights_are_exposures_are_counts(noise):
    X, y, exposure = claims()
    counted = regressor(noise).fit(X, y, exposure=exposure)
    rates = regressor(noise).fit(X, y / exposure, sample_weight=exposure)
    assert rates.log_likelihood_ == pytest.approx(counted.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(rates.predict(X), counted.predict(X), rtol=1e-9)
    assert rates.aic(X, y / exposure, exposure) == pytest.approx(
        counted.aic(X, y, exposure=exposure), rel=1e-12
    )


def test_rates_in_single_precision_are_counts():
    X, y, exposure = claims()
    exposure = exposure.astype(np.float32)
    rates = regressor().fit(
        X, (y / exposure).astype(np.float32), sample_weight=exposure
    )
    counted = regressor().fit(X, y, exposure=exposure)
    assert_same(rates, counted, X)


def test_rates_of_weight_zero_are_no_rows():
    X, y, exposure = claims()
    rates, weights = y / exposure, exposure.copy()
    weights[::3], rates[::3] = 0, 0.123
    part = np.arange(len(y)) % 3 != 0
    mixture = regressor().fit(X, rates, sample_weight=weights)
    alone = regressor().fit(X[part], y[part], exposure=exposure[part])
    assert mixture.log_likelihood_ == pytest.approx(alone.log_likelihood_, rel=1e-9)


def test_whole_targets_with_weights_stay_counts_that_count_more():
    X, y, _ = claims()
    weights = np.random.default_rng(1).integers(1, 4, len(y))
    weighted = regressor().fit(X, y, sample_weight=weights)
    repeated = regressor().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-3)


def test_rates_that_are_no_counts_over_their_weights_are_refused():
    X, y, exposure = claims()
    with pytest.raises(ValueError, match=r"PoissonNoise models counts.*'exposure'"):
        regressor().fit(X, y / exposure, sample_weight=np.ones(len(y)))


# The law
# -------


@each_noise
def test_the_density_is_that_of_the_count(noise):
    X, y, exposure = claims()
    mixture = regressor(noise).fit(X, y, exposure=exposure)
    rate = mixture.transform(X)
    mean = rate * exposure[:, np.newaxis]
    if noise == "poisson":
        density = stats.poisson.pmf(y[:, np.newaxis], mean)
    else:
        size = mixture.noise_.size_
        density = stats.nbinom.pmf(y[:, np.newaxis], size, size / (size + mean))
    expected = np.log(np.sum(mixture.predict_gate(X) * density, axis=1))
    found = mixture.score_samples(X, y, exposure=exposure)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert mixture.log_likelihood_ == pytest.approx(expected.sum())
    np.testing.assert_allclose(
        mixture.responsibilities(X, y, exposure=exposure),
        mixture.predict_gate(X) * density / np.exp(expected)[:, np.newaxis],
        rtol=1e-6,
        atol=1e-9,
    )


@each_noise
@pytest.mark.parametrize("experts", [None, poisson_expert()], ids=["default", "given"])
def test_an_exposure_of_one_is_none(noise, experts):
    X, y, _ = claims()
    mixture = regressor(noise, tol=1e-2).set_params(experts=experts)
    alone = clone(mixture).fit(X, y)
    mixture.fit(X, y, exposure=np.ones(len(y)))
    assert mixture.log_likelihood_ == pytest.approx(alone.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(mixture.predict(X), alone.predict(X), rtol=1e-10)


@each_noise
@pytest.mark.parametrize("unit", [1e-7, 1e6])
def test_the_unit_of_the_exposure_is_that_of_the_rates_alone(noise, unit):
    X, y, exposure = claims()
    default = regressor(noise).set_params(experts=None)
    one = clone(default).fit(X, y, exposure=exposure)
    other = clone(default).fit(X, y, exposure=unit * exposure)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, rel=1e-4)
    np.testing.assert_allclose(unit * other.predict(X), one.predict(X), rtol=1e-2)


@each_noise
def test_the_objective_never_decreases(noise):
    X, y, exposure = claims()
    mixture = regressor(noise, tol=1e-8, gate=SoftmaxGate(alpha=0.01))
    path = mixture.fit(X, y, exposure=exposure).objective_path_
    assert np.diff(path).min() > -1e-6 * abs(path[-1])


def test_weights_of_rows_go_with_exposures():
    X, y, exposure = claims()
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = regressor().fit(X, y, sample_weight=weights, exposure=exposure)
    repeated = regressor().fit(
        np.repeat(X, weights, axis=0),
        np.repeat(y, weights),
        exposure=np.repeat(exposure, weights),
    )
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-3)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=0.05)


# What is predicted
# -----------------


@pytest.fixture(scope="module", params=NOISES)
def fitted(request):
    X, y, exposure = claims()
    return regressor(request.param).fit(X, y, exposure=exposure)


def test_predictions_are_rates_or_counts_of_an_exposure(fitted):
    X, _, exposure = claims(50)
    rate = fitted.predict(X)
    np.testing.assert_allclose(fitted.predict(X, exposure=exposure), rate * exposure)
    mean, std = fitted.predict(X, return_std=True, exposure=exposure)
    distribution = fitted.predict_distribution(X, exposure=exposure)
    np.testing.assert_allclose(distribution.mean(), mean)
    np.testing.assert_allclose(distribution.std(), std)


def test_intervals_quantiles_and_draws_are_of_counts(fitted):
    X, _, exposure = claims(50)
    distribution = fitted.predict_distribution(X, exposure=exposure)
    interval = fitted.predict_interval(X, 0.8, exposure=exposure)
    np.testing.assert_array_equal(interval, distribution.interval(0.8))
    quantiles = fitted.predict_quantiles(X, 0.9, exposure=exposure)
    np.testing.assert_array_equal(quantiles, distribution.ppf(0.9))
    draws = fitted.sample(X, 2000, random_state=0, exposure=exposure)
    error = distribution.std() / np.sqrt(2000)
    assert np.all(np.abs(draws.mean(axis=1) - distribution.mean()) < 5 * error)


@pytest.mark.parametrize("top", [{"combination": "argmax"}, {"top_k": 1}], ids=str)
def test_the_chosen_expert_answers_for_the_exposure(top, fitted):
    X, _, exposure = claims(50)
    chosen = clone(fitted).set_params(**top)
    vars(chosen).update({k: v for k, v in vars(fitted).items() if k.endswith("_")})
    expected = fitted.transform(X)[np.arange(50), fitted.apply(X)] * exposure
    np.testing.assert_allclose(chosen.predict(X, exposure=exposure), expected)


def test_the_score_compares_counts(fitted):
    X, y, exposure = claims(seed=1)
    expected = r2_score(y, fitted.predict(X, exposure=exposure))
    assert fitted.score(X, y, exposure=exposure) == expected


def test_scorers_of_the_distribution_take_an_exposure(fitted):
    X, y, exposure = claims(50, seed=1)
    mean = fitted.score_samples(X, y, exposure=exposure).mean()
    assert log_likelihood_scorer(fitted, X, y, exposure=exposure) == pytest.approx(mean)
    crps = fitted.predict_distribution(X, exposure=exposure).crps(y).mean()
    assert neg_crps_scorer(fitted, X, y, exposure=exposure) == pytest.approx(-crps)


def test_rootograms_are_those_of_exposures(fitted):
    X, y, exposure = claims()
    display = ResponsibilityDisplay.from_estimator(fitted, X, y, exposure=exposure)
    np.testing.assert_array_equal(
        display.responsibilities, fitted.responsibilities(X, y, exposure=exposure)
    )


def test_what_was_fitted_to_exposures_is_not_judged_without(fitted):
    X, y, _ = claims(50)
    for judge in (
        fitted.score,
        fitted.score_samples,
        fitted.responsibilities,
        fitted.bic,
        lambda X, y: log_likelihood_scorer(fitted, X, y),
        lambda X, y: neg_crps_scorer(fitted, X, y),
    ):
        with pytest.raises(ValueError, match="give that of these counts as 'exposure'"):
            judge(X, y)


def test_its_own_predictions_are_judged(fitted):
    X, _, exposure = claims(50)
    assert np.isfinite(fitted.score_samples(X, exposure=exposure)).all()


# What is refused
# ---------------


@pytest.mark.parametrize(
    ("exposure", "message"),
    [
        (np.zeros(200), "'exposure' must be positive; row 0 has 0.0"),
        (-np.ones(200), "'exposure' must be positive; row 0 has -1.0"),
        (np.full(200, np.nan), "exposure contains NaN"),
        (np.full(200, np.inf), "exposure contains infinity"),
        (np.ones(5), r"'exposure' must have a number for each row .* shape \(5,\)"),
        (2.0, r"'exposure' must have a number for each row .* shape \(\) for 200"),
        (np.ones((200, 2)), r"'exposure' must have a number .* shape \(200, 2\)"),
        (["many"] * 200, "many"),
    ],
)
def test_wrong_exposures_are_refused(exposure, message, fitted):
    X, y, _ = claims()
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, y, exposure=exposure)
    with pytest.raises(ValueError, match=message):
        fitted.predict(X, exposure=exposure)


@pytest.mark.parametrize("noise", ["gaussian", "gamma", "lognormal", "laplace"])
def test_noise_of_other_targets_has_no_exposure(noise):
    X, y, exposure = claims()
    mixture = MixtureOfExpertsRegressor(noise=noise)
    with pytest.raises(ValueError, match=f"'exposure' is for counts, .*{noise}"):
        mixture.fit(X, y + 1, exposure=exposure)
    assert not hasattr(mixture, "experts_")


def test_classes_have_no_exposure():
    X, y, exposure = claims()
    with pytest.raises(ValueError, match="'exposure' is for counts"):
        MixtureOfExpertsClassifier().fit(X, y > 3, exposure=exposure)


def test_a_mixture_within_is_not_reached():
    X, y, exposure = claims()
    inner = MixtureOfExpertsRegressor(n_experts=2, noise="poisson")
    outer = MixtureOfExpertsRegressor(inner, n_experts=2, noise="poisson")
    with pytest.raises(ValueError, match="does not reach expert 'expert0'"):
        outer.fit(X, y, exposure=exposure)


def test_a_component_of_noise_is_not_reached():
    X, y, exposure = claims()
    experts = [("rate", poisson_expert()), ("outliers", "uniform")]
    mixture = MixtureOfExpertsRegressor(experts, noise="poisson")
    with pytest.raises(ValueError, match="expert 'outliers', which is 'uniform'"):
        mixture.fit(X, y, exposure=exposure)


def test_a_diagnosis_knows_no_exposure(fitted):
    X, y, _ = claims()
    with pytest.raises(ValueError, match=r"diagnose knows no 'exposure'"):
        diagnose(fitted, X, y)


@pytest.mark.parametrize("look", [describe, summary])
def test_tables_without_it_are_refused(look):
    X, y, exposure = claims()
    mixture = regressor().fit(X, y, exposure=exposure)
    with pytest.raises(ValueError, match="give that of these counts as 'exposure'"):
        look(mixture, X, y)


def test_experts_are_described_by_counts_of_their_exposure(fitted):
    X, y, exposure = claims()
    table = describe(fitted, X, y, exposure=exposure)
    own = fitted.apply(X) == 0
    counts = fitted.transform(X)[own, 0] * exposure[own]
    assert table["score"].iloc[0] == pytest.approx(r2_score(y[own], counts))


def test_experts_of_rates_with_weights_are_described_by_rates():
    X, y, exposure = claims()
    mixture = regressor().fit(X, y / exposure, sample_weight=exposure)
    table = describe(mixture, X, y / exposure, sample_weight=exposure)
    own = mixture.apply(X) == 0
    expected = r2_score(
        (y / exposure)[own], mixture.transform(X)[own, 0], sample_weight=exposure[own]
    )
    assert table["score"].iloc[0] == pytest.approx(expected)


# Every kind of fit
# -----------------


@each_noise
@pytest.mark.parametrize(
    "params",
    [
        {"sharing": "auto"},
        {"assignment": "hard"},
        {"assignment": "expert_choice"},
        {"cv": 3},
        {"n_init": 3},
        {"acceleration": "squarem"},
        {"specialize": False},
        {"experts": None},
        {"experts": HistGradientBoostingRegressor(loss="poisson", max_iter=20)},
        {"experts": make_pipeline(StandardScaler(), poisson_expert())},
        {"experts": KNeighborsRegressor(5)},
        {"experts": LinearRegression()},
    ],
    ids=str,
)
def test_every_kind_of_fit_takes_exposures(noise, params):
    X, y, exposure = claims()
    mixture = regressor(noise, tol=1e-3).set_params(**params)
    mixture.fit(X, y, exposure=exposure)
    mean = mixture.predict(X, exposure=exposure).sum()
    assert mean == pytest.approx(y.sum(), rel=0.2)
    assert r2_score(y, mixture.predict(X, exposure=exposure)) > 0.4


@pytest.mark.parametrize(
    ("make", "as_given"), [(pd.DataFrame, pd.Series), (lambda X: X.tolist(), list)]
)
def test_frames_and_lists_take_exposures(make, as_given):
    X, y, exposure = claims()
    mixture = regressor().fit(make(X), as_given(y), exposure=as_given(exposure))
    plain = regressor().fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-9)


def test_several_outputs_have_one_exposure():
    X, y, exposure = claims()
    Y = np.column_stack([y, claims(seed=1)[1]])
    experts = DummyRegressor()
    mixture = MixtureOfExpertsRegressor(experts, n_experts=2, noise="poisson", cv=None)
    mixture.fit(X, Y, exposure=exposure)
    predicted = mixture.predict(X, exposure=exposure)
    np.testing.assert_allclose(
        predicted, mixture.predict(X) * exposure[:, np.newaxis], rtol=1e-12
    )
    assert mixture.score_samples(X, Y, exposure=exposure).sum() == pytest.approx(
        mixture.log_likelihood_
    )


def test_zero_inflated_counts_take_exposures():
    X, y, exposure = claims()
    y = y * (np.random.default_rng(1).uniform(size=len(y)) < 0.7)
    mixture = MixtureOfExpertsRegressor(
        [
            ("never", DummyRegressor(strategy="constant", constant=0)),
            ("some", poisson_expert()),
        ],
        noise="poisson",
        random_state=0,
    ).fit(X, y, exposure=exposure)
    assert mixture.expert_share_[0] == pytest.approx(0.3, abs=0.05)


def test_a_warm_start_goes_on():
    X, y, exposure = claims()
    mixture = regressor(warm_start=True).fit(X, y, exposure=exposure)
    before = mixture.objective_path_.max()
    mixture.fit(X, y, exposure=exposure)
    assert mixture.objective_path_.max() >= before - 1e-9
    # Other exposures are other rows.
    mixture.fit(X, y, exposure=2 * exposure)
    alone = regressor().fit(X, y, exposure=2 * exposure)
    assert_same(mixture, alone, X, rtol=1e-3)


def test_numbers_of_experts_are_tried_with_exposures():
    X, y, exposure = claims(150)
    mixture = regressor(n_experts="auto", tol=1e-3).fit(X, y, exposure=exposure)
    assert mixture.n_experts_ == 2
    part = mixture.n_experts_path_["log_likelihood"]
    assert part.max() == pytest.approx(mixture.log_likelihood_ / 150, abs=0.3)


def test_em_begins_on_a_sample_with_its_exposures(monkeypatch):
    monkeypatch.setattr(sklearn_moe._sampled_start, "MANY_ROWS", 2000)
    X, y, exposure = claims(2000, spread=0.5)
    begun = []
    begin = sklearn_moe._base.begin_on_sample

    def watched(*arguments):
        begun.append(begin(*arguments))
        return begun[-1]

    monkeypatch.setattr(sklearn_moe._base, "begin_on_sample", watched)
    mixture = regressor(tol=1e-4).fit(X, y, exposure=exposure)
    monkeypatch.undo()
    assert begun != [None]
    whole = regressor(tol=1e-4).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(whole.log_likelihood_, rel=1e-4)


def test_a_failed_fit_leaves_the_mixture_as_it_was():
    X, y, exposure = claims()
    mixture = regressor().fit(X, y, exposure=exposure)
    before = mixture.predict(X)
    with pytest.raises(ValueError, match="positive"):
        mixture.fit(X, y, exposure=-exposure)
    np.testing.assert_array_equal(mixture.predict(X), before)
    assert mixture.score(X, y, exposure=exposure) > 0


def test_a_new_fit_without_exposure_needs_none():
    X, y, exposure = claims()
    mixture = regressor().fit(X, y, exposure=exposure).fit(X, y)
    assert np.isfinite(mixture.score_samples(X, y)).all()


# Cross-validation
# ----------------


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_cross_validation_routes_exposures(routing):
    X, y, exposure = claims()
    mixture = regressor().set_fit_request(exposure=True)
    mixture.set_score_request(exposure=True)
    cv = KFold(3)
    scores = cross_val_score(mixture, X, y, params={"exposure": exposure}, cv=cv)
    expected = [
        regressor()
        .fit(X[train], y[train], exposure=exposure[train])
        .score(X[test], y[test], exposure=exposure[test])
        for train, test in cv.split(X)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_a_grid_search_routes_exposures(routing):
    X, y, exposure = claims()
    mixture = regressor(tol=1e-3).set_fit_request(exposure=True)
    mixture.set_score_request(exposure=True)
    search = GridSearchCV(mixture, {"n_experts": [1, 2]}, cv=3)
    search.fit(X, y, exposure=exposure)
    assert search.best_params_ == {"n_experts": 2}
    assert search.best_estimator_.score(X, y, exposure=exposure) > 0.5


def test_rates_with_weights_are_cross_validated_as_they_are():
    X, y, exposure = claims()
    scores = cross_val_score(
        regressor(), X, y / exposure, params={"sample_weight": exposure}, cv=3
    )
    assert scores.min() > 0.2


# Streams
# -------


def stream(**params):
    return MixtureOfExpertsRegressor(
        SGDRegressor(alpha=0, learning_rate="constant", eta0=1e-3),
        n_experts=2,
        noise="poisson",
        random_state=0,
        **params,
    )


def batches():
    for seed in range(4):
        X, y, exposure = claims(200, seed, spread=0.5)
        yield X, y, exposure / 3


def test_a_stream_learns_rates():
    mixture = stream()
    for X, y, exposure in batches():
        mixture.partial_fit(X, y, exposure=exposure)
    assert mixture.score(X, y, exposure=exposure) > 0.5


def test_a_stream_of_exposures_of_one_is_that_of_counts():
    mixture, alone = stream(), stream()
    for X, y, _ in batches():
        mixture.partial_fit(X, y, exposure=np.ones(len(y)))
        alone.partial_fit(X, y)
    np.testing.assert_allclose(mixture.predict(X), alone.predict(X), rtol=1e-10)


def test_a_stream_that_began_with_exposures_needs_them():
    mixture = stream()
    X, y, exposure = next(batches())
    mixture.partial_fit(X, y, exposure=exposure)
    with pytest.raises(ValueError, match="give that of these counts as 'exposure'"):
        mixture.partial_fit(X, y)


# The number of experts
# ---------------------


def test_the_number_of_experts_is_selected_by_counts_of_their_exposure():
    X, y, exposure = claims()
    cv = KFold(2)
    table = select_n_experts(
        make_pipeline(StandardScaler(), regressor()),
        X,
        y,
        [1, 2],
        cv=cv,
        exposure=exposure,
    )
    scaled = StandardScaler().fit_transform(X)
    fitted = regressor().fit(scaled, y, exposure=exposure)
    assert table["cv_log_likelihood"].idxmax() == 2
    assert table.loc[2, "log_likelihood"] == pytest.approx(fitted.log_likelihood_)
    aic = fitted.aic(scaled, y, exposure=exposure)
    assert table.loc[2, "aic"] == pytest.approx(aic)


def test_it_is_not_selected_without_the_exposure_of_the_fit(fitted):
    X, y, _ = claims()
    with pytest.raises(ValueError, match="give that of these counts as 'exposure'"):
        select_n_experts(fitted, X, y, [1])


def test_a_search_hands_exposures_to_scorers(routing):
    X, y, exposure = claims()
    mixture = regressor(tol=1e-3).set_fit_request(exposure=True)
    scores = cross_val_score(
        mixture,
        X,
        y,
        params={"exposure": exposure},
        cv=KFold(2),
        scoring=log_likelihood_scorer,
    )
    train, test = next(KFold(2).split(X))
    alone = regressor(tol=1e-3).fit(X[train], y[train], exposure=exposure[train])
    expected = alone.score_samples(X[test], y[test], exposure=exposure[test]).mean()
    assert scores[0] == pytest.approx(expected)
