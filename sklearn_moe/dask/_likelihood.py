"""Likelihoods that process the rows of a large partition in batches."""

from sklearn.utils import gen_batches

from sklearn_moe.dask._cluster import add_up

# Number of outputs of experts that a likelihood is given at a time; see
# `sklearn_moe._contracts.Rows.map`.
BATCH_SIZE = 16_000


class InBatches:
    """A likelihood whose statistic of a block is summed batch by batch.

    See `sklearn_moe._contracts.Likelihood` for the methods.
    """

    def __init__(self, likelihood):
        self._likelihood = likelihood

    def summarize(self, block, outputs, weights):
        """Return the statistic of a block."""
        values = getattr(outputs, "values", outputs)
        batches = gen_batches(len(values), max(250, BATCH_SIZE // values[0].size))
        return add_up(
            [
                self._likelihood.summarize(
                    block.take(rows), _rows_of(outputs, rows), weights.take(rows)
                )
                for rows in batches
            ]
        )

    def solve(self, statistic):
        """Take the M-step of the likelihood."""
        return self._likelihood.solve(statistic)


def _rows_of(outputs, rows):
    if isinstance(outputs, tuple):
        return type(outputs)(*(values[rows] for values in outputs))
    return outputs[rows]
