"""An expert of a list that is "drop" is left out, as in scikit-learn's ensembles."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (80, 2))
Y = np.abs(X[:, 0]) + RNG.normal(0, 0.1, 80)


def mixture(third="drop", **params):
    experts = [("one", Ridge()), ("third", third), ("two", Ridge(0.1))]
    return MixtureOfExpertsRegressor(experts, **{"random_state": 0, **params})


def test_a_dropped_expert_is_as_good_as_none():
    fitted = mixture().fit(X, Y)
    others = [("one", Ridge()), ("two", Ridge(0.1))]
    without = MixtureOfExpertsRegressor(others, random_state=0).fit(X, Y)
    assert list(fitted.named_experts_) == ["one", "two"]
    assert fitted.n_experts_ == len(fitted.experts_) == len(fitted.noise_.scale_) == 2
    assert fitted.expert_share_.shape == (2,)
    np.testing.assert_array_equal(fitted.predict(X), without.predict(X))
    np.testing.assert_array_equal(fitted.objective_path_, without.objective_path_)


def test_an_expert_is_dropped_and_brought_back_by_its_name():
    moe = mixture(DecisionTreeRegressor(max_depth=2))
    assert moe.set_params(third="drop").get_params()["third"] == "drop"
    assert "third__max_depth" not in moe.get_params()
    moe.set_params(third=Ridge(), third__alpha=3.0)
    assert moe.experts[1][1].alpha == 3.0


def test_a_search_tries_whether_to_drop_it():
    grid = {"third": ["drop", DecisionTreeRegressor(max_depth=2)]}
    search = GridSearchCV(mixture(tol=1), grid, cv=2).fit(X, Y)
    assert len(search.cv_results_["params"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_it_does_not_make_the_others_unlike():
    moe = mixture()
    assert moe._composition().specializes
    assert not moe.set_params(third=DecisionTreeRegressor())._composition().specializes


def test_init_is_about_the_others():
    start = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0]) * 1.0
    fitted = mixture(init=start, tol=1e3).fit(X, Y)
    np.testing.assert_allclose(fitted.expert_share_, start.mean(axis=0), atol=0.1)
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_experts\) = \(80, 2\)"):
        mixture(init=np.full((80, 3), 1 / 3)).fit(X, Y)


def test_a_mixture_with_a_dropped_expert_is_cloned_pickled_and_shown():
    copied = pickle.loads(pickle.dumps(clone(mixture()).fit(X, Y)))
    assert clone(copied).experts[1] == ("third", "drop")
    assert "one: " in copied._repr_html_()
    assert mixture()._repr_html_()
    assert get_tags(mixture()).target_tags.multi_output


def test_a_classifier_drops_as_well():
    experts = [("one", LogisticRegression()), ("none", "drop")]
    fitted = MixtureOfExpertsClassifier(experts).fit(X, X[:, 0] > 0)
    assert list(fitted.named_experts_) == ["one"]


def test_a_stream_does_without_it():
    experts = [("one", SGDRegressor()), ("none", "drop"), ("two", SGDRegressor())]
    moe = MixtureOfExpertsRegressor(experts, random_state=0)
    moe.partial_fit(X, Y).partial_fit(X, Y)
    assert list(moe.named_experts_) == ["one", "two"]


def test_metadata_goes_to_the_others():
    with config_context(enable_metadata_routing=True):
        ridge = Ridge().set_fit_request(sample_weight=False)
        moe = mixture().set_params(one=ridge)
        assert set(moe.get_metadata_routing()._route_mappings) == {"one", "two"}
        assert moe.fit(X, Y).n_experts_ == 2


def test_a_mixture_around_it_knows_that_it_is_dropped():
    outer = MixtureOfExpertsRegressor(mixture(tol=1e3), 2, tol=1e3)
    assert outer._composition().shares_rows
    assert len(outer.fit(X, Y).experts_[0].experts_) == 2


# What is refused
# ---------------


def test_one_expert_at_least_is_kept():
    moe = mixture().set_params(one="drop", two="drop")
    with pytest.raises(ValueError, match="All of the 'experts' are left out"):
        moe.fit(X, Y)


@pytest.mark.parametrize("word", ["passthrough", "Drop", "ridge", None])
def test_other_words_are_refused_with_the_remedy(word):
    with pytest.raises(TypeError, match=f"'third'.*got {word!r}.*write 'drop'"):
        mixture(word).fit(X, Y)


def test_a_word_that_stands_for_all_experts_is_refused():
    with pytest.raises(ValueError, match="The 'experts' parameter"):
        MixtureOfExpertsRegressor("drop").fit(X, Y)


def test_a_dropped_expert_has_no_parameters():
    message = "'third__alpha' cannot be set: expert 'third' is 'drop'"
    with pytest.raises(ValueError, match=message):
        mixture().set_params(third__alpha=2)
    with pytest.raises(ValueError, match=message):
        mixture(Ridge()).set_params(third="drop", third__alpha=2)
