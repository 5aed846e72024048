"""Makes an int8 model of a float32 one, with ONNX Runtime's quantizer.

  python -I converters/onnx_int8.py model.onnx model_quantized.onnx
  python -I converters/onnx_int8.py model.onnx model_static.onnx features.npz

Kernels and embeddings become int8, and the inputs of products are rounded to 8
bits: without features dynamically, by their own range while the model runs;
with features by the range that they have on these, which is stored.
features.npz holds the model's inputs, int64 [N, S].

Tested by `tests/serving/exports/quantization_test.py`.
"""

import logging
import sys

import numpy as np
from onnxruntime import quantization

# Weights of 7 bits. Processors without VNNI add products of 8 bits in 16, which
# overflows.
_WEIGHTS = {
  'per_channel': True,
  'reduce_range': True,
  'weight_type': quantization.QuantType.QInt8,
}
# The rest stays float32: the padding's -10000 would take up the range of the
# attention scores, and LayerNorm squares its inputs.
_STATIC_OPS = ['Gather', 'Gemm', 'MatMul']
_BATCH_SIZE = 16


class _Batches(quantization.CalibrationDataReader):
  """The batches of a model's inputs, each cut to its longest row."""

  def __init__(self, features: dict[str, np.ndarray]):
    self._batches = self._cut(features)

  def _cut(self, features):
    for start in range(0, len(features['input_ids']), _BATCH_SIZE):
      rows = slice(start, start + _BATCH_SIZE)
      longest = int(features['attention_mask'][rows].sum(axis=1).max())
      yield {name: value[rows, :longest] for name, value in features.items()}

  def get_next(self) -> dict[str, np.ndarray] | None:
    return next(self._batches, None)


def main(source: str, target: str, features: str = '') -> None:
  """Writes the int8 model."""
  # It advises a preparation that the graph does not need.
  logging.disable(logging.WARNING)
  if not features:
    quantization.quantize_dynamic(source, target, **_WEIGHTS)
    return
  with np.load(features, allow_pickle=False) as file:
    batches = _Batches(dict(file))
  quantization.quantize_static(
    source,
    target,
    batches,
    op_types_to_quantize=_STATIC_OPS,
    activation_type=quantization.QuantType.QUInt8,
    **_WEIGHTS,
  )


if __name__ == '__main__':
  main(*sys.argv[1:])
