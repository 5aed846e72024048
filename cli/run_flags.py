"""Records the command that started a run, and repeats it with --from_run.

run.json records the script and the flags that were given to it. Flags of the
current command override the recorded ones. A recorded flag that has no effect
in the current command is not an error.
"""

import dataclasses
import os
import re
import sys

from absl import flags

from modeling.checkpoints import run_files
from modeling.checkpoints.run_files import RUN_FILE
from system import files
from system.errors import UserError
from system.settings import setting

FLAGS = flags.FLAGS

# A flag of the command replaces its alternative in the recorded ones.
_ALTERNATIVES = {
  'bert_config_file': 'bert_size',
  'bert_size': 'bert_config_file',
  'labels': 'labels_file',
  'labels_file': 'labels',
}
_FLAGFILE = re.compile('--?flagfile=(.+)', re.DOTALL)


@dataclasses.dataclass(frozen=True)
class _Command:
  """Properties of the current command that Absl's FLAGS lack.

  Attributes:
    script: the script's name, such as 'run_classifier'.
    inherited: the names of the flags that only --from_run gives.
  """

  script: str = ''
  inherited: frozenset[str] = frozenset()


_command = _Command()


@dataclasses.dataclass(frozen=True)
class RunOptions:
  """The run to start again."""

  from_run: str | None = setting(
    None,
    'Added: the folder of a run, or its run.json: starts the run again with '
    'the flags recorded there. Flags of this command override them, for '
    'example --output_dir.',
  )


def parse(arguments: list[str]) -> list[str]:
  """Parses a command line, and the flags of the run that --from_run names.

  Args:
    arguments: as `sys.argv`; the script's name comes first.

  Returns:
    The script's name, and the arguments that are not flags.

  Raises:
    UserError: a flag is unknown or its value is illegal, an argument is not
      UTF-8, --flagfile is not text, or --from_run names no run of this script.
  """
  global _command
  script = os.path.basename(arguments[0]).removesuffix('.py')
  rest = _parse(arguments)
  given = {name for name in FLAGS if FLAGS[name].present}
  _command = _Command(script)
  # Mistakes in the command's own flags are reported before those in run.json.
  if 'from_run' in given and (path := FLAGS.from_run):
    recorded = [
      flag
      for flag in _recorded_flags(path, script)
      if not given & {_ALTERNATIVES.get(_name_of(flag))}
    ]
    try:
      _parse([arguments[0], *recorded, *arguments[1:]])
    except UserError as error:
      raise UserError(f'--from_run={path}: {error}') from error
    now = {name for name in FLAGS if FLAGS[name].present}
    _command = _Command(script, frozenset(now - given))
  return rest


def _name_of(flag: str) -> str:
  return flag.lstrip('-').partition('=')[0]


def _parse(arguments: list[str]) -> list[str]:
  for argument in arguments:
    _require_utf8(argument)
    if match := _FLAGFILE.fullmatch(argument):
      # Absl would read a pipe, or a device such as /dev/zero, for ever.
      files.require_file(match[1], '--flagfile')
      files.open_stream(match[1]).close()
  try:
    return FLAGS(arguments)
  except SystemExit:
    # Absl has printed --help, and would end with status 1.
    sys.exit(0)
  except UnicodeDecodeError as error:
    raise UserError(
      f'--flagfile: expected UTF-8 text, one flag per line: {error}'
    ) from error
  except flags.Error as error:
    # Absl writes 'ERROR:: Unable to open flagfile'.
    raise UserError(str(error).removeprefix('ERROR:: ')) from error


def _require_utf8(argument: str) -> None:
  """Raises a `UserError` if TensorFlow and JSON could not take an argument."""
  try:
    argument.encode()
  except UnicodeEncodeError:
    raise UserError(f'this argument is not UTF-8: {ascii(argument)}') from None


def _recorded_flags(path: str, script: str) -> list[str]:
  if files.is_folder(path):
    path = os.path.join(path, RUN_FILE)
  files.require_file(path, '--from_run')
  if (recorded := run_files.recorded_command(files.read_json(path))) is None:
    raise UserError(f'--from_run: {path} does not record the flags of its run')
  recorded_script, recorded_flags = recorded
  if recorded_script != script:
    raise UserError(
      f'--from_run: {path} records a run of {recorded_script}.py, not of '
      f'{script}.py'
    )
  return recorded_flags


def is_inherited(name: str) -> bool:
  """Returns whether --from_run gives a flag and the command does not."""
  return name in _command.inherited


def command(**changes: object) -> dict[str, object]:
  """Returns the script and those flags that differ from defaults or are given.

  `run.json` records them.

  Args:
    **changes: values that replace the flags' own, by name.
  """
  ours = [
    flag
    for module, defined in FLAGS.flags_by_module_dict().items()
    if not module.startswith('absl')
    for flag in defined
  ]
  given = {}
  for flag in ours:
    value = changes.get(flag.name, flag.value)
    if flag.name != 'from_run' and (flag.present or value != flag.default):
      is_changed = flag.name in changes
      given[flag.name] = (
        f'--{flag.name}={value}' if is_changed else flag.serialize()
      )
  return {
    'script': _command.script,
    'flags': [text for _, text in sorted(given.items()) if text],
  }
