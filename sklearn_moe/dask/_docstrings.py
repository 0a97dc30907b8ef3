"""Build class docstrings of mixtures on a cluster from those of the local mixtures."""

import re
from inspect import cleandoc
from textwrap import dedent, indent

# Descriptions of parameters and attributes that differ from those of local mixtures.
ENTRIES = {
    "n_experts": """n_experts : int, default=4
    Number of experts. Ignored if `experts` is a list. To choose it automatically, fit
    the local mixture with ``n_experts="auto"`` to a sample of the rows.""",
    "gate": """gate : estimator, default=None
    A :class:`~sklearn_moe.SoftmaxGate`, a :class:`~sklearn_moe.GaussianGate`, a
    pipeline that ends in one of them, or a custom gate that learns from sums over rows.
    None means ``SoftmaxGate()``.""",
    "assignment": """assignment : {"soft", "hard", "expert_choice"}, default="soft"
    Which rows train an expert, separately in each partition; see
    :class:`~sklearn_moe.MixtureOfExpertsRegressor`.""",
    "capacity_factor": """capacity_factor : float, default=None
    An expert is trained on at most ``capacity_factor * n_samples / n_experts`` rows,
    divided among the partitions in proportion to their rows. With "soft" assignment,
    rows are sampled by their responsibility, and weighted to represent all rows. None
    means no limit except `max_rows_per_expert`.""",
    "max_rows_per_expert": """max_rows_per_expert : int, default=1_000_000
    Maximum number of rows that an expert is trained on. None means no limit.""",
    "init": """init : {"tree", "kmeans", "random"} or clusterer, default="tree"
    The start of EM, as in the local mixture. A clusterer is fitted to a sample of the
    rows, from which the start is extended to the others.""",
    "n_init": """n_init : int, default=1
    Number of starts, one after the other. The fit with the best
    penalised log-likelihood is kept.""",
    "persist": """persist : bool, default=True
    Whether the workers keep the rows, and the values of EM for each row, from one pass
    to the next: in memory, and on disk if memory is full. If not, the collections are
    recomputed in each pass, and memory does not grow with the number of rows.""",
    "client": """client : distributed.Client, default=None
    Client of the cluster to fit on. None means the current client, or otherwise a
    temporary cluster of processes on this machine while `fit` runs.""",
    "random_state": """random_state : int, RandomState instance or None, default=None
    Seeds the start, the sampling of rows, and the experts whose own `random_state` is
    None.""",
    "n_experts_path_": """n_experts_path_ : None
    Always None, since the number of experts is given.""",
    "log_likelihood_": """log_likelihood_ : float
    Weighted log-likelihood of the training rows.""",
}

NOTES = """
Notes
-----
The rows stay on their workers and the model is sent to them, except for the rows that
an expert is fitted to [1]_. If a worker dies, the others recompute what it held.

References
----------
.. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
   trillion parameter models with simple and efficient sparsity. JMLR 23, section
   2.2.
"""


def on_a_cluster(local, names, *, summary, see_also, example, experts, noise=""):
    """Return the docstring of a mixture on a cluster, built from the local one.

    Parameters
    ----------
    local : type
        The mixture of the same name in `sklearn_moe`.
    names : iterable of str
        The parameters, in their order.
    summary, see_also, example : str
        The first paragraphs, the related classes, and a doctest.
    experts, noise : str
        Descriptions of these parameters on a cluster.

    Returns
    -------
    docstring : str
    """
    attributes = _entries(local, "Attributes", "See Also")
    known = _entries(local, "Parameters", "Attributes") | attributes | ENTRIES
    for name, entry in {"experts": experts, "noise": noise}.items():
        head, _, body = entry.partition("\n")
        known[name] = f"{head}\n{indent(dedent(body), '    ')}"
    return "\n".join(
        [
            cleandoc(summary),
            "\nRead more in the :ref:`User Guide <guide_dask>`.",
            "\nParameters\n----------",
            *(known[name] for name in names),
            "\nAttributes\n----------",
            *(known[name] for name in attributes),
            "\nSee Also\n--------",
            cleandoc(see_also),
            NOTES,
            "Examples\n--------",
            cleandoc(example),
            "",
        ]
    )


def _entries(cls, section, following):
    """Return the entries of a section of a class docstring, by name."""
    text = cleandoc(cls.__doc__)
    begin, end = (text.index(f"\n{name}\n---") for name in (section, following))
    body = text[begin:end].split("\n", 3)[3].rstrip()
    entries = re.split(r"\n(?=\S)", body)
    return {entry.split(" :", 1)[0]: entry for entry in entries}
