"""The version of the defaults that results were measured with.

Results do not show otherwise which defaults they were measured with, since a setting
such as "auto" keeps its name when its meaning changes. If fits of default mixtures
change, a test fails: raise the version then, and measure all of `results/quality`
again.
"""

VERSION = 3
# Mean log-likelihoods of default mixtures, as tests/test_benchmarks.py fits them.
MEAN_LOG_LIKELIHOODS = {
    "ridge": -0.9085,
    "logistic": -0.1266,
    "boosting": -0.8059,
    "unlike": -1.0433,
}
