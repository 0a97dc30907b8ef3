"""Results that are kept between runs of a program, so that it resumes where it stopped.

Results on different folds cannot be compared, nor those of mixtures with different
defaults: a cache returns only what was measured with the design of the current run and,
for mixtures, with the current defaults.
"""

import csv

import pandas as pd

from benchmarks.common import defaults
from benchmarks.common.report import RESULTS

PLACE = ["table", "fold", "contestant"]


class Cache:
    """Results of contestants on the folds of tables, in a file.

    Parameters
    ----------
    program : str
        Folder and name, such as "quality/accuracy".
    design : dict
        What determines the rows of each fold.
    """

    def __init__(self, program, design):
        self._path = RESULTS / f"{program}.csv"
        self._design = design

    def read(self):
        """Return the results that can be compared, one row for each."""
        if not self._path.exists():
            return pd.DataFrame(columns=PLACE)
        found = pd.read_csv(self._path)
        same = (found[list(self._design)] == pd.Series(self._design)).all(axis=1)
        current = found["defaults"].isna() | (found["defaults"] == defaults.VERSION)
        return found[same & current].drop(columns=[*self._design, "defaults"])

    def places(self):
        """Return a set of (table, fold, contestant) whose results are known."""
        return set(self.read()[PLACE].itertuples(index=False, name=None))

    def add(self, place, result, *, is_mixture):
        """Append the result of a contestant on one fold of a table.

        Parameters
        ----------
        place : tuple of (str, int, str)
            Table, fold and contestant.
        result : dict
        is_mixture : bool
            Whether the result depends on the defaults of mixtures.
        """
        version = {"defaults": defaults.VERSION if is_mixture else ""}
        row = self._design | version | dict(zip(PLACE, place)) | result
        new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
