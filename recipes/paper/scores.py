"""One number for a result: a task's main metric, or its score in GLUE."""

import statistics
from collections.abc import Mapping
from typing import Any

from data.tasks import glue


def main_score(result: Mapping[str, Any]) -> float:
  """Returns the main metric of a result's task.

  Without a task the result is that of pre-training, and its score the accuracy
  at the masked positions.
  """
  task = result['keys'].get('task')
  name = glue.get_task(task).metrics[0] if task else 'masked_lm_accuracy'
  return result['scores'][name]


def teacher_score(result: Mapping[str, Any]) -> float | None:
  """Returns the main metric of a distilled student's teacher, if it is known.

  The evaluation of a student from a dump computes it on the same split.
  """
  name = glue.get_task(result['keys']['task']).metrics[0]
  return result['scores'].get(f'teacher_{name}')


def glue_score(result: Mapping[str, Any]) -> float:
  """Returns a result's score as GLUE computes it.

  It is the mean of the task's metrics, and of MNLI's two splits. For CoLA, GLUE
  has only the Matthews correlation.
  """
  task, scores = glue.get_task(result['keys']['task']), result['scores']
  names = task.metrics[:1] if task.name == 'CoLA' else task.metrics
  names = [*names, *(f'mismatched_{name}' for name in names)]
  return statistics.mean(scores[name] for name in names if name in scores)
