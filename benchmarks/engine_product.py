"""A large matrix product, which measures the machine's peak, for `training`.

Tested by `tests/benchmarks/training_test.py`.
"""

from collections.abc import Callable

import tensorflow as tf

from benchmarks.training_jobs import PRODUCT_SIZE, Job


def make(_: Job) -> Callable[[int], int]:
  """Returns a function: number of products to compute → their number."""
  a = tf.random.stateless_normal([PRODUCT_SIZE] * 2, seed=[1, 2])
  multiply = tf.function(lambda: tf.matmul(a, a))

  def run_steps(num_steps: int) -> int:
    for _ in range(num_steps):
      multiply().numpy()
    return num_steps

  return run_steps
