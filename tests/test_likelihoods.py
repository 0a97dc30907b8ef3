"""Likelihoods as EM uses them: summed up over rows, solved, and recalled."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_moe import (
    GammaNoise,
    GaussianNoise,
    HeteroscedasticGaussian,
    LaplaceNoise,
    LogNormalNoise,
    NegativeBinomialNoise,
    PoissonNoise,
    StudentTNoise,
)
from sklearn_moe._rows import Block, TrainingWeights
from sklearn_moe._statistics import Moments
from sklearn_moe.experts.outputs import Outputs
from sklearn_moe.likelihoods import (
    Categorical,
    CategoricalLikelihood,
    NestedDensity,
    NestedDensityLikelihood,
    Noise,
    NoiseLikelihood,
)

LEARN_FROM_A_MEAN = [
    GaussianNoise(),
    GaussianNoise(common_scale=True),
    LaplaceNoise(),
    GammaNoise(),
    LogNormalNoise(),
    PoissonNoise(),
]
NEED_ALL_ROWS = [
    StudentTNoise(),
    StudentTNoise(df=4),
    NegativeBinomialNoise(),
    HeteroscedasticGaussian(),
]
N_CLASSES = 3


class Problem:
    """A likelihood, rows, and what experts say of them."""

    def __init__(self, likelihood, block, outputs, weights):
        self.likelihood = likelihood
        self.block, self.outputs, self.weights = block, outputs, weights

    def summarize(self, rows, likelihood=None):
        """Statistic of some of the rows."""
        fractions = self.weights.fractions[rows]
        return (likelihood or self.likelihood).summarize(
            self.block.take(rows),
            take(self.outputs, rows),
            TrainingWeights(fractions, self.weights.sample_weight[rows]),
        )

    @property
    def rows(self):
        return np.arange(len(self.block.sample_weight))


def take(outputs, rows):
    if isinstance(outputs, Outputs):
        return Outputs(*(column[rows] for column in outputs))
    return outputs[rows]


def weighted(rng, n_samples, n_experts):
    sample_weight = rng.uniform(0.5, 2, n_samples)
    fractions = rng.dirichlet(np.ones(n_experts), n_samples)
    return sample_weight, TrainingWeights(fractions, sample_weight)


def numbers(noise, seed=0, n_outputs=None, n_samples=40):
    """Targets that every noise model can produce, and predictions of three experts."""
    rng = np.random.default_rng(seed)
    shape = () if n_outputs is None else (n_outputs,)
    X = rng.uniform(-1, 1, (n_samples, 2))
    y = 1.0 + rng.poisson(3, (n_samples, *shape))
    outputs = rng.uniform(1, 6, (n_samples, 3, *shape))
    sample_weight, weights = weighted(rng, n_samples, 3)
    likelihood = NoiseLikelihood(noise, Moments.of(y, sample_weight))
    return Problem(likelihood, Block(X, y, y, sample_weight), outputs, weights)


def votes(seed=0, n_samples=40):
    """Labels, two experts that vote and err, and one that gives probabilities."""
    rng = np.random.default_rng(seed)
    y = rng.integers(N_CLASSES, size=n_samples)
    slips = rng.random((n_samples, 3)) < 0.2
    outputs = np.eye(N_CLASSES)[(y[:, np.newaxis] + slips) % N_CLASSES]
    outputs[:, 2] = rng.dirichlet(np.ones(N_CLASSES), n_samples)
    sample_weight, weights = weighted(rng, n_samples, 3)
    block = Block(np.zeros((n_samples, 1)), y, y, sample_weight)
    return Problem(CategoricalLikelihood(N_CLASSES), block, outputs, weights)


def nested(seed=0):
    """As `numbers`, where one of the experts has a density of its own."""
    problem = numbers(LaplaceNoise(), seed)
    log_density = np.full(problem.outputs.shape, np.nan)
    log_density[:, 1] = np.random.default_rng(seed).normal(-1, 0.5, len(log_density))
    return Problem(
        NestedDensityLikelihood(problem.likelihood),
        problem.block,
        Outputs(problem.outputs, log_density),
        problem.weights,
    )


ADD_UP = {
    **{
        f"{type(noise).__name__} of {n_outputs or 1}": (numbers, noise, n_outputs)
        for noise in LEARN_FROM_A_MEAN
        for n_outputs in (None, 2)
    },
    "classes": (votes,),
    "nested": (nested,),
}
each_that_adds_up = pytest.mark.parametrize("kind", ADD_UP)


def problem_of(kind, seed=0):
    make, *noise = ADD_UP[kind]
    return make(*noise[:1], seed, *noise[1:])


def learnt(fitted):
    """What a fitted likelihood has learnt, by name."""
    if isinstance(fitted, NestedDensity):
        fitted = fitted.noise
    if isinstance(fitted, Noise):
        return fitted.fitted_parameters()
    return {"error_rate": fitted.error_rate}


def assert_same(one, other, rtol=1e-10):
    for name, value in learnt(one).items():
        np.testing.assert_allclose(learnt(other)[name], value, rtol=rtol, atol=1e-12)


# The three uses
# --------------


@each_that_adds_up
def test_rows_in_one_block_in_two_and_in_a_stream_teach_the_same(kind):
    problem = problem_of(kind)
    likelihood, rows = problem.likelihood, problem.rows
    first, second = rows[:15], rows[15:]

    batch = likelihood.solve(problem.summarize(rows))

    blocks = likelihood.solve(problem.summarize(first) + problem.summarize(second))
    assert_same(blocks, batch)

    begun = likelihood.solve(problem.summarize(first))
    past = likelihood.recall(begun, np.asarray(problem.weights)[first].sum(axis=0))
    stream = likelihood.solve(past + problem.summarize(second))
    assert_same(stream, batch)


# Laws
# ----


@each_that_adds_up
@given(seed=st.integers(0, 10**6), n_first=st.integers(0, 40))
def test_the_statistics_of_two_blocks_add_up_to_that_of_all_rows(kind, seed, n_first):
    problem = problem_of(kind, seed)
    first, second = problem.rows[:n_first], problem.rows[n_first:]
    added = problem.summarize(first) + problem.summarize(second)
    whole = problem.summarize(problem.rows)
    assert type(added) is type(whole)
    for field in fields(whole):
        np.testing.assert_allclose(
            getattr(added, field.name), getattr(whole, field.name), rtol=1e-10
        )


@each_that_adds_up
@given(seed=st.integers(0, 10**6), log_weight=st.floats(-10, 10))
def test_what_is_recalled_is_solved_to_the_same(kind, seed, log_weight):
    problem = problem_of(kind, seed)
    likelihood = problem.likelihood
    fitted = likelihood.solve(problem.summarize(problem.rows))
    weight = np.exp(log_weight) * np.array([1.0, 2.0, 3.0])
    assert_same(likelihood.solve(likelihood.recall(fitted, weight)), fitted, rtol=1e-8)


@each_that_adds_up
@given(seed=st.integers(0, 10**6), kept=st.floats(0, 1))
def test_a_stream_of_equal_batches_stays_at_the_fit_to_one(kind, seed, kept):
    problem = problem_of(kind, seed)
    likelihood = problem.likelihood
    batch = problem.summarize(problem.rows)
    fitted = begun = likelihood.solve(batch)
    seen = weight = np.asarray(problem.weights).sum(axis=0)
    for _ in range(3):
        past = kept * likelihood.recall(fitted, seen)
        fitted, seen = likelihood.solve(past + batch), kept * seen + weight
    assert_same(fitted, begun)


# Noise
# -----


@pytest.mark.parametrize("noise", NEED_ALL_ROWS, ids=repr)
def test_a_noise_that_needs_all_rows_does_not_add_up(noise):
    problem = numbers(noise)
    statistic = problem.summarize(problem.rows)
    assert not noise.adds_up
    for add in (
        lambda: statistic + statistic,
        lambda: sum([statistic]),
        lambda: 0.5 * statistic,
    ):
        with pytest.raises(TypeError, match="AllRows"):
            add()
    name = type(noise).__name__
    with pytest.raises(TypeError, match=f"{name} needs all rows in one place"):
        problem.likelihood.recall(noise, np.ones(3))


@pytest.mark.parametrize("noise", LEARN_FROM_A_MEAN, ids=repr)
def test_a_noise_that_learns_from_a_mean_adds_up(noise):
    assert noise.adds_up
    noise.check_stream()


@pytest.mark.parametrize("noise", [*LEARN_FROM_A_MEAN, *NEED_ALL_ROWS], ids=repr)
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_a_fit_to_one_block_is_that_of_the_noise(noise, n_outputs):
    problem = numbers(noise, n_outputs=n_outputs)
    block, likelihood = problem.block, problem.likelihood
    fitted = likelihood.solve(problem.summarize(problem.rows))
    alone = noise.__sklearn_clone__().fit(
        replace(likelihood.target, X=block.X, y=block.encoded_y),
        problem.outputs,
        np.asarray(problem.weights),
    )
    np.testing.assert_array_equal(
        fitted.log_prob(block.encoded_y, problem.outputs, block.X),
        alone.log_prob(block.encoded_y, problem.outputs, block.X),
    )
    assert not noise.fitted_parameters()


def test_student_t_noise_goes_on_once_it_is_fitted():
    rng = np.random.default_rng(0)
    y, outputs, weight = rng.standard_t(4, 500), np.zeros((500, 1)), np.ones(500)
    block, moments = Block(None, y, y, weight), Moments.of(y, weight)
    weights = TrainingWeights(np.ones((500, 1)), weight)
    beginning = NoiseLikelihood(StudentTNoise(df=4), moments)
    noise = beginning.solve(beginning.summarize(block, outputs, weights))
    likelihood = NoiseLikelihood(noise, moments)
    batch = likelihood.summarize(block, outputs, weights)
    after = likelihood.solve(likelihood.recall(noise, np.array([500.0])) + batch)
    # Where the likelihood is largest, it stays.
    np.testing.assert_allclose(after.scale_, noise.scale_, rtol=1e-4)
    np.testing.assert_array_equal(after.df_, noise.df_)
    assert after is not noise


def test_an_expert_without_rows_keeps_its_noise():
    problem = numbers(GaussianNoise())
    noise = problem.likelihood.solve(problem.summarize(problem.rows))
    likelihood = NoiseLikelihood(noise, Moments.of(problem.block.y, np.ones(40)))
    problem.weights.fractions[:, 1] = 0
    past = likelihood.recall(noise, np.array([5.0, 0.0, 5.0]))
    problem.outputs[:] += 1
    after = likelihood.solve(past + problem.summarize(problem.rows, likelihood))
    assert (after.scale_ == noise.scale_).tolist() == [False, True, False]


def test_only_noise_that_reweights_rows_has_working_weights():
    having = [LaplaceNoise(), StudentTNoise(), NegativeBinomialNoise()]
    without = [
        LaplaceNoise(reweight=False),
        StudentTNoise(reweight=False),
        GaussianNoise(),
        HeteroscedasticGaussian(),
        Categorical(np.zeros(2)),
    ]
    assert all(noise.has_working_weights for noise in having)
    assert all(NestedDensity(noise).has_working_weights for noise in having)
    for noise in without:
        assert not noise.has_working_weights
        assert not NestedDensity(noise).has_working_weights
        assert noise.working_weights(None, None) == 1


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_the_mean_of_the_target_has_a_normalised_error_of_one(n_outputs):
    problem = numbers(GaussianNoise(), n_outputs=n_outputs)
    y, weights = problem.block.encoded_y, problem.block.sample_weight
    mean = np.broadcast_to(np.average(y, axis=0, weights=weights), y.shape)
    error = problem.likelihood.normalised_error
    assert error(y, mean, weights) == pytest.approx(1)
    assert error(y, y, weights) == 0
    constant = NoiseLikelihood(GaussianNoise(), Moments.of(np.ones(3), np.ones(3)))
    assert constant.normalised_error(np.ones(3), np.ones(3), np.ones(3)) == np.inf


# Classes
# -------


def test_a_voter_that_abstains_is_judged_by_its_votes():
    outputs = np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]])[:, np.newaxis]
    y, weight = np.array([0, 1, 1, 0]), np.ones(4)
    likelihood = CategoricalLikelihood(n_classes=2)
    weights = TrainingWeights(np.ones((4, 1)), weight)
    fitted = likelihood.solve(
        likelihood.summarize(Block(None, y, y, weight), outputs, weights)
    )
    np.testing.assert_allclose(fitted.error_rate, [1 / 3])
    probability = np.exp(fitted.log_prob(y, outputs, None)[:, 0])
    np.testing.assert_allclose(probability, [2 / 3, 1 / 3, 2 / 3, 1 / 2])
    np.testing.assert_allclose(fitted.predictive(outputs).sum(axis=2), 1)


def test_an_expert_that_gave_probabilities_once_does_not_only_vote():
    problem = votes()
    problem.outputs[10:, 2] = np.eye(N_CLASSES)[0]
    first, second = problem.rows[:10], problem.rows[10:]
    assert problem.likelihood.solve(problem.summarize(second)).error_rate[2] > 0
    both = problem.summarize(first) + problem.summarize(second)
    assert problem.likelihood.solve(both).error_rate[2] == 0


def test_the_normalised_error_of_classes_is_what_the_others_are_given():
    values = np.array([[0.8, 0.2], [0.4, 0.6]])
    error = CategoricalLikelihood(2).normalised_error
    assert error(np.array([0, 1]), values, np.array([3.0, 1.0])) == pytest.approx(0.25)


# Densities of their own
# ----------------------


def test_experts_with_a_density_of_their_own_are_left_to_it():
    problem = nested()
    y, outputs = problem.block.encoded_y, problem.outputs
    fitted = problem.likelihood.solve(problem.summarize(problem.rows))
    log_prob = fitted.log_prob(y, outputs, None)
    factor = fitted.working_weights(y, outputs)
    np.testing.assert_array_equal(log_prob[:, 1], outputs.log_density[:, 1])
    np.testing.assert_array_equal(factor[:, 1], 1)
    of_noise = fitted.noise.log_prob(y, outputs.values, None)
    np.testing.assert_array_equal(log_prob[:, [0, 2]], of_noise[:, [0, 2]])
    assert (factor[:, [0, 2]] != 1).all()
