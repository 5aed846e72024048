"""Makes an experiment a command, which makes what is missing of its runs.

  python -m recipes.paper.main_comparison --data_dir=DATA --scale=cpu

Runs with a result in RUNS_DIR are skipped. The same command resumes what was
interrupted. --list_commands only prints the commands.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from absl import flags

from cli import script
from recipes import kept_flags
from recipes.paper import chosen_runs, collection, plan_flags
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.stages import Stages
from system import step_runner
from system.steps import Step, to_run

FLAGS = flags.FLAGS
# As in `plan_flags`, which this module calls.
flags.disclaim_key_flags()

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
  kept_flags.check(_settings(plan), _deciding(plan.stages), _ADVICE)
  runs = experiment.runs(plan)  # Fails if files of the data are missing.
  chosen_runs.check(runs, FLAGS.only)
  # Another program may have run the commands.
  if FLAGS.collect and _record_finished(plan, runs):
    kept_flags.keep(_settings(plan), _deciding(plan.stages))
  if FLAGS.list_commands:
    left = to_run(_wanted(experiment.runs(plan)))
    script.show(step.shell_command() for step in left)
    return
  try:
    if not FLAGS.collect:
      _make(experiment, plan)
  finally:
    folder = plan.stages.path('experiments', _named(experiment.name, '-{}'))
    titled = dataclasses.replace(
      experiment, title=_named(experiment.title, ' ({})')
    )
    collection.collect(titled, experiment.runs(plan), folder)


def _make(experiment: Experiment, plan: Plan) -> None:
  """Makes the runs that have no result."""
  settings = _settings(plan)
  is_first = not os.path.exists(settings)
  kept_flags.keep(settings, _deciding(plan.stages))
  planned = to_run(_wanted(experiment.runs(plan)))
  try:
    # Later runs may depend on the results of earlier ones.
    while wanted := _wanted(experiment.runs(plan)):
      step_runner.run(wanted, plan.stages.path('logs'), FLAGS.jobs)
  finally:
    if is_first and planned and not any(step.is_done for step in planned):
      os.remove(settings)  # A corrected command may follow.


def _settings(plan: Plan) -> str:
  """Returns the path of the file with the flags of `_deciding`."""
  return plan.stages.path('settings.json')


def _deciding(stages: Stages) -> dict[str, Any]:
  """Returns the flags that decide what WORK_DIR gets, but are in no run's name.

  --encoders and --teacher_logits are left out if they are not given: the names
  of runs tell given encoders from others, and the logits are the teacher's.
  """
  given = {f'encoders={size}': x for size, x in stages.encoders.items()}
  given['data_dir'] = stages.data_dir
  if stages.teacher_logits:
    given['teacher_logits'] = stages.teacher_logits
  values = {name: os.path.realpath(path) for name, path in given.items()}
  values['scale'] = plan_flags.scale_name()
  values['teacher_encoder'] = stages.teacher_encoder and os.path.realpath(
    stages.teacher_encoder
  )
  return values


def _named(text: str, ending: str) -> str:
  """Returns a text with the --variant in an ending, if there is one."""
  return text + ending.format(FLAGS.variant) if FLAGS.variant else text


def _wanted(runs: Sequence[Run]) -> list[Step]:
  """Returns the steps of the runs of --only that have no result."""
  steps = [x.student.step for x in chosen_runs.choose(runs, FLAGS.only)]
  return [step for step in steps if not step.is_done]


def _record_finished(plan: Plan, runs: Sequence[Run]) -> bool:
  """Records runs that were not run by a list of steps and have no result yet.

  Those of a list are left to it: one may run at this moment. The folders stay:
  listed commands of other experiments may start from them.

  Returns:
    Whether there was such a run.
  """
  log_dir = plan.stages.path('logs')
  has_recorded = False
  for student in (run.student for run in runs):
    step = student.step
    is_ready = student.trained.is_done and all(n.is_done for n in step.needs)
    if (
      is_ready and not step.is_done and not step_runner.was_begun(step, log_dir)
    ):
      plan.students.kept.add(student.name)
      step.finish(None)
      has_recorded = True
  return has_recorded
