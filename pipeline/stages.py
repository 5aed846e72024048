"""All stages of a plan in order, and the shell script that does the same."""

import json
import os
import shlex
from collections.abc import Sequence

from pipeline import (
  data_stages,
  estimates,
  student_stages,
  teacher_stages,
)
from pipeline.plan import Plan, Stage


def make(plan: Plan) -> list[Stage]:
  """Returns the stages in the order in which they run."""
  data = []
  if not plan.options.source.data_dir:
    data.append(data_stages.split(plan))
  ready = tuple(stage.step for stage in data)
  words = data_stages.bag_of_words(plan, ready)
  imported = teacher_stages.import_weights(plan)
  ready += tuple(stage.step for stage in imported)
  teacher = teacher_stages.make(plan, ready)
  dump = tuple(stage.step for stage in teacher[-1:])
  stages = [
    *data,
    words,
    *imported,
    *teacher,
    *student_stages.distilled(plan, (*ready, *dump)),
    *student_stages.on_labels(plan, ready),
  ]
  steps = tuple(stage.step for stage in stages)
  return [*stages, data_stages.report(plan, steps)]


def experiment(plan: Plan) -> str:
  """Returns the content of experiment.json, on one line."""
  labels, source = len(plan.labelled.labels), plan.options.source
  kind = f'one of {labels} labels' if labels else 'a number'
  name = os.path.basename((source.input_file or source.data_dir).rstrip('/'))
  content = {
    'title': f'A small model for {name}',
    'question': f'The task is to predict {kind}. labels-only and distilled are '
    'the same small model, trained on the labels and on the logits of the '
    'teacher.',
    'command': f'bash {plan.path("commands.sh")}',
    'figure': {
      'x': 'method',
      'metric': plan.labelled.metric,
      'x_order': plan.methods(),
      'connect': False,
    },
  }
  return json.dumps(content)


def commands(plan: Plan, stages: Sequence[Stage]) -> list[str]:
  """Returns lines of shell, each a command, that do what the stages do."""
  lines = [stage.step.shell_command() for stage in stages]
  folder = shlex.quote(plan.results_dir)
  text, path = map(shlex.quote, (experiment(plan), plan.experiment_file))
  write = f"mkdir -p {folder} && printf '%s\\n' {text} > {path}"
  return [*lines[:-1], write, lines[-1]]


def total_seconds(stages: Sequence[Stage]) -> float:
  """Returns the estimated time of the stages that are not done."""
  return sum(stage.seconds for stage in stages if not stage.step.is_done)


def drop_old_report(stages: Sequence[Stage]) -> None:
  """Removes the page of results if results are still to come.

  With --compare_labels_only, the same command has one more result.
  """
  unfinished = [stage.step for stage in stages if not stage.step.is_done]
  for step in (stage.step for stage in stages):
    if step.name == data_stages.REPORT and step.is_done and unfinished:
      os.remove(step.done)


def disk_bytes(plan: Plan) -> int:
  """Returns about how much the models will take."""
  trained = [plan.models.student] * (1 + plan.options.job.compare_labels_only)
  teacher = plan.models.teacher
  if teacher.is_trained_here:
    trained.append(teacher.config)
  return estimates.disk_bytes(*trained)
