"""Fit mixtures to thousands of random scenarios, and check which laws they break.

Each number is a seed for a table, a target, weights, experts, a gate, a noise model and
parameters (``tests/_scenarios.py``). The mixture is fitted in one go, in batches or
over Dask collections, or raises an error with an explanation, and the laws of
``tests/_laws.py`` are checked on it. Results are logged after each number, so that an
interrupted run resumes where it stopped. A single number can be run by
``python -m benchmarks.robustness.fuzz --first 17 --cases 1 --again``. With ``--dask``,
scenarios that support it are fitted over partitions as well.
"""

import argparse
import json
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.common.report import RESULTS, header, verdict, write

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from _laws import LAWS, a_fit_over_partitions_says_the_same, violations  # noqa: E402
from _scenarios import draw  # noqa: E402

LOG = RESULTS / "robustness" / "fuzz.jsonl"


def known(log):
    """Return earlier results, by number."""
    if not log.exists():
        return {}
    lines = log.read_text(encoding="utf-8").splitlines()
    return {found["number"]: found for found in map(json.loads, lines)}


def local_cluster():
    """Return a client of a Dask cluster in this process."""
    from distributed import Client

    return Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    )


def examine(number, laws):
    """Return the results of one scenario."""
    scenario = draw(number)
    refusal, broken = violations(scenario, laws)
    return {
        "number": number,
        "drawn": scenario.drawn,
        "stream": scenario.batches is not None,
        "refusal": refusal,
        "broken": broken,
    }


def report(found, laws):
    """Return the lines of the table of results."""
    refused = [each for each in found if each["refusal"] is not None]
    broken = [(each, law, what) for each in found for law, what in each["broken"]]
    by_law = Counter(law for _, law, _ in broken)
    reasons = Counter(" ".join(each["refusal"].split())[:70] for each in refused)
    names = ["errors name their cause", "no RuntimeWarning of ours"]
    names += [law.__name__ for law in laws]
    return [
        header("scikit-learn", "numpy", "scipy", "numba"),
        time.strftime("%Y-%m-%d"),
        "",
        f"{len(found)} scenarios, of which {sum(each['stream'] for each in found)} are "
        f"streams; {len(refused)} are refused. {len(names)} laws.",
        "",
        *(
            f"{by_law[name]:5d} times broken: {name.replace('_', ' ')}"
            for name in names
        ),
        "",
        f"No law is broken: {verdict(not broken)}",
        *(f"  {each['number']}: {law}: {what}" for each, law, what in broken[:50]),
        "",
        "Refused most often:",
        *(
            f"{n:5d} {' '.join(reason.split())}"
            for reason, n in reasons.most_common(12)
        ),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument(
        "--again", action="store_true", help="try numbers that were tried before"
    )
    parser.add_argument(
        "--dask", action="store_true", help="fit over partitions as well"
    )
    arguments = parser.parse_args()
    found = {} if arguments.again else known(arguments.log)
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    laws = (*LAWS, a_fit_over_partitions_says_the_same) if arguments.dask else LAWS
    cluster = local_cluster() if arguments.dask else nullcontext()
    numbers = range(arguments.first, arguments.first + arguments.cases)
    with (
        cluster,
        threadpool_limits(1),
        arguments.log.open("a", encoding="utf-8") as log,
    ):
        for number in numbers:
            if number in found:
                continue
            found[number] = examine(number, laws)
            log.write(json.dumps(found[number]) + "\n")
            log.flush()
            for law, what in found[number]["broken"]:
                print(f"{number}: {law}: {what}", flush=True)
    write("robustness/fuzz", report([found[n] for n in numbers], laws))


if __name__ == "__main__":
    main()
