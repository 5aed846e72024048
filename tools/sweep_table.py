"""The table of a sweep's results, and the score that orders it."""

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from data.tasks import glue
from system.errors import UserError, listed
from training import class_scores
from training.metrics import METRIC_NAMES, PER_CLASS

_MISMATCHED = 'mismatched_'
# Scores besides a task's metrics; the last three begin with 'teacher_'.
_OTHER_SCORES = ('loss', 'expected_calibration_error', 'agreement', 'kl', 'mse')


def as_table(
  results: Sequence[Mapping[str, Any]], metric: str | None
) -> list[list[str]]:
  """Returns a table of the mean over seeds of each combination, best first.

  Args:
    results: of the finished runs, at least one.
    metric: the score; None for the first one that is not a loss.

  Raises:
    UserError: the runs have no such score.
  """
  scores = results[0]['scores']
  metric = metric or next((x for x in scores if not _is_loss(x)), 'loss')
  for result in results:
    if metric not in result['scores']:
      raise UserError(
        f'--metric={metric}: a run has only {listed(result["scores"])}'
      )
  # Each file has the keys in the order that --grid had when it was written.
  names = [name for name in results[0]['keys'] if name != 'seed']
  groups: dict[tuple, list[float]] = {}
  for result in results:
    keys = tuple(result['keys'][name] for name in names)
    value = result['scores'][metric]
    groups.setdefault(keys, []).append(float('nan') if value is None else value)
  sign = 1 if _is_loss(metric) else -1

  def place(group: tuple[tuple, list[float]]) -> tuple[bool, float]:
    mean = statistics.mean(group[1])
    return math.isnan(mean), sign * mean

  rows = sorted(groups.items(), key=place)
  return [
    [*names, metric, 'lowest', 'highest', 'seeds'],
    *(
      [
        *map(str, keys),
        *(f'{x:.4f}' for x in (statistics.mean(v), min(v), max(v))),
        str(len(v)),
      ]
      for keys, v in rows
    ),
  ]


def with_label_score(
  result: Mapping[str, Any], run_dir: str, metric: str
) -> dict[str, Any]:
  """Adds the score of one label to a result, from its run's files.

  Args:
    result: of the run.
    run_dir: the run's folder.
    metric: such as 'f1:spam' or 'mismatched_f1:spam'.

  Raises:
    UserError: the run has no such score.
  """
  name = metric.removeprefix(_MISMATCHED)
  suffix = '' if name == metric else '_mismatched'
  path = os.path.join(run_dir, f'eval_classes{suffix}.tsv')
  score = class_scores.read_score(path, name)
  return {**result, 'scores': {**result['scores'], metric: score}}


def is_of_label(metric: str) -> bool:
  """Returns whether a score is one label's, such as 'f1:spam'."""
  return ':' in metric


def _is_loss(metric: str) -> bool:
  """Returns whether lower values of a score are better."""
  if is_of_label(metric):
    return False
  return 'loss' in metric or metric.endswith(('_error', '_kl', '_mse'))


def main_metric(task: str) -> str | None:
  """Returns the main metric of a task; None if GLUE has no such."""
  is_glue = task and task.lower() != 'custom'
  return glue.get_task(task).metrics[0] if is_glue else None


def check_metric(metric: str, script: str) -> None:
  """Refuses a score that no run of a script can have.

  The scores of pre-training are not checked.

  Raises:
    UserError: there is no such score.
  """
  if os.path.basename(script) == 'run_pretraining.py':
    return
  name = metric.removeprefix(_MISMATCHED)
  if is_of_label(metric):
    name, _, label = name.partition(':')
    is_known = bool(label) and name in PER_CLASS
  else:
    name = name.removeprefix('teacher_')
    is_known = name in (*METRIC_NAMES, *_OTHER_SCORES)
  if not is_known:
    raise UserError(
      f'--metric={metric}: expected a score of {script}, such as '
      f'{listed(METRIC_NAMES)} or loss, or of one label: '
      f'{", ".join(f"{x}:LABEL" for x in PER_CLASS)}'
    )
