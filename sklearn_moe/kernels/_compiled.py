"""The compiled functions; the documentation of the package says what they compute.

They do not check their arguments: the functions of the package convert dtype and order.
The caller also allocates the arrays of large results, because NumPy requests huge pages
of memory and Numba does not. `fastmath` is off, since log-likelihoods of -inf are valid
input. Only exp and log may contract a product and a sum into one instruction, and sums
of products may also be evaluated in any order.

Arrays have one line for each expert or class, with the rows along the contiguous axis,
and are processed in tiles of `TILE` rows. The compiler vectorises the innermost loop
over the rows of a tile for any number of experts, if the loop is in a function of its
own and has few arrays, which do not overlap. Tiles are float64 for any input. The exp
and log of the C library are not vectorised; this module therefore has its own, which
are accurate to one unit in the last place.
"""

from math import erf, exp, factorial, inf, log, pi, sqrt

import numpy as np

from sklearn_moe.kernels._caching import cached_njit

_jit = cached_njit(error_model="numpy", nogil=True)
_contracting = cached_njit(error_model="numpy", nogil=True, fastmath={"contract"})
_summing = cached_njit(
    error_model="numpy", nogil=True, fastmath={"contract", "reassoc"}
)

TILE = 256
LOWEST = -np.finfo(np.float64).max
LEAST = np.finfo(np.float64).smallest_subnormal

# Adding this to a number puts the nearest integer into the lowest bits.
ROUND = 1.5 * 2.0**52
# exp(x) = 2^n exp(r) with r = x - n log 2 in [-log(2) / 2, log(2) / 2]. The upper part
# of log 2 has so few digits that its product with n is exact.
LOG_2 = log(2)
LOG_2_UPPER = float.fromhex("0x1.62e42feep-1")
LOG_2_LOWER = float.fromhex("0x1.a39ef35793c76p-33")
EXP_SERIES = tuple(1 / factorial(k) for k in range(13, -1, -1))
# For smaller arguments, exp would be below the smallest normal number.
LEAST_EXPONENT = -708.0
# The bits of sqrt(1/2): log(x) = e log 2 + log(m), with m from there to sqrt(2).
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
LOG_SERIES = tuple(1 / (2 * k + 1) for k in range(10, -1, -1))


@_contracting
def _exp(x):
    """Return the exponential of a number that is not positive; NaN stays NaN.

    Results below the smallest normal number are zero.
    """
    clipped = LEAST_EXPONENT if x < LEAST_EXPONENT else x
    rounded = clipped * (1 / LOG_2) + ROUND
    n = rounded - ROUND
    r = (clipped - n * LOG_2_UPPER) - n * LOG_2_LOWER
    series = 0.0
    for coefficient in EXP_SERIES:
        series = series * r + coefficient
    exponent = np.float64(rounded).view(np.int64) << np.int64(52)
    bits = np.float64(series).view(np.int64) + exponent
    return 0.0 if x < LEAST_EXPONENT else np.int64(bits).view(np.float64)


@_contracting
def _log(x):
    """Return the logarithm of a positive normal number."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - np.int64(ROOT_HALF_BITS)) >> np.int64(52)
    m = np.int64(bits - (exponent << np.int64(52))).view(np.float64)
    # log(m) = 2 artanh(f)
    f = (m - 1.0) / (m + 1.0)
    series = 0.0
    for coefficient in LOG_SERIES:
        series = series * (f * f) + coefficient
    return np.int32(exponent) * LOG_2 + 2 * f * series


@_jit
def _raise(shift, values):
    for j in range(len(shift)):
        shift[j] = values[j] if values[j] > shift[j] else shift[j]


@_jit
def _add(first, second, total):
    for j in range(len(total)):
        total[j] = first[j] + second[j]


@_jit
def _exponentiate(values, shift, found, total):
    for j in range(len(shift)):
        found[j] = _exp(values[j] - shift[j])
        total[j] += found[j]


@_jit
def _lines(numbers, n_rows):
    return numbers[0, :n_rows], numbers[1, :n_rows], numbers[2, :n_rows]


@_jit
def _exponentials(logits, start, tile, shift, total):
    """Compute exponentials of logits minus the largest of each row, and their sums.

    There are as many rows, from `start` on, as elements of `shift`, which becomes the
    largest logits. If all logits of a row are -inf, the shift is finite, so that the
    exponentials are zero.
    """
    stop = start + len(shift)
    shift[:] = LOWEST
    total[:] = 0.0
    for k in range(len(logits)):
        _raise(shift, logits[k, start:stop])
    for k in range(len(logits)):
        _exponentiate(logits[k, start:stop], shift, tile[k, : len(shift)], total)


@_jit
def _log_each(values, logarithms):
    for j in range(len(values)):
        logarithms[j] = _log(values[j])


@_jit
def _normalise(logits, shift, log_total):
    for j in range(len(shift)):
        # In two steps: the sum of a large shift and the logarithm would be inexact.
        logits[j] = (logits[j] - shift[j]) - log_total[j]


@_jit
def log_softmax(logits):
    n_experts, n_samples = logits.shape
    tile, numbers = np.empty((n_experts, TILE)), np.empty((3, TILE))
    for start in range(0, n_samples, TILE):
        stop = min(n_samples, start + TILE)
        n_rows = stop - start
        shift, total, log_total = _lines(numbers, n_rows)
        _exponentials(logits, start, tile, shift, total)
        _log_each(total, log_total)
        for k in range(n_experts):
            _normalise(logits[k, start:stop], shift, log_total)


@_jit
def _log_likelihood(shift, total, weight, row_log_likelihood, own):
    for j in range(len(shift)):
        found = shift[j] + _log(total[j])
        row_log_likelihood[j] = found
        own[j] += weight[j] * found if weight[j] != 0.0 else 0.0


@_jit
def _divide(values, total, found):
    for j in range(len(total)):
        found[j] = values[j] / total[j]


@_jit
def responsibilities(
    log_gate, log_likelihood, sample_weight, posterior, row_log_likelihood
):
    n_experts, n_samples = log_gate.shape
    joint, tile = np.empty((n_experts, TILE)), np.empty((n_experts, TILE))
    numbers, log_likelihoods = np.empty((3, TILE)), np.zeros(TILE)
    for start in range(0, n_samples, TILE):
        stop = min(n_samples, start + TILE)
        n_rows = stop - start
        shift, total, _ = _lines(numbers, n_rows)
        for k in range(n_experts):
            _add(
                log_gate[k, start:stop],
                log_likelihood[k, start:stop],
                joint[k, :n_rows],
            )
        _exponentials(joint, 0, tile, shift, total)
        for j in range(n_rows):
            if total[j] == 0.0:
                shift[j] = -inf
                total[j] = 1.0
                for k in range(n_experts):
                    tile[k, j] = _exp(log_gate[k, start + j])
        _log_likelihood(
            shift,
            total,
            sample_weight[start:stop],
            row_log_likelihood[start:stop],
            log_likelihoods[:n_rows],
        )
        for k in range(n_experts):
            _divide(tile[k, :n_rows], total, posterior[k, start:stop])
    return log_likelihoods.sum()


@_jit
def _weight_by_total(total, weight):
    for j in range(len(total)):
        total[j] = weight[j] / total[j]


@_jit
def _add_loss(log_weights, weight, targets, loss):
    for j in range(len(loss)):
        loss[j] -= weight[j] * targets[j] * log_weights[j]


@_jit
def _excess(values, factors, weight, targets, found):
    for j in range(len(found)):
        found[j] = values[j] * factors[j] - weight[j] * targets[j]


@_jit
def softmax_cross_entropy(logits, targets, sample_weight, first, derivative):
    n_classes, n_samples = logits.shape
    tile, numbers = np.empty((n_classes, TILE)), np.empty((3, TILE))
    loss = np.zeros(TILE)
    for start in range(0, n_samples, TILE):
        stop = min(n_samples, start + TILE)
        n_rows = stop - start
        shift, total, log_total = _lines(numbers, n_rows)
        weight = sample_weight[first + start : first + stop]
        _exponentials(logits, start, tile, shift, total)
        _log_each(total, log_total)
        _weight_by_total(total, weight)
        for k in range(n_classes):
            own = logits[k, start:stop]
            wanted = targets[k, first + start : first + stop]
            _normalise(own, shift, log_total)
            _add_loss(own, weight, wanted, loss[:n_rows])
            _excess(tile[k, :n_rows], total, weight, wanted, derivative[k, start:stop])
    return loss.sum()


@_jit
def _multiply(first, second, products):
    for j in range(len(products)):
        products[j] = first[j] * second[j]


@_summing
def _dot(first, second):
    total = 0.0
    for j in range(len(first)):
        total += first[j] * second[j]
    return total


@_summing
def _dots(first, a, b, c, d):
    """Return four dot products at once, which reads `first` only once."""
    of_a = of_b = of_c = of_d = 0.0
    for j in range(len(first)):
        of_a += first[j] * a[j]
        of_b += first[j] * b[j]
        of_c += first[j] * c[j]
        of_d += first[j] * d[j]
    return of_a, of_b, of_c, of_d


@_jit
def add_weighted_products(columns, weights, first, products):
    n_columns, (n_experts, n_samples) = len(columns), weights.shape
    tile = np.empty(TILE)
    for start in range(0, n_samples, TILE):
        stop = min(n_samples, start + TILE)
        rows, weighted = slice(first + start, first + stop), tile[: stop - start]
        for k in range(n_experts):
            for i in range(n_columns):
                _multiply(weights[k, start:stop], columns[i, rows], weighted)
                j = i
                while j + 4 <= n_columns:
                    found = _dots(
                        weighted,
                        columns[j, rows],
                        columns[j + 1, rows],
                        columns[j + 2, rows],
                        columns[j + 3, rows],
                    )
                    for m in range(4):
                        products[k, i, j + m] += found[m]
                    j += 4
                while j < n_columns:
                    products[k, i, j] += _dot(weighted, columns[j, rows])
                    j += 1
    for k in range(n_experts):
        for i in range(n_columns):
            for j in range(i):
                products[k, i, j] = products[k, j, i]


@_jit
def argmax(scores):
    n_samples, n_experts = scores.shape
    columns = np.zeros(n_samples, np.int64)
    for i in range(n_samples):
        largest, column = scores[i, 0], 0
        for k in range(1, n_experts):
            column = k if scores[i, k] > largest else column
            largest = max(largest, scores[i, k])
        columns[i] = column
    return columns


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
        # A stable sort: among rows with equal scores, the earlier row goes first.
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


# If the excess is at most CLOSE and Newton's step is at most SHORT relative to the
# point, the remaining error is due to rounding, and further steps need not be shorter.
CLOSE, SHORT = 1e-10, 1e-13


@_jit
def middle_of(lower, upper):
    """Return a number between two; their geometric mean if magnitudes differ much."""
    if lower < 0 < upper:
        return 0.0
    least, largest = min(abs(lower), abs(upper)), max(abs(lower), abs(upper))
    if largest <= 4 * least:
        return lower + (upper - lower) / 2
    magnitude = sqrt(max(least, LEAST)) * sqrt(largest)
    return magnitude if upper > 0 else -magnitude


@_jit
def bracketed_newton(search, excess, slope, accuracy, bisect):
    for i in range(search.shape[1]):
        lower, upper, point, last = search[:, i]
        if not lower < upper:
            continue
        if excess[i] < 0:
            lower = point
        else:
            upper = point
        new = point - excess[i] / slope[i]
        close = abs(excess[i]) <= CLOSE and abs(new - point) <= SHORT * abs(point)
        if abs(excess[i]) <= accuracy or close:
            search[:3, i] = new if close else point
            continue
        if new == point:
            # The step is lost to rounding: continue with the neighbouring number, to
            # see on which side the root is.
            new = np.nextafter(point, -inf if excess[i] > 0 else inf)
        if bisect or not lower < new < upper or 2 * abs(new - point) > last:
            # The arithmetic mean, if the bracket contains zero: it tries the smallest
            # magnitudes last.
            by_size = bisect or lower * upper > 0
            new = middle_of(lower, upper) if by_size else (lower + upper) / 2
        step = abs(new - point)
        if not lower < new < upper:
            lower = upper = new = upper
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
