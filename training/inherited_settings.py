"""Settings that the user leaves out, from the folder of the model in use.

A folder records its vocabulary, its casing and its maximum input length. Does
not import TensorFlow for local folders. Tested by
`tests/cli/inherited_settings_test.py`.
"""

import dataclasses
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from absl import logging

from data.tasks.options import TaskOptions
from modeling.options import ModelOptions
from system.errors import UserError
from training import seed_folders
from training.options import Options

_LENGTH = 'max_seq_length'
_NAMES = ('vocab_file', 'do_lower_case', _LENGTH)
_FILES_OF_MODEL = ('init_checkpoint', 'bert_config_file', 'bert_size')

if TYPE_CHECKING:
  from modeling.checkpoints.location import Checkpoint
  from modeling.checkpoints.model_file import TaskRecord


def filled(options: Options, given: Collection[str]) -> Options:
  """Returns options completed by the files next to the model's weights.

  `vocab_file` is the vocab.txt there. `do_lower_case` and `max_seq_length` are
  those that the model was trained with; a script that reads records takes only
  the vocabulary. The first folder that records a setting gives it: that of the
  run to evaluate, of the teacher that makes a dump, of `init_checkpoint`.

  A custom task's `text_pair_column` and `regression` come from the model, too,
  or from the tool that split its table. A run that is evaluated also has its
  own configuration; files that only its recorded command names are not used.

  Args:
    options: all settings of a script.
    given: the names of the settings that the user gave; they stay.

  Raises:
    UserError: a file next to the model is malformed, or `text_pair_column` is
      given, but the model takes single texts.
  """
  reads_text = hasattr(options, 'tokenizer')
  group = 'tokenizer' if reads_text else 'vocabulary'
  names = _NAMES if reads_text else _NAMES[:1]
  options = dataclasses.replace(options, model=_model_of_run(options))
  groups = {'model': options.model, group: getattr(options, group)}
  known = [(each.folder, _known(each)) for each in _checkpoints(options)]
  for name in names:
    changed = 'model' if name == _LENGTH else group
    old = getattr(groups[changed], name)
    found = (
      (x, values[name]) for x, values in known if values[name] is not None
    )
    folder, value = next(found, ('', old))
    if value == old:
      continue
    if name not in given:
      logging.info('`%s`=%s, as %s says.', name, value, folder)
      new = dataclasses.replace(groups[changed], **{name: value})
      groups[changed] = new
    elif name == _LENGTH and not options.training.do_train:
      logging.warning(
        '`%s`=%s is used, but the model in %s was trained with %s.',
        *(name, old, folder, value),
      )
  options = dataclasses.replace(options, **groups)
  task = getattr(options, 'task', None)
  if not task or not task.task_name or not task.is_custom:
    return options
  task = _filled_task(options, given)
  if options.training.do_train:
    _warn_of_other_kind(options, task)
  return dataclasses.replace(options, task=task)


def known_names(options: Any) -> set[str]:
  """Returns the names of the settings that a model's folder gives."""
  known = map(_known, _checkpoints(options))
  return {name for x in known for name, value in x.items() if value is not None}


def run_to_evaluate(options: Any) -> 'Checkpoint | None':
  """Returns the checkpoint of the run in `output_dir`, if it is not trained."""
  # It imports NumPy, which --help does not need.
  from modeling.checkpoints.location import locate

  run = seed_folders.of_first_seed(options)
  if run.do_train or not run.output_dir:
    return None
  try:
    return locate(run.output_dir)
  except UserError:
    return None


def _model_of_run(options: Any) -> ModelOptions:
  """Returns the model's settings; those of a run to evaluate have its files.

  The recorded command of the run may name files that are gone, or are not where
  the folder was copied to.
  """
  model, run = options.model, run_to_evaluate(options)
  if not run or not (config := run.config()):
    return model
  model = dataclasses.replace(
    model, **dict.fromkeys(model.inherited & set(_FILES_OF_MODEL))
  )
  if any(getattr(model, name) for name in _FILES_OF_MODEL):
    return model
  return dataclasses.replace(model, bert_config_file=config[0])


def _filled_task(options: Any, given: Collection[str]) -> TaskOptions:
  """Returns a custom task's settings, completed by the model or the data.

  A model that is not trained further decides whether texts are pairs and
  whether labels are numbers; else the tool that wrote the splits does.
  """
  # The start of a training may be a model for another task.
  for checkpoint in _checkpoints(options, not options.training.do_train):
    content = checkpoint.model_record()
    if content and content.task:
      return task_of_model(options.task, content.task, checkpoint.folder, given)
  from data.tasks import split_folder

  task = options.task
  if task.data_source != 'files' or not task.data_dir:
    return task
  kind = split_folder.kind(task.data_dir)
  return of_kind(task, *kind, task.data_dir, given)


def _warn_of_other_kind(options: Any, task: TaskOptions) -> None:
  """Warns if a run trains a custom task's model on texts of another kind."""
  for checkpoint in _checkpoints(options):
    record = (content := checkpoint.model_record()) and content.task
    if not record or record.name != 'custom':
      continue
    kinds = (
      ('text_pair_column', record.is_pair, 'pairs of texts'),
      ('regression', not record.labels, 'numbers as labels'),
    )
    for name, has, what in kinds:
      if has and not getattr(task, name):
        logging.warning(
          'The model in %s was trained on %s, but this run is not. Is `%s` '
          'missing?',
          *(checkpoint.folder, what, name),
        )


def task_of_model(
  task: TaskOptions,
  record: 'TaskRecord',
  source: str,
  given: Collection[str] = (),
) -> TaskOptions:
  """Returns a custom task's settings, completed by the model for it.

  Args:
    task: the settings.
    record: the model's.
    source: the model's folder, for messages.
    given: the names of the settings that the user gave; they stay.

  Raises:
    UserError: `text_pair_column` is given, but the model takes single texts.
  """
  if task.text_pair_column and not record.is_pair:
    raise UserError(
      f'`text_pair_column`={task.text_pair_column} does not fit the model in '
      f'{source}, which takes single texts'
    )
  if record.labels and task.labels_file and 'labels_file' not in given:
    task = dataclasses.replace(task, labels_file=None)
  return of_kind(task, record.is_pair, not record.labels, source, given)


def of_kind(
  task: TaskOptions,
  is_pair: bool,
  is_regression: bool,
  source: str,
  given: Collection[str],
) -> TaskOptions:
  """Returns a custom task's settings, completed by the kind of its data.

  Args:
    task: the settings; if they give labels, the task is a classification.
    is_pair: whether texts are pairs.
    is_regression: whether labels are numbers.
    source: what says so, for messages.
    given: the names of the settings that the user gave; they stay.
  """
  from data.tasks import split_folder

  found = {
    'text_pair_column': split_folder.PAIR_COLUMN if is_pair else None,
    'regression': is_regression and not (task.labels or task.labels_file),
  }
  changes = {
    name: value
    for name, value in found.items()
    if value and not getattr(task, name) and name not in given
  }
  for name, value in changes.items():
    logging.info('`%s`=%s, as %s says.', name, value, source)
  return dataclasses.replace(task, **changes)


def _known(checkpoint: 'Checkpoint') -> dict[str, Any]:
  """Returns what the files next to a checkpoint say; None where nothing."""
  content = checkpoint.model_record()
  casing = checkpoint.casing()
  return {
    'vocab_file': checkpoint.vocab_file,
    'do_lower_case': casing and casing[1],
    'max_seq_length': content and content.max_seq_length,
  }


def _checkpoints(
  options: Any, with_start: bool = True
) -> Iterator['Checkpoint']:
  """Yields the models in use, `init_checkpoint` only `with_start`.

  One that is missing, damaged or contradictory is left out: the checks of the
  paths refuse it later, by the name of its setting.
  """
  # It imports NumPy, which --help does not need.
  from modeling.checkpoints.location import locate

  first = seed_folders.of_first_seed(options)
  dump = getattr(options, 'dump', None)
  paths = [
    None if first.do_train else first.output_dir,
    dump.teacher_checkpoint if dump and dump.do_dump_logits else None,
    options.model.init_checkpoint if with_start else None,
  ]
  for path in filter(None, paths):
    try:
      yield locate(path)
    except UserError:
      continue
