"""Tests for the SavedModel: text in, our own model's answers out."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from modeling.checkpoints import model_file
from serving.exports import exporting, heads, reference, saved_model
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
_KINDS = ('classifier', 'pairs', 'regressor')

# TensorFlow Serving 2.20 links those of tensorflow_text by its `ops_lib`, and
# all of TensorFlow's.
_TEXT_OPS = {'FastWordpieceTokenizeWithOffsets', 'NormalizeUTF8'}
_STRING_OPS = {
  *('StaticRegexFullMatch', 'StaticRegexReplace', 'StringLower'),
  'UnicodeTranscode',
}
_RAGGED_OPS = {'RaggedGather', 'RaggedRange', 'RaggedTensorToTensor'}
_MATH_OPS = {
  *('AddV2', 'All', 'ArgMax', 'BatchMatMulV2', 'BiasAdd', 'Cast', 'Cumsum'),
  *('Equal', 'Greater', 'Less', 'LessEqual', 'LogicalNot', 'LogicalOr'),
  *('MatMul', 'Max', 'Maximum', 'Mean', 'Minimum', 'Mul', 'Neg', 'FloorDiv'),
  *('Pow', 'Prod', 'RealDiv', 'Rsqrt', 'Softmax', 'Sub', 'Sum', 'Tanh'),
  'UnsortedSegmentSum',
}
_SHAPE_OPS = {
  *('BroadcastTo', 'ConcatV2', 'Const', 'ExpandDims', 'Fill', 'GatherNd'),
  *('GatherV2', 'Identity', 'OneHot', 'OnesLike', 'Pack', 'Placeholder'),
  *('Range', 'Reshape', 'Select', 'SelectV2', 'Shape', 'Squeeze'),
  *('StridedSlice', 'TensorScatterUpdate', 'Tile', 'Transpose', 'Where'),
  'ZerosLike',
}
_CONTROL_OPS = {
  *('Assert', 'If', 'NoOp', 'PartitionedCall', 'StatefulPartitionedCall'),
  'StatelessIf',
}
_VARIABLE_OPS = {
  *('AssignVariableOp', 'DisableCopyOnRead', 'MergeV2Checkpoints'),
  *('ReadVariableOp', 'RestoreV2', 'SaveV2', 'ShardedFilename', 'StringJoin'),
  'VarHandleOp',
}
_ALLOWED = (
  *(_TEXT_OPS, _STRING_OPS, _RAGGED_OPS, _MATH_OPS, _SHAPE_OPS),
  *(_CONTROL_OPS, _VARIABLE_OPS),
)


@pytest.fixture
def saved(parts_of, tmp_path):
  """Returns a function that saves a model: its parts, and what it loads as."""

  def save(kind, **options):
    parts = parts_of(kind, **options)
    folder = tmp_path / 'saved'
    folder.mkdir()
    saved_model.write(parts, str(folder))
    # The model must not need the files that it was made of.
    os.remove(parts.checkpoint.vocab_file)
    return parts, tf.saved_model.load(str(folder / '1'))

  return save


def _texts(parts):
  return _PAIRS if parts.takes_pairs else _TEXTS


def _run(model, texts, name='serving_default'):
  if isinstance(texts[0], str):
    inputs = {'text': tf.constant(texts)}
  else:
    first, second = zip(*texts, strict=True)
    inputs = {'text_a': tf.constant(first), 'text_b': tf.constant(second)}
  return {k: v.numpy() for k, v in model.signatures[name](**inputs).items()}


@pytest.mark.parametrize('kind', _KINDS)
def test_it_answers_as_our_own_model(saved, kind):
  parts, model = saved(kind)
  texts = _texts(parts)
  logits = parts.text_model.logits(texts)
  outputs = _run(model, texts)
  if kind == 'regressor':
    assert outputs.keys() == {'value'}
    np.testing.assert_allclose(outputs['value'], logits[:, 0], atol=1e-6)
    return
  assert outputs.keys() == {'label', 'probabilities', 'logits'}
  np.testing.assert_allclose(outputs['logits'], logits, atol=1e-6)
  expected = parts.text_model.predict(texts)
  assert [x.decode() for x in outputs['label']] == [x.label for x in expected]
  np.testing.assert_allclose(
    outputs['probabilities'],
    [list(x.probabilities.values()) for x in expected],
    atol=1e-6,
  )


@pytest.mark.parametrize('kind', ['classifier', 'pairs'])
def test_token_ids_are_ours(saved, kind):
  parts, model = saved(kind)
  ours = reference.compute(parts, _texts(parts)).features
  found = _run(model, _texts(parts), 'tokenize')
  names = {
    'input_ids': 'input_ids',
    'input_mask': 'attention_mask',
    'input_type_ids': 'token_type_ids',
  }
  assert found.keys() == names.keys()
  for theirs, name in names.items():
    np.testing.assert_array_equal(found[theirs], ours[name])
  # Cut at the longest input; padded no further than the longest row.
  assert found['input_ids'].shape[1] == parts.max_seq_length == 16
  short = _run(model, _texts(parts)[:1], 'tokenize')['input_ids']
  assert short.shape[1] == ours['attention_mask'][0].sum() < 16


@pytest.mark.parametrize('kind', _KINDS)
def test_a_text_gets_the_same_answer_alone_and_in_a_batch(saved, kind):
  parts, model = saved(kind)
  together = _run(model, _texts(parts))
  for row, text in enumerate(_texts(parts)):
    for name, value in _run(model, [text]).items():
      if name == 'label':
        assert value.tolist() == [together[name][row]]
      else:
        np.testing.assert_allclose(value[0], together[name][row], atol=1e-6)


def test_signatures_name_inputs_and_leave_the_batch_open(saved):
  _, model = saved('pairs')
  assert set(model.signatures) == {'serving_default', 'tokenize'}
  signature = model.signatures['serving_default']
  spec = {'shape': [None], 'dtype': tf.string}
  inputs = signature.structured_input_signature[1]
  assert inputs == {
    name: tf.TensorSpec(name=name, **spec) for name in ('text_a', 'text_b')
  }
  outputs = signature.structured_outputs
  shapes = {k: v.shape.as_list() for k, v in outputs.items()}
  assert shapes == {
    'label': [None],
    'probabilities': [None, 2],
    'logits': [None, 2],
  }


def test_the_temperature_divides_the_logits_of_the_probabilities(
  model_folder, tmp_path
):
  from serving.exports import parts as parts_module

  folder = model_folder('classifier')
  model_file.write_temperature(folder, 2.5)
  parts = parts_module.read(folder)
  saved_model.write(parts, str(tmp_path))
  outputs = _run(tf.saved_model.load(str(tmp_path / '1')), _TEXTS)
  logits = parts.text_model.logits(_TEXTS)
  np.testing.assert_allclose(outputs['logits'], logits, atol=1e-6)
  exponentials = np.exp(logits / 2.5)
  expected = exponentials / exponentials.sum(axis=1, keepdims=True)
  np.testing.assert_allclose(outputs['probabilities'], expected, atol=1e-6)


def test_the_weights_keep_their_released_names(saved):
  parts, model = saved('classifier')
  assert model.weights.keys() == parts.weights.keys()
  for name, value in parts.weights.items():
    np.testing.assert_array_equal(model.weights[name].numpy(), value)


@pytest.mark.parametrize('kind', _KINDS)
@pytest.mark.parametrize('hidden_act', ['gelu', 'gelu_erf'])
def test_all_ops_are_ones_that_tensorflow_serving_links(
  saved, tmp_path, kind, hidden_act
):
  saved(kind, hidden_act=hidden_act)
  content = saved_model_pb2.SavedModel()
  path = tmp_path / 'saved' / '1' / 'saved_model.pb'
  content.ParseFromString(path.read_bytes())
  graph = content.meta_graphs[0].graph_def
  functions = graph.library.function
  nodes = [*graph.node, *(node for f in functions for node in f.node_def)]
  ops = {node.op for node in nodes} - {f.signature.name for f in functions}
  assert ops - set().union(*_ALLOWED, {'Erf'}) == set()
  assert ops >= _TEXT_OPS
  assert not any('_XlaMustCompile' in f.attr for f in functions)


def test_a_model_without_a_head_for_a_task_is_refused(parts_of):
  parts = parts_of('pretraining')
  with pytest.raises(UserError, match='needs a head of the kind task.*pretrai'):
    exporting.check_head(saved_model.FORMAT, parts)
  assert saved_model.FORMAT.heads == (heads.TASK,)


@pytest.mark.slow
@pytest.mark.parametrize('kind', _KINDS)
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
