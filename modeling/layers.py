"""Building blocks: initial weights, dense layer, LayerNorm, activations.

Constructors make the weights, so that each variable has exactly the released
name (`bert/encoder/layer_0/attention/self/query/kernel:0`) and a checkpoint
maps name to name. Between layers, activations are matrices, [B*S, H]: the
reshapes are free, and each dense layer is one matrix product.

Weights are float32. With a `compute_dtype` of bfloat16 or float16 the matrix
products have that dtype, except two: the one-hot product that looks up
segments, because a look-up must be exact, and the output layer with its few
columns, because it costs little and its logits are dumped and compared.
(GPUs from Ampere on round the factors of float32 products to TF32, TPUs to
bfloat16.) Everything else stays float32: biases, activation functions, softmax,
LayerNorm and the residual stream.
"""

import functools
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from modeling import custom_gradients
from modeling.configs import LAYER_NORM_EPSILON


class WeightInit(NamedTuple):
  """Initial weights: a truncated normal that depends on seed and name.

  Attributes:
    stddev: the standard deviation; values beyond two of it are redrawn.
    seed: the run's seed; None for zeros, which are made faster, for weights
      that a checkpoint replaces.
  """

  stddev: float
  seed: int | None

  def normal(self, name: str) -> tf_keras.initializers.Initializer:
    """Returns the initialiser of one variable.

    Its seed depends only on the run's seed and the variable's name, so that a
    weight's initial value does not depend on the rest of the model.
    """
    if self.seed is None:
      return tf_keras.initializers.Zeros()
    seed = (zlib.crc32(name.encode()) ^ self.seed) & 0x7FFFFFFF
    return _TruncatedNormal(stddev=self.stddev, seed=seed)


class _TruncatedNormal(tf_keras.initializers.TruncatedNormal):
  """Draws on the CPU: a TPU draws other values from the same seed."""

  def __call__(self, shape, dtype=None, **kwargs):
    with tf.device('CPU:0'):
      return super().__call__(shape, dtype, **kwargs)


def get_activation(name: str | None) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns the function that `hidden_act` names.

  >>> get_activation('relu')(tf.constant([-1.0, 2.0])).numpy()
  array([0., 2.], dtype=float32)

  Args:
    name: one of `configs.ACTIVATIONS`, in any case; None and '' mean 'linear'.
  """
  return {
    # TensorFlow's graph optimizer fuses product, bias and gelu only if the
    # bias's op sorts before the gelu's: 'dense/BiasAdd' sorts before 'gelu',
    # but not before 'Gelu', the default name.
    'gelu': lambda x: tf.nn.gelu(x, approximate=True, name='gelu'),
    'gelu_erf': lambda x: tf.nn.gelu(x, approximate=False, name='gelu'),
    'relu': tf.nn.relu,
    'tanh': tf.tanh,
    'linear': tf.identity,
  }[(name or 'linear').lower()]


@functools.cache
def _recomputed_activation(
  name: str | None, has_known_shape: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
  # All layers share one function, which is compiled once for each shape. But
  # TensorFlow would reuse a trace for unknown shapes if they are known, and a
  # TPU must see known shapes: hence the second key.
  del has_known_shape
  return custom_gradients.recomputed(get_activation(name))


class Activation:
  """The activation function that `hidden_act` names.

  In training it takes the form whose gradient is fast, see
  `custom_gradients.recomputed`.
  """

  def __init__(self, name: str | None):
    self._name = name
    self._infer = get_activation(name)

  def __call__(self, x: tf.Tensor, is_training: bool) -> tf.Tensor:
    """Maps each value of float32 [N, I]."""
    if not is_training:
      return self._infer(x)
    is_known = x.shape.is_fully_defined()
    return _recomputed_activation(self._name, is_known)(x)


class BaseLayer(tf_keras.layers.Layer):
  """A Keras layer that does not cast its inputs and has a fixed name."""

  def __init__(self):
    # Bitwise reproducibility depends on this name. It is the scope of the
    # layer's ops, and TensorFlow's graph optimizer sorts the terms of a sum
    # (AddN, as of the gradients through query, key and value) by the names of
    # their ops. Keras numbers the layers of the whole process, and dense_100
    # sorts before dense_98: the 8th model of a process added in another order
    # and was 1 ulp off. A graph itself numbers equal names, from 0.
    name = re.sub(r'(?<!^)(?=[A-Z])', '_', type(self).__name__).lower()
    super().__init__(name=name, dtype='float32', autocast=False)


def product(
  a: tf.Tensor, b: tf.Tensor, dtype: str, transpose_b: bool = False
) -> tf.Tensor:
  """Multiplies matrices.

  Args:
    a: float32 [..., N, M]; rounded to `dtype`.
    b: float32 [..., M, O], or [..., O, M] if `transpose_b`; rounded to `dtype`.
    dtype: the dtype of the factors.
    transpose_b: whether to transpose `b`.

  Returns:
    float32 [..., N, O].
  """
  a, b = tf.cast(a, dtype), tf.cast(b, dtype)
  return tf.cast(tf.matmul(a, b, transpose_b=transpose_b), tf.float32)


class Dense(BaseLayer):
  """A matrix product in `compute_dtype`, and a bias.

  >>> dense = Dense('bert/pooler/dense', (2, 3), WeightInit(0.02, 0), 'float32')
  >>> [(variable.name, variable.shape.as_list()) for variable in dense.weights]
  [('bert/pooler/dense/kernel:0', [2, 3]), ('bert/pooler/dense/bias:0', [3])]

  Args:
    name_scope: the released name without the trailing '/kernel'.
    shape: [inputs, outputs] of the kernel.
    init: the initial values of the kernel; the bias starts at zero.
    compute_dtype: the dtype of the product.
  """

  def __init__(
    self,
    name_scope: str,
    shape: tuple[int, int],
    init: WeightInit,
    compute_dtype: str,
  ):
    super().__init__()
    self._product_dtype = compute_dtype
    name = f'{name_scope}/kernel'
    self.kernel = self.add_weight(name, shape, initializer=init.normal(name))
    self.bias = self.add_weight(
      f'{name_scope}/bias', shape[1:], initializer='zeros'
    )

  def call(self, x: tf.Tensor, is_training: bool = False) -> tf.Tensor:
    """Maps float32 [N, inputs] to [N, outputs].

    Args:
      x: the matrix.
      is_training: whether a wide kernel takes the form whose gradient is fast,
        see `custom_gradients.wide_linear`. A graph with a custom gradient stays
        in memory until the process ends.
    """
    inputs, outputs = self.kernel.shape
    if is_training and outputs > inputs:
      return custom_gradients.wide_linear(
        x, self.kernel, self.bias, self._product_dtype
      )
    return tf.nn.bias_add(
      product(x, self.kernel, self._product_dtype), self.bias
    )


class LayerNorm(BaseLayer):
  """Layer normalisation over the last axis, in float32.

  Args:
    name_scope: the released name without the trailing '/beta' and '/gamma'.
    size: the size of the last axis.
  """

  def __init__(self, name_scope: str, size: int):
    super().__init__()
    self.beta = self.add_weight(
      f'{name_scope}/beta', (size,), initializer='zeros'
    )
    self.gamma = self.add_weight(
      f'{name_scope}/gamma', (size,), initializer='ones'
    )

  def call(self, x: tf.Tensor) -> tf.Tensor:
    """Normalises float32 [..., size]."""
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
    unit = centred * tf.math.rsqrt(variance + LAYER_NORM_EPSILON)
    return unit * self.gamma + self.beta
