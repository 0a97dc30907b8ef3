"""Compare the time of predictions of a fitted mixture in ONNX and in Python.

Both predict the same rows in the same process, in alternating runs, on one thread. A
single linear model shows the overhead of a call. The predictions are compared as well.
Run it by `python -m benchmarks.speed.onnx`.
"""

import argparse
import warnings
from functools import partial

import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_moe.onnx  # noqa: F401
from benchmarks.common.problems import gated_lines
from benchmarks.common.report import header, verdict, write
from benchmarks.speed.answers import taking_turns
from sklearn_moe import MixtureOfExpertsRegressor

N_EXPERTS = 4
# Maximum ratio of the time in ONNX to that in Python, for one row.
ONE_ROW_BAR = 0.2


def models(X):
    """Return fitted models by name."""
    mixture = partial(MixtureOfExpertsRegressor, n_experts=N_EXPERTS, random_state=0)
    return {
        "one Ridge": Ridge(),
        "mixture of Ridge": mixture(),
        "the same, top_k=1": mixture(top_k=1),
        "mixture of pipelines": mixture(make_pipeline(StandardScaler(), Ridge())),
        "mixture of boosted trees": mixture(HistGradientBoostingRegressor(max_iter=50)),
    }


def session_of(model, X):
    """Return a function that predicts in ONNX."""
    converted = skl2onnx.to_onnx(model, X[:1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda rows: session.run(None, {"X": rows})[0]


def measure(X, y, n_asked, n_runs):
    """Return a table of the times of each model for each number of rows."""
    rows = []
    for name, model in models(X).items():
        model.fit(X, y)
        for dtype in (np.float64, np.float32):
            typed = X.astype(dtype)
            calls = {"Python": model.predict, "ONNX": session_of(model, typed)}
            answers = [calls[each](typed).ravel() for each in calls]
            difference = np.abs(answers[0] - answers[1])
            apart = np.quantile(difference, 0.99) / np.abs(answers[0]).max()
            for asked in n_asked:
                some = [typed[i : i + asked] for i in range(20)]
                ms = taking_turns(calls, some, n_runs)
                rows.append(
                    {
                        "model": name,
                        "rows": asked,
                        "precision": np.dtype(dtype).name,
                        **{f"{call} ms": taken for call, taken in ms.items()},
                        "ONNX / Python": ms["ONNX"] / ms["Python"],
                        "apart": apart,
                    }
                )
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--asked", type=int, nargs="+", default=[1, 1000])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    X, y, _ = gated_lines(arguments.rows)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        table = measure(X, y, arguments.asked, arguments.repeats)
    one_row = table[(table["rows"] == min(arguments.asked))]
    mixtures = one_row[one_row["model"] != "one Ridge"]
    worst = mixtures["ONNX / Python"].max()
    versions = header("scikit-learn", "numpy", "skl2onnx", "onnx", "onnxruntime")
    times = ("Python ms", "ONNX ms", "ONNX / Python")
    formats = dict.fromkeys(times, "{:.3f}".format) | {"apart": "{:.0e}".format}
    lines = [
        f"{versions}, one thread",
        "",
        f"Mixtures of {N_EXPERTS} experts, fitted to {arguments.rows} rows: processor "
        "time of predict in",
        f"milliseconds, medians of {arguments.repeats} runs that take turns. How far "
        "the predictions of",
        "99 of 100 rows are apart is in parts of the largest one.",
        "",
        table.to_string(index=False, formatters=formats),
        "",
        "Bars",
        "====",
        f"one row, all mixtures: at most {worst:.2f} times Python; bar {ONE_ROW_BAR}: "
        f"{verdict(worst <= ONE_ROW_BAR)}",
    ]
    write("speed/onnx", lines)


if __name__ == "__main__":
    main()
