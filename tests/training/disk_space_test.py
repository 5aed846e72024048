"""Compares the announced size of a run's checkpoints with their files."""

import pytest
import tensorflow as tf
from tiny_training import make_settings, make_source, train

from training import disk_space
from training.options import RunSettings


def _describe(num_bytes=4_000_000, resuming=12_000_000, **changes):
  settings = RunSettings(
    output_dir='out', num_train_steps=10_000, num_warmup_steps=0, **changes
  )
  variable = tf.Variable(tf.zeros([num_bytes // 4]))
  return disk_space.describe(settings, [variable], resuming)


@pytest.mark.parametrize(
  ('changes', 'text'),
  [
    (
      {},
      'The checkpoints of this run will take up to 44 MB in out: 5 × 4.0 MB of '
      'weights (model.ckpt-<step>), 2 × 12 MB to resume from (checkpoints/).',
    ),
    (
      {'eval_steps': 100},
      'The checkpoints of this run will take up to 48 MB in out: 5 × 4.0 MB of '
      'weights (model.ckpt-<step>), 2 × 12 MB to resume from (checkpoints/), '
      '4.0 MB for the best weights (best/).',
    ),
    (
      {'keep_checkpoint_max': 0},
      'The checkpoints of this run will take up to 64 MB in out: 10 × 4.0 MB '
      'of weights (model.ckpt-<step>), 2 × 12 MB to resume from '
      '(checkpoints/).',
    ),
    (
      {'save_checkpoints_steps': 9999, 'keep_checkpoint_max': 1},
      'The checkpoints of this run will take up to 28 MB in out: 1 × 4.0 MB of '
      'weights (model.ckpt-<step>), 2 × 12 MB to resume from (checkpoints/).',
    ),
    (
      {
        'save_checkpoints_steps': 20_000,
        'save_checkpoints_minutes': 0,
        'save_initial_checkpoint': True,
        'resuming': 2_000_000_000,
        'num_bytes': 800,
      },
      'The checkpoints of this run will take up to 2.0 GB in out: 2 × 800 B of '
      'weights (model.ckpt-<step>), 1 × 2.0 GB to resume from (checkpoints/).',
    ),
  ],
)
def test_the_space_is_said(changes, text):
  assert _describe(**changes) == text


@pytest.mark.slow
def test_a_run_takes_the_space_that_it_says(tmp_path, monkeypatch):
  said, describe = [], disk_space.describe

  def note(settings, variables, resuming_bytes):
    weights = sum(map(disk_space.size_of, variables))
    said.append(3 * weights + 2 * resuming_bytes)
    return describe(settings, variables, resuming_bytes)

  monkeypatch.setattr(disk_space, 'describe', note)
  settings = make_settings(tmp_path / 'out', keep_checkpoint_max=3)
  train(make_source(tmp_path / 'records'), settings)
  found = [
    path.stat().st_size
    for pattern in ('model.ckpt-*.data*', 'checkpoints/*.data*')
    for path in (tmp_path / 'out').glob(pattern)
  ]
  assert len(found) == 5
  # The statistics of the interval take some bytes, too.
  assert said[0] <= sum(found) <= said[0] + 1000
