"""Observed information of a mixture, and standard errors derived from it."""

from itertools import pairwise

import numpy as np
from scipy.linalg import block_diag
from sklearn.utils import gen_batches

# A direction counts as having no information if its information is less than this
# fraction of what the rows would give if it were known which expert each came from.
MIN_INFORMATION = 1e-8

# A parameter has no standard error if more than this fraction of it (the square of a
# cosine) lies in directions without information.
MAX_UNKNOWN_FRACTION = 1e-8

# Number of rows in a batch. For each row there are second derivatives by all pairs of
# linear predictors.
BATCH_SIZE = 1024


def observed_information(experts, gate, responsibilities, weights, product_weights):
    """Return the information by Louis's formula, and outer products of gradients.

    Both refer to the parameters of the standardised designs, and have the shape
    (n_parameters, n_parameters). The products use separate weights of the rows.
    """
    designs, columns, own_of_experts, own_of_gate = _places([*experts, gate])
    n_parameters = columns[-1].stop
    information = np.zeros((n_parameters, n_parameters))
    products = np.zeros_like(information)
    for rows in gen_batches(len(weights), BATCH_SIZE):
        r = responsibilities[rows]
        # Complete-data derivatives, as if it were known which expert a row came from.
        score = np.zeros((*r.shape, len(designs)))
        curvature = np.zeros((len(r), len(designs), len(designs)))
        for k, (own, expert) in enumerate(zip(own_of_experts, experts)):
            score[:, k, own] = expert.score[rows]
            r_k = r[:, k, np.newaxis, np.newaxis]
            curvature[:, own, own] = r_k * expert.curvature[rows]
        score[:, :, own_of_gate] = gate.score[rows]
        curvature[:, own_of_gate, own_of_gate] = gate.curvature[rows]
        # Missing information, since the expert of a row is not known.
        expected = np.einsum("nk,nkt->nt", r, score)
        deviation = score - expected[:, np.newaxis]
        spread = (r[:, :, np.newaxis] * deviation).swapaxes(1, 2) @ deviation
        curvature -= spread
        curvature *= weights[rows, np.newaxis, np.newaxis]
        batch = [design[rows] for design in designs]
        for s, left in enumerate(batch):
            for t, right in enumerate(batch[: s + 1]):
                block = left.T @ (curvature[:, s, t, np.newaxis] * right)
                information[columns[s], columns[t]] += block
        gradient = np.hstack([e[:, np.newaxis] * d for e, d in zip(expected.T, batch)])
        products += gradient.T @ (product_weights[rows, np.newaxis] * gradient)
    lower = np.tril(information)
    return lower + np.tril(lower, -1).T, products


def information_of_subjects(experts, gate, responsibilities, subjects):
    """Return information and outer products for rows that have subjects.

    The gradients of the rows of a subject are added. The responsibilities and all
    values of the gate are equal in the rows of a subject.
    """
    designs, columns, own_of_experts, own_of_gate = _places([*experts, gate])
    n_parameters, first = columns[-1].stop, subjects.first
    r = responsibilities[first]
    score = np.zeros((*r.shape, n_parameters))
    information = np.zeros((n_parameters, n_parameters))

    def add(own, curvature, rows):
        for s, left in enumerate(designs[own], own.start):
            for t, right in enumerate(designs[own], own.start):
                factor = curvature[:, s - own.start, t - own.start, np.newaxis]
                block = left[rows].T @ (factor * right[rows])
                information[columns[s], columns[t]] += block

    for k, (own, expert) in enumerate(zip(own_of_experts, experts)):
        weights = subjects.weights * responsibilities[:, k]
        add(own, weights[:, np.newaxis, np.newaxis] * expert.curvature, slice(None))
        for t, of_row in enumerate(expert.score.T, own.start):
            gradient = of_row[:, np.newaxis] * designs[t]
            score[:, k, columns[t]] = subjects.sums(gradient, subjects.weights)
    add(own_of_gate, gate.curvature[first], first)
    for t in range(own_of_gate.start, own_of_gate.stop):
        of_gate = gate.score[first][:, :, t - own_of_gate.start, np.newaxis]
        score[:, :, columns[t]] = of_gate * designs[t][first, np.newaxis]
    expected = np.einsum("nk,nkp->np", r, score)
    deviation = score - expected[:, np.newaxis]
    information -= np.einsum("nk,nkp,nkq->pq", r, deviation, deviation, optimize=True)
    return information, expected.T @ expected


def _places(parts):
    """Return the designs, their columns, and the predictors of experts and gate."""
    designs = [predictor.design for part in parts for predictor in part.predictors]
    ends = np.cumsum([design.shape[1] for design in designs])
    columns = [slice(end - d.shape[1], end) for d, end in zip(designs, ends.tolist())]
    bounds = np.cumsum([0, *(len(part.predictors) for part in parts)]).tolist()
    *own_of_experts, own_of_gate = [slice(*pair) for pair in pairwise(bounds)]
    return designs, columns, own_of_experts, own_of_gate


def standard_errors(predictors, information, products, weights):
    """Return the standard errors of the parameters, NaN for those without information.

    The products are the middle factor of the sandwich estimator. If they are None, the
    covariance is the inverse of the information.
    """
    expected = np.concatenate(
        [p.expected_information * (weights @ p.design**2) for p in predictors]
    )
    scale = 1 / np.sqrt(np.where(expected > 0, expected, 1.0))
    information = scale[:, np.newaxis] * information * scale
    values, vectors = np.linalg.eigh(information)
    known = values > MIN_INFORMATION
    root = vectors[:, known] / np.sqrt(values[known])
    covariance = root @ root.T
    if products is not None:
        covariance = covariance @ (scale[:, np.newaxis] * products * scale) @ covariance
    jacobian = block_diag(*(predictor.jacobian for predictor in predictors)) * scale
    variance = np.einsum("ij,ij->i", jacobian @ covariance, jacobian)
    unknown = np.sum((jacobian @ vectors[:, ~known]) ** 2, axis=1)
    lost = unknown > MAX_UNKNOWN_FRACTION * np.sum(jacobian**2, axis=1)
    return np.where(lost, np.nan, np.sqrt(np.maximum(variance, 0.0)))
