"""What is collected where optional packages are installed, and only there."""

from importlib.util import find_spec

collect_ignore = []
if find_spec("skl2onnx") is None or find_spec("onnxruntime") is None:
    collect_ignore.append("sklearn_moe/onnx")
