"""Whole scripts under TensorFlow's own TPUStrategy, without a TPU.

Variables are on the CPU instead. Everything up to the first step is as on a
TPU. The step is traced, with its loop, and cannot run.
"""

from typing import NamedTuple

import pytest
import tensorflow as tf
import tiny_world
from tensorflow.python.tpu import tpu
from tensorflow.python.tpu.tpu_system_metadata import TPUSystemMetadata

# Each test starts a whole script.
pytestmark = pytest.mark.slow

# The initial weights show that a run gets to its first step.
_TRAIN = ('--do_train', '--save_initial_checkpoint')
_NUM_CORES = 4


class _Device(NamedTuple):
  name: str


class _Resolver(tf.distribute.cluster_resolver.TPUClusterResolver):
  """Reports a TPU on this machine."""

  def get_tpu_system_metadata(self):
    device = '/job:localhost/replica:0/task:0/device:TPU:{}'
    return TPUSystemMetadata(
      num_cores=_NUM_CORES,
      num_hosts=1,
      num_of_cores_per_host=_NUM_CORES,
      topology=None,
      devices=[_Device(device.format(i)) for i in range(_NUM_CORES)],
    )


@pytest.fixture
def on_tpu(monkeypatch):
  """Returns a function that runs a script up to the first op on the TPU."""

  def run(script, *flags):
    monkeypatch.delenv('TPU_NAME', raising=False)
    monkeypatch.setattr(
      tf.distribute.cluster_resolver, 'TPUClusterResolver', _Resolver
    )
    monkeypatch.setattr(
      tf.tpu.experimental, 'initialize_tpu_system', lambda resolver: None
    )

    # Each length has its own program: nothing is padded to a dynamic length.
    def pad(*arguments):
      raise AssertionError('the step has inputs of dynamic size')

    monkeypatch.setattr(tpu, '_pad_all_input', pad)
    flags = [*flags, '--use_tpu', f'--num_tpu_cores={_NUM_CORES}']
    with pytest.raises(
      tf.errors.InvalidArgumentError,
      match="No OpKernel was registered to support Op 'TPUReplicatedInput'",
    ):
      tiny_world.run(script, *flags)
    monkeypatch.undo()

  return run


def test_fine_tuning(world, on_tpu):
  on_tpu('run_classifier', *tiny_world.task_flags(world), *_TRAIN)
  assert (world / 'out' / 'model.ckpt-0.index').exists()


@pytest.mark.parametrize(
  'flags',
  [
    ['--optimizer=lamb', '--gradient_accumulation_steps=2'],
    ['--precision=bfloat16', '--freeze=1'],
  ],
)
def test_fine_tuning_otherwise(world, on_tpu, flags):
  on_tpu('run_classifier', *tiny_world.task_flags(world), '--do_train', *flags)


def test_pre_training(world, on_tpu):
  tiny_world.make_records(world, str(world / 'records'))
  flags = tiny_world.task_flags(
    world,
    **dict.fromkeys(('task_name', 'data_dir', 'num_train_epochs')),
    max_predictions_per_seq=3,
    input_file=world / 'records',
  )
  on_tpu('run_pretraining', *flags, *_TRAIN, '--precision=bfloat16')
  assert (world / 'out' / 'model.ckpt-0.index').exists()


def test_prediction(teacher_world, on_tpu):
  flags = tiny_world.task_flags(
    teacher_world, init_checkpoint=teacher_world / 'teacher'
  )
  on_tpu('run_classifier', *flags, '--do_predict', '--predict_batch_size=6')


def test_distillation(teacher_world, on_tpu):
  student = ('bert_config_file', 'output_dir', 'num_train_epochs')
  dump = tiny_world.task_flags(
    teacher_world,
    **dict.fromkeys((*student, 'learning_rate', 'train_batch_size')),
    teacher_checkpoint=teacher_world / 'teacher',
    transfer_file=teacher_world / 'transfer.txt',
    logits_dir=teacher_world / 'dump',
    num_logits_shards=1,
  )
  on_tpu('run_distillation', *dump, '--do_dump_logits')
  tiny_world.run('run_distillation', *dump, '--do_dump_logits')
  flags = tiny_world.task_flags(
    teacher_world, logits_dir=teacher_world / 'dump', train_batch_size=4
  )
  on_tpu('run_distillation', *flags, '--do_train')
