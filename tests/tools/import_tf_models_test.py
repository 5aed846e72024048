"""The import of tf-models-official's checkpoints, which its classes write."""

import json

import numpy as np
import pytest
import tensorflow as tf
import yaml
from tensorflow.core.protobuf import trackable_object_graph_pb2

from data.text.vocabulary import SPECIAL
from modeling.checkpoints import (
  loading,
  location,
  object_graph,
  start_check,
  tensor_bundle,
  tf_models,
  tf_models_reader,
)
from modeling.configs import BertConfig
from modeling.encoder import BertEncoder
from modeling.models import Classifier, PreTrainer, released_variables
from system.errors import UserError
from tools.import_tf_models import import_checkpoint

_CONFIG = BertConfig(
  vocab_size=10,
  hidden_size=8,
  num_hidden_layers=2,
  num_attention_heads=4,
  intermediate_size=16,
  max_position_embeddings=6,
  type_vocab_size=2,
  initializer_range=0.5,
)
_IDS = tf.constant([[1, 5, 3, 7, 2], [1, 9, 2, 0, 0]])
_MASK = tf.constant([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
_SEGMENTS = tf.constant([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])
_POSITIONS = tf.constant([[1, 2], [1, 0]])
_THEIRS = {
  'input_word_ids': _IDS,
  'input_mask': _MASK,
  'input_type_ids': _SEGMENTS,
}
_OURS = {
  'input_ids': _IDS,
  'input_mask': _MASK,
  'segment_ids': _SEGMENTS,
  'masked_lm_positions': _POSITIONS,
}


def _encoder(kind='bert_v2'):
  """Returns an encoder of theirs with random weights."""
  from official.nlp.configs import encoders

  settings = tf_models.their_config(_CONFIG)['bert']
  encoder = encoders.build_encoder(
    encoders.EncoderConfig(
      type=kind, **{kind: encoders.BertEncoderConfig(**settings)}
    )
  )
  encoder(encoder.inputs)
  return _randomised(encoder)


def _randomised(model):
  random = np.random.default_rng(0)
  for variable in model.trainable_variables:
    variable.assign(random.normal(scale=0.5, size=variable.shape))
  return model


def _classifier(use_encoder_pooler):
  from official.nlp.modeling import models

  return _randomised(
    models.BertClassifier(
      _encoder('bert'), 3, use_encoder_pooler=use_encoder_pooler
    )
  )


def _pretrainer():
  from official.modeling import tf_utils
  from official.nlp.modeling import layers, models

  head = layers.ClassificationHead(8, 2, name='next_sentence')
  model = models.BertPretrainerV2(
    _encoder(),
    mlm_activation=tf_utils.get_activation('gelu'),
    classification_heads=[head],
  )
  model({**_THEIRS, 'masked_lm_positions': _POSITIONS})
  return _randomised(model)


def _save(folder, **objects):
  """Saves as their trainer does, with its settings and a vocabulary."""
  folder.mkdir(exist_ok=True)
  step = tf.Variable(7, dtype=tf.int64)
  tf.train.Checkpoint(global_step=step, **objects).save(str(folder / 'ckpt'))
  values = {'task': {'model': {'encoder': tf_models.their_config(_CONFIG)}}}
  (folder / 'params.yaml').write_text(yaml.safe_dump(values))
  words = [*SPECIAL, *'abcde']
  (folder / 'vocab.txt').write_text(''.join(f'{word}\n' for word in words))


def _imported(folder, model):
  """Imports a folder into a model of ours; returns it and the report."""
  lines = import_checkpoint(str(folder), f'{folder}.out')
  loading.load_released(
    location.locate(f'{folder}.out'),
    released_variables(model),
    loading.everything,
  )
  return model, lines


@pytest.mark.parametrize(
  'kind', [pytest.param('bert', marks=pytest.mark.slow), 'bert_v2']
)
@pytest.mark.parametrize(
  'edge', ['encoder', pytest.param('model', marks=pytest.mark.slow)]
)
def test_an_encoder_computes_the_same(tmp_path, kind, edge):
  theirs = _encoder(kind)
  _save(tmp_path / 'run', **{edge: theirs})
  model, lines = _imported(tmp_path / 'run', BertEncoder(_CONFIG))
  expected = theirs(_THEIRS)
  outputs = model(_IDS, _MASK, _SEGMENTS)
  for name in ('sequence_output', 'pooled_output'):
    np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5)
  assert lines == [
    f'{tmp_path}/run/ckpt-1 → 39 variables of {tmp_path}/run.out/'
    'bert_model.ckpt',
    f'the pooler is {edge}/_pooler_layer',
  ]
  assert location.locate(f'{tmp_path}/run.out').config()[1] == _CONFIG


def _remove_attributes(prefix):
  """Leaves the encoder's numbered edges only, as classes of 2020 saved them."""
  tensors = tensor_bundle.read(prefix)
  graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
    tensors[object_graph.GRAPH]
  )
  for node in graph.nodes:
    names = [child.local_name for child in node.children]
    if '_embedding_layer' in names:
      kept = [x for x in node.children if x.local_name.startswith('layer')]
      del node.children[:]
      node.children.extend(kept)
  content = graph.SerializeToString()
  tensors[object_graph.GRAPH] = np.array(content, object)
  tensor_bundle.write(prefix, tensors)


@pytest.mark.slow
def test_an_encoder_with_numbered_layers_computes_the_same(tmp_path):
  theirs = _encoder('bert')
  _save(tmp_path / 'run', model=theirs)
  _remove_attributes(str(tmp_path / 'run' / 'ckpt-1'))
  model, _ = _imported(tmp_path / 'run', BertEncoder(_CONFIG))
  np.testing.assert_allclose(
    model(_IDS, _MASK, _SEGMENTS)['pooled_output'],
    theirs(_THEIRS)['pooled_output'],
    atol=1e-5,
  )


@pytest.mark.parametrize(
  'use_encoder_pooler', [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_a_classifier_computes_the_same(tmp_path, use_encoder_pooler):
  theirs = _classifier(use_encoder_pooler)
  _save(tmp_path / 'run', model=theirs, **theirs.checkpoint_items)
  (tmp_path / 'run' / 'labels.txt').write_text('bad\ngood\nso so\n')
  _set_task(tmp_path / 'run', train_data={'seq_length': 6})
  model, lines = _imported(tmp_path / 'run', Classifier(_CONFIG, 3))
  np.testing.assert_allclose(model(_OURS)['logits'], theirs(_THEIRS), atol=1e-5)
  # Without its pooler, the encoder's was trained by nothing.
  pooler = (
    'encoder/_pooler_layer'
    if use_encoder_pooler
    else ('model/classifier/dense')
  )
  unused = [
    f'encoder/layer_with_weights-6/{leaf}/.ATTRIBUTES/VARIABLE_VALUE'
    for leaf in ('bias', 'kernel')
  ]
  assert lines[1:] == [
    f'the pooler is {pooler}',
    'heads (2): output_bias, output_weights',
    *([] if use_encoder_pooler else [f'unused (2): {", ".join(unused)}']),
    'labels (3): bad, good, so so',
  ]
  names = (tmp_path / 'run.out' / 'labels.txt').read_text()
  assert names == 'bad\ngood\nso so\n'
  settings = (tmp_path / 'run.out' / 'tokenizer_config.json').read_text()
  assert json.loads(settings) == {'model_max_length': 6}


@pytest.mark.slow
def test_a_pretrainer_computes_the_same(tmp_path):
  theirs = _pretrainer()
  _save(tmp_path / 'run', model=theirs, **theirs.checkpoint_items)
  model, lines = _imported(tmp_path / 'run', PreTrainer(_CONFIG))
  outputs = model(_OURS)
  expected = theirs({**_THEIRS, 'masked_lm_positions': _POSITIONS})
  np.testing.assert_allclose(
    outputs['masked_lm_logits'], expected['mlm_logits'], atol=2e-5
  )
  np.testing.assert_allclose(
    outputs['next_sentence_logits'], expected['next_sentence'], atol=1e-5
  )
  assert lines[1] == 'the pooler is next_sentence.pooler_dense'


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """Saves an encoder, for tests that change the files next to it."""
  folder = tmp_path_factory.mktemp('saved') / 'run'
  _save(folder, encoder=_encoder())
  return folder


@pytest.fixture
def run(saved, tmp_path):
  """Copies the saved encoder."""
  for path in saved.iterdir():
    (tmp_path / path.name).write_bytes(path.read_bytes())
  return tmp_path


def _set(run, **changes):
  values = yaml.safe_load((run / 'params.yaml').read_text())
  values['task']['model']['encoder']['bert'] |= changes
  (run / 'params.yaml').write_text(yaml.safe_dump(values))


def _set_task(run, **changes):
  values = yaml.safe_load((run / 'params.yaml').read_text())
  values['task'] |= changes
  (run / 'params.yaml').write_text(yaml.safe_dump(values))


@pytest.mark.parametrize('data', ['train_data', 'validation_data'])
def test_the_length_of_the_training_is_read(run, data):
  assert tf_models_reader.longest_input(str(run)) is None
  _set_task(run, **{data: {'seq_length': 6}})
  assert tf_models_reader.longest_input(str(run)) == 6


def test_what_an_export_records_comes_with_the_weights(run, tmp_path):
  record = {'labels': ['no', 'yes'], 'takes_pairs': True, 'max_seq_length': 6}
  (run / 'export.json').write_text(json.dumps(record))
  lines = import_checkpoint(str(run), str(tmp_path / 'out'))
  assert 'export.json → model.json' in lines
  checkpoint = location.locate(str(tmp_path / 'out'))
  checkpoint.check_checksums()
  content = checkpoint.model_json()
  assert content.task.labels == ('no', 'yes')
  assert content.task.is_pair
  assert content.max_seq_length == 6
  assert len(content.checksums) == 4


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'num_attention_heads': 2}, r'shape \[8, 4, 2\], expected 2 attention he'),
    ({'num_layers': 1}, 'has more layers than the configuration, 1'),
    ({'num_layers': 3}, 'lacks the weights of bert/encoder/layer_2/attention'),
    ({'intermediate_size': 17}, r'does not fit .*params.yaml: .*\[8, 16\] ins'),
    ({'hidden_activation': 'mish'}, "hidden_activation is 'mish', expected on"),
    ({'norm_first': True}, 'norm_first is True, expected False'),
    ({'embedding_size': 4}, 'embedding_size is 4, expected 8'),
    ({'vocab_size': 11}, r'has 10 tokens, expected 11 \(vocab_size in .*yaml'),
  ],
)
def test_settings_that_do_not_fit_are_refused(run, tmp_path, changes, message):
  _set(run, **changes)
  with pytest.raises(UserError, match=message):
    import_checkpoint(str(run), str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()


def test_a_vocabulary_without_a_special_token_is_refused(run, tmp_path):
  words = [*SPECIAL[:-1], *'abcdef']
  (run / 'vocab.txt').write_text('\n'.join(words))
  with pytest.raises(UserError, match='vocab.txt lacks .MASK. in its 10 lines'):
    import_checkpoint(str(run), str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()


def test_a_released_model_has_a_bert_config(run, tmp_path):
  (run / 'params.yaml').unlink()
  _CONFIG.to_json_file(str(run / 'bert_config.json'))
  import_checkpoint(str(run / 'ckpt-1'), str(tmp_path / 'out'))
  values = json.loads((tmp_path / 'out' / 'bert_config.json').read_text())
  assert BertConfig(**values) == _CONFIG


def test_missing_settings_are_named(run, tmp_path):
  (run / 'params.yaml').unlink()
  with pytest.raises(UserError, match='neither params.yaml nor bert_config'):
    import_checkpoint(str(run), str(tmp_path / 'out'))


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('{', 'it is not YAML'),
    ('!!python/object/apply:os.system ["touch proof"]', 'it is not YAML'),
    ('task: 3', 'task.model.encoder is None'),
    ('task: {model: {encoder: {type: albert}}}', "encoder.type is 'albert'"),
  ],
)
def test_malformed_settings_are_refused(run, tmp_path, text, message):
  (run / 'params.yaml').write_text(text)
  with pytest.raises(UserError, match=f'params.yaml: {message}'):
    import_checkpoint(str(run), str(tmp_path / 'out'))


def test_the_folder_of_another_checkpoint_is_refused(run):
  before = sorted(run.iterdir())
  with pytest.raises(UserError, match='holds another checkpoint, .*ckpt-1'):
    import_checkpoint(str(run), str(run))
  for path in run.glob('ckpt-1.*'):
    path.rename(run / path.name.replace('ckpt-1', 'bert_model.ckpt'))
  (run / 'checkpoint').unlink()
  before = sorted(run.iterdir())
  with pytest.raises(UserError, match='is the folder to import'):
    import_checkpoint(str(run), f'{run}/../{run.name}')
  assert sorted(run.iterdir()) == before


def test_a_run_names_the_tool(run):
  checkpoint = location.locate(str(run))
  message = 'is a TensorFlow 2 checkpoint, .*tools.import_tf_models'
  variables = released_variables(BertEncoder(_CONFIG))
  with pytest.raises(UserError, match=message):
    loading.load_released(checkpoint, variables)
  with pytest.raises(UserError, match=message):
    start_check.check(checkpoint, _CONFIG, 'all')


def test_another_object_graph_is_refused(run, tmp_path):
  for path in run.glob('ckpt-1.*'):
    path.unlink()
  root = tf.train.Checkpoint(other=tf.Variable([1.0]))
  root.save(str(run / 'ckpt'))
  with pytest.raises(UserError, match='has no encoder of tf-models-official'):
    import_checkpoint(str(run), str(tmp_path / 'out'))
