"""The steps of a fit, as a profiler tells them apart."""

# The subpackage or module that a step goes through.
STEPS = {
    "starts": "start",
    "gate": "gate",
    "gates": "gate",
    "likelihoods": "likelihood",
    "experts": "around experts",
}
# What is left of "em": the E-step, and which rows train which expert.
E_STEP = "E-step"
OWN = "experts"
REST = "rest"


def names_within(stack):
    """Return the names of subpackages and modules that a stack goes through.

    Parameters
    ----------
    stack : list of (str, str)
        As the profiler has it.

    Returns
    -------
    names : list of str
        The outermost first; "gates" and "softmax" for "sklearn_moe.gates.softmax".
    """
    return [
        name
        for module, _ in stack
        if module.startswith("sklearn_moe.")
        for name in module.split(".")[1:]
    ]


def step_of_fit(stack):
    """Return the step of a fit that a stack belongs to.

    Parameters
    ----------
    stack : list of (str, str)
        As the profiler has it.

    Returns
    -------
    step : str
        For the experts "around experts", whoever does it; see `step_beside`.
    """
    names = names_within(stack)
    for name in names:
        if name in STEPS:
            return STEPS[name]
    return E_STEP if "em" in names else REST


def step_beside(expert):
    """Return what tells the steps of a fit from what the experts do themselves.

    Parameters
    ----------
    expert : estimator
        One of scikit-learn's own classes. What the subpackage does in which it is, in
        its `fit` and `predict`, counts to "experts"; what is done for it beside that
        (weights, copies of rows, clones) stays with "around experts".

    Returns
    -------
    step_of : callable
        For the profiler.
    """
    home = ".".join(type(expert).__module__.split(".")[:2])

    def step_of(stack):
        step = step_of_fit(stack)
        if step == STEPS["experts"] and any(
            module.startswith(home) for module, _ in stack
        ):
            return OWN
        return step

    return step_of
