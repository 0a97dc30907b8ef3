"""Fit mixtures to thousands of random scenarios, and see which laws they break.

Each number draws a table, a target, weights, experts, a gate, a noise model and
parameters (``tests/_scenarios.py``); the mixture is fitted, at once, in batches or over
Dask collections, or refused in words, and the laws of ``tests/_laws.py`` are tried on
it. What was found for each number is written down at once: a run that was interrupted
goes on where it stopped, and a number can be tried alone,
``python -m benchmarks.robustness.fuzz --first 17 --cases 1 --again``. With ``--dask``
what can be is fitted over partitions as well.
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
    """What was found before, by number."""
    if not log.exists():
        return {}
    lines = log.read_text(encoding="utf-8").splitlines()
    return {found["number"]: found for found in map(json.loads, lines)}


def local_cluster():
    """A Dask cluster in this process, with its client."""
    from distributed import Client

    return Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    )


def examine(number, laws):
    """What is found in one scenario."""
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
    """Lines of the table of results."""
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
