"""Makes an int8 model of a float32 one, with ONNX Runtime's quantizer.

  python -I quantize_int8.py model.onnx model_quantized.onnx

Dynamic quantization: kernels and embeddings become int8, a product's inputs are
rounded to 8 bits while it runs, by their own range.

Tested by `tests/serving/exports/onnx_int8_test.py`.
"""

import logging
import sys

from onnxruntime import quantization


def main(source: str, target: str) -> None:
  """Writes the int8 model."""
  # It advises a preparation that the graph does not need.
  logging.disable(logging.WARNING)
  quantization.quantize_dynamic(
    source,
    target,
    per_channel=True,
    # Weights of 7 bits. Processors without VNNI add products of 8 bits in 16,
    # which overflows.
    reduce_range=True,
    weight_type=quantization.QuantType.QInt8,
  )


if __name__ == '__main__':
  main(*sys.argv[1:])
