"""The compiled functions; see the package for what they compute.

They check nothing: dtype and order are settled before they are called. `fastmath`
stays off, since log-likelihoods of -inf are ordinary input here.
"""

from math import erf, exp, inf, log, pi, sqrt

import numpy as np
from numba import njit

_jit = njit(cache=True, error_model="numpy", nogil=True)


@_jit
def log_softmax(logits):
    n_samples, n_experts = logits.shape
    log_weights = np.empty_like(logits)
    for i in range(n_samples):
        shift = -inf
        for k in range(n_experts):
            shift = max(shift, logits[i, k])
        total = 0.0
        for k in range(n_experts):
            total += exp(logits[i, k] - shift)
        log_total = shift + log(total)
        for k in range(n_experts):
            log_weights[i, k] = logits[i, k] - log_total
    return log_weights


@_jit
def responsibilities(log_gate, log_likelihood, sample_weight):
    n_samples, n_experts = log_gate.shape
    posterior = np.empty_like(log_gate)
    row_log_likelihood = np.empty(n_samples)
    total_log_likelihood = 0.0
    for i in range(n_samples):
        shift = -inf
        for k in range(n_experts):
            joint = log_gate[i, k] + log_likelihood[i, k]
            posterior[i, k] = joint
            shift = max(shift, joint)
        if shift == -inf:
            for k in range(n_experts):
                posterior[i, k] = exp(log_gate[i, k])
            row_log_likelihood[i] = -inf
        else:
            total = 0.0
            for k in range(n_experts):
                unnormalised = exp(posterior[i, k] - shift)
                posterior[i, k] = unnormalised
                total += unnormalised
            for k in range(n_experts):
                posterior[i, k] /= total
            row_log_likelihood[i] = shift + log(total)
        if sample_weight[i] != 0.0:
            total_log_likelihood += sample_weight[i] * row_log_likelihood[i]
    return posterior, row_log_likelihood, total_log_likelihood


@_jit
def softmax_cross_entropy(logits, targets, sample_weight):
    n_samples, n_classes = logits.shape
    loss = 0.0
    for i in range(n_samples):
        shift = -inf
        for k in range(n_classes):
            shift = max(shift, logits[i, k])
        total = 0.0
        for k in range(n_classes):
            total += exp(logits[i, k] - shift)
        log_total = shift + log(total)
        row_loss = 0.0
        for k in range(n_classes):
            log_probability = logits[i, k] - log_total
            row_loss -= targets[i, k] * log_probability
            logits[i, k] = sample_weight[i] * (exp(log_probability) - targets[i, k])
        loss += sample_weight[i] * row_loss
    return loss


@_jit
def assign_with_capacity(scores, sample_weight, capacity, reroute):
    n_samples, n_experts = scores.shape
    assigned = np.full(n_samples, -1, np.int64)
    load = np.zeros(n_experts)
    refused = np.zeros((n_samples, n_experts), np.bool_)
    pending = np.arange(n_samples)
    wish = np.empty(n_samples, np.int64)
    urgency = np.empty(n_samples)
    limit = capacity * (1 + 1e-12)
    for _ in range(n_experts if reroute else 1):
        for i in pending:
            best = -1
            for k in range(n_experts):
                if not refused[i, k] and (best < 0 or scores[i, k] > scores[i, best]):
                    best = k
            wish[i] = best
            urgency[i] = -scores[i, best]
        # A stable sort: of equals, the earlier row goes first.
        pending = pending[np.argsort(urgency[pending], kind="mergesort")]
        n_left = 0
        for i in pending:
            k = wish[i]
            if load[k] + sample_weight[i] <= limit:
                assigned[i] = k
                load[k] += sample_weight[i]
            else:
                refused[i, k] = True
                pending[n_left] = i
                n_left += 1
        pending = pending[:n_left]
    return assigned


@_jit
def choose_rows(scores, sample_weight, capacity):
    n_samples, n_experts = scores.shape
    chosen = np.zeros((n_samples, n_experts), np.bool_)
    limit = capacity * (1 + 1e-12)
    for k in range(n_experts):
        load = 0.0
        for i in np.argsort(-scores[:, k], kind="mergesort"):
            if load + sample_weight[i] <= limit:
                chosen[i, k] = True
                load += sample_weight[i]
    return chosen


@_jit
def bracketed_newton(search, excess, slope, size):
    rounding = 4 * 2.0**-53
    for i in range(search.shape[1]):
        lower, upper, point, last = search[:, i]
        if not lower < upper:
            continue
        if excess[i] < 0:
            lower = point
        else:
            upper = point
        new = point - excess[i] / slope[i]
        if not lower < new < upper or 2 * abs(new - point) > last:
            new = lower + (upper - lower) / 2
        step = abs(new - point)
        if (
            excess[i] == 0
            or step <= rounding * size[i]
            or upper - lower <= rounding * size[i]
        ):
            if excess[i] == 0:
                new = point
            lower = upper = new
        search[0, i] = lower
        search[1, i] = upper
        search[2, i] = new
        search[3, i] = step


@_jit
def mean_distance(mean, scale):
    z = mean / scale
    density = exp(-0.5 * z * z) / sqrt(2 * pi)
    return scale * (2 * density + z * erf(z / sqrt(2.0)))


@_jit
def gaussian_crps(weights, means, scales, y):
    n_samples, n_components = weights.shape
    score = np.zeros(n_samples)
    for i in range(n_samples):
        for k in range(n_components):
            if weights[i, k] == 0.0:
                continue
            distance = mean_distance(means[i, k] - y[i], scales[i, k])
            score[i] += weights[i, k] * distance
            for j in range(n_components):
                scale = sqrt(scales[i, k] ** 2 + scales[i, j] ** 2)
                distance = mean_distance(means[i, k] - means[i, j], scale)
                score[i] -= 0.5 * weights[i, k] * weights[i, j] * distance
    return score
