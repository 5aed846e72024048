"""Assigns a replica's own copy of a mirrored variable.

`tf.Variable.assign` in the replica context first brings the replicas together,
which an XLA program cannot contain. These functions write only the calling
replica's copy, on every strategy. All replicas must assign the same value.

Tested by `tests/training/fit_test.py`.
"""

import tensorflow as tf


def assign(variable: tf.Variable, value: tf.Tensor) -> None:
  """Sets the variable, in the replica context."""
  tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def assign_add(variable: tf.Variable, value: tf.Tensor | int) -> None:
  """Adds to the variable, in the replica context."""
  value = tf.convert_to_tensor(value, variable.dtype)
  tf.raw_ops.AssignAddVariableOp(resource=variable.handle, value=value)
