"""What a pipeline says before it starts, and at its end.

Tested by `tests/pipeline/announcement_test.py`.
"""

import collections
import dataclasses
import shlex
from collections.abc import Sequence

from data.tasks import custom, data_report, table_split
from pipeline import estimates, stages, summary
from pipeline.plan import DISTILLED, Plan, Stage
from system.errors import listed


def before(plan: Plan, planned: Sequence[Stage]) -> list[str]:
  """Returns the lines that say what will happen, why, and for how long.

  Args:
    plan: the plan.
    planned: its stages.
  """
  values = []
  for field in dataclasses.fields(plan.choices):
    choice = getattr(plan.choices, field.name)
    if choice is not None:
      values.append(f'  {field.name} {choice.value:g}: {choice.reason}')
  return [
    *_inputs(plan),
    *('', 'Chosen values (each has a flag)', *values),
    *('', 'Commands'),
    *(f'  {line}' for line in stages.commands(plan, planned)),
    *('', 'Stages', *_stages(planned)),
    _total(plan, planned),
    '',
  ]


def _inputs(plan: Plan) -> list[str]:
  texts, teacher, labelled = plan.texts, plan.models.teacher, plan.labelled
  sizes = ', '.join(f'{name} {texts.num[name]:,}' for name in labelled.splits)
  kind = (
    'numbers' if labelled.is_regression else f'{len(labelled.labels)} labels'
  )
  transfer = f'{texts.num["transfer"]:,} texts'
  if not plan.options.source.transfer_file and not teacher.manifest:
    transfer += (
      ', only those of train; `transfer_file` would add unlabelled ones'
    )
  start = plan.options.models
  student = start.start() or f'{start.bert_size}, from random weights'
  if start.is_embedded:
    student += ', the pre-trained BERT-Tiny that comes with this project'
  return [
    'Inputs',
    f'  labelled texts: {sizes}; {kind}',
    f'  all methods are scored on {labelled.scored_split}',
    f'  the student is distilled on {transfer}',
    f'  teacher: {teacher.path}, {teacher.kind}'
    + (f'; {teacher.note}' if teacher.note else ''),
    f'  student: {student}',
    *(f'  WARNING: {fault}' for fault in _faults(plan)),
  ]


def _faults(plan: Plan) -> list[str]:
  """Words what is probably a mistake in the data."""
  labels, splits = plan.labelled.labels, plan.labelled.splits.values()
  counts = collections.Counter(e.label for own in splits for e in own)
  rare = [x for x in labels if counts[x] < table_split.MIN_TEXTS]
  faults = custom.similar(labels)
  if rare:
    faults.append(
      f'These labels have fewer than {table_split.MIN_TEXTS} texts: '
      f'{listed(rare)}'
    )
  unknown = data_report.fault_of_unknown('train', plan.texts.unknown_share)
  return faults + ([unknown] if unknown else [])


def _stages(planned: Sequence[Stage]) -> list[str]:
  lines = []
  for number, stage in enumerate(planned, 1):
    time = 'done' if stage.step.is_done else estimates.about(stage.seconds)
    lines.append(f'  {number:2}. {stage.step.title} ({time})')
  return lines


def _total(plan: Plan, planned: Sequence[Stage]) -> str:
  left = [stage for stage in planned if not stage.step.is_done]
  if not left:
    return 'All stages are done.'
  time = estimates.about(stages.total_seconds(planned))
  size = stages.disk_bytes(plan) / 1e9
  return (
    f'{len(left)} of {len(planned)} stages are left: {time} on the CPU if it '
    f'stays as busy as it is now. The models take up to {size:.1f} GB in '
    f'{plan.options.job.output_dir}.'
  )


def after(plan: Plan) -> list[str]:
  """Returns the lines of the final table and what to do next."""
  lines = [
    *('', f'Scores on {plan.labelled.scored_split}'),
    *(f'  {line}' for line in summary.table(plan)),
    '',
  ]
  if warning := summary.weaker_than_words(plan):
    lines += [f'WARNING: {warning}', '']
  lines += [f'Report: {plan.path("report", "index.html")}', '']
  folder = shlex.quote(plan.folder(DISTILLED))
  return [
    *lines,
    f'The small model is the folder {plan.folder(DISTILLED)}. Label your own '
    'lines with',
    f'  python -m tools.predict --model_dir={folder} < FILE',
  ]
