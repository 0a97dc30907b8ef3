"""Convert fitted mixtures and gates to ONNX, for predictions without Python.

Importing this package registers :class:`MixtureOfExpertsRegressor`,
:class:`MixtureOfExpertsClassifier`, :class:`SoftmaxGate` and :class:`GaussianGate` with
skl2onnx, alone and as steps of pipelines; its functions `to_onnx` and
`convert_sklearn` then convert them like estimators of scikit-learn. Experts,
and classifiers as gates, are converted by their own converters: those of skl2onnx, and
those of onnxmltools for LightGBM and XGBoost.

The converters have these options, given in the same way as those of skl2onnx:

- ``return_gate`` (both mixtures) adds the weights of `predict_gate` as an output,
- ``return_std`` (regressor) adds the standard deviation of the target,
- ``zipmap`` and ``output_class_labels`` (classifier and gates) are those of skl2onnx.
"""

from sklearn_moe.onnx._register import register

__all__ = []

register()
