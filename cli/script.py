"""Runs a script: flags, environment, log, error messages and exit status.

A script calls `define` of the module that holds its flags (the modules
`*_flags` of this package), and then `run`. Names, defaults and meanings of
flags are google-research/bert's; the help of other flags begins with 'Added'.
Nothing in this package imports TensorFlow before the flags are parsed and
checked.

Tested by `tests/cli/script_test.py` and `tests/cli/interrupt_test.py`.
"""

import atexit
import gc
import logging as std_logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from absl import app, flags, logging

from cli import flag_group, interrupt, run_flags
from devices import restart
from system import exit_status, stop_request
from system.errors import LostWorker, Stopped, Unavailable, UserError

FLAGS = flags.FLAGS

# Allocations between collections of Python's three generations. TensorFlow's
# import makes hundreds of thousands of objects that stay. With the default
# thresholds they are looked at again and again, which delays every start.
_GC_THRESHOLDS = (50_000, 10, 10)
# TensorFlow's modules that write to Absl's log what does not help a user, such
# as a line about sharding for every checkpoint.
_CHATTY_MODULES = (
  *['functional_saver', 'mirrored_strategy', 'cross_device_ops'],
  'collective_all_reduce_strategy',
)


_LONG_WORD = re.compile(r'\S{400,}')
# A value of the command line that is longer is cut in messages, and so is a
# message whose length has no other reason.
_MAX_VALUE = 400
_MAX_MESSAGE = 8000


def set_environment() -> None:
  """Sets variables that TensorFlow reads at import, unless the user did."""
  # Fast matrix products, and no warnings about missing GPUs.
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  # The Keras that the models use. Otherwise TensorFlow imports Keras 3 as well,
  # which takes long.
  os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')


def run(
  main: Callable[[list[str]], None],
  takes_words: bool = False,
  reads_records: bool = False,
) -> None:
  """Parses the flags, sets up the environment and calls a script's main.

  Args:
    main: gets the name of the script and the words that are not flags.
    takes_words: whether there may be such words.
    reads_records: whether the script trains on record files, of which it reads
      small parts.

  The process ends with one of these statuses: 0 if the job is done or help was
  requested; 1 for the user's mistake, which one message explains; 130 on
  Ctrl-C; 75, which asks for a restart, on SIGTERM, if another worker is lost
  for good, or if storage does not answer.
  """
  set_environment()
  if reads_records:
    # By default, TensorFlow fetches 64 MiB of a file of gs:// for each part.
    os.environ.setdefault('GCS_READ_CACHE_BLOCK_SIZE_MB', '1')
  gc.set_threshold(*_GC_THRESHOLDS)
  # Python's last collection would look at all objects once more, just before
  # the system frees all memory. It delays the end of every script.
  atexit.register(gc.freeze)
  logging.set_verbosity(logging.INFO)
  logging.use_absl_handler()
  logging.get_absl_handler().addFilter(_filter)

  def guarded(arguments: list[str]) -> None:
    if (words := arguments[1:]) and not takes_words:
      is_bool = any(word.lower() in ('true', 'false') for word in words)
      advice = '. Write --do_train=True, with an equals sign' * is_bool
      fail(f'these arguments are not flags: {" ".join(words)}{advice}')
    try:
      main(arguments)
    except Unavailable as error:
      fail(f'{error}; the same command resumes', exit_status.RESTART)
    except UserError as error:
      fail(str(error))
    except LostWorker as lost:
      if stop_request.was_made():
        raise Stopped(f'another worker is lost ({lost})') from lost
      restart.restart_or_exit(str(lost))

  interrupt.run(lambda: app.run(guarded, flags_parser=_parse_flags))


def _filter(record) -> bool:
  """Turns settings in a log record into flags; returns whether to log it.

  Below warnings only Absl's own logger may speak, which is this project's;
  --verbosity=1 shows its names of variables, not what libraries debug.
  """
  message = record.getMessage()
  if (shown := flag_group.as_flags(message)) != message:
    record.msg, record.args = shown, ()
  if record.levelno >= std_logging.WARNING:
    return True
  return record.name == 'absl' and record.module not in _CHATTY_MODULES


def _parse_flags(arguments: list[str]) -> list[str]:
  try:
    try:
      return run_flags.parse(arguments)
    finally:
      sys.stdout.flush()  # Of help.
  except UserError as error:
    fail(str(error))
  except BrokenPipeError:
    _discard_output()
    sys.exit(0)


def show(lines: Iterable[str], flushes: bool = False) -> None:
  """Prints lines until the reader, such as `head`, closes the pipe.

  Args:
    lines: the lines.
    flushes: whether the reader gets each line at once.
  """
  try:
    for line in lines:
      print(line, flush=flushes)
    sys.stdout.flush()
  except BrokenPipeError:
    _discard_output()


def _discard_output() -> None:
  """Sends further output nowhere, after the reader has closed the pipe."""
  # Python flushes once more at exit, which would fail, too.
  os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(message: str, status: int = 1) -> NoReturn:
  """Prints one message and ends the process with a status.

  Long values of the command line, words of 400 characters or more and the
  message itself are cut: a value may have a million characters.
  """
  sys.stdout.flush()
  text = flag_group.as_flags(_with_short_values(message))
  text = _cut(_LONG_WORD.sub(lambda match: _cut(match[0]), text), _MAX_MESSAGE)
  print(f'ERROR: {text}', file=sys.stderr, flush=True)
  sys.exit(status)


def _with_short_values(message: str) -> str:
  """Cuts the command line's long values, as they are and as Python's `repr`."""
  for argument in sys.argv[1:]:
    # In the form '--flag value' the argument is the value.
    value = argument.partition('=')[2] or argument
    if len(value) >= _MAX_VALUE:
      message = message.replace(value, _cut(value))
      message = message.replace(repr(value)[1:-1], repr(_cut(value))[1:-1])
  return message


def _cut(text: str, most: int = _MAX_VALUE) -> str:
  """Returns a text, or its ends and its length if it is longer than `most`."""
  if len(text) < most:
    return text
  head = most * 3 // 4
  return f'{text[:head]}...{text[-30:]} ({len(text):,} characters)'
