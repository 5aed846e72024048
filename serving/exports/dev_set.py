"""The dev set of the run that trained a model, and other facts of the run.

Tested by `tests/serving/exports/dev_set_test.py`.
"""

import csv
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from absl import logging

from data.tasks import label_order
from data.tasks.examples import Example
from data.tasks.options import TaskOptions, make_task
from data.tasks.task import Task
from modeling.checkpoints import location, run_files
from serving.exports.parts import Parts
from serving.text_model import Text
from system import settings
from system.errors import UserError
from training import inherited_settings


@dataclasses.dataclass(frozen=True)
class DevSet:
  """The labelled examples that a run evaluates on.

  Attributes:
    task: the run's task.
    examples: those of dev, with labels.
  """

  task: Task
  examples: Sequence[Example]

  @property
  def texts(self) -> list[Text]:
    """The texts of the examples, or the pairs."""
    if not self.task.is_pair:
      return [example.text_a for example in self.examples]
    return [(example.text_a, example.text_b) for example in self.examples]


def read(parts: Parts, data_dir: str | None = None) -> DevSet:
  """Reads the dev set of the run that trained a model.

  Args:
    parts: the model. run.json next to it describes the task; without run.json,
      as of an imported model, model.json and the defaults do.
    data_dir: where the task's files are now; None for the run's own
      `data_dir`, relative to the working directory. Needed without run.json.

  Raises:
    UserError: the run's task is unknown, or its data is not available.
  """
  flags = _recorded_flags(parts)
  folder = run_files.of_checkpoint(parts.checkpoint.folder)
  content = parts.checkpoint.model_json()
  record = content.task if content else None
  label_folders = location.label_folders(parts.checkpoint.prefix)
  if flags is not None:
    given = _task_settings(flags)
  elif record and data_dir:
    given = {'task_name': record.name}
  else:
    raise UserError(
      f'there is no run.json of a run in {folder}'
      + ': give `data_dir`, the folder of the task that model.json names'
      * bool(record)
    )
  if data_dir:
    given['data_dir'] = data_dir
  if not given.get('task_name'):
    run_file = os.path.join(folder, run_files.RUN_FILE)
    raise UserError(f'{run_file} names no task')
  options = TaskOptions(**given)
  options.check()
  if options.is_custom and record:
    # The model has the labels: the file that run.json names may be gone.
    kept = given.keys() - ({'labels_file'} if record.labels else set())
    options = inherited_settings.task_of_model(options, record, folder, kept)
    # A copy may lack labels.txt.
    if not options.labels and not label_order.find(label_folders):
      options = dataclasses.replace(options, labels=record.labels)
  task = make_task(options, label_folders)
  return DevSet(task, task.read_split(options.data_dir, 'dev'))


def read_if_available(
  parts: Parts, data_dir: str | None = None
) -> DevSet | None:
  """Returns what `read` does; None, and warns, if it is not available.

  A pre-training run has none, which is no reason for a warning.

  Raises:
    UserError: it is not in the given `data_dir`.
  """
  flags = _recorded_flags(parts)
  if not data_dir and flags and 'task_name' not in _task_settings(flags):
    return None
  try:
    return read(parts, data_dir)
  except UserError as error:
    if data_dir:
      raise
    logging.warning("The run's dev set is not used: %s", error)
    return None


def _recorded_flags(parts: Parts) -> list[str] | None:
  """Returns the flags of the run that trained a model, if run.json has them."""
  run = run_files.read(run_files.of_checkpoint(parts.checkpoint.folder))
  command = run_files.recorded_command(run)
  return command and command[1]


def _task_settings(flags: Sequence[str]) -> dict[str, Any]:
  """Reads the task's settings in the flags that run.json records."""
  given: dict[str, Any] = {}
  kinds = {x.name: x.kind for x in settings.declared_in(TaskOptions)}
  for flag in flags:
    name, has_value, value = flag.lstrip('-').partition('=')
    if has_value and kinds.get(name) is str:
      given[name] = value
    elif has_value and kinds.get(name) is tuple:
      given[name] = _items(name, value)
    elif kinds.get(name) is bool:
      given[name] = True
  return given


def _items(name: str, value: str) -> tuple[str, ...]:
  """Reads a list as absl records it: '"no, thanks",yes' has two items."""
  try:
    items = next(csv.reader([value], strict=True))
  except csv.Error as error:
    raise UserError(
      f'run.json: --{name}={value} is not a list of values: {error}'
    ) from error
  return tuple(item.strip() for item in items)
