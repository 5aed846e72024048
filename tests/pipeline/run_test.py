"""Plans are made and checked without writing anything."""

import pytest
import tiny_pipeline

from pipeline import run
from system.errors import UserError


def test_a_plan_writes_nothing(tmp_path):
  tiny_pipeline.make(tmp_path)
  before = sorted(tmp_path.rglob('*'))
  plan = run.make_plan(tiny_pipeline.options(tmp_path))
  assert sorted(tmp_path.rglob('*')) == before
  assert plan.models.limit == 32
  assert plan.texts.num['transfer'] == 168


def test_a_missing_column_is_named(tmp_path):
  tiny_pipeline.make(tmp_path)
  options = tiny_pipeline.options(tmp_path, label_column='rating')
  with pytest.raises(UserError, match="'rating'"):
    run.make_plan(options)


def test_numbers_that_no_model_learns_are_refused_at_first(tmp_path):
  tiny_pipeline.make_texts(tmp_path)
  for name in ('teacher', 'encoder'):
    (tmp_path / name).mkdir()
  table = tmp_path / 'reviews.csv'
  rows = ''.join(f'a film {i},{100 * (i % 9)}\n' for i in range(90))
  table.write_text(f'review,stars\n{rows}')
  options = tiny_pipeline.options(tmp_path, regression=True)
  with pytest.raises(UserError, match=r'mean \d+.*: subtract the mean and div'):
    run.make_plan(options)


def test_the_record_of_the_teacher_warns_of_a_weak_one(
  tmp_path, monkeypatch, caplog
):
  tiny_pipeline.make(tmp_path)
  plan = run.make_plan(tiny_pipeline.options(tmp_path))
  monkeypatch.setattr(run.summary, 'weaker_than_words', lambda _: 'weak!')
  steps = run._steps(plan, run.stages.make(plan))
  (record,) = (step for step in steps if step.name == 'teacher-result')
  record.finish(1.0)
  assert caplog.messages[-1] == 'weak!'
