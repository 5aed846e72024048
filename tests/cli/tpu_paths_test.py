"""Tests of cli/tpu_paths.py."""

import pytest
import tensorflow as tf
import tiny_world

from cli import tpu_paths
from system.errors import UserError


def _check(
  world, *arguments, is_remote=True, script='run_classifier', **changes
):
  flags = tiny_world.task_flags(world, **changes)
  with tiny_world.parsed(script, *flags, *arguments):
    tpu_paths.check(is_remote)


@pytest.fixture
def bucket():
  """Makes ram://bucket, which replaces a bucket on gs://."""
  tf.io.gfile.makedirs('ram://bucket')
  with tf.io.gfile.GFile('ram://bucket/vocab.txt', 'w') as file:
    file.write('[PAD]')
  return 'ram://bucket'


def test_local_paths_are_for_local_tpus(world, bucket):
  _check(world, '--do_train', is_remote=False)
  with pytest.raises(
    UserError, match='--output_dir=.*out: the hosts .*gs://BUCKET'
  ):
    _check(world, '--do_train')
  # This process reads vocabulary, configuration, task and records.
  _check(world, '--do_train', output_dir=f'{bucket}/out')
  # It also predicts.
  _check(world, '--do_predict')


def test_a_dump_is_written_and_read_here(world, bucket):
  flags = [f'--logits_dir={world}/dump', f'--output_dir={bucket}/out']
  for action in ('--do_dump_logits', '--do_train'):
    _check(world, action, *flags, script='run_distillation')


def test_a_missing_path_is_named(world, bucket):
  output = {'output_dir': f'{bucket}/out'}
  _check(world, '--do_train', vocab_file=f'{bucket}/vocab.txt', **output)
  with pytest.raises(
    UserError, match='--vocab_file: nothing exists at ram://bucket/other'
  ):
    _check(world, '--do_train', vocab_file=f'{bucket}/other.txt', **output)
  # A prefix, and one path of several.
  start = f'--init_checkpoint={bucket}/voc'
  _check(world, '--do_train', start, **output)
  transfer = f'--transfer_file={bucket}/vocab.txt,{bucket}/none'
  with pytest.raises(UserError, match='--transfer_file: .*bucket/none'):
    _check(
      world,
      *['--do_dump_logits', transfer, f'--logits_dir={bucket}/dump'],
      script='run_distillation',
      **output,
    )


def test_the_folder_of_tfds_may_be_missing(world, bucket):
  flags = ['--do_train', '--data_source=tfds', f'--data_dir={bucket}/tfds']
  _check(world, *flags, output_dir=f'{bucket}/out')


def test_an_unwritable_bucket_is_named_with_a_remedy(world, monkeypatch):
  def refuse(path):
    raise tf.errors.PermissionDeniedError(
      None,
      None,
      'Error executing an HTTP request: HTTP response code 403 with body '
      "'me@cloud-tpu.iam.gserviceaccount.com does not have "
      "storage.objects.create access to b.'",
    )

  monkeypatch.setattr(tf.io.gfile, 'makedirs', refuse)
  with pytest.raises(
    UserError,
    match='(?s)cannot write to gs://b/out: .*403.*add-iam-policy-binding '
    'gs://b --member=serviceAccount:me@cloud-tpu.iam.gserviceaccount.com ',
  ):
    _check(world, '--do_train', output_dir='gs://b/out')
