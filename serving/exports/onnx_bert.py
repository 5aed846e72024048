"""BERT as an ONNX graph, in the patterns that ONNX Runtime fuses.

ids → embeddings → layers → head. Names of tensors are those of released BERT;
names of nodes are short paths, such as layer_0/query/product. Comments name the
fused operator that ONNX Runtime makes of a pattern.

Tested by `tests/serving/exports/onnx_format_test.py`.
"""

import math
from collections.abc import Mapping

import numpy as np
import onnx

from modeling.attention import PADDING_SCORE
from modeling.checkpoints.released_names import (
  CLASSIFIER_HEAD,
  HEAD_BIAS,
  MASKED_LM_BIAS,
  POSITIONS,
  SEGMENTS,
  WORDS,
)
from modeling.configs import LAYER_NORM_EPSILON, BertConfig
from serving import padded_batches
from serving.exports import heads
from serving.exports.onnx_graph import Graph

INPUTS = padded_batches.FEATURES


def build(
  config: BertConfig,
  weights: Mapping[str, np.ndarray],
  head: str,
  metadata: Mapping[str, str],
) -> onnx.ModelProto:
  """Builds the graph of a model.

  Its inputs are `INPUTS`, int64 [batch, sequence]; its outputs are those of
  `heads.OUTPUTS`.

  Args:
    config: the encoder's dimensions.
    weights: released name → float32 values.
    head: one of `heads.KINDS`.
    metadata: texts by name, stored in the model.
  """
  bert = _Bert(config, weights)
  x = bert.encoder()
  pooled = bert.pooler(x)
  if head == heads.TASK:
    values = [bert.output_head('', pooled)]
  elif head == heads.PRETRAINING:
    values = [
      bert.masked_lm_head(x),
      bert.output_head('cls/seq_relationship/', pooled),
    ]
  else:
    values = [x, pooled]
  names = heads.OUTPUTS[head]
  outputs = {}
  for (name, is_by_token), (value, width) in zip(
    names.items(), map(bert.with_width, values), strict=True
  ):
    bert.graph.op('Identity', value, name=name)
    outputs[name] = ['batch', *['sequence'] * is_by_token, width]
  return bert.graph.model(INPUTS, outputs, metadata)


class _Bert:
  """Adds the parts of a model to a graph; its methods return values."""

  def __init__(self, config: BertConfig, weights: Mapping[str, np.ndarray]):
    self.graph = Graph()
    self._config = config
    self._weights = weights
    self._widths: dict[str, int] = {}

  def with_width(self, value: str) -> tuple[str, int]:
    """Returns a value and the size of its last axis."""
    return value, self._widths.get(value, self._config.hidden_size)

  def encoder(self) -> str:
    """Returns the last layer's output, [batch, sequence, H]."""
    x, mask = self._embeddings(), self._padding_scores()
    for index in range(self._config.num_hidden_layers):
      x = self._layer(index, x, mask)
    return x

  def pooler(self, x: str) -> str:
    """Returns [batch, H], from the output at [CLS]."""
    first = self.graph.tensor('first', np.int64(0))
    first = self.graph.op('Gather', x, first, name='pooler/cls', axis=1)
    dense = self._dense('bert/pooler/dense', first, 'pooler')
    return self.graph.op('Tanh', dense, name='pooler/tanh')

  def output_head(self, prefix: str, pooled: str) -> str:
    """Returns the logits of a linear layer, [batch, C]."""
    tensors = [self._tensor(prefix + name) for name in CLASSIFIER_HEAD]
    name = f'{prefix}head'
    self._widths[name] = len(self._weights[prefix + HEAD_BIAS])
    return self.graph.op('Gemm', pooled, *tensors, name=name, transB=1)

  def masked_lm_head(self, x: str) -> str:
    """Returns the logits of all tokens, [batch, sequence, V]."""
    scope = 'cls/predictions/transform'
    x = self._dense(f'{scope}/dense', x, 'transform')
    x = self._activation(x, 'transform')
    x = self._norm(f'{scope}/LayerNorm', x, 'transform/norm')
    table = self._tensor(WORDS)
    table = self.graph.op('Transpose', table, name='decoder/table', perm=[1, 0])
    product = self.graph.op('MatMul', x, table, name='decoder/product')
    bias = self._tensor(MASKED_LM_BIAS)
    self._widths['decoder'] = self._config.vocab_size
    return self.graph.op('Add', product, bias, name='decoder')

  def _tensor(self, name: str) -> str:
    return self.graph.tensor(name, self._weights[name])

  def _dense(self, scope: str, x: str, name: str) -> str:
    kernel, bias = map(self._tensor, (f'{scope}/kernel', f'{scope}/bias'))
    product = self.graph.op('MatMul', x, kernel, name=f'{name}/product')
    return self.graph.op('Add', product, bias, name=f'{name}/sum')

  def _norm(self, scope: str, x: str, name: str) -> str:
    """Normalises a sum; SkipLayerNormalization takes both in one."""
    tensors = map(self._tensor, (f'{scope}/gamma', f'{scope}/beta'))
    return self.graph.op(
      'LayerNormalization',
      *(x, *tensors),
      name=name,
      axis=-1,
      epsilon=LAYER_NORM_EPSILON,
    )

  def _embeddings(self) -> str:
    """Looks up words, segments and positions: EmbedLayerNormalization."""
    op = self.graph.op
    words, types, table = map(self._tensor, (WORDS, SEGMENTS, POSITIONS))
    words = op('Gather', words, INPUTS[0], name='embeddings/words')
    types = op('Gather', types, INPUTS[2], name='embeddings/types')
    places = op('Gather', table, self._positions(), name='embeddings/places')
    x = op('Add', words, types, name='embeddings/sum')
    x = op('Add', x, places, name='embeddings/whole')
    # Without it, ONNX Runtime does not know the residuals' shapes, so it fuses
    # none.
    shape = ['batch', 'sequence', self._config.hidden_size]
    self.graph.declare_shape(x, shape)
    return self._norm('bert/embeddings/LayerNorm', x, 'embeddings/norm')

  def _positions(self) -> str:
    """Returns the positions of an input's tokens, int64 [1, sequence].

    A longer input than the model's positions fails where they are added.
    """
    graph, op = self.graph, self.graph.op
    limit = self._config.max_position_embeddings
    every = graph.tensor('positions', np.arange(limit)[np.newaxis])
    shape = op('Shape', INPUTS[0], name='length/shape')
    one = graph.tensor('one', np.int64(1))
    length = op('Gather', shape, one, name='length/number', axis=0)
    axis_0 = graph.ints(0, name='axis_0')
    axis_1 = graph.ints(1, name='axis_1')
    end = op('Unsqueeze', length, axis_0, name='length')
    return op(
      'Slice', every, axis_0, end, axis_1, axis_1, name='embeddings/positions'
    )

  def _padding_scores(self) -> str:
    """Returns what masks padding, float32 [batch, 1, 1, sequence]."""
    graph, op = self.graph, self.graph.op
    mask = INPUTS[1]
    for axis in (1, 2):
      axes = graph.ints(axis, name=f'axis_{axis}')
      mask = op('Unsqueeze', mask, axes, name=f'mask/with_axis_{axis}')
    mask = op('Cast', mask, name='mask/float', to=onnx.TensorProto.FLOAT)
    mask = op('Sub', graph.scalar(1, 'unit'), mask, name='mask/padding')
    return op(
      'Mul', mask, graph.scalar(PADDING_SCORE, 'low'), name='mask/scores'
    )

  def _layer(self, index: int, x: str, mask: str) -> str:
    scope, name = f'bert/encoder/layer_{index}', f'layer_{index}'
    context = self._attention(f'{scope}/attention/self', x, mask, name)
    output = f'{scope}/attention/output'
    attended = self._dense(f'{output}/dense', context, f'{name}/attended')
    x = self._residual(f'{output}/LayerNorm', attended, x, f'{name}/attended')
    inner = self._dense(f'{scope}/intermediate/dense', x, f'{name}/inner')
    inner = self._activation(inner, f'{name}/inner')
    outer = self._dense(f'{scope}/output/dense', inner, f'{name}/outer')
    return self._residual(
      f'{scope}/output/LayerNorm', outer, x, f'{name}/outer'
    )

  def _residual(self, scope: str, new: str, x: str, name: str) -> str:
    total = self.graph.op('Add', new, x, name=f'{name}/residual')
    return self._norm(scope, total, f'{name}/norm')

  def _attention(self, scope: str, x: str, mask: str, name: str) -> str:
    """Returns the heads' outputs side by side: Attention."""
    graph, op = self.graph, self.graph.op
    scores = op(
      'MatMul',
      self._heads(f'{scope}/query', x, f'{name}/query', [0, 2, 1, 3]),
      self._heads(f'{scope}/key', x, f'{name}/key', [0, 2, 3, 1]),
      name=f'{name}/scores',
    )
    values = self._heads(f'{scope}/value', x, f'{name}/value', [0, 2, 1, 3])
    size = self._config.hidden_size // self._config.num_attention_heads
    root = graph.scalar(math.sqrt(size), 'root')
    scores = op('Div', scores, root, name=f'{name}/scaled')
    scores = op('Add', scores, mask, name=f'{name}/masked')
    shares = op('Softmax', scores, name=f'{name}/shares', axis=-1)
    context = op('MatMul', shares, values, name=f'{name}/context')
    context = op(
      'Transpose', context, name=f'{name}/by_token', perm=[0, 2, 1, 3]
    )
    shape = graph.ints(0, 0, self._config.hidden_size, name='joined')
    return op('Reshape', context, shape, name=f'{name}/joined')

  def _heads(self, scope: str, x: str, name: str, perm: list[int]) -> str:
    """Returns a projection cut into heads, its axes in the order `perm`."""
    count = self._config.num_attention_heads
    size = self._config.hidden_size // count
    shape = self.graph.ints(0, 0, count, size, name='heads')
    cut = self.graph.op(
      'Reshape', self._dense(scope, x, name), shape, name=f'{name}/heads'
    )
    return self.graph.op('Transpose', cut, name=f'{name}/ordered', perm=perm)

  def _activation(self, x: str, name: str) -> str:
    kind = (self._config.hidden_act or 'linear').lower()
    simple = {'relu': 'Relu', 'tanh': 'Tanh', 'linear': 'Identity'}
    if kind in simple:
      return self.graph.op(simple[kind], x, name=f'{name}/activation')
    return {'gelu': self._tanh_gelu, 'gelu_erf': self._erf_gelu}[kind](x, name)

  def _tanh_gelu(self, x: str, name: str) -> str:
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): FastGelu."""
    graph, op = self.graph, self.graph.op
    cube = op('Pow', x, graph.scalar(3, 'three'), name=f'{name}/cube')
    cubic = graph.scalar(0.044715, 'cubic')
    cube = op('Mul', cube, cubic, name=f'{name}/cubic')
    total = op('Add', x, cube, name=f'{name}/polynomial')
    slope = graph.scalar(math.sqrt(2 / math.pi), 'slope')
    total = op('Mul', total, slope, name=f'{name}/scaled')
    total = op('Tanh', total, name=f'{name}/tanh')
    gate = op('Add', total, graph.scalar(1, 'unit'), name=f'{name}/gate')
    half = op('Mul', x, graph.scalar(0.5, 'half'), name=f'{name}/half')
    return op('Mul', half, gate, name=f'{name}/gelu')

  def _erf_gelu(self, x: str, name: str) -> str:
    """0.5 x (1 + erf(x / sqrt(2))): Gelu."""
    graph, op = self.graph, self.graph.op
    root = graph.scalar(math.sqrt(2), 'root_2')
    scaled = op('Div', x, root, name=f'{name}/scaled')
    error = op('Erf', scaled, name=f'{name}/erf')
    gate = op('Add', error, graph.scalar(1, 'unit'), name=f'{name}/gate')
    gated = op('Mul', x, gate, name=f'{name}/gated')
    return op('Mul', gated, graph.scalar(0.5, 'half'), name=f'{name}/gelu')
