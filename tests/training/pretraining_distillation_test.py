"""Pre-training with a teacher: the sum of losses, and replicas."""

import contextlib
import dataclasses
import json

import numpy as np
import pytest
import replicas
import tensorflow as tf
import tiny_training
import xla_on
from tiny_training import make_settings, make_source

from data.records import length_buckets
from modeling import hidden_states
from modeling.models import PreTrainer, released_variables
from training import intermediate_losses, losses, pretraining
from training.pretraining_distillation import PretrainingDistillation
from training.pretraining_options import PretrainingDistillationOptions

ALL = PretrainingDistillationOptions(
  teacher_checkpoint='teacher',
  soft_masked_lm_weight=5.0,
  cosine_weight=2.0,
  relation_weight=3.0,
  num_relation_heads=4,
  hard_loss_weight=0.5,
)
# The width of the student; with only relations it may differ.
TEACHER = dataclasses.replace(tiny_training.CONFIG, num_hidden_layers=2)


def _batch():
  rng = np.random.default_rng(0)
  mask = (np.arange(6) < [[6], [4], [2]]).astype(np.int32)
  return {
    'input_ids': tf.constant(rng.integers(1, 20, [3, 6]) * mask, tf.int32),
    'input_mask': tf.constant(mask),
    'segment_ids': tf.zeros([3, 6], tf.int32),
    'masked_lm_positions': tf.constant([[1, 2], [3, 0], [0, 0]]),
    'masked_lm_ids': tf.constant([[5, 6], [7, 0], [0, 0]]),
    'masked_lm_weights': tf.constant([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]),
    'next_sentence_labels': tf.constant([0, 1, 1]),
    'example_denominator': tf.constant(3.0),
    'masked_lm_denominator': tf.constant(3.0 + 1e-5),
    'token_denominator': tf.constant(12.0),
  }


def _losses(student, teacher, batch, options):
  function = PretrainingDistillation(teacher, options).loss_function(student)
  return {name: float(x) for name, x in function(batch, None).items()}


def _models():
  config = dataclasses.replace(TEACHER, initializer_range=0.5)
  return (
    PreTrainer(dataclasses.replace(config, num_hidden_layers=1), seed=1),
    PreTrainer(config, seed=2),
  )


def test_the_loss_is_the_weighted_sum_of_the_named_losses():
  student, teacher = _models()
  batch = _batch()
  found = _losses(student, teacher, batch, ALL)
  hard = pretraining.make_loss_function(student)(batch, None)
  for name in ('masked_lm_loss', 'next_sentence_loss'):
    assert found[name] == pytest.approx(float(hard[name]), rel=1e-5)
  names = ['query', 'key', 'value', 'sequence_output', 'masked_lm_logits']
  ours, theirs = (
    hidden_states.of_pretrainer(model, batch, names)
    for model in (student, teacher)
  )
  expected = {
    'soft_masked_lm_loss': losses.soft_cross_entropy(
      ours['masked_lm_logits'],
      theirs['masked_lm_logits'],
      batch['masked_lm_weights'],
      3.0,
      2.0,
    ),
    'cosine_loss': intermediate_losses.cosine_loss(
      ours['sequence_output'],
      theirs['sequence_output'],
      tf.cast(batch['input_mask'], tf.float32),
      12.0,
    ),
    'relation_loss': intermediate_losses.relation_loss(
      ours, theirs, ['query', 'key', 'value'], 4, batch['input_mask'], 12.0
    ),
  }
  for name, value in expected.items():
    assert found[name] == pytest.approx(float(value), rel=1e-4), name
    assert found[name] > 0.01
  total = (
    5 * found['soft_masked_lm_loss']
    + 2 * found['cosine_loss']
    + 3 * found['relation_loss']
    + 0.5 * (found['masked_lm_loss'] + found['next_sentence_loss'])
  )
  assert found['loss'] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
  ('changes', 'names'),
  [
    (
      {'relation_weight': 1.0, 'hard_loss_weight': 0.0},
      {'loss', 'relation_loss'},
    ),
    (
      {'cosine_weight': 1.0},
      {'loss', 'cosine_loss', 'masked_lm_loss', 'next_sentence_loss'},
    ),
    (
      {'soft_masked_lm_weight': 1.0, 'hard_loss_weight': 0.0},
      {'loss', 'soft_masked_lm_loss'},
    ),
  ],
)
def test_a_loss_without_weight_is_not_computed(changes, names):
  student, teacher = _models()
  options = PretrainingDistillationOptions(**changes)
  assert _losses(student, teacher, _batch(), options).keys() == names


def test_a_student_like_its_teacher_has_nothing_to_learn_from_states():
  _, teacher = _models()
  options = PretrainingDistillationOptions(
    cosine_weight=1.0, relation_weight=1.0
  )
  found = _losses(teacher, teacher, _batch(), options)
  assert found['cosine_loss'] == pytest.approx(0, abs=1e-6)
  assert found['relation_loss'] == pytest.approx(0, abs=1e-6)


def test_the_students_heads_are_the_default_of_the_relation_heads():
  student, teacher = _models()
  options = PretrainingDistillationOptions(
    relation_weight=1.0, relations='attention,value'
  )
  two = dataclasses.replace(options, num_relation_heads=2)
  four = dataclasses.replace(options, num_relation_heads=4)
  default, expected, other = (
    _losses(student, teacher, _batch(), x)['relation_loss']
    for x in (options, two, four)
  )
  assert default == expected != other


def test_no_gradient_reaches_the_teacher():
  student, teacher = _models()
  function = PretrainingDistillation(teacher, ALL).loss_function(student)
  with tf.GradientTape() as tape:
    loss = function(_batch(), None)['loss']
  gradients = tape.gradient(
    loss, [released_variables(teacher), released_variables(student)]
  )
  assert set(gradients[0].values()) == {None}
  assert None not in gradients[1].values()


def _distillation():
  return PretrainingDistillation(PreTrainer(TEACHER, seed=3), ALL)


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  return make_source(tmp_path_factory.mktemp('source') / 'records')


@pytest.fixture(scope='module')
def whole(source, tmp_path_factory):
  """The folder of a run on one device, and its weights."""
  folder = tmp_path_factory.mktemp('whole')
  return folder, _train(source, folder)


def _train(source, folder, strategy=None, **changes):
  settings = make_settings(folder, num_steps=8, **changes)
  return tiny_training.train(source, settings, strategy, None, _distillation)


def _last_metrics(folder):
  return json.loads((folder / 'metrics.jsonl').read_text().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(('num_replicas', 'parts'), [(2, 1), (1, 4), (2, 2)])
def test_replicas_and_parts_train_like_the_whole_batch(
  source, whole, tmp_path, num_replicas, parts
):
  # With dropout 0.1, and numbers of tokens and masked positions that differ
  # between the parts.
  folder, expected = whole
  strategy = replicas.mirrored() if num_replicas > 1 else None
  changes = {'gradient_accumulation_steps': parts}
  found = _train(source, tmp_path, strategy, **changes)
  for name, value in found.items():
    np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
  assert _last_metrics(tmp_path) == pytest.approx(
    _last_metrics(folder), rel=1e-4
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  ('num_replicas', 'parts', 'steps'),
  [
    (2, 1, contextlib.nullcontext),
    (1, 2, contextlib.nullcontext),
    (1, 1, xla_on.compiled_steps),
  ],
)
def test_what_the_loss_does_not_reach_keeps_its_weights(
  source, tmp_path, num_replicas, parts, steps
):
  strategy = replicas.mirrored() if num_replicas > 1 else None
  relations = PretrainingDistillationOptions(
    relation_weight=1.0, hard_loss_weight=0.0
  )
  settings = make_settings(
    tmp_path, num_steps=2, gradient_accumulation_steps=parts
  )
  with steps():
    trained = tiny_training.train(
      source,
      settings,
      strategy,
      None,
      lambda: PretrainingDistillation(PreTrainer(TEACHER, seed=3), relations),
    )
  fresh = released_variables(PreTrainer(tiny_training.CONFIG, seed=7))
  changed = {
    name
    for name, value in trained.items()
    if not np.array_equal(value, fresh[name].numpy())
  }
  reached = ('bert/embeddings/', 'bert/encoder/layer_0/attention/self/')
  assert changed == {name for name in trained if name.startswith(reached)}


@pytest.mark.slow
def test_compiled_steps_train_like_others(source, whole, tmp_path, monkeypatch):
  monkeypatch.setattr(
    length_buckets, 'few_lengths', length_buckets.bucket_lengths
  )
  with xla_on.compiled_steps():
    found = _train(source, tmp_path)
  for name, value in found.items():
    np.testing.assert_allclose(value, whole[1][name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_the_teacher_is_neither_trained_nor_saved(source, tmp_path):
  kept = {}

  def make():
    distillation = _distillation()
    kept['model'] = distillation.teacher
    return distillation

  settings = make_settings(tmp_path, num_steps=2)
  trained = tiny_training.train(source, settings, None, None, make)
  fresh = released_variables(_distillation().teacher)
  for name, value in released_variables(kept['model']).items():
    np.testing.assert_array_equal(value, fresh[name])
  saved = tf.train.load_checkpoint(str(tmp_path)).get_variable_to_shape_map()
  assert saved.keys() == trained.keys()
  assert 'bert/encoder/layer_1/output/dense/kernel' not in saved


def test_the_teacher_and_all_weights_are_part_of_the_identity():
  identity = dataclasses.replace(_distillation(), checksum='abc').identity()
  assert identity == {
    'teacher_checkpoint': 'abc',
    'teacher_config': TEACHER.to_dict(),
    'soft_masked_lm_weight': 5.0,
    'soft_masked_lm_temperature': 2.0,
    'cosine_weight': 2.0,
    'relation_weight': 3.0,
    'relations': 'query,key,value',
    'num_relation_heads': 4,
    'hard_loss_weight': 0.5,
  }
