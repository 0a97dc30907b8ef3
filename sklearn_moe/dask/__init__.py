"""Mixtures of experts over Dask collections of any size.

The model is sent to the partitions; the rows stay on their workers.
"""

try:
    import dask.array
    import dask.dataframe  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sklearn_moe.dask needs Dask and its scheduler. Install them: "
        'pip install "sklearn-moe[dask]"'
    ) from error

from sklearn_moe.dask._classifier import MixtureOfExpertsClassifier
from sklearn_moe.dask._regressor import MixtureOfExpertsRegressor

__all__ = ["MixtureOfExpertsClassifier", "MixtureOfExpertsRegressor"]
