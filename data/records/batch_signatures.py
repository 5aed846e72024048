"""Shapes and dtypes of batches, known without reading a record.

Compiling a step ahead of time needs them.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from data.records.feature_spec import Field
from data.records.length_buckets import SEQUENCE_FIELDS


def training_signature(
  fields: Sequence[Field], dims: Mapping[str, int], rows: int
) -> dict[str, tf.TensorSpec]:
  """Returns the shapes and dtypes of an element of `training_batches`.

  Args:
    fields: the record's fields.
    dims: the numbers behind the letters of the fields' lengths; S is the
      bucket's length.
    rows: B / R.
  """
  signature = text_signature(rows, dims['S'])
  for field in fields:
    if field.name not in signature and field.dtype != 'bytes':
      size = dims.get(field.length, field.length)
      signature[field.name] = tf.TensorSpec(
        [rows] if size == 1 else [rows, size],
        tf.int32 if field.dtype == 'int64' else tf.float32,
      )
  denominators = ['example_denominator']
  if 'masked_lm_weights' in signature:
    denominators += ['masked_lm_denominator', 'token_denominator']
  signature |= {name: tf.TensorSpec([], tf.float32) for name in denominators}
  return signature | {'first_example': tf.TensorSpec([], tf.int64)}


def text_signature(rows: int, length: int) -> dict[str, tf.TensorSpec]:
  """Returns the shapes and dtypes of a model's inputs.

  Args:
    rows: the number of examples.
    length: S, tokens of a row.
  """
  return {
    name: tf.TensorSpec([rows, length], tf.int32) for name in SEQUENCE_FIELDS
  }
