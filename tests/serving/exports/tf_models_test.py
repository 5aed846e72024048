"""Tests for the format of tf-models-official, loaded by its own classes."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import yaml

from modeling.checkpoints import location
from serving.exports import (
  comparison_texts,
  exporting,
  heads,
  reference,
  tf_models,
)
from serving.exports import parts as model_parts
from system.errors import UserError
from tools.import_tf_models import import_checkpoint

_KINDS = ('classifier', 'pairs', 'regressor', 'pretraining')


def _written(parts, folder):
  folder.mkdir()
  tf_models.write(parts, str(folder))
  return str(folder)


def _encoder(folder, kind):
  """Builds one of their encoders from params.yaml."""
  from official.nlp.configs import encoders

  values = yaml.safe_load(pathlib.Path(folder, 'params.yaml').read_text())
  settings = values['task']['model']['encoder']['bert']
  encoder = encoders.build_encoder(
    encoders.EncoderConfig(
      type=kind, **{kind: encoders.BertEncoderConfig(**settings)}
    )
  )
  encoder(encoder.inputs)
  return encoder


def _inputs(ours):
  names = ('input_ids', 'attention_mask', 'token_type_ids')
  theirs = ('input_word_ids', 'input_mask', 'input_type_ids')
  return {
    x: tf.constant(ours.features[name], tf.int32)
    for x, name in zip(theirs, names, strict=True)
  }


@pytest.mark.parametrize(
  'kind',
  [
    'classifier',
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in _KINDS[1:]),
  ],
)
def test_it_imports_again_with_the_same_bytes(parts_of, tmp_path, kind):
  parts = parts_of(kind)
  folder = _written(parts, tmp_path / 'theirs')
  import_checkpoint(folder, str(tmp_path / 'ours'))
  imported = location.locate(str(tmp_path / 'ours'))
  assert imported.checksum() == parts.checkpoint.checksum()
  assert imported.config()[1] == parts.config
  again = model_parts.read(str(tmp_path / 'ours'))
  assert (again.head, again.labels) == (parts.head, parts.labels)
  assert again.tokenizer.do_lower_case == parts.tokenizer.do_lower_case
  assert again.tokenizer.tokens == parts.tokenizer.tokens


@pytest.mark.parametrize(
  'kind', ['bert', pytest.param('bert_v2', marks=pytest.mark.slow)]
)
def test_both_of_their_encoders_load_it(parts_of, tmp_path, kind):
  parts = parts_of('pretraining', heads.NONE)
  folder = _written(parts, tmp_path / 'theirs')
  ours = reference.compute(parts, comparison_texts.choose(parts, None, None)[1])
  encoder = _encoder(folder, kind)
  # As in their fine-tuning tasks, and in their exporter to TensorFlow Hub.
  latest = tf.train.latest_checkpoint(folder)
  root = tf.train.Checkpoint(encoder=encoder)
  root.read(latest).expect_partial().assert_existing_objects_matched()
  root = tf.train.Checkpoint(model=encoder, encoder=encoder)
  root.restore(latest).assert_existing_objects_matched()
  np.testing.assert_allclose(
    encoder(_inputs(ours))['pooled_output'],
    ours.outputs['pooler_output'],
    atol=1e-5,
  )


@pytest.mark.slow
def test_a_head_with_a_pooler_of_its_own_starts_from_ours(parts_of, tmp_path):
  """That is what their `init_cls_pooler` does."""
  from official.nlp.modeling import models

  parts = parts_of('classifier', heads.NONE)
  folder = _written(parts, tmp_path / 'theirs')
  model = models.BertClassifier(
    _encoder(folder, 'bert'), 3, use_encoder_pooler=False
  )
  items = model.checkpoint_items
  root = tf.train.Checkpoint(
    **{
      'encoder': items['encoder'],
      'next_sentence.pooler_dense': items['sentence_prediction.pooler_dense'],
    }
  )
  status = root.read(tf.train.latest_checkpoint(folder))
  status.expect_partial().assert_existing_objects_matched()
  np.testing.assert_array_equal(
    model.classifier.dense.kernel, parts.weights['bert/pooler/dense/kernel']
  )


def test_params_change_the_settings_of_an_experiment(parts_of, tmp_path):
  folder = _written(parts_of('classifier'), tmp_path / 'theirs')
  values = yaml.safe_load(pathlib.Path(folder, 'params.yaml').read_text())
  assert values == {
    'task': {
      'model': {
        'encoder': {
          'type': 'bert',
          'bert': {
            'vocab_size': 20,
            'hidden_size': 8,
            'num_layers': 2,
            'num_attention_heads': 2,
            'intermediate_size': 16,
            'hidden_activation': 'gelu',
            'dropout_rate': 0.1,
            'attention_dropout_rate': 0.1,
            'max_position_embeddings': 32,
            'type_vocab_size': 2,
            'initializer_range': 0.2,
          },
        },
        'num_classes': 3,
        'use_encoder_pooler': True,
      },
      'train_data': {'seq_length': 16},
      'validation_data': {'seq_length': 16},
    }
  }


def test_a_regressor_has_float_labels(parts_of):
  task = tf_models.params_of(parts_of('regressor'))['task']
  assert task['model']['num_classes'] == 1
  assert task['metric_type'] == 'pearson_spearman_corr'
  assert task['train_data'] == {'seq_length': 16, 'label_type': 'float'}


def test_an_activation_without_a_name_is_refused(parts_of):
  parts = parts_of('classifier', hidden_act='gelu_erf')
  with pytest.raises(UserError, match='hidden_act is gelu_erf: tf-models-offi'):
    exporting.check_model(tf_models.FORMAT, parts)


@pytest.mark.slow
@pytest.mark.parametrize('kind', [*_KINDS, 'encoder'])
def test_a_fresh_process_computes_the_same(
  parts_of, exported, needs, tmp_path, kind
):
  needs('tf_models')
  is_encoder = kind == 'encoder'
  parts = parts_of(
    'classifier' if is_encoder else kind,
    (heads.NONE if is_encoder else heads.AUTO),
  )
  report = exported(tf_models.FORMAT, parts)
  assert report['largest_difference'] <= report['largest_difference_allowed']
  assert report['equal_token_ids'] == 1.0
  assert report['equal_labels'] == (1.0 if parts.labels else None)
  files = {x.name for x in (tmp_path / 'exports' / 'tf_models').iterdir()}
  assert files - {'labels.txt'} == {
    *('bert_model.ckpt-1.index', 'bert_model.ckpt-1.data-00000-of-00001'),
    *('checkpoint', 'params.yaml', 'vocab.txt', 'tokenizer_config.json'),
    'export.json',
  }


@pytest.mark.slow
@pytest.mark.parametrize(
  ('kind', 'experiment'),
  [
    ('classifier', 'bert/sentence_prediction'),
    ('regressor', 'bert/sentence_prediction'),
  ],
)
def test_their_trainer_starts_from_it(
  parts_of, needs, tmp_path, kind, experiment
):
  needs('tf_models')
  folder = _written(parts_of(kind), tmp_path / 'theirs')
  overrides = [
    f'task.init_checkpoint={folder}',
    'task.train_data.input_path=dummy',
    'task.train_data.global_batch_size=2',
    'task.validation_data.input_path=dummy',
    'task.validation_data.global_batch_size=2',
    'trainer.train_steps=2',
    'trainer.validation_steps=1',
    'trainer.optimizer_config.learning_rate.polynomial.decay_steps=2',
    'trainer.optimizer_config.warmup.polynomial.warmup_steps=1',
    'runtime.distribution_strategy=one_device',
    'runtime.num_gpus=0',
  ]
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'official.nlp.train', '--mode=train'),
      *(f'--experiment={experiment}', f'--model_dir={tmp_path}/run'),
      f'--config_file={folder}/params.yaml',
      f'--params_override={",".join(overrides)}',
    ],
    cwd=tmp_path,
    env={'CUDA_VISIBLE_DEVICES': '-1', 'PATH': '/usr/bin:/bin'},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  # What they train is imported, too.
  (tmp_path / 'run' / 'vocab.txt').write_text(
    (tmp_path / 'theirs' / 'vocab.txt').read_text()
  )
  lines = import_checkpoint(str(tmp_path / 'run'), str(tmp_path / 'back'))
  assert lines[2] == 'heads (2): output_bias, output_weights'
  assert not any(line.startswith('unused') for line in lines)
