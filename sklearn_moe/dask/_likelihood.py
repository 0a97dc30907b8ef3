"""Likelihoods of the rows of partitions, which are long."""

from sklearn.utils import gen_batches

from sklearn_moe.dask._cluster import add_up

# How many outputs of experts a likelihood is given at a time; see
# `sklearn_moe._contracts.Rows.map`.
BATCH_SIZE = 16_000


class InBatches:
    """A likelihood whose statistic of a block is summed batch by batch.

    See `sklearn_moe._contracts.Likelihood` for what each method means.
    """

    def __init__(self, likelihood):
        self._likelihood = likelihood

    def summarize(self, block, outputs, weights):
        """Statistic of a block."""
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
        """M-step of the likelihood."""
        return self._likelihood.solve(statistic)


def _rows_of(outputs, rows):
    if isinstance(outputs, tuple):
        return type(outputs)(*(values[rows] for values in outputs))
    return outputs[rows]
