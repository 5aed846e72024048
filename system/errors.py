"""Exceptions that end a script without a traceback."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

# Messages show this many characters of a value, and values of a list.
_MAX_CHARACTERS = 60
_MAX_VALUES = 20


class UserError(ValueError):
  """A mistake in the user's input, settings or files.

  Scripts print the message without a traceback and exit with status 1. The
  message names the file, record or setting (`name` in backquotes, which scripts
  show as --name), what was received and what was expected. Any other exception
  that reaches a user is a bug.
  """


class Unavailable(UserError):
  """What a command needs is not available now, but may be later.

  Storage does not answer, another command uses the folder, or a step of the
  command was stopped. The message names it. Scripts exit with a status that
  asks for a restart, see `devices.restart`.
  """


class LostWorker(Exception):
  """Another worker of the job, or its TPU, is lost; the message says how.

  Scripts restart themselves, see `devices.restart`.
  """


class Stopped(Exception):
  """A run has stopped on request; the message names the step it saved.

  Scripts exit with a status that asks for a restart, see `cli.interrupt`.
  """


def reason_of(error: BaseException) -> str:
  """Returns an error's reason, without the parts meant for developers.

  TensorFlow writes '{{function_node ...}} the reason [Op:SaveV2] name: ',
  Python's file functions '[Errno 2] the reason: 'path''.
  """
  reason = getattr(error, 'message', None) or getattr(error, 'strerror', None)
  reason = reason or str(error)
  reason = re.sub(r'\{\{.*?\}\}\s*', '', reason)
  return re.sub(r'\s*\[Op:\w+\].*', '', reason, flags=re.DOTALL).strip()


def shown(value: Any) -> str:
  """Returns the beginning of a value for a message; text is quoted."""
  text = value if isinstance(value, str) else repr(value)
  start = text[:_MAX_CHARACTERS]
  start = repr(start) if isinstance(value, str) else start
  return start + '...' * (len(text) > _MAX_CHARACTERS)


def listed(values: Iterable[Any]) -> str:
  """Returns the first values of a list for a message, each as `shown`."""
  return few([shown(value) for value in values], _MAX_VALUES)


def few(items: Sequence[str], most: int = 5, separator: str = ', ') -> str:
  """Joins the first items for a message, and counts the rest.

  >>> few(['a', 'b', 'c', 'd'], most=2)
  'a, b and 2 more'
  """
  text, num_more = separator.join(items[:most]), len(items) - most
  return f'{text} and {num_more:,} more' if num_more > 0 else text
