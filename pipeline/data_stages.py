"""The stages around the models: split, bag of words, records, report.

Tested by `tests/pipeline/stages_test.py`.
"""

import os
from collections.abc import Callable

from data.tasks.split_options import SplitOptions
from pipeline.plan import BAG_OF_WORDS, Plan, Stage
from system import local_files, settings
from system.steps import Step, flag_words

# These stages are mostly imports.
SHORT_SECONDS = 15.0
REPORT = 'report'


def split(plan: Plan) -> Stage:
  """Splits the table."""
  values = {}
  for each in settings.declared_in(SplitOptions):
    value = getattr(plan.options.source, each.name)
    if value != each.default:
      values[each.name] = value
  command = ('-m', 'tools.split_table', *flag_words(values))
  command += (f'--output_dir={plan.data_dir}',)
  sizes = ', '.join(
    f'{name} {plan.texts.num[name]:,}' for name in plan.labelled.splits
  )
  # If the folder is removed, the table is split again.
  done = os.path.join(plan.data_dir, 'split.done')
  title = f'splits the table: {sizes}'
  step = Step('split', command, done, finish=_marker(done), title=title)
  return Stage(step, SHORT_SECONDS)


def _marker(path: str) -> Callable[[float], None]:
  """Returns what writes an empty file when a command is done."""
  return lambda _: local_files.write(path, '')


def bag_of_words(plan: Plan, needs: tuple[Step, ...]) -> Stage:
  """Scores the floor for all models."""
  command = (
    *('-m', 'tools.bag_of_words', f'--data_dir={plan.data_dir}'),
    *flag_words(dict(plan.labelled.columns)),
    f'--results_dir={plan.results_dir}',
    f'--keys=method={BAG_OF_WORDS},seed={plan.options.job.seed}',
  )
  done = plan.result(BAG_OF_WORDS)
  title = 'scores a bag of words, which the models should beat'
  step = Step(BAG_OF_WORDS, command, done, needs, title=title)
  return Stage(step, SHORT_SECONDS)


def record(
  plan: Plan, method: str, run: Step, model_dir: str | None = None
) -> Stage:
  """Records the scores of a model's run.

  Args:
    plan: the plan.
    method: the model's.
    run: the step that scored it.
    model_dir: the model, if it is not in the run's folder.
  """
  done = plan.result(method)
  command = (
    *('-m', 'tools.record_result', f'--run_dir={plan.folder(method)}'),
    *flag_words({'model_dir': model_dir}),
    f'--results_dir={plan.results_dir}',
    f'--keys=method={method},seed={plan.options.job.seed}',
    f'--split={plan.labelled.scored_split}',
    f'--name={os.path.basename(done)}',
  )
  title = f'records the scores ({method})'
  step = Step(f'{method}-result', command, done, (run,), title=title)
  return Stage(step, SHORT_SECONDS)


def report(plan: Plan, needs: tuple[Step, ...]) -> Stage:
  """Writes the page of results."""
  folder = plan.path('report')
  command = (
    *('-m', 'tools.report', f'--results_dir={plan.results_dir}'),
    f'--output_dir={folder}',
  )
  done = os.path.join(folder, 'index.html')
  title = 'writes the page of results'
  return Stage(Step(REPORT, command, done, needs, title=title), SHORT_SECONDS)
