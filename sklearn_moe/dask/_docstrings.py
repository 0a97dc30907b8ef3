"""Class docstrings of mixtures on a cluster, from those of the local ones."""

import re
from inspect import cleandoc
from textwrap import dedent, indent

# What parameters and attributes are on a cluster, where it is not what they are in
# memory.
ENTRIES = {
    "n_experts": """n_experts : int, default=4
    Number of experts. Not used where `experts` is a list. To have it chosen, fit the
    local mixture with ``n_experts="auto"`` to a sample of the rows.""",
    "gate": """gate : estimator, default=None
    A :class:`~sklearn_moe.SoftmaxGate`, a :class:`~sklearn_moe.GaussianGate`, a
    pipeline that ends in one of them, or a gate of your own that learns from sums.
    None means ``SoftmaxGate()``.""",
    "assignment": """assignment : {"soft", "hard", "expert_choice"}, default="soft"
    Which rows train an expert, in each partition as in a table of its own: see
    :class:`~sklearn_moe.MixtureOfExpertsRegressor`.""",
    "capacity_factor": """capacity_factor : float, default=None
    An expert takes at most ``capacity_factor * n_samples / n_experts`` rows, in
    each partition its share of them. With "soft" assignment rows are drawn by their
    responsibility, and weighted so that they stand for all. None means no limit but
    the next.""",
    "max_rows_per_expert": """max_rows_per_expert : int, default=1_000_000
    The most rows that an expert takes from all partitions. None means no limit.""",
    "init": """init : {"tree", "kmeans", "random"} or clusterer, default="tree"
    How EM begins: as in the local mixture. A clusterer is shown a sample of the
    rows, which the others follow.""",
    "n_init": """n_init : int, default=1
    Number of starts, one after the other. The fit with the best
    penalised log-likelihood is kept.""",
    "persist": """persist : bool, default=True
    Whether the workers keep the rows, and what EM knows of each, from one pass to
    the next: in memory, and on disk where that is full. If not, the collections are
    computed anew in each pass, and memory does not grow with the number of rows.""",
    "client": """client : distributed.Client, default=None
    Where to fit. None means the client at hand, or else a cluster of processes on
    this machine that is there while `fit` runs.""",
    "random_state": """random_state : int, RandomState instance or None, default=None
    Seeds the start, the rows that travel, and the experts whose own `random_state`
    is None.""",
    "n_experts_path_": """n_experts_path_ : None
    The number of experts was given.""",
    "log_likelihood_": """log_likelihood_ : float
    Weighted log-likelihood of the training rows.""",
}

NOTES = """
Notes
-----
The rows stay where they are and the model travels, but for those that an expert is
fitted to [1]_. If a worker dies, the others make anew what it held.

References
----------
.. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
   trillion parameter models with simple and efficient sparsity. JMLR 23, section
   2.2.
"""


def on_a_cluster(local, names, *, summary, see_also, example, experts, noise=""):
    """Write the docstring of a mixture on a cluster, from that of the local one.

    Parameters
    ----------
    local : type
        The mixture of the same name in `sklearn_moe`.
    names : iterable of str
        The parameters, in their order.
    summary, see_also, example : str
        The first paragraphs, the related classes, and a doctest.
    experts, noise : str
        What these parameters are on a cluster.

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
    """What a docstring says of each parameter or attribute, by name."""
    text = cleandoc(cls.__doc__)
    begin, end = (text.index(f"\n{name}\n---") for name in (section, following))
    body = text[begin:end].split("\n", 3)[3].rstrip()
    entries = re.split(r"\n(?=\S)", body)
    return {entry.split(" :", 1)[0]: entry for entry in entries}
