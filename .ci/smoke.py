"""Whether a mixture works where the package was installed, and nothing else."""

from importlib.metadata import files, metadata, version

import sklearn_moe
from sklearn_moe import MixtureOfExpertsRegressor

X = [[float(i)] for i in range(20)]
y = [abs(x - 10) for [x] in X]
MixtureOfExpertsRegressor(n_experts=2).fit(X, y).predict(X)

assert sklearn_moe.__version__ == version("sklearn-moe")
installed = {file.name for file in files("sklearn-moe")}
for name in ("LICENSE", "py.typed"):
    assert name in installed, f"no {name}"
assert "image::" not in metadata("sklearn-moe").get_payload()
