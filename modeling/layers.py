"""The encoder's parts, their weights named and laid out as released BERT's.

Weights are made in the constructors, so that each variable's name is exactly
the released one (`bert/encoder/layer_0/attention/self/query/kernel:0`) and a
checkpoint maps name to name. Activations travel as matrices, [B*S, H]: the
reshapes are free, and each dense layer is one matrix product.

Weights are float32. Under a `compute_dtype` of bfloat16 or float16 the matrix
products are of that type; all else stays float32: biases, activation functions,
softmax, LayerNorm, the residual stream. Two products stay float32 too: the
one-hot one that looks segments up, because a look-up is exact, and the output
layer of a few columns, because it costs nothing and its logits are what is
dumped and compared.
"""

import functools
import math
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from modeling import custom_gradients
from modeling.configs import BertConfig
from modeling.dropout import (
  EMBEDDINGS_SITE,
  DropoutKey,
  block_sites,
  stateless_dropout,
)

_LAYER_NORM_EPSILON = 1e-12
# What is added to the attention score of a padding token, before the softmax.
_PADDING_SCORE = -10000.0


class WeightInit(NamedTuple):
  """How weights start: a truncated normal, a function of seed and name."""

  stddev: float
  seed: int

  def normal(self, name: str) -> tf_keras.initializers.Initializer:
    """Returns the initialiser of one variable.

    Its seed depends on nothing but the run's seed and the variable's name, so
    that a weight starts the same whatever else the model consists of.
    """
    seed = (zlib.crc32(name.encode()) ^ self.seed) & 0x7FFFFFFF
    return tf_keras.initializers.TruncatedNormal(stddev=self.stddev, seed=seed)


def get_activation(name: str | None) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns the function that `hidden_act` names."""
  return {
    # By their names: TensorFlow's graph optimizer joins product, bias and gelu
    # to one op only where that of the bias sorts first, as 'dense/BiasAdd'
    # does before 'gelu', but not before the default, 'Gelu'.
    'gelu': lambda x: tf.nn.gelu(x, approximate=True, name='gelu'),
    'gelu_erf': lambda x: tf.nn.gelu(x, approximate=False, name='gelu'),
    'relu': tf.nn.relu,
    'tanh': tf.tanh,
    'linear': tf.identity,
  }[(name or 'linear').lower()]


@functools.cache
def _trained(
  name: str | None, has_known_shape: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
  # One for all layers: it is compiled once for each shape. But what was traced
  # for any shape would be taken for a known one too, which a TPU must see.
  del has_known_shape
  return custom_gradients.recomputed(get_activation(name))


class Activation:
  """What `hidden_act` names, in the form that is fast where it is used."""

  def __init__(self, name: str | None):
    self._name = name
    self._infer = get_activation(name)

  def __call__(self, x: tf.Tensor, is_training: bool) -> tf.Tensor:
    """Maps each value of float32 [N, I]."""
    if not is_training:
      return self._infer(x)
    return _trained(self._name, x.shape.is_fully_defined())(x)


class BaseLayer(tf_keras.layers.Layer):
  """A layer that leaves the dtype of what passes through it alone."""

  def __init__(self):
    # Bits of a run hang on this name. It becomes the scope of the layer's ops,
    # and TensorFlow's graph optimizer sorts the terms of a sum (AddN, as of the
    # gradients by way of query, key and value) by the names of their ops. Keras
    # would number the layers of the whole process, and dense_100 sorts before
    # dense_98: the 8th model of a process added up in another order, 1 ulp off.
    # A graph numbers equal names itself, from 0.
    name = re.sub(r'(?<!^)(?=[A-Z])', '_', type(self).__name__).lower()
    super().__init__(name=name, dtype='float32', autocast=False)


def product(
  a: tf.Tensor, b: tf.Tensor, dtype: str, transpose_b: bool = False
) -> tf.Tensor:
  """Multiplies matrices, both rounded to `dtype`; returns float32."""
  a, b = tf.cast(a, dtype), tf.cast(b, dtype)
  return tf.cast(tf.matmul(a, b, transpose_b=transpose_b), tf.float32)


class Dense(BaseLayer):
  """A matrix product in `compute_dtype`, and a bias.

  Args:
    name_scope: the released name without the trailing '/kernel'.
    shape: [inputs, outputs] of the kernel.
    init: how the kernel starts; the bias starts at zero.
    compute_dtype: of the product.
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
      is_training: whether to take the form whose gradient is fast. A graph with
        a gradient of its own stays in memory as long as the process.
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
  """Layer normalisation over the last axis, in float32."""

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
    unit = centred * tf.math.rsqrt(variance + _LAYER_NORM_EPSILON)
    return unit * self.gamma + self.beta


class Embeddings(BaseLayer):
  """Sums word, segment and position embeddings and normalises them."""

  def __init__(self, config: BertConfig, init: WeightInit):
    super().__init__()
    self._config = config
    scope = 'bert/embeddings'
    self.word_embeddings = self._table(
      f'{scope}/word_embeddings', config.vocab_size, init
    )
    self.token_type_embeddings = self._table(
      f'{scope}/token_type_embeddings', config.type_vocab_size, init
    )
    self.position_embeddings = self._table(
      f'{scope}/position_embeddings', config.max_position_embeddings, init
    )
    self.norm = LayerNorm(f'{scope}/LayerNorm', config.hidden_size)

  def _table(self, name: str, rows: int, init: WeightInit) -> tf.Variable:
    shape = (rows, self._config.hidden_size)
    return self.add_weight(name, shape, initializer=init.normal(name))

  def call(
    self,
    input_ids: tf.Tensor,
    segment_ids: tf.Tensor,
    dropout: DropoutKey | None = None,
  ) -> tf.Tensor:
    """Embeds int [B, S] ids and segments as float32 [B, S, H]."""
    length = tf.shape(input_ids)[1]
    # From a tensor: once rows were gathered from a variable itself, TensorFlow
    # copies it whole whenever it is read.
    words = tf.gather(tf.convert_to_tensor(self.word_embeddings), input_ids)
    # One-hot products, as the original: the gradient of a gather from a table
    # of two rows would add up B*S rows one by one.
    segments = tf.one_hot(segment_ids, self._config.type_vocab_size)
    types = tf.matmul(segments, self.token_type_embeddings)
    output = self.norm(words + types + self.position_embeddings[:length])
    return stateless_dropout(
      output, self._config.hidden_dropout_prob, dropout, site=EMBEDDINGS_SITE
    )


class SelfAttention(BaseLayer):
  """Multi-head self-attention, without the projection of its output."""

  def __init__(
    self, name_scope: str, config: BertConfig, init: WeightInit, dtype: str
  ):
    super().__init__()
    self._num_heads = config.num_attention_heads
    self._head_size = config.hidden_size // config.num_attention_heads
    self._dropout_rate = config.attention_probs_dropout_prob
    self._product_dtype = dtype
    shape = (config.hidden_size, config.hidden_size)
    self.query = Dense(f'{name_scope}/query', shape, init, dtype)
    self.key = Dense(f'{name_scope}/key', shape, init, dtype)
    self.value = Dense(f'{name_scope}/value', shape, init, dtype)

  def call(
    self,
    queries: tf.Tensor,
    memory: tf.Tensor,
    padding: tf.Tensor,
    dropout: DropoutKey | None,
    site: int,
  ) -> tf.Tensor:
    """Attends from F positions of each example to all S.

    Args:
      queries: float32 [B*F, H], the positions that ask.
      memory: float32 [B*S, H], the positions that answer.
      padding: float32 [B, 1, 1, S], added to the scores.
      dropout: None for no dropout.
      site: of the attention probabilities' dropout.

    Returns:
      float32 [B*F, H].
    """
    batch = tf.shape(padding)[0]
    query = self._split_heads(self.query(queries), batch)
    key = self._split_heads(self.key(memory), batch)
    value = self._split_heads(self.value(memory), batch)
    dtype = self._product_dtype
    scores = product(query, key, dtype, transpose_b=True)  # [B, A, F, S]
    scores *= 1.0 / math.sqrt(self._head_size)
    probabilities = tf.nn.softmax(scores + padding)
    probabilities = stateless_dropout(
      probabilities, self._dropout_rate, dropout, site
    )
    context = product(probabilities, value, dtype)
    context = tf.transpose(context, [0, 2, 1, 3])  # [B, F, A, H/A]
    return tf.reshape(context, [-1, self._num_heads * self._head_size])

  def _split_heads(self, x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Turns [B*S, H] into [B, A, S, H/A] of the products' dtype."""
    x = tf.cast(x, self._product_dtype)  # First, so that less is transposed.
    x = tf.reshape(x, [batch, -1, self._num_heads, self._head_size])
    return tf.transpose(x, [0, 2, 1, 3])


class TransformerBlock(BaseLayer):
  """One layer of the encoder: self-attention, then the feed-forward net."""

  def __init__(
    self, index: int, config: BertConfig, init: WeightInit, dtype: str
  ):
    super().__init__()
    self._sites = block_sites(index)
    self._dropout_rate = config.hidden_dropout_prob
    self._activation = Activation(config.hidden_act)
    hidden, inner = config.hidden_size, config.intermediate_size
    scope = f'bert/encoder/layer_{index}'
    out = f'{scope}/attention/output'
    self.attention = SelfAttention(
      f'{scope}/attention/self', config, init, dtype
    )
    self.attention_output = Dense(f'{out}/dense', (hidden, hidden), init, dtype)
    self.attention_norm = LayerNorm(f'{out}/LayerNorm', hidden)
    self.intermediate = Dense(
      f'{scope}/intermediate/dense', (hidden, inner), init, dtype
    )
    self.output_dense = Dense(
      f'{scope}/output/dense', (inner, hidden), init, dtype
    )
    self.output_norm = LayerNorm(f'{scope}/output/LayerNorm', hidden)

  def call(
    self,
    x: tf.Tensor,
    padding: tf.Tensor,
    dropout: DropoutKey | None = None,
    cls_only: bool = False,
    positions: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """Transforms each position, or some.

    Args:
      x: float32 [B*S, H].
      padding: float32 [B, 1, 1, S], added to the attention scores.
      dropout: None for no dropout.
      cls_only: whether to compute each example's first position only.
      positions: int [B, F]; which to compute where not all are wanted.

    Returns:
      float32 [B*S, H]; [B, H] if `cls_only`; [B*F, H] of `positions`.
    """
    sites = self._sites
    batch = tf.shape(padding)[0]
    queries = x
    if cls_only:
      queries = _by_example(x, batch)[:, 0]
    elif positions is not None:
      queries = tf.gather(_by_example(x, batch), positions, batch_dims=1)
      queries = tf.reshape(queries, [-1, x.shape[-1]])
    context = self.attention(
      queries, x, padding, dropout, sites.attention_probabilities
    )
    attended = self._drop(
      self.attention_output(context), batch, dropout, sites.attention_output
    )
    attended = self.attention_norm(attended + queries)
    is_training = dropout is not None
    inner = self.intermediate(attended, is_training)
    inner = self._activation(inner, is_training)
    output = self._drop(
      self.output_dense(inner), batch, dropout, sites.feed_forward_output
    )
    return self.output_norm(output + attended)

  def _drop(
    self,
    x: tf.Tensor,
    batch: tf.Tensor,
    dropout: DropoutKey | None,
    site: int,
  ) -> tf.Tensor:
    """Drops values of [B*F, H] example by example."""
    if dropout is None:
      return x
    dropped = stateless_dropout(
      _by_example(x, batch), self._dropout_rate, dropout, site
    )
    return tf.reshape(dropped, [-1, x.shape[-1]])


def _by_example(x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
  """Tells the examples apart: [B*S, H] → [B, S, H]."""
  return tf.reshape(x, [batch, -1, x.shape[-1]])


def padding_scores(input_mask: tf.Tensor) -> tf.Tensor:
  """Turns a mask, int [B, S], into score offsets, float32 [B, 1, 1, S]."""
  scores = (1.0 - tf.cast(input_mask, tf.float32)) * _PADDING_SCORE
  return scores[:, tf.newaxis, tf.newaxis, :]
