"""Register the converters of onnxmltools for LightGBM and XGBoost with skl2onnx."""

from skl2onnx import update_registered_converter
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from sklearn_moe._estimators import nested_estimators

BOOSTERS = ("lightgbm", "xgboost")

OF_CLASSIFIERS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


def register_boosters(part, what):
    """Register converters for boosted trees in an estimator, if there are none yet."""
    for each in nested_estimators(part):
        library = type(each).__module__.partition(".")[0]
        if library not in BOOSTERS or type(each) in sklearn_operator_name_map:
            continue
        name = type(each).__name__
        try:
            convert = _converter_of(library)
        except ImportError as error:
            raise TypeError(
                f"{what}, a {name}, is converted to ONNX by onnxmltools, which is not "
                "installed."
            ) from error
        if name.endswith("Classifier"):
            shapes = calculate_linear_classifier_output_shapes
            options = OF_CLASSIFIERS
        else:
            shapes, options = calculate_linear_regressor_output_shapes, {}
        if library == "lightgbm":
            options = options | {"split": None}
        update_registered_converter(
            type(each), f"{library}{name}", shapes, convert, options=options
        )


def _converter_of(library):
    if library == "lightgbm":
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import (
            convert_lightgbm,
        )

        return convert_lightgbm
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    return convert_xgboost
