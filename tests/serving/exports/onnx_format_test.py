"""Tests for the format of ONNX: the graph, and what is fused in it."""

import json

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from serving.exports import (  # noqa: E402
  comparison_texts,
  heads,
  onnx_bert,
  onnx_format,
  reference,
)

# `make slow` installs the packages.
pytestmark = pytest.mark.slow

_KINDS = ('classifier', 'pairs', 'regressor', 'pretraining')


def _built(parts):
  return onnx_bert.build(parts.config, parts.weights, parts.head, {})


def _session(model):
  return onnxruntime.InferenceSession(
    model.SerializeToString(), providers=['CPUExecutionProvider']
  )


def _rows(ids, length):
  mask = np.zeros([1, length], np.int64)
  mask[0, : len(ids)] = 1
  padded = np.zeros([1, length], np.int64)
  padded[0, : len(ids)] = ids
  return dict(zip(onnx_bert.INPUTS, (padded, mask, mask * 0), strict=True))


@pytest.mark.parametrize('kind', _KINDS)
@pytest.mark.parametrize('hidden_act', ['gelu', 'gelu_erf', 'relu'])
def test_the_graph_computes_what_our_model_does(parts_of, kind, hidden_act):
  parts = parts_of(kind, hidden_act=hidden_act)
  ours = reference.compute(parts, comparison_texts.choose(parts, None, None)[1])
  session = _session(_built(parts))
  inputs = {name: ours.features[name] for name in onnx_bert.INPUTS}
  names = heads.OUTPUTS[parts.head]
  assert [each.name for each in session.get_outputs()] == list(names)
  for name, value in zip(names, session.run(None, inputs), strict=True):
    if names[name]:
      rows = np.arange(len(value))[:, np.newaxis]
      value = value[rows, ours.features['positions']]
    np.testing.assert_allclose(value, ours.outputs[name], rtol=0, atol=1e-5)


def test_padding_does_not_change_the_logits(parts_of):
  session = _session(_built(parts_of('classifier')))
  (short,) = session.run(None, _rows([2, 7, 8, 3], 4))
  (long,) = session.run(None, _rows([2, 7, 8, 3], 20))
  np.testing.assert_allclose(long, short, atol=1e-6)


def test_an_input_longer_than_the_positions_fails(parts_of):
  session = _session(_built(parts_of('classifier')))
  session.run(None, _rows([2, 3], 32))
  with pytest.raises(Exception, match='embeddings/whole|broadcast|dimension'):
    session.run(None, _rows([2, 3], 33))


def test_shapes_name_batch_and_sequence(parts_of):
  model = _built(parts_of('pretraining'))
  graph = model.graph

  def dims(info):
    shape = info.type.tensor_type.shape.dim
    return [each.dim_param or each.dim_value for each in shape]

  assert {x.name: dims(x) for x in graph.input} == dict.fromkeys(
    ('input_ids', 'attention_mask', 'token_type_ids'), ['batch', 'sequence']
  )
  assert {x.name: dims(x) for x in graph.output} == {
    'prediction_logits': ['batch', 'sequence', 20],
    'seq_relationship_logits': ['batch', 2],
  }
  assert model.opset_import[0].version == 17


@pytest.mark.parametrize(
  ('hidden_act', 'gelu'), [('gelu', 'FastGelu'), ('gelu_erf', 'BiasGelu')]
)
def test_the_transformer_optimizer_fuses_every_part(parts_of, hidden_act, gelu):
  pytest.importorskip('sympy')
  from onnxruntime.transformers import optimizer

  model = _built(parts_of('classifier', hidden_act=hidden_act))
  fused = optimizer.optimize_by_fusion(
    model, 'bert', num_heads=2, hidden_size=8
  )
  counts = fused.get_fused_operator_statistics()
  assert counts['EmbedLayerNormalization'] == 1
  assert counts['Attention'] == 2
  assert counts['SkipLayerNormalization'] == 4
  assert counts[gelu] == 2
  kinds = {node.op_type for node in fused.model.graph.node}
  assert not kinds & {'Softmax', 'Erf', 'Pow', 'LayerNormalization'}


def test_the_session_itself_fuses_residuals_and_gelu(parts_of, tmp_path):
  options = onnxruntime.SessionOptions()
  options.optimized_model_filepath = str(tmp_path / 'optimized.onnx')
  options.log_severity_level = 3
  model = _built(parts_of('classifier')).SerializeToString()
  onnxruntime.InferenceSession(
    model, options, providers=['CPUExecutionProvider']
  )
  fused = onnx.load(options.optimized_model_filepath)
  kinds = [node.op_type for node in fused.graph.node]
  assert kinds.count('SkipLayerNormalization') == 4
  assert kinds.count('FastGelu') == 2


def test_the_same_model_gives_the_same_bytes(parts_of, tmp_path):
  parts = parts_of('classifier')
  contents = []
  for name in ('a', 'b'):
    (tmp_path / name).mkdir()
    onnx_format.write(parts, str(tmp_path / name))
    contents.append((tmp_path / name / 'onnx/model.onnx').read_bytes())
  assert contents[0] == contents[1]
  found = sorted(x.name for x in (tmp_path / 'a').iterdir())
  assert found == [
    *('config.json', 'onnx', 'special_tokens_map.json', 'tokenizer.json'),
    *('tokenizer_config.json', 'vocab.txt'),
  ]
  config = json.loads((tmp_path / 'a' / 'config.json').read_text())
  assert config['id2label']['2'] == 'so so'


@pytest.mark.parametrize('kind', [*_KINDS, 'encoder'])
def test_onnx_runtime_alone_computes_the_same(parts_of, needs, exported, kind):
  needs('onnx')
  is_encoder = kind == 'encoder'
  parts = parts_of(
    'pretraining' if is_encoder else kind, 'none' if is_encoder else 'auto'
  )
  report = exported(onnx_format.FORMAT, parts)
  assert report['largest_difference'] <= 1e-5
  assert report['equal_token_ids'] == 1.0
  assert report['equal_labels'] == (1.0 if parts.labels else None)
  assert report['versions'].keys() == {'onnxruntime', 'tokenizers'}
