"""The steps of a fit that a profiler distinguishes."""

# Steps by the subpackage or module that they go through.
STEPS = {
    "starts": "start",
    "gate": "gate",
    "gates": "gate",
    "likelihoods": "likelihood",
    "experts": "around experts",
}
# The rest of "em" consists of the E-step and the routing of rows to experts.
E_STEP = "E-step"
OWN = "experts"
REST = "rest"


def names_within(stack):
    """Return the names of subpackages and modules that a stack goes through.

    Parameters
    ----------
    stack : list of (str, str)
        Stack of the profiler.

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
        Stack of the profiler.

    Returns
    -------
    step : str
        All work on the experts is "around experts"; see `step_beside`.
    """
    names = names_within(stack)
    for name in names:
        if name in STEPS:
            return STEPS[name]
    return E_STEP if "em" in names else REST


def step_beside(expert):
    """Return a function that separates the experts' own work from the steps of a fit.

    Parameters
    ----------
    expert : estimator
        An estimator of a class of scikit-learn. Calls that go through the subpackage of
        its class, such as its `fit` and `predict`, are attributed to "experts"; other
        work for it (weights, copies of rows, clones) remains in "around experts".

    Returns
    -------
    step_of : callable
        The `kind_of` of a `Profiler`.
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
