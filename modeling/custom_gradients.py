"""Formulas of the model whose gradients are written by hand, for speed.

Values and gradients equal those of the plain formula up to rounding.
"""

from collections.abc import Callable

import tensorflow as tf

from system import xla


def recomputed(
  function: Callable[[tf.Tensor], tf.Tensor],
) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns the function with a gradient that keeps only the input in memory.

  XLA compiles the function and its gradient into one pass over memory each,
  instead of one pass for each operation. It compiles once for each shape.

  Args:
    function: maps float32 [...] to the same shape, value by value.
  """
  forward = tf.function(function, jit_compile=True, autograph=False)

  @tf.function(jit_compile=True, autograph=False)
  def backward(x, upstream):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = function(x)
    return tape.gradient(y, x, upstream)

  @tf.custom_gradient
  def call(x):
    return forward(x), lambda upstream: backward(x, upstream)

  return call


def wide_linear(
  x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, dtype: str = 'float32'
) -> tf.Tensor:
  """Computes x kernel + bias, for a kernel with more columns than rows.

  The gradient of x is the upstream gradient times kernel^T. For this product
  oneDNN, on CPUs, reads the kernel with a stride of O values. If O is a power
  of two, such as 512, these values map to few cache sets and evict each other.
  So this function transposes the kernel first.

  Args:
    x: float32 [N, I].
    kernel: float32 [I, O].
    bias: float32 [O].
    dtype: the dtype of the product's factors.

  Returns:
    float32 [N, O].
  """

  @tf.custom_gradient
  def call(x, kernel, bias):
    x, kernel = tf.cast(x, dtype), tf.cast(kernel, dtype)
    y = tf.nn.bias_add(tf.cast(tf.matmul(x, kernel), tf.float32), bias)

    def gradient(upstream):
      u = tf.cast(upstream, dtype)
      # In three dimensions: TensorFlow's graph optimizer would fold the
      # transpose of a matrix into the product again.
      cube = tf.reshape(kernel, [1, *kernel.shape])
      transposed = tf.transpose(cube, [0, 2, 1], name='turned_kernel')
      dx = tf.matmul(u, tf.reshape(transposed, kernel.shape[::-1]))
      dkernel = tf.matmul(x, u, transpose_a=True)
      dbias = tf.raw_ops.BiasAddGrad(out_backprop=upstream)
      return tf.cast(dx, tf.float32), tf.cast(dkernel, tf.float32), dbias

    return y, gradient

  return call(x, tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias))


def tied_cross_entropy(
  x: tf.Tensor,
  table: tf.Tensor,
  bias: tf.Tensor,
  ids: tf.Tensor,
  dtype: str = 'float32',
) -> tf.Tensor:
  """Computes the cross-entropies of softmax(x table^T + bias).

  Let p be that softmax, y the one-hot rows of `ids` and u the upstream
  gradient, [N, 1]. The gradient of the logits, u (p - y), is [N, V] and by far
  the largest tensor of a compact model. In float32, without XLA, this function
  never makes it:

    dx     = u (p table - table[ids])
    dtable = p^T (u x) - y^T (u x)
    dbias  = p^T u - y^T u

  A product with y^T is a sum over the rows that have the id.

  In another dtype, the factors of the products are rounded, and for p near 1
  the rounding error of p would exceed p - y. So p - y is computed first, and so
  it is in programs of XLA: GPUs and TPUs round the factors of float32 products,
  too.

  Args:
    x: float32 [N, H].
    table: float32 [V, H].
    bias: float32 [V].
    ids: int [N], in [0, V).
    dtype: the dtype of the products' factors.

  Returns:
    float32 [N] in nats.
  """
  is_rounded = dtype != 'float32' or xla.compiles_each_shape()

  @tf.custom_gradient
  def nats(x, table, bias):
    x, rows = tf.cast(x, dtype), tf.cast(table, dtype)
    logits = tf.cast(tf.matmul(x, rows, transpose_b=True), tf.float32)
    logits = tf.nn.bias_add(logits, bias)
    p = tf.nn.softmax(logits)
    # log(sum(exp(logits))), computed from the largest logit, whose p is 1 / V
    # or more.
    normaliser = tf.reduce_max(logits, -1) - tf.math.log(tf.reduce_max(p, -1))

    def gradient(upstream):
      u = upstream[:, tf.newaxis]
      ux = u * tf.cast(x, tf.float32)
      difference = p - tf.one_hot(ids, p.shape[-1]) if is_rounded else p
      factor = tf.cast(difference, dtype)
      dx = tf.cast(tf.matmul(factor, rows), tf.float32)
      dtable = tf.matmul(factor, tf.cast(ux, dtype), transpose_a=True)
      dtable = tf.cast(dtable, tf.float32)
      with tf.name_scope('bias_gradient'):
        dbias = tf.linalg.matvec(difference, upstream, transpose_a=True)
      if not is_rounded:
        dx -= tf.gather(table, ids)
        dtable = tf.tensor_scatter_nd_sub(dtable, ids[:, tf.newaxis], ux)
        dbias = tf.tensor_scatter_nd_sub(dbias, ids[:, tf.newaxis], upstream)
      return u * dx, dtable, dbias

    return normaliser - tf.gather(logits, ids, batch_dims=1), gradient

  return nats(x, table, bias)
