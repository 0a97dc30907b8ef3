"""Tools for any scikit-learn estimator: weights, batches and nested estimators."""

from sklearn_moe._estimators.error_notes import error_note
from sklearn_moe._estimators.flexible import isolates_rows
from sklearn_moe._estimators.growing import GrowingFit, growth_of
from sklearn_moe._estimators.incremental import (
    IncrementalFit,
    OnlineFit,
    decay_counts,
    learn_batch,
    supports_batches,
)
from sklearn_moe._estimators.label_encoding import LabelEncodedClassifier
from sklearn_moe._estimators.nested import (
    copied,
    copy_if_overwriting,
    holds_itself,
    is_estimator,
    is_mixture,
    last_step,
    leaves_rows_alone,
    names_of_last_step,
    nested_estimators,
    reseeded,
    rows_of_last_step,
    seeded_clone,
    transformers_before,
    unwrap_frozen,
)
from sklearn_moe._estimators.predictions import (
    check_output,
    distributions,
    predict_probabilities,
)
from sklearn_moe._estimators.row_selection import (
    MIN_ROWS,
    MIN_ROWS_OF_CLASS,
    NEGLIGIBLE,
    equal_if_zero,
    substantial_rows,
    substantial_weights,
    systematic_resample,
    with_all_classes,
)
from sklearn_moe._estimators.validation_rows import (
    check_validation_rows,
    params_of_rows,
)
from sklearn_moe._estimators.weight_routing import changes_rows, learns_rows_alone
from sklearn_moe._estimators.weighted import WarmStartError, WeightedFit

__all__ = [
    "MIN_ROWS",
    "MIN_ROWS_OF_CLASS",
    "NEGLIGIBLE",
    "GrowingFit",
    "IncrementalFit",
    "LabelEncodedClassifier",
    "OnlineFit",
    "WarmStartError",
    "WeightedFit",
    "changes_rows",
    "check_output",
    "check_validation_rows",
    "copied",
    "copy_if_overwriting",
    "decay_counts",
    "distributions",
    "equal_if_zero",
    "error_note",
    "growth_of",
    "holds_itself",
    "is_estimator",
    "is_mixture",
    "isolates_rows",
    "last_step",
    "learn_batch",
    "learns_rows_alone",
    "leaves_rows_alone",
    "names_of_last_step",
    "nested_estimators",
    "params_of_rows",
    "predict_probabilities",
    "reseeded",
    "rows_of_last_step",
    "seeded_clone",
    "substantial_rows",
    "substantial_weights",
    "supports_batches",
    "systematic_resample",
    "transformers_before",
    "unwrap_frozen",
    "with_all_classes",
]
