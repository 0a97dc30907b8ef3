"""Fitted mixtures and gates in ONNX, which needs no Python to predict.

Importing this package tells skl2onnx how :class:`MixtureOfExpertsRegressor`,
:class:`MixtureOfExpertsClassifier`, :class:`SoftmaxGate` and :class:`GaussianGate` are
converted, alone and as steps of pipelines; its functions `to_onnx` and
`convert_sklearn` then take them as they take the estimators of scikit-learn. Experts,
and classifiers as gates, are converted by their own converters: those of skl2onnx, and
those of onnxmltools for LightGBM and XGBoost.

Options of the converters, as of those of skl2onnx:

- ``return_gate`` (both mixtures) adds the weights of `predict_gate` as an output,
- ``return_std`` (regressor) adds the standard deviation of the target,
- ``zipmap`` and ``output_class_labels`` (classifier and gates) are those of skl2onnx.
"""

from sklearn_moe.onnx._register import register

__all__ = []

register()
