"""Labels texts with an ONNX export: OpenVINO, tokenizers, no TensorFlow.

The folder is as for `serving.onnx_model`.

Tested by `tests/serving/openvino_model_test.py`.
"""

import threading
from collections.abc import Mapping

import numpy as np

from serving import onnx_model, tokenizer_file
from serving.onnx_model import OnnxModel
from system.errors import UserError

PACKAGES = ('openvino', tokenizer_file.PACKAGE)
# By default OpenVINO rounds to bfloat16 on CPUs that compute with it.
_OPTIONS = {'INFERENCE_PRECISION_HINT': 'f32', 'PERFORMANCE_HINT': 'LATENCY'}

find = onnx_model.find


def load(folder: str, kind: str = 'float32') -> OnnxModel:
  """Loads a model; see `onnx_model.load`."""
  path = find(folder, kind)
  compiled = _compiled(path)
  # A tensor may have several names, and has all those of the file.
  inputs = {name for each in compiled.inputs for name in each.names}
  shapes = {
    name: [size.to_string() for size in each.partial_shape]
    for each in compiled.outputs
    for name in each.names
  }
  num_outputs = onnx_model.num_outputs(shapes, path)
  # A compiled model computes one request at a time.
  lock = threading.Lock()

  def run(features: Mapping[str, np.ndarray]) -> np.ndarray:
    given = {name: x for name, x in features.items() if name in inputs}
    with lock:
      return compiled(given)[onnx_model.LOGITS].copy()

  return onnx_model.of_export(folder, run, num_outputs)


def _compiled(path: str):
  import openvino

  try:
    return openvino.Core().compile_model(path, 'CPU', _OPTIONS)
  # OpenVINO raises `RuntimeError` for all mistakes. Its last line has the
  # reason; the others name source files.
  except RuntimeError as error:
    reason = str(error).strip().splitlines()[-1]
    raise UserError(f'OpenVINO cannot load {path}: {reason}') from error
