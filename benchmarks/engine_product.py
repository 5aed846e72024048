"""The machine's own peak: a large product of matrices, for `training`."""

from collections.abc import Callable

import tensorflow as tf
from training_jobs import PRODUCT_SIZE, Job

from cli import script

script.set_environment()  # Read when TensorFlow's kernels are chosen.


def make(_: Job) -> Callable[[int], int]:
  """Returns what runs so many products and returns their number."""
  a = tf.random.stateless_normal([PRODUCT_SIZE] * 2, seed=[1, 2])
  multiply = tf.function(lambda: tf.matmul(a, a))

  def run(num_steps: int) -> int:
    for _ in range(num_steps):
      multiply().numpy()
    return num_steps

  return run
