"""The final table: each method's scores and agreement with the teacher.

Tested by `tests/pipeline/summary_test.py`.
"""

from collections.abc import Mapping
from typing import Any

from absl import logging

from pipeline import models
from pipeline.plan import (
  BAG_OF_WORDS,
  DISTILLED,
  METHODS,
  ON_LABELS,
  TEACHER,
  Plan,
)
from system import files, text_table
from training import result_files

# Shown next to the main score if a result has it.
_SECOND = {'accuracy': 'macro_f1', 'pearson': 'spearman'}
_NAMES = {
  BAG_OF_WORDS: 'bag of words',
  ON_LABELS: 'student on labels only',
  DISTILLED: 'student, distilled',
  TEACHER: 'teacher',
}
_NOTHING = '-'


def table(plan: Plan) -> list[str]:
  """Returns the lines of the table, from the result files.

  Args:
    plan: a plan that is done.
  """
  metric = plan.labelled.metric
  second = _SECOND[metric]
  rows = [['method', metric, second, 'agreement with teacher', 'parameters']]
  for method in METHODS:
    if record := _record(plan, method):
      scores = record['scores']
      rows.append(
        [
          _NAMES[method],
          _number(scores.get(metric)),
          _number(scores.get(second)),
          _number(_agreement(plan, method, scores)),
          f'{record["parameters"]:,}' if record['parameters'] else _NOTHING,
        ]
      )
  if manifest := plan.models.teacher.manifest:
    scores = manifest.teacher_scores
    value = scores.get(metric, scores.get(f'eval_{metric}'))
    rows.append(
      ['teacher of the dump, on dev', _number(value), *[_NOTHING] * 3]
    )
  return text_table.aligned(rows)


def weaker_than_words(plan: Plan) -> str | None:
  """Returns a warning if the teacher is no better than a bag of words."""
  metric = plan.labelled.metric
  words = _record(plan, METHODS[0])
  teacher = _record(plan, TEACHER)
  if not words or not teacher:
    return None
  ours, theirs = (x['scores'].get(metric) for x in (teacher, words))
  if ours is None or theirs is None or ours > theirs:
    return None
  remedies = 'another `teacher`'
  if plan.models.teacher.is_trained_here:
    remedies = f'more labelled texts, more `teacher_epochs` or {remedies}'
  return (
    f"the teacher's {metric} is {ours:.3f}, that of a bag of words "
    f'{theirs:.3f}: a student of this teacher will hardly be better; '
    f'{remedies} may help.'
  )


def _record(plan: Plan, method: str) -> Mapping[str, Any] | None:
  path = plan.result(method)
  return files.read_json(path) if files.exists(path) else None


def _agreement(
  plan: Plan, method: str, scores: Mapping[str, float]
) -> float | None:
  """Returns the share of the scored split for which both predict the same."""
  if method not in (DISTILLED, ON_LABELS) or plan.labelled.is_regression:
    return None
  if plan.models.teacher.kind == models.DUMP:
    return scores.get('teacher_agreement')
  paths = [plan.predictions(name) for name in (method, TEACHER)]
  ours, theirs = map(result_files.read_predictions, paths)
  if list(map(_example, ours)) != list(map(_example, theirs)):
    logging.warning(
      '%s and %s have other examples: another command has predicted there. '
      'Their agreement is left out.',
      *paths,
    )
    return None
  same = [_label(a) == _label(b) for a, b in zip(ours, theirs, strict=True)]
  return sum(same) / len(same)


def _example(row: Mapping[str, str]) -> tuple[str, str | None]:
  """Returns what tells an example from those of other splits."""
  label = row.get('label')
  return row['example_id'], label and label.casefold()


def _label(row: Mapping[str, str]) -> str:
  # The teacher may spell labels in another case than the data.
  return row['prediction'].casefold()


def _number(value: float | None) -> str:
  return _NOTHING if value is None else f'{value:.3f}'
