"""Compare the kernel of the E-step with NumPy, SciPy and the memory bandwidth.

The kernel reads two arrays of (n, K) and writes one, like the addition of two arrays,
whose time is a lower limit. Run it by `python -m benchmarks.speed.e_step`.
"""

import argparse
import time
from collections import defaultdict

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from sklearn_moe import kernels

# The targets to meet, for medians over the large arrays.
BARS = {"SciPy": 8.0, "NumPy": 3.0}
MOST_ADDITIONS = 3.0


def with_scipy(log_gate, log_likelihood, sample_weight):
    """Compute the E-step by logsumexp of SciPy."""
    joint = log_gate + log_likelihood
    rows = logsumexp(joint, axis=1)
    return np.exp(joint - rows[:, np.newaxis]), rows, sample_weight @ rows


def with_numpy(log_gate, log_likelihood, sample_weight):
    """Compute the E-step by NumPy."""
    joint = log_gate + log_likelihood
    shift = joint.max(axis=1, keepdims=True)
    unnormalised = np.exp(joint - shift)
    total = unnormalised.sum(axis=1, keepdims=True)
    rows = (shift + np.log(total))[:, 0]
    return unnormalised / total, rows, sample_weight @ rows


def with_numpy_in_place(log_gate, log_likelihood, sample_weight):
    """Compute the E-step by NumPy with a single array."""
    joint = log_gate + log_likelihood
    shift = joint.max(axis=1, keepdims=True)
    joint -= shift
    np.exp(joint, out=joint)
    total = joint.sum(axis=1, keepdims=True)
    joint /= total
    rows = (shift + np.log(total))[:, 0]
    return joint, rows, sample_weight @ rows


def one_addition(log_gate, log_likelihood, sample_weight):
    """Add two arrays, which measures the memory limit."""
    return log_gate + log_likelihood


CONTESTANTS = {
    "kernel": kernels.responsibilities,
    "NumPy": with_numpy,
    "NumPy in place": with_numpy_in_place,
    "SciPy": with_scipy,
    "addition": one_addition,
}


def measure(n_rows, n_experts, dtype, n_repeats):
    """Return median nanoseconds per element of each contestant, in alternating runs."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((n_rows, n_experts), dtype)
    arguments = (
        kernels.log_softmax(logits),
        rng.standard_normal((n_rows, n_experts), dtype),
        np.ones(n_rows),
    )
    del logits
    check(*(array[:1000] for array in arguments))
    taken = defaultdict(list)
    for repeat in range(n_repeats + 1):
        for name, contestant in CONTESTANTS.items():
            begin = time.process_time()
            contestant(*arguments)
            seconds = time.process_time() - begin
            if repeat:
                taken[name].append(1e9 * seconds / (n_rows * n_experts))
    return {name: np.median(times) for name, times in taken.items()}


def check(*arguments):
    """Raise an error unless the contestants compute the same."""
    digits = 1e-5 if arguments[0].dtype == np.float32 else 1e-12
    expected = with_scipy(*(array.astype(np.float64) for array in arguments))
    for name, contestant in CONTESTANTS.items():
        if name != "addition":
            for ours, theirs in zip(contestant(*arguments), expected):
                np.testing.assert_allclose(ours, theirs, rtol=digits, atol=digits)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000]
    )
    parser.add_argument("--experts", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument("--most-elements", type=int, default=160_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    packages = header("numpy", "scipy", "numba")
    text = [
        f"{packages}, one thread",
        "",
        "Processor time in nanoseconds per element of (n, K), medians of "
        f"{arguments.repeats} runs that take",
        "turns; the last columns are ratios to the kernel, and of the kernel to one "
        "addition.",
        "",
    ]
    bars = []
    with threadpool_limits(1):
        for dtype in (np.float64, np.float32):
            rows = []
            for n_rows in arguments.rows:
                for n_experts in arguments.experts:
                    if n_rows * n_experts > arguments.most_elements:
                        continue
                    times = measure(n_rows, n_experts, dtype, arguments.repeats)
                    rows.append({"rows": n_rows, "experts": n_experts, **times})
                    print(dtype.__name__, n_rows, n_experts, "done", flush=True)
            frame = pd.DataFrame(rows)
            for rival in ("NumPy", "NumPy in place", "SciPy"):
                frame[f"{rival} / kernel"] = frame[rival] / frame["kernel"]
            frame["kernel / addition"] = frame["kernel"] / frame["addition"]
            text += [dtype.__name__, "=" * len(dtype.__name__)]
            text += [frame.to_string(index=False, float_format="{:.2f}".format), ""]
            # Arrays that do not fit into the cache.
            large = frame[frame["rows"] * frame["experts"] >= 4_000_000]
            for rival, bar in BARS.items():
                ratio = large[f"{rival} / kernel"]
                bars.append(
                    f"{dtype.__name__}, {rival} / kernel: median {ratio.median():.1f}, "
                    f"from {ratio.min():.1f} to {ratio.max():.1f}; bar {bar:.0f}: "
                    f"{verdict(ratio.median() >= bar)}"
                )
            ratio = large["kernel / addition"]
            bars.append(
                f"{dtype.__name__}, kernel / addition: median {ratio.median():.1f}, "
                f"from {ratio.min():.1f} to {ratio.max():.1f}; bar "
                f"{MOST_ADDITIONS:.0f}: {verdict(ratio.median() <= MOST_ADDITIONS)}"
            )
    text += ["Bars, on four million elements and more", "=" * 39, *bars]
    write("speed/e_step", text)


if __name__ == "__main__":
    main()
