"""Parts of the model that are fast to train, by gradients of their own.

Each gives what its formula says, forwards and backwards, but for rounding.
"""

from collections.abc import Callable

import tensorflow as tf


def recomputed(
  function: Callable[[tf.Tensor], tf.Tensor],
) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns an elementwise function whose gradient keeps nothing but its input.

  XLA compiles either way into one pass over memory, instead of one for each
  operation. It compiles again for every shape that comes.
  """
  forward = tf.function(function, jit_compile=True)

  @tf.function(jit_compile=True)
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

  The gradient of x is the upstream one times kernel^T. For it oneDNN, on CPUs,
  reads the kernel with a stride of O values, and where O is 512, 1,024 or the
  like, these share few lines of a cache. So it is given kernel^T itself.

  Args:
    x: float32 [N, I].
    kernel: float32 [I, O].
    bias: float32 [O].
    dtype: of the product's factors.

  Returns:
    float32 [N, O].
  """

  @tf.custom_gradient
  def call(x, kernel, bias):
    x, kernel = tf.cast(x, dtype), tf.cast(kernel, dtype)
    y = tf.nn.bias_add(tf.cast(tf.matmul(x, kernel), tf.float32), bias)

    def gradient(upstream):
      u = tf.cast(upstream, dtype)
      # In three dimensions: of a matrix TensorFlow's graph optimizer would make
      # a product by a transposed one again.
      cube = tf.reshape(kernel, [1, *kernel.shape])
      turned = tf.transpose(cube, [0, 2, 1], name='turned_kernel')
      dx = tf.matmul(u, tf.reshape(turned, kernel.shape[::-1]))
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

  With p that softmax, y the one-hot rows of `ids` and u what comes from above,
  [N, 1], the gradient of the logits is u (p - y). It is [N, V], by far the
  largest of a compact model's tensors, so it is never made:

    dx     = u (p table - table[ids])
    dtable = p^T (u x) - y^T (u x)
    dbias  = p^T u - y^T u

  where a product with y^T is a sum over the rows with that id.

  Args:
    x: float32 [N, H].
    table: float32 [V, H].
    bias: float32 [V].
    ids: int [N], in [0, V).
    dtype: of the products' factors.

  Returns:
    float32 [N] in nats.
  """

  @tf.custom_gradient
  def nats(x, table, bias):
    x, rows = tf.cast(x, dtype), tf.cast(table, dtype)
    logits = tf.cast(tf.matmul(x, rows, transpose_b=True), tf.float32)
    logits = tf.nn.bias_add(logits, bias)
    p = tf.nn.softmax(logits)
    # log(sum(exp(logits))), by way of the largest: its p is at least 1 / V.
    normaliser = tf.reduce_max(logits, -1) - tf.math.log(tf.reduce_max(p, -1))

    def gradient(upstream):
      u = upstream[:, tf.newaxis]
      ux = u * tf.cast(x, tf.float32)
      expected = tf.cast(tf.matmul(tf.cast(p, dtype), rows), tf.float32)
      dx = u * (expected - tf.gather(table, ids))
      dtable = tf.matmul(
        tf.cast(p, dtype), tf.cast(ux, dtype), transpose_a=True
      )
      dtable = tf.tensor_scatter_nd_sub(
        tf.cast(dtable, tf.float32), ids[:, tf.newaxis], ux
      )
      with tf.name_scope('bias_gradient'):
        dbias = tf.linalg.matvec(p, upstream, transpose_a=True)
      dbias = tf.tensor_scatter_nd_sub(dbias, ids[:, tf.newaxis], upstream)
      return dx, dtable, dbias

    return normaliser - tf.gather(logits, ids, batch_dims=1), gradient

  return nats(x, table, bias)
