"""The names of a checkpoint's files."""

import pytest

from modeling.checkpoints import file_names


@pytest.mark.parametrize(
  ('prefix', 'step'),
  [
    ('run/model.ckpt-12', 12),
    ('model.ckpt-0', 0),
    ('run/checkpoints/ckpt-7', 7),
    ('ckpt-7', 7),
    ('uncased_L-4/bert_model.ckpt', 0),
    ('models/gpt-4', 0),
    ('models/gpt-²', 0),
    ('model.ckpt-', 0),
    ('model.ckpt-8/model', 0),
  ],
)
def test_a_prefix_may_end_with_a_step(prefix, step):
  assert file_names.step_in(prefix) == step


def test_a_run_s_checkpoints_are_known_by_name():
  name = file_names.of_step(8)
  assert name == 'model.ckpt-8'
  assert file_names.is_of_run(name + file_names.INDEX)
  assert not file_names.is_of_run(file_names.PREFIX + file_names.INDEX)
