"""Checkpoints to resume from: what is saved, restored, skipped and removed."""

import json

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import tensor_bundle
from system import files
from system.errors import Unavailable, UserError
from training import resuming, run_lock
from training.loss_scale import LossScale
from training.optimization import AdamW
from training.resuming import Checkpointer
from training.step_statistics import StepStatistics


class _Run:
  """A run of one weight, whose steps the test makes."""

  def __init__(self, folder, shape=(2,), is_planned=lambda step: True):
    self.weight = tf.Variable(tf.zeros(shape), name='w')
    self.optimizer = AdamW([self.weight], 1e-3, 10, 0, loss_scale=LossScale())
    self.statistics = StepStatistics()
    self.exported = []
    self.checkpointer = Checkpointer(
      str(folder),
      {'w': self.weight},
      self.optimizer,
      self.statistics,
      self.exported.append,
      is_planned,
    )

  def save(self, step, start=None):
    """Saves a step; `start` is where its log interval began, if earlier."""
    self.optimizer.step.assign(step)
    self.weight.assign(tf.fill(self.weight.shape, float(step)))
    self.statistics.start = step if start is None else start
    self.checkpointer.save(step)


def _steps(folder):
  names = (folder / 'checkpoints').glob('ckpt-*.index')
  return sorted(int(x.name[5:-6]) for x in names)


def test_two_checkpoints_are_kept_and_none_of_later_steps(tmp_path):
  run = _Run(tmp_path)
  for step in (0, 4, 8, 12):
    run.save(step)
  assert _steps(tmp_path) == [8, 12]
  # A run that is killed while it removes an old checkpoint leaves this.
  (tmp_path / 'checkpoints' / 'ckpt-4.data-00000-of-00001').write_text('')
  run.save(10)
  assert _steps(tmp_path) == [8, 10]
  left = [p.name for p in (tmp_path / 'checkpoints').iterdir()]
  assert len(left) == 4


def test_storage_that_does_not_answer_is_no_damage(tmp_path, monkeypatch):
  _Run(tmp_path).save(4)

  def fail(_):
    raise Unavailable('try again')

  monkeypatch.setattr(tensor_bundle, 'read', fail)
  with pytest.raises(Unavailable, match='^try again$'):
    _Run(tmp_path).checkpointer.restore()


def test_planned_checkpoints_are_kept_whatever_comes_between(tmp_path):
  run = _Run(tmp_path, is_planned=lambda step: step % 10 == 0)
  kept = {}
  for step in (3, 5, 7, 10, 12, 14, 20, 21, 30):
    run.save(step, start=None if step % 10 == 0 else step - 1)
    kept[step] = _steps(tmp_path)
  assert kept == {
    3: [3],
    5: [3, 5],
    7: [5, 7],
    10: [7, 10],
    12: [10, 12],
    14: [10, 14],
    20: [10, 20],
    21: [20, 21],
    30: [20, 30],
  }
  assert run.exported == [10, 20, 30]


def test_a_start_saves_nothing_unless_asked_to_export(tmp_path):
  run = _Run(tmp_path)
  run.checkpointer.start(exports=False)
  assert not list(tmp_path.iterdir()) and not run.exported
  run.checkpointer.start(exports=True)
  assert run.exported == [0]
  assert not resuming.has_progress(str(tmp_path))


def test_after_a_start_no_file_names_the_weights_of_an_earlier_run(tmp_path):
  for name in ('checkpoint', 'model.ckpt-40.index'):
    (tmp_path / name).write_text('')
  _Run(tmp_path).checkpointer.start(exports=False)
  assert [x.name for x in tmp_path.iterdir()] == ['model.ckpt-40.index']


def test_weights_that_are_not_finite_do_not_start(tmp_path):
  run = _Run(tmp_path)
  run.weight.assign([1.0, np.nan])
  with pytest.raises(UserError, match='w is not finite at step 0'):
    run.checkpointer.start(exports=True)
  assert not run.exported


def test_the_size_of_a_checkpoint_is_known(tmp_path):
  run = _Run(tmp_path, shape=(50_000,))
  run.save(4)
  size = (tmp_path / 'checkpoints/ckpt-4.data-00000-of-00001').stat().st_size
  # A weight and its two moments; the statistics take some bytes, too.
  assert 600_000 < run.checkpointer.num_bytes <= size
  assert size < run.checkpointer.num_bytes + 500


def test_a_run_has_progress_once_a_step_is_saved(tmp_path):
  assert not resuming.has_progress(str(tmp_path))
  run = _Run(tmp_path)
  run.save(1)
  assert resuming.has_progress(str(tmp_path))


def test_all_state_is_restored(tmp_path):
  run = _Run(tmp_path)
  for x in run.optimizer.variables:
    x.assign(tf.cast(tf.fill(x.shape, 3), x.dtype))
  run.statistics.sums = {'loss': 0.1 + 0.2}
  run.save(7, start=5)
  assert run.exported == []  # Step 7 is in the middle of an interval.
  again = _Run(tmp_path)
  assert again.checkpointer.restore() == 7
  for ours, theirs in zip(
    again.optimizer.variables, run.optimizer.variables, strict=True
  ):
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
  assert (again.statistics.start, again.statistics.sums) == (
    5,
    {'loss': 0.1 + 0.2},
  )
  assert again.exported == []


def test_files_that_a_state_file_lists_are_not_removed(tmp_path):
  for name in ('precious.index', 'precious.data-00000-of-00001'):
    (tmp_path / name).write_text('mine')
  folder = tmp_path / 'out' / 'checkpoints'
  folder.mkdir(parents=True)
  paths = [f'{tmp_path}/precious', '../../precious', 'ckpt-0']
  (folder / 'checkpoint').write_text(
    'model_checkpoint_path: "ckpt-0"\n'
    + ''.join(f'all_model_checkpoint_paths: "{path}"\n' for path in paths)
  )
  run = _Run(tmp_path / 'out')
  for step in (0, 4, 8, 12):
    run.save(step)
  assert (tmp_path / 'precious.index').read_text() == 'mine'
  assert (tmp_path / 'precious.data-00000-of-00001').read_text() == 'mine'


@pytest.mark.parametrize(
  'statistics',
  [
    *[
      '',
      '[]',
      '{}',
      'nonsense',
      '{"start": "x", "sums": {}, "bad_steps": []}',
    ],
    *['{"start": 4, "sums": [], "bad_steps": []}', b'\xff', None, 3.0],
  ],
)
def test_a_checkpoint_with_malformed_statistics_is_skipped(
  tmp_path, statistics, caplog
):
  run = _Run(tmp_path)
  run.save(4)
  run.save(8)
  prefix = f'{tmp_path}/checkpoints/ckpt-8'
  tensors = tensor_bundle.read(prefix)
  del tensors['tally']
  tensor_bundle.write(
    prefix,
    tensors if statistics is None else {**tensors, 'tally': statistics},
  )
  assert _Run(tmp_path).checkpointer.restore() == 4
  assert 'ckpt-8 is damaged and is skipped' in caplog.text


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
  _Run(tmp_path).save(4)
  with pytest.raises(
    UserError,
    match=r'ckpt-4 does not belong to this run: model/w is float32 \[2\], '
    r'expected float32 \[3\]; optimizer/w/adam_m is float32 \[2\], expected',
  ):
    _Run(tmp_path, shape=(3,)).checkpointer.restore()


def test_nothing_is_saved_in_a_folder_that_another_run_has_taken(tmp_path):
  run = _Run(tmp_path)
  with run_lock.held(str(tmp_path)):
    run.save(0)
    files.write_text(str(tmp_path / 'run.lock'), json.dumps({'process': 1}))
    with pytest.raises(UserError, match='another run has taken'):
      run.save(4)
  assert _steps(tmp_path) == [0]
