"""Convert noise models to ONNX: mean and standard deviation given a prediction."""

from functools import singledispatch

import numpy as np

from sklearn_moe.likelihoods import (
    GammaNoise,
    GaussianNoise,
    HeteroscedasticGaussian,
    LaplaceNoise,
    LogNormalNoise,
    NegativeBinomialNoise,
    Noise,
    PoissonNoise,
    StudentTNoise,
)
from sklearn_moe.likelihoods.positive import PositiveNoise
from sklearn_moe.onnx._parts import convert_regressor

# Parameters of noise models have a value for each expert and output: with an axis for
# the rows they broadcast against predictions (n_samples, n_experts, n_outputs).


def of_experts(learnt, dtype):
    """Reshape a parameter so that it broadcasts against predictions."""
    learnt = np.asarray(learnt)
    return learnt.reshape(1, len(learnt), -1).astype(dtype)


def keeps_location(noise):
    """Whether the mean of the target is the prediction of the expert."""
    return type(noise).predictive is Noise.predictive


def mean_of(graph, noise, location, dtype):
    """Return the mean of the target under each expert; see `Noise.predictive`."""
    if keeps_location(noise):
        return location
    if type(noise).predictive not in (
        PositiveNoise.predictive,
        LogNormalNoise.predictive,
    ):
        raise TypeError(
            f"The noise {noise!r} has a mean of its own, `predictive`, which cannot be "
            "converted to ONNX."
        )
    mean = _positive(graph, noise, location, dtype)
    if isinstance(noise, LogNormalNoise):
        factor = np.exp(0.5 * noise.sigma_.astype(np.float64) ** 2)
        mean = graph.add("Mul", mean, of_experts(factor, dtype))
    return mean


def _positive(graph, noise, location, dtype):
    floor = np.maximum(of_experts(noise.floor_, dtype), np.finfo(dtype).tiny)
    return graph.add("Max", location, floor)


@singledispatch
def scale_of(noise, graph, location, inputs, dtype):
    """Return the standard deviation under each expert; an array if it is constant.

    Parameters
    ----------
    noise : Noise
    graph : Graph
    location : str
    inputs : list of Input
    dtype : dtype

    Returns
    -------
    scale : str or ndarray
    """
    raise TypeError(
        f"return_std=True: the standard deviation of the noise {noise!r} cannot be "
        "converted to ONNX; that of the noise models of the package can."
    )


@scale_of.register
def _(noise: GaussianNoise, graph, location, inputs, dtype):
    return of_experts(noise.scale_, dtype)


@scale_of.register
def _(noise: LaplaceNoise, graph, location, inputs, dtype):
    return of_experts(np.sqrt(2) * noise.scale_, dtype)


@scale_of.register
def _(noise: StudentTNoise, graph, location, inputs, dtype):
    df = noise.df_
    finite = np.where(df > 2, df, 3)
    factor = np.where(df > 2, np.sqrt(finite / (finite - 2)), np.inf)
    return of_experts(noise.scale_ * factor, dtype)


@scale_of.register
def _(noise: HeteroscedasticGaussian, graph, location, inputs, dtype):
    columns = []
    for index in np.ndindex(noise.scale_estimators_.shape):
        estimator = noise.scale_estimators_[index]
        part = convert_regressor(
            graph, estimator, inputs, 1, dtype, "The scale_estimator of the noise"
        )
        columns.append(part)
    n_experts = len(noise.scale_estimators_)
    log_variance = graph.add("Concat", *columns, axis=1)
    shape = np.array([-1, n_experts, len(columns) // n_experts])
    log_variance = graph.add("Reshape", log_variance, shape)
    least, largest = (
        of_experts(noise.log_bounds_[:, bound], dtype) for bound in (0, 1)
    )
    bounded = graph.add("Max", graph.add("Min", log_variance, largest), least)
    total = graph.add("Add", bounded, of_experts(noise.log_factor_, dtype))
    scale = graph.add("Exp", graph.add("Mul", total, dtype.type(0.5)))
    return graph.add("Max", scale, of_experts(noise.floor_, dtype))


@scale_of.register
def _(noise: PoissonNoise, graph, location, inputs, dtype):
    return graph.add("Sqrt", _positive(graph, noise, location, dtype))


@scale_of.register
def _(noise: NegativeBinomialNoise, graph, location, inputs, dtype):
    mean = _positive(graph, noise, location, dtype)
    squares = graph.add(
        "Div", graph.add("Mul", mean, mean), of_experts(noise.size_, dtype)
    )
    return graph.add("Sqrt", graph.add("Add", mean, squares))


@scale_of.register
def _(noise: GammaNoise, graph, location, inputs, dtype):
    mean = _positive(graph, noise, location, dtype)
    return graph.add("Div", mean, of_experts(np.sqrt(noise.shape_), dtype))


@scale_of.register
def _(noise: LogNormalNoise, graph, location, inputs, dtype):
    mean = mean_of(graph, noise, location, dtype)
    variation = np.sqrt(np.expm1(noise.sigma_.astype(np.float64) ** 2))
    return graph.add("Mul", mean, of_experts(variation, dtype))
