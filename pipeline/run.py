"""Plans a pipeline, says what it will do, and does it.

Tested by `tests/pipeline/run_test.py` and `tests/scripts/run_pipeline_test.py`.
"""

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence

from absl import logging

from data.tasks import data_report, labelled
from data.tasks.labelled import Labelled
from pipeline import (
  announcement,
  defaults,
  estimates,
  folder,
  models,
  stages,
  summary,
)
from pipeline.options import PipelineOptions
from pipeline.plan import TEACHER, Plan, Stage
from system import local_files, progress, step_runner
from system.errors import UserError
from system.steps import Step


def run(
  options: PipelineOptions, show: Callable[[Iterable[str]], None]
) -> None:
  """Runs the pipeline, or resumes it.

  Args:
    options: the user's.
    show: prints lines; settings appear in them as `name`.

  Raises:
    UserError: as for `make_plan`, or a command failed.
    Stopped: on SIGTERM or Ctrl-C.
  """
  plan = make_plan(options)
  planned = stages.make(plan)
  show(announcement.before(plan, planned))
  if options.job.dry_run:
    return
  if not any(stage.step.is_done for stage in planned):
    folder.check_space(options.job.output_dir, stages.disk_bytes(plan))
  from training import run_lock  # It imports TensorFlow.

  with run_lock.held(options.job.output_dir):
    folder.claim(options)
    _write_commands(plan, planned)
    stages.drop_old_report(planned)
    log_dir = plan.path('logs')
    step_runner.run(_steps(plan, planned), log_dir, shows_output=True)
  show(announcement.after(plan))


def make_plan(options: PipelineOptions) -> Plan:
  """Reads the inputs, checks them and chooses values; writes nothing.

  Raises:
    UserError: an input is missing, malformed or does not fit another one,
      the numbers of train cannot be learned, or the folder belongs to another
      command.
  """
  options.check()
  folder.check(options)
  data = labelled.read(options.source)
  _check_numbers(data)
  found = models.find(options, data)
  with progress.announced('Measuring the texts'):
    # Here, because it imports TensorFlow, which takes seconds.
    from pipeline import text_statistics

    measured = text_statistics.measure(options.source, data, found)
  is_pretrained = options.models.start() is not None
  return Plan(
    options,
    data,
    measured,
    found,
    defaults.choose(options.choices, measured, found, is_pretrained),
    estimates.measured_rate(),
  )


def _check_numbers(data: Labelled) -> None:
  """Raises a `UserError` for numbers that no model of a pipeline learns.

  A training only warns: its user may choose other values.
  """
  if not data.is_regression:
    return
  numbers = [float(example.label) for example in data.splits['train']]
  mean, deviation = statistics.fmean(numbers), statistics.pstdev(numbers)
  if fault := data_report.fault_of_numbers(mean, deviation):
    raise UserError(fault)


def _steps(plan: Plan, planned: Sequence[Stage]) -> list[Step]:
  """Returns the steps, with their times in the titles.

  The record of the teacher warns of a weak one.
  """

  def warn(_: float | None) -> None:
    if text := summary.weaker_than_words(plan):
      logging.warning('%s', text)

  found = []
  for stage in planned:
    title = f'{stage.step.title} ({estimates.about(stage.seconds)})'
    step = dataclasses.replace(stage.step, title=title)
    if step.done == plan.result(TEACHER):
      step = dataclasses.replace(step, finish=warn)
    found.append(step)
  return found


def _write_commands(plan: Plan, planned: Sequence[Stage]) -> None:
  lines = ['#!/usr/bin/env bash', 'set -euo pipefail']
  lines += stages.commands(plan, planned)
  text = ''.join(f'{line}\n' for line in lines)
  local_files.write(plan.path('commands.sh'), text)
  local_files.write(plan.experiment_file, stages.experiment(plan) + '\n')
