"""The whole pipeline on remote files: TensorFlow's ram:// instead of gs://."""

import pytest
import tensorflow as tf
import tiny_world

from system import files

pytestmark = pytest.mark.slow


@pytest.fixture
def remote(world, request):
  """Copies `world` to ram://; returns the folder."""
  folder = f'ram://{request.node.name}'
  for path in world.rglob('*'):
    if path.is_file():
      target = f'{folder}/{path.relative_to(world)}'
      tf.io.gfile.makedirs(target.rpartition('/')[0])
      tf.io.gfile.copy(str(path), target)
  return folder


def _flags(remote, **changes):
  values = {
    'task_name': 'SST-2',
    'data_dir': f'{remote}/task',
    'vocab_file': f'{remote}/vocab.txt',
    'max_seq_length': 16,
    **changes,
  }
  return tiny_world.named_flags(values)


def test_the_whole_pipeline_runs_on_remote_files(remote):
  training = {
    'bert_config_file': f'{remote}/bert_config.json',
    'train_batch_size': 8,
    'learning_rate': 1e-2,
  }
  pretraining = {
    **training,
    'input_file': f'{remote}/text.tfrecord',
    'output_dir': f'{remote}/encoder',
    'max_seq_length': 16,
    'max_predictions_per_seq': 3,
    'num_train_steps': 4,
    'num_warmup_steps': 1,
  }
  tiny_world.make_records(remote, f'{remote}/text.tfrecord')
  tiny_world.run(
    'run_pretraining',
    *tiny_world.named_flags(pretraining),
    *['--do_train', '--do_eval'],
  )
  teacher = _flags(
    remote,
    **training,
    output_dir=f'{remote}/teacher',
    init_checkpoint=f'{remote}/encoder',
    num_train_epochs=1,
    eval_steps=3,
  )
  tiny_world.run('run_classifier', *teacher, '--do_train', '--do_predict')
  dump = _flags(
    remote,
    teacher_checkpoint=f'{remote}/teacher',
    transfer_file=f'{remote}/transfer.txt',
    logits_dir=f'{remote}/dump',
    num_logits_shards=2,
  )
  tiny_world.run(
    'run_distillation', *dump, '--do_dump_logits', '--allow_weak_teacher'
  )
  student = _flags(
    remote,
    **training,
    output_dir=f'{remote}/student',
    logits_dir=f'{remote}/dump',
    num_train_epochs=2,
  )
  for _ in range(2):  # The second run finds everything done.
    tiny_world.run('run_distillation', *student, '--do_train', '--do_eval')

  assert 'eval_accuracy' in files.read_text(
    f'{remote}/student/eval_results.txt'
  )
  assert files.exists(f'{remote}/teacher/best/checkpoint')
  assert files.exists(f'{remote}/teacher/predictions.tsv')
  assert files.exists(f'{remote}/student/model.ckpt-2.index')
  left = [
    name
    for folder in ('encoder', 'teacher', 'dump', 'student')
    for name in files.list_folder(f'{remote}/{folder}')
    if name.endswith('.tmp')
  ]
  assert not left
