"""A large matrix product, which measures the machine's peak, for `training`.

Tested by `tests/benchmarks/training_test.py`.
"""

from collections.abc import Callable

import tensorflow as tf

from benchmarks import tensorflow_device
from benchmarks.tensorflow_device import peak_gpu_megabytes  # noqa: F401
from benchmarks.training_jobs import BenchmarkJob


def make(job: BenchmarkJob) -> Callable[[int], int]:
  """Returns a function: number of products to compute → their number."""
  tensorflow_device.prepare(job.precision)
  size = job.product_size
  a = tf.random.stateless_normal([size, size], seed=[1, 2])
  # The product of any x with it is about as large as x.
  a = tf.cast(a / size**0.5, job.compute_dtype)

  @tf.function
  def multiply(num_steps: tf.Tensor) -> tf.Tensor:
    product = a
    for _ in tf.range(num_steps):
      product = tf.matmul(product, a)
    return product

  def run_steps(num_steps: int) -> int:
    multiply(tf.constant(num_steps))
    tensorflow_device.wait()
    return num_steps

  return run_steps
