"""How every script runs, and how it refuses flags.

A script calls `define` of the groups of flags that it needs (the modules
`*_flags` beside this one), adopts them so that its own --help shows them, and
calls `run`. Names, defaults and meanings are google-research/bert's; what was
added says so in its help. Nothing in this package imports TensorFlow before
the flags are parsed and checked.
"""

import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from absl import app, flags, logging

from cli import flag_group, interrupt, run_flags
from devices import restart
from system.errors import LostWorker, Stopped, UserError
from training import stop_request

FLAGS = flags.FLAGS

# Modules of TensorFlow that log what tells a user nothing, such as the sharding
# of every checkpoint.
_CHATTERING = (
  *['functional_saver', 'mirrored_strategy', 'cross_device_ops'],
  'collective_all_reduce_strategy',
)


def set_environment() -> None:
  """Sets what TensorFlow reads when it is imported, if the user has not."""
  # Its fast matrix products, and silence about GPUs that are not there.
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')


def run(main: Callable[[list[str]], None]) -> None:
  """Runs a script: flags, environment, and one line for a user's mistake.

  The process ends with status 0 where all is done or help was asked for, 1 for
  a mistake of the user's, told in one message, 130 on Ctrl-C, and 75, which
  asks for another start, on SIGTERM or where another worker is lost for good.
  """
  set_environment()
  logging.set_verbosity(logging.INFO)
  logging.use_absl_handler()
  logging.get_absl_handler().addFilter(_filter)

  def guarded(arguments: list[str]) -> None:
    if len(arguments) > 1:
      fail(f'these arguments are no flags: {" ".join(arguments[1:])}')
    try:
      main(arguments)
    except UserError as error:
      fail(str(error))
    except LostWorker as lost:
      if stop_request.was_made():
        raise Stopped(f'another worker is lost ({lost})') from lost
      restart.restart_or_exit(str(lost))

  interrupt.run(lambda: app.run(guarded, flags_parser=_parse_flags))


def _filter(record) -> bool:
  """Writes settings in a log line as flags; drops TensorFlow's chatter."""
  message = record.getMessage()
  if (shown := flag_group.as_flags(message)) != message:
    record.msg, record.args = shown, ()
  return record.module not in _CHATTERING or record.levelname != 'INFO'


def _parse_flags(arguments: list[str]) -> list[str]:
  try:
    return run_flags.parse(arguments)
  except (flags.Error, UserError) as error:
    fail(str(error))


def show(lines: Iterable[str]) -> None:
  """Prints lines; who reads them (`head`) may have enough before the end."""
  try:
    for line in lines:
      print(line)
    sys.stdout.flush()
  except BrokenPipeError:
    # Python flushes once more when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(message: str) -> NoReturn:
  """Prints one message and ends the process with status 1."""
  sys.stdout.flush()
  print(f'ERROR: {flag_group.as_flags(message)}', file=sys.stderr, flush=True)
  sys.exit(1)
