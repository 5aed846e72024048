"""Options of every `tf.data` dataset here, and how its functions are traced."""

import functools

import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

# No dataset here has a number of threads or a buffer size to tune. With the
# tuner's thread (TensorFlow 2.20), deleting an iterator waits for the thread's
# next round, up to a minute for an iterator that was in use for a while.
OPTIONS = tf.data.Options()
OPTIONS.autotune.enabled = False

# Decorates what makes a dataset. AutoGraph would rewrite the code of the
# dataset's functions first, which takes seconds and changes nothing: none of
# them branches or loops on the value of a tensor.
traced_as_written = tf.autograph.experimental.do_not_convert


def apply_to_device_iterators() -> None:
  """Applies `OPTIONS` to the iterators that strategies make for each replica.

  TensorFlow 2.20 makes them from its own datasets and has no setting for
  these, so the function that makes the datasets is replaced.
  """
  make = multi_device_iterator_ops._create_device_dataset
  if hasattr(make, '__wrapped__'):
    return

  @functools.wraps(make)
  def make_with_options(*arguments):
    return make(*arguments).with_options(OPTIONS)

  multi_device_iterator_ops._create_device_dataset = make_with_options
