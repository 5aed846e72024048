"""Settings that the user leaves out, from the folder of the model in use.

A folder knows its vocabulary, its casing and its longest input. Does not import
TensorFlow for local folders. Tested by `tests/cli/model_settings_test.py`.
"""

import dataclasses
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from absl import logging

from system.errors import UserError
from training import seed_folders
from training.options import Options

_LENGTH = 'max_seq_length'
_NAMES = ('vocab_file', 'do_lower_case', _LENGTH)

if TYPE_CHECKING:
  from modeling.checkpoints.location import Checkpoint


def filled(options: Options, given: Collection[str]) -> Options:
  """Returns options completed by the files beside the model's weights.

  `vocab_file` is the vocab.txt there. `do_lower_case` and `max_seq_length` are
  those that the model was trained with; a script that reads records takes the
  vocabulary alone. The first folder that knows a setting gives it: that of the
  run to evaluate, of the teacher that makes a dump, of `init_checkpoint`.

  Args:
    options: all settings of a script.
    given: the names of the settings that the user gave; they stay.
  """
  reads_text = hasattr(options, 'tokenizer')
  group = 'tokenizer' if reads_text else 'vocabulary'
  names = _NAMES if reads_text else _NAMES[:1]
  groups = {'model': options.model, group: getattr(options, group)}
  for name in names:
    changed = 'model' if name == _LENGTH else group
    old = getattr(groups[changed], name)
    folder, value = _first_known(options, name, old)
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
  return dataclasses.replace(options, **groups)


def _first_known(options: Any, name: str, default: Any) -> tuple[str, Any]:
  """Returns the first folder that knows a setting, and its value."""
  for checkpoint in _checkpoints(options):
    value = _known(checkpoint)[name]
    if value is not None:
      return checkpoint.folder, value
  return '', default


def _known(checkpoint: 'Checkpoint') -> dict[str, Any]:
  """Returns what the files beside a checkpoint say; None where nothing."""
  content = checkpoint.description()
  casing = checkpoint.casing()
  return {
    'vocab_file': checkpoint.vocab_file,
    'do_lower_case': casing and casing[1],
    'max_seq_length': content and content.max_seq_length,
  }


def _checkpoints(options: Any) -> Iterator['Checkpoint']:
  """Yields the models in use.

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
    options.model.init_checkpoint,
  ]
  for path in filter(None, paths):
    try:
      yield locate(path)
    except UserError:
      continue
