"""Tests of devices/step_program.py: every script's step compiles for a TPU."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny_world
from tiny_dump import MANIFEST

from devices.step_program import StepProgram
from distillation import dump_manifest
from distillation.dump_manifest import Shard
from system.errors import UserError
from tools.tpu import replica_job

_MLIR = b'ML\xefR'  # The first bytes of serialized MLIR.


def _job(world, script, *arguments, **changes):
  """Returns the part of a script's job that each of 2 replicas computes."""
  if script == 'run_pretraining':
    changes |= dict.fromkeys(('task_name', 'data_dir', 'num_train_epochs'))
    changes |= {'max_predictions_per_seq': 3}
  flags = tiny_world.task_flags(world, **changes)
  with tiny_world.parsed(script, *flags, *arguments):
    return replica_job.of_script(script, num_replicas=2)


def _check(job):
  program = StepProgram(job.step, job.signature(4), num_replicas=2)
  assert program.unknown_shapes() == []
  assert program.ops_without_kernel() == []
  exported = program.export()
  assert exported.startswith(_MLIR)
  return exported


@pytest.mark.slow
def test_pre_training(world):
  job = _job(world, 'run_pretraining', '--do_train', '--precision=bfloat16')
  assert b'all_reduce' in _check(job)
  assert (job.batch_flag, job.batch_size) == ('train_batch_size', 8)


@pytest.mark.slow
def test_pre_training_beside_a_teacher(world):
  job = _job(
    world,
    'run_pretraining',
    *['--do_train', '--teacher_checkpoint=unread', '--cosine_weight=1'],
    *['--soft_masked_lm_weight=1', '--relation_weight=1'],
    teacher_config_file=world / 'bert_config.json',
  )
  assert b'all_reduce' in _check(job)
  assert job.count_flops is None


@pytest.mark.slow
def test_a_patient_student(world):
  manifest = dataclasses.replace(
    MANIFEST,
    shards=[Shard('logits-00000-of-00001', 3, 1, '')],
    cls_layers=[2],
    cls_size=12,
  )
  (world / 'dump').mkdir()
  dump_manifest.write(str(world / 'dump'), manifest)
  job = _job(
    world,
    'run_distillation',
    *['--do_train', f'--logits_dir={world}/dump', '--patient_weight=1'],
  )
  assert b'all_reduce' in _check(job)
  assert job.signature(4)['teacher_cls_states'].shape == [4, 12]


@pytest.mark.slow
def test_distillation_in_parts(world):
  job = _job(
    world,
    'run_distillation',
    *['--do_train', '--logits_dir=unread', '--hard_label_weight=0.5'],
    gradient_accumulation_steps=2,
  )
  assert b'all_reduce' in _check(job)
  assert job.num_parts == 2
  assert 'teacher_logits' in job.signature(4)


@pytest.mark.slow
@pytest.mark.parametrize(
  'arguments',
  [
    ['--layer_decay=0.9', '--adam_bias_correction'],
    ['--optimizer=lamb', '--freeze=1'],
    ['--precision=float16', '--dropout_rate=0'],
  ],
)
def test_fine_tuning(world, arguments):
  job = _job(world, 'run_classifier', '--do_train', *arguments)
  assert b'all_reduce' in _check(job)
  assert (job.count_flops is None) == ('--freeze=1' in arguments)


@pytest.mark.slow
def test_numbers_as_labels(world):
  flags = ['--task_name=custom', '--regression', '--do_train']
  _check(_job(world, 'run_classifier', *flags))
  flags += ['--logits_dir=unread']
  _check(_job(world, 'run_distillation', *flags))


def test_a_dump_is_one_pass_without_neighbours(world):
  job = _job(
    world,
    'run_distillation',
    *['--do_dump_logits', '--transfer_file=unread', '--logits_dir=unwritten'],
    '--teacher_checkpoint=unread',
    f'--teacher_config_file={world}/bert_config.json',
    bert_config_file=None,
    output_dir=None,
  )
  assert b'all_reduce' not in _check(job)
  assert job.batch_flag == 'predict_batch_size'


def test_a_job_that_computes_nothing_is_refused(world):
  with pytest.raises(
    UserError, match='--script=run_pretraining needs --do_train'
  ):
    _job(world, 'run_pretraining')


def test_a_batch_that_cannot_be_cut_is_refused(world):
  with pytest.raises(UserError, match='`train_batch_size`=7 .* 2 equal parts'):
    _job(world, 'run_classifier', '--do_train', train_batch_size=7)


def test_nodes_that_no_tpu_can_run_are_named():
  spec = {'ids': tf.TensorSpec([3], tf.int32)}

  def selects(batch):
    return tf.reduce_sum(tf.where(batch['ids'] > 0, name='selected'))

  assert StepProgram(selects, spec, 2).unknown_shapes() == ['selected']

  def spells(batch):
    length = tf.strings.length(tf.strings.as_string(batch['ids']))
    return tf.map_fn(lambda x: x + 1, length)

  program = StepProgram(spells, spec, 2)
  assert program.ops_without_kernel() == ['AsString', 'StringLength']


@pytest.mark.slow
def test_a_job_s_own_trace_is_compiled_for_each_length(world):
  job = _job(world, 'run_classifier', '--do_train')
  spec = {
    name: tf.TensorSpec([4, None] if x.shape.rank == 2 else x.shape, x.dtype)
    for name, x in job.signature(4).items()
  }
  # Like the run, trace it with an unknown length.
  step = tf.function(job.step, input_signature=[spec], jit_compile=True)
  for length in (8, 16):
    batch = {
      name: tf.ones([4, length] if x.shape.rank == 2 else x.shape, x.dtype)
      for name, x in spec.items()
    }
    results = step(batch)
    assert results.keys() == {'loss', 'gradient_norm'}
    assert np.isfinite([float(value) for value in results.values()]).all()
  assert step.experimental_get_tracing_count() == 1
