"""Converts a SavedModel to a LiteRT model, with only TensorFlow.

  python -I converters/litert.py SAVED_MODEL TARGET KIND [FEATURES]

KIND is float32, float16, dynamic or static, see `serving.exports.litert`.
FEATURES, for static, holds the model's inputs of texts, int32 [N, S]. The
converter leaks memory, so a process converts one model.

Tested by `tests/serving/exports/litert_test.py`.
"""

import os
import pathlib
import sys

# The process that waits for this one may hold the memory of all GPUs.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf


def main(source: str, target: str, kind: str, features: str = '') -> None:
  """Writes the model. The converter fails if an op is not a builtin one."""
  converter = tf.lite.TFLiteConverter.from_saved_model(source)
  ops = tf.lite.OpsSet
  converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS]
  if kind != 'float32':
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
  if kind == 'float16':
    converter.target_spec.supported_types = [tf.float16]
  if kind == 'static':
    converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: _rows(features)
  pathlib.Path(target).write_bytes(converter.convert())


def _rows(features: str):
  """Yields the inputs of one text after the other."""
  with np.load(features, allow_pickle=False) as file:
    inputs = dict(file)
  for i in range(len(inputs['input_ids'])):
    yield {name: value[i : i + 1] for name, value in inputs.items()}


if __name__ == '__main__':
  main(*sys.argv[1:])
