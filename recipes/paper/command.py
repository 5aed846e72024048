"""Makes an experiment a command, which makes what is missing of its runs.

  python -m recipes.paper.main_comparison --data_dir=DATA --scale=cpu

Runs with a result in RUNS_DIR are skipped. The same command resumes what was
interrupted. --list_commands only prints the commands.
"""

import contextlib
import dataclasses
import glob
import os
from collections.abc import Sequence
from typing import Any

from absl import flags, logging

from cli import script
from recipes import kept_flags
from recipes.paper import chosen_runs, collection, plan_flags
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.stages import Stages
from recipes.paper.students import Student
from system import step_runner
from system.errors import UserError
from system.steps import Step, to_run

FLAGS = flags.FLAGS
# As in `plan_flags`, which this module calls.
flags.disclaim_key_flags()

# In a working folder or a folder of results: the flags of its first commands.
_SETTINGS = 'settings.json'
_ADVICE = (
  'Give another --work_dir and --runs_dir; or, if it is the same in another '
  'place, remove it from that file.'
)


def run(experiment: Experiment) -> None:
  """Runs an experiment's module as a command."""
  plan_flags.define_flags()
  script.run(lambda _: _main(experiment))


def _main(experiment: Experiment) -> None:
  plan = plan_flags.make_plan(experiment)
  deciding = _deciding(plan.stages)
  for path in _settings(plan):
    kept_flags.check(path, deciding, _ADVICE)
  runs = experiment.runs(plan)  # Fails if files of the data are missing.
  chosen_runs.check(runs, FLAGS.only)
  plan.students.check_starts([run.student for run in runs])
  only_lists = FLAGS.list_commands and not FLAGS.collect
  # Another program may have run listed commands.
  if not only_lists and _record_finished(plan, runs):
    _keep_settings(plan)
  if FLAGS.list_commands:
    left = to_run(_wanted(experiment, plan))
    script.show(step.shell_command() for step in left)
    return
  try:
    if not FLAGS.collect:
      _make(experiment, plan)
  finally:
    missing = [step for step in _first(experiment, plan) if not step.is_done]
    if not missing:
      _collect(experiment, plan)
  if missing:
    raise UserError(
      f'nothing was collected, because there is no {missing[0].done}; the '
      'command makes it without --collect'
    )


def _make(experiment: Experiment, plan: Plan) -> None:
  """Makes the runs that have no result."""
  new = [path for path in _settings(plan) if not os.path.exists(path)]
  _keep_settings(plan)
  planned = to_run(_wanted(experiment, plan))
  try:
    # Later runs may depend on the results of earlier ones.
    while wanted := _wanted(experiment, plan):
      plan.students.keep_folders()
      step_runner.run(wanted, plan.stages.path('logs'), FLAGS.jobs)
  finally:
    is_in_vain = planned and not any(step.is_done for step in planned)
    if is_in_vain and not _others(plan, planned):
      for path in new:
        with contextlib.suppress(FileNotFoundError):
          os.remove(path)  # A corrected command may follow.


def _others(plan: Plan, planned: Sequence[Step]) -> bool:
  """Returns whether another command has begun a step that is not planned."""
  logs = plan.stages.path('logs')
  own = {
    os.path.join(logs, step_runner.seconds_file(f'{step.name}.log'))
    for step in planned
  }
  pattern = os.path.join(glob.escape(logs), '**', '*.seconds.json')
  return bool({*glob.glob(pattern, recursive=True)} - own)


def _collect(experiment: Experiment, plan: Plan) -> None:
  """Writes what the report needs of the results that there are."""
  folder = plan.stages.path('experiments', _named(experiment.name, '-{}'))
  titled = dataclasses.replace(
    experiment, title=_named(experiment.title, ' ({})')
  )
  collection.collect(titled, experiment.runs(plan), folder)


def _settings(plan: Plan) -> list[str]:
  """Returns the paths of the files with the flags of `_deciding`."""
  folders = [plan.stages.work_dir]
  if FLAGS.runs_dir:  # It may be that of several working folders.
    folders.append(FLAGS.runs_dir)
  paths = [os.path.join(folder, _SETTINGS) for folder in folders]
  return list({os.path.realpath(path): path for path in paths}.values())


def _keep_settings(plan: Plan) -> None:
  for path in _settings(plan):
    kept_flags.keep(path, _deciding(plan.stages))


def _deciding(stages: Stages) -> dict[str, Any]:
  """Returns the flags that decide what WORK_DIR gets, but are in no run's name.

  --encoders is left out if it is not given: the names of runs tell given
  encoders from others.
  """
  paths = {
    **{f'encoders={size}': x for size, x in stages.encoders.items()},
    'data_dir': stages.data_dir,
    'teacher_encoder': stages.teacher_encoder,
    'teacher_logits': stages.teacher_logits,
  }
  return {
    **{name: path and os.path.realpath(path) for name, path in paths.items()},
    'scale': plan_flags.scale_name(),
  }


def _named(text: str, ending: str) -> str:
  """Returns a text with the --variant in an ending, if there is one."""
  return text + ending.format(FLAGS.variant) if FLAGS.variant else text


def _wanted(experiment: Experiment, plan: Plan) -> list[Step]:
  """Returns the steps of the runs of --only that have no result."""
  chosen = chosen_runs.choose(experiment.runs(plan), FLAGS.only)
  steps = [*_first(experiment, plan), *(run.student.step for run in chosen)]
  return [step for step in steps if not step.is_done]


def _first(experiment: Experiment, plan: Plan) -> list[Step]:
  return experiment.first(plan) if experiment.first else []


def _record_finished(plan: Plan, runs: Sequence[Run]) -> bool:
  """Records finished runs that have no result yet.

  Those that a list of steps makes at this moment are left to it. The folders
  stay: listed commands of other experiments may start from them.

  Returns:
    Whether there was such a run.
  """
  log_dir = plan.stages.path('logs')
  has_recorded = False
  for student in (run.student for run in runs):
    step = student.step
    is_ready = student.trained.is_done and all(n.is_done for n in step.needs)
    if step.is_done or not is_ready:
      continue
    with step_runner.unless_running(step, log_dir) as is_free:
      if is_free and not step.is_done:
        has_recorded |= _record(plan, student)
  return has_recorded


def _record(plan: Plan, student: Student) -> bool:
  """Records a run; returns whether its files were complete."""
  plan.students.kept.add(student.name)
  try:
    student.step.finish(None)
  except UserError as error:
    logging.warning('%s has no result: %s', student.name, error)
    return False
  step_runner.forget_tries(student.step, plan.stages.path('logs'))
  return True
