"""Tests for the SavedModel: text in, our own model's answers out."""

import json
import os
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from modeling.checkpoints import model_file
from serving.exports import exporting, heads, reference, saved_model
from serving.exports import parts as model_parts
from system.errors import UserError

_TEXTS = [
  'the film is good .',
  '',
  'It is, frankly, awful!',
  'café 東京 \x00 […] m²',
  'the plot ' * 30,
  'x',
  '[SEP] [MASK]',
]
_PAIRS = [*zip(_TEXTS, _TEXTS[::-1], strict=True)]
_TEMPERATURE = 2.5
_KINDS = (
  'classifier',
  'pairs',
  pytest.param('regressor', marks=pytest.mark.slow),
)

# TensorFlow Serving 2.20 links those of tensorflow_text by its `ops_lib`, and
# all of TensorFlow's.
_TEXT_OPS = {'FastWordpieceTokenizeWithOffsets', 'NormalizeUTF8'}
_STRING_OPS = {
  *('StaticRegexFullMatch', 'StaticRegexReplace', 'StringLower'),
  'UnicodeTranscode',
}
_RAGGED_OPS = {'RaggedTensorToTensor'}
_MATH_OPS = {
  *('AddV2', 'All', 'ArgMax', 'BatchMatMulV2', 'BiasAdd', 'Cast', 'Cumsum'),
  *('Equal', 'FloorDiv', 'Greater', 'GreaterEqual', 'Less', 'LessEqual'),
  *('LogicalAnd', 'LogicalNot', 'MatMul', 'Max', 'Maximum', 'Mean', 'Minimum'),
  *('Mul', 'Neg', 'Pow', 'RealDiv', 'Rsqrt', 'Softmax', 'Sub', 'Tanh'),
  'UpperBound',
}
_SHAPE_OPS = {
  *('ConcatV2', 'Const', 'ExpandDims', 'GatherNd', 'GatherV2', 'Identity'),
  *('OneHot', 'OnesLike', 'Pack', 'Placeholder', 'Range', 'Reshape'),
  *('Select', 'SelectV2', 'Shape', 'Size', 'StridedSlice'),
  *('TensorScatterUpdate', 'Transpose', 'Where'),
}
_CONTROL_OPS = {'Assert', 'NoOp', 'PartitionedCall', 'StatefulPartitionedCall'}
_VARIABLE_OPS = {
  *('AssignVariableOp', 'DisableCopyOnRead', 'MergeV2Checkpoints'),
  *('ReadVariableOp', 'RestoreV2', 'SaveV2', 'ShardedFilename', 'StringJoin'),
  'VarHandleOp',
}
_ALLOWED = (
  *(_TEXT_OPS, _STRING_OPS, _RAGGED_OPS, _MATH_OPS, _SHAPE_OPS),
  *(_CONTROL_OPS, _VARIABLE_OPS),
)


@pytest.fixture(scope='module', params=_KINDS)
def served(request, shared_model_folder, tmp_path_factory):
  """Saves a model: its `parts`, its `folder`, and what it loads as, `model`."""
  source = shared_model_folder(request.param)
  if request.param == 'classifier':
    model_file.write_temperature(source, _TEMPERATURE)
  parts = model_parts.read(source)
  folder = tmp_path_factory.mktemp('saved')
  saved_model.write(parts, str(folder))
  # The SavedModel must not need the files that it was made of.
  for name in os.listdir(source):
    os.rename(f'{source}/{name}', folder / name)
  model = tf.saved_model.load(str(folder / '1'))
  return types.SimpleNamespace(parts=parts, folder=folder, model=model)


def _texts(parts):
  return _PAIRS if parts.takes_pairs else _TEXTS


def _run(model, texts, name='serving_default'):
  if isinstance(texts[0], str):
    inputs = {'text': tf.constant(texts)}
  else:
    first, second = zip(*texts, strict=True)
    inputs = {'text_a': tf.constant(first), 'text_b': tf.constant(second)}
  return {k: v.numpy() for k, v in model.signatures[name](**inputs).items()}


def _ops(folder):
  """Returns the ops of a SavedModel's graph and functions."""
  content = saved_model_pb2.SavedModel()
  content.ParseFromString((folder / '1' / 'saved_model.pb').read_bytes())
  graph = content.meta_graphs[0].graph_def
  functions = graph.library.function
  assert not any('_XlaMustCompile' in f.attr for f in functions)
  nodes = [*graph.node, *(node for f in functions for node in f.node_def)]
  return {node.op for node in nodes} - {f.signature.name for f in functions}


@pytest.mark.slow
def test_it_answers_as_our_own_model(served):
  texts = _texts(served.parts)
  logits = served.parts.text_model.logits(texts)
  outputs = _run(served.model, texts)
  if served.parts.is_regression:
    assert outputs.keys() == {'value'}
    np.testing.assert_allclose(outputs['value'], logits[:, 0], atol=1e-6)
    return
  assert outputs.keys() == {'label', 'probabilities', 'logits'}
  np.testing.assert_allclose(outputs['logits'], logits, atol=1e-6)
  expected = served.parts.text_model.predict(texts)
  assert [x.decode() for x in outputs['label']] == [x.label for x in expected]
  np.testing.assert_allclose(
    outputs['probabilities'],
    [list(x.probabilities.values()) for x in expected],
    atol=1e-6,
  )


@pytest.mark.parametrize('served', ['classifier'], indirect=True)
def test_the_temperature_divides_the_logits_of_the_probabilities(served):
  assert served.parts.temperature == _TEMPERATURE
  outputs = _run(served.model, _TEXTS)
  exponentials = np.exp(outputs['logits'] / _TEMPERATURE)
  expected = exponentials / exponentials.sum(axis=1, keepdims=True)
  np.testing.assert_allclose(outputs['probabilities'], expected, atol=1e-6)


def test_token_ids_are_ours(served):
  texts = _texts(served.parts)
  ours = reference.compute(served.parts, texts).features
  found = _run(served.model, texts, 'tokenize')
  names = {
    'input_ids': 'input_ids',
    'input_mask': 'attention_mask',
    'input_type_ids': 'token_type_ids',
  }
  assert found.keys() == names.keys()
  for theirs, name in names.items():
    np.testing.assert_array_equal(found[theirs], ours[name])
  # Cut at the maximum length; padded no further than the longest row.
  assert found['input_ids'].shape[1] == served.parts.max_seq_length == 16
  short = _run(served.model, texts[:1], 'tokenize')['input_ids']
  assert short.shape[1] == ours['attention_mask'][0].sum() < 16


def test_a_text_gets_the_same_answer_alone_and_in_a_batch(served):
  texts = _texts(served.parts)
  together = _run(served.model, texts)
  assert len(texts) == 7
  for row, text in enumerate(texts):
    for name, value in _run(served.model, [text]).items():
      if name == 'label':
        assert value.tolist() == [together[name][row]]
      else:
        np.testing.assert_allclose(value[0], together[name][row], atol=1e-6)


@pytest.mark.parametrize('served', ['pairs'], indirect=True)
def test_signatures_name_inputs_and_leave_the_batch_open(served):
  assert set(served.model.signatures) == {'serving_default', 'tokenize'}
  signature = served.model.signatures['serving_default']
  assert signature.structured_input_signature[1] == {
    name: tf.TensorSpec([None], tf.string, name)
    for name in ('text_a', 'text_b')
  }
  outputs = signature.structured_outputs
  assert {k: v.shape.as_list() for k, v in outputs.items()} == {
    'label': [None],
    'probabilities': [None, 2],
    'logits': [None, 2],
  }


def test_the_weights_keep_their_released_names(served):
  assert served.model.weights.keys() == served.parts.weights.keys()
  for name, value in served.parts.weights.items():
    np.testing.assert_array_equal(served.model.weights[name].numpy(), value)


def test_all_ops_are_ones_that_tensorflow_serving_links(served):
  ops = _ops(served.folder)
  assert ops - set().union(*_ALLOWED) == set()
  assert ops >= _TEXT_OPS


@pytest.mark.slow
@pytest.mark.parametrize('hidden_act', ['gelu_erf', 'relu'])
def test_other_activations_add_one_op(parts_of, tmp_path, hidden_act):
  parts = parts_of('classifier', hidden_act=hidden_act)
  saved_model.write(parts, str(tmp_path))
  added = {'gelu_erf': 'Erfc', 'relu': 'Relu'}[hidden_act]
  assert _ops(tmp_path) - set().union(*_ALLOWED) == {added}


def test_a_model_without_a_head_for_a_task_is_refused(parts_of):
  parts = parts_of('pretraining')
  with pytest.raises(UserError, match='needs a head of the kind task.*pretrai'):
    exporting.check_model(saved_model.FORMAT, parts)
  assert saved_model.FORMAT.heads == (heads.TASK,)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['pairs', 'regressor'])
def test_a_fresh_process_computes_the_same(parts_of, exported, kind, tmp_path):
  parts = parts_of(kind)
  report = exported(saved_model.FORMAT, parts)
  assert report['largest_difference'] <= 1e-5
  assert report['equal_token_ids'] == 1.0
  assert report['equal_labels'] == (1.0 if parts.labels else None)
  assert report['versions'].keys() == {'tensorflow', 'tensorflow_text'}
  folder = tmp_path / 'exports' / 'saved_model'
  assert sorted(x.name for x in folder.iterdir()) == ['1', 'export.json']
  assert (
    '1/saved_model.pb'
    in json.loads((folder / 'export.json').read_text())['files']
  )
