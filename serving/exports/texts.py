"""The texts that an export is compared on, and the run's own dev set.

Tested by `tests/serving/exports/texts_test.py`.
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
from system import files, settings, text_files
from system.errors import UserError
from training import model_settings

# The maximum number of texts of a dev set on which an export is compared. Of a
# larger set it is every second text, or every third, and so on.
_MAX_DEV_TEXTS = 2000
# Used if neither a file nor the run's dev set is available.
_BUILT_IN = (
  'A gentle, funny and moving film.',
  'two hours and 17 minutes of my life, wasted!',
  'The quick brown fox jumps over the lazy dog.',
  "I don't know whether it's good or bad; perhaps it's both.",
  'Anarchism is a political philosophy that advocates stateless societies.',
  'Returns the indices of the maximum values along an axis (see numpy.argmax).',
  'Prices rose 3.5% to $1,234.56 on 24 October 2018.',
  'Ein größerer Überblick: Äpfel, Öl und Übermut.',
  'Le café du théâtre où naïveté rime avec déjà-vu.',
  'El niño comió piñas; ¿quién lo diría?',
  '我喜欢这部电影，但是太长了。',
  '東京は日本の首都です。',
  'Москва — столица России.',
  'the the the the the the the the the the the the the the the the the the '
  'the the the the the the the the the the the the the the the the the the '
  'the the the the the the the the the the the the the the the the the the '
  'the the the the the the the the the the the the the the the the the the',
  'x',
  '',
)


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


def choose(
  parts: Parts, text_file: str | None, dev: DevSet | None
) -> tuple[str, list[Text]]:
  """Returns what the texts are, for the report, and the texts.

  Args:
    parts: the model.
    text_file: one text per line; a pair's texts are separated by a tab. Blank
      lines at the end are left out. None for texts that are spread over the dev
      set, at most `_MAX_DEV_TEXTS`, or else built-in texts.
    dev: the run's dev set; None if it is not available.

  Raises:
    UserError: a line is not one text, or not a pair.
  """
  if text_file:
    return text_file, list(_read(text_file, bool(parts.takes_pairs)))
  if dev:
    found = dev.texts
    step = -(-len(found) // _MAX_DEV_TEXTS)
    source = f'the dev set of {dev.task.name}'
    if step > 1:
      source += f' with {len(found):,} texts, one in {step:,}'
    return source, found[:: step or 1]
  texts: list[Text] = list(_BUILT_IN)
  if parts.takes_pairs:
    texts = list(zip(texts[:-1], texts[1:-1] + texts[:1], strict=True))
  return f'{len(texts)} built-in texts', texts


def _read(path: str, are_pairs: bool):
  files.require_file(path, '`text_file`')
  lines = text_files.without_blank_end(text_files.read_lines(path))
  for number, line in enumerate(lines, 1):
    texts = tuple(line.split('\t'))
    if not are_pairs:
      yield line
    elif len(texts) == 2:
      yield texts
    else:
      raise UserError(
        f'{path}, line {number}: found {len(texts)} texts, expected two, '
        'separated by a tab'
      )


def dev_set(parts: Parts, data_dir: str | None = None) -> DevSet:
  """Reads the dev set of the run that trained a model.

  Args:
    parts: the model. run.json next to it describes the task; without run.json,
      as of an imported model, model.json and the defaults do.
    data_dir: where the task's files are now; None for the run's own
      `data_dir`, relative to the working directory. Needed without run.json.

  Raises:
    UserError: the run's task is unknown, or its data is not available.
  """
  path, flags = _recorded_flags(parts)
  folder = os.path.dirname(path)
  content = parts.checkpoint.description()
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
    raise UserError(f'{path} names no task')
  options = TaskOptions(**given)
  options.check()
  if options.is_custom and record:
    # The model has the labels: the file that run.json names may be gone.
    kept = given.keys() - ({'labels_file'} if record.labels else set())
    options = model_settings.task_of_model(options, record, folder, kept)
    # A copy may lack labels.txt.
    if not options.labels and not label_order.find(label_folders):
      options = dataclasses.replace(options, labels=record.labels)
  task = make_task(options, label_folders)
  return DevSet(task, task.read_split(options.data_dir, 'dev'))


def dev_set_at_hand(parts: Parts, data_dir: str | None = None) -> DevSet | None:
  """Returns what `dev_set` does; None, and warns, if it is not available.

  A pre-training run has none, which is no reason for a warning.

  Raises:
    UserError: it is not in the given `data_dir`.
  """
  flags = _recorded_flags(parts)[1]
  if not data_dir and flags and 'task_name' not in _task_settings(flags):
    return None
  try:
    return dev_set(parts, data_dir)
  except UserError as error:
    if data_dir:
      raise
    logging.warning("The run's dev set is not used: %s", error)
    return None


def run_flags(parts: Parts) -> dict[str, str]:
  """Returns the flags of the run that trained a model, name → value.

  There are none if they are not recorded.
  """
  return run_files.flag_values(_recorded_flags(parts)[1] or ())


def run_dumps(parts: Parts) -> list[Any]:
  """Returns the fingerprints of the dumps that a model was distilled on."""
  configuration = _run_json(parts)[1].get('configuration')
  is_object = isinstance(configuration, dict)
  return (configuration.get('dumps') or []) if is_object else []


def _run_json(parts: Parts) -> tuple[str, dict[str, Any]]:
  """Returns the path of run.json and its content; {} if there is none."""
  folder = run_files.of_checkpoint(parts.checkpoint.folder)
  return os.path.join(folder, run_files.RUN_FILE), run_files.read(folder)


def _recorded_flags(parts: Parts) -> tuple[str, list[str] | None]:
  """Returns the path of run.json, and the flags that it records."""
  path, values = _run_json(parts)
  command = run_files.recorded_command(values)
  return path, command and command[1]


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
