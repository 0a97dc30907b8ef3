"""Labels and soft targets."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


def check_targets(gate, y, n_samples):
    """Classes and soft targets (n_samples, n_classes) of labels or soft targets."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    if y.ndim == 2 and y.shape[1] > 1:
        targets = y.astype(np.float64)
        sums = targets.sum(axis=1)
        if targets.min() < 0 or not np.allclose(sums, 1, rtol=0, atol=1e-5):
            raise ValueError(
                "Soft targets y must be non-negative rows that sum to one; got a "
                f"smallest value of {targets.min():.3g} and row sums from "
                f"{sums.min():.6g} to {sums.max():.6g}."
            )
        if len(targets) != n_samples:
            raise ValueError(f"X has {n_samples} rows, but y has {len(targets)} rows.")
        return np.arange(targets.shape[1]), targets
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if len(y) != n_samples:
        raise ValueError(f"X has {n_samples} rows, but y has {len(y)} rows.")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{type(gate).__name__} needs at least 2 classes in y; got one class: "
            f"{classes.tolist()[0]!r}."
        )
    return classes, np.eye(len(classes))[codes]
