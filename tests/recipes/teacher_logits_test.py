"""A teacher's logits in a small file, and a dump made of them again."""

import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import tiny_world

from data.tasks import glue
from distillation import logits_dump
from recipes.paper import teacher_logits
from system.errors import UserError

_TASK = glue.get_task('SST-2')


def _dump_flags(world, **changes):
  return tiny_world.named_flags(
    {
      'task_name': 'SST-2',
      'data_dir': world / 'task',
      'vocab_file': world / 'vocab.txt',
      'max_seq_length': 16,
      'logits_dir': world / 'dump',
      **changes,
    }
  )


def _texts(world):
  return teacher_logits.transfer_texts(
    _TASK, str(world / 'task'), str(world / 'transfer.txt')
  )


def _run(world, **changes):
  flags = tiny_world.named_flags(
    {
      'task_name': 'SST-2',
      'data_dir': world / 'task',
      'transfer_file': world / 'transfer.txt',
      'logits_file': world / 'kept.safetensors',
      **changes,
    }
  )
  module = 'recipes.paper.teacher_logits'
  return subprocess.run(
    [sys.executable, '-m', module, *flags], capture_output=True, text=True
  )


def _rows(folder):
  (dump,) = logits_dump.open_dumps([str(folder)], _TASK)
  return list(dump.rows())


@pytest.fixture
def scored(teacher_world):
  """A `teacher_world` with a dump of transfer.txt, one text of which is dev."""
  dev = _TASK.read_split(str(teacher_world / 'task'), 'dev')
  texts = ['the film was good .', dev[0].text_a, 'the plot was awful .']
  (teacher_world / 'transfer.txt').write_text('\n'.join(texts) + '\n')
  flags = _dump_flags(
    teacher_world,
    teacher_checkpoint=teacher_world / 'teacher',
    transfer_file=teacher_world / 'transfer.txt',
  )
  tiny_world.run('run_distillation', *flags, '--do_dump_logits')
  return teacher_world


@pytest.mark.slow
def test_the_dump_of_kept_logits_is_the_teachers(scored):
  tables = scored / 'tables'
  assert _run(scored, logits_dir=scored / 'dump').returncode == 0
  assert _run(scored, output_dir=tables).returncode == 0
  flags = _dump_flags(
    scored,
    logits_dir=scored / 'again',
    teacher_scores=tables / teacher_logits.TRANSFER_TABLE,
    teacher_dev_scores=tables / teacher_logits.DEV_TABLE,
  )
  tiny_world.run('run_distillation', *flags, '--do_import_logits')
  first, again = _rows(scored / 'dump'), _rows(scored / 'again')
  assert len(first) == len(again) == 2
  for a, b in zip(first, again, strict=True):
    assert a.input_ids.tolist() == b.input_ids.tolist()
    np.testing.assert_allclose(b.teacher_logits, a.teacher_logits, rtol=1e-3)
  first, again = (
    np.load(scored / name / logits_dump.DEV_LOGITS)
    for name in ('dump', 'again')
  )
  np.testing.assert_allclose(again, first, rtol=1e-5)

  written = (tables / teacher_logits.TRANSFER_TABLE).read_bytes()
  kept = (scored / 'kept.safetensors').read_bytes()
  with (scored / 'transfer.txt').open('a') as file:
    file.write('the film was bad .\n')
  for what, folder, message in (
    ('output_dir', tables, 'kept.safetensors is of another transfer set'),
    ('logits_dir', scored / 'dump', 'dump is a dump of another transfer set'),
  ):
    refused = _run(scored, **{what: folder})
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith(message)
  assert (tables / teacher_logits.TRANSFER_TABLE).read_bytes() == written
  assert (scored / 'kept.safetensors').read_bytes() == kept


def test_logits_of_another_dev_split_are_refused(world, tmp_path):
  (world / 'transfer.txt').write_text('the film was good .\n')
  texts, path = _texts(world), str(tmp_path / 'kept.safetensors')
  arrays = {'logits': np.zeros([1, 2], 'f2'), 'dev_logits': np.zeros([1, 2])}
  facts = {'texts': texts.checksum(), 'dev': '?', 'teacher': '?'}
  safetensors.numpy.save_file(arrays, path, facts)
  dev = _TASK.read_split(str(world / 'task'), 'dev')
  with pytest.raises(UserError, match='kept.*is of another dev split'):
    teacher_logits.write_tables(path, _TASK, texts, dev, str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()


def _other(path):
  safetensors.numpy.save_file({'weights': np.zeros(3)}, path)


@pytest.mark.parametrize(
  'damage', [lambda path: path.write_bytes(b''), _other, lambda path: None]
)
def test_a_damaged_file_is_refused(world, damage):
  (world / 'transfer.txt').write_text('the film was good .\n')
  damage(world / 'kept.safetensors')
  with pytest.raises(UserError, match='--logits_file=.*kept.safetensors: '):
    teacher_logits.write_tables(
      str(world / 'kept.safetensors'), _TASK, _texts(world), [], str(world)
    )
