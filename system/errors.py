"""The exceptions that mean: the user can mend this, or another start will."""

import re


class UserError(ValueError):
  """A mistake in the input, the flags or the files, told in one message.

  Scripts print the message without a traceback and exit with status 1. The
  message names the file, record or flag, says what was received and what was
  expected. Any other exception that reaches a user is a bug of ours.
  """


class LostWorker(Exception):
  """Another worker of a job has gone; the message says how it was noticed.

  Scripts start themselves again, see `devices.restart`.
  """


class Stopped(Exception):
  """A run was asked to stop, and has; the message says how far it has come.

  Scripts end with a status that asks for another start, see `cli.interrupt`.
  """


def reason_of(error: BaseException) -> str:
  """Returns why something failed, without what tells a user nothing.

  TensorFlow's messages read '{{function_node ...}} the reason [Op:SaveV2]
  name: ', those of Python's files '[Errno 2] the reason: 'path''.
  """
  reason = getattr(error, 'message', None) or getattr(error, 'strerror', None)
  reason = reason or str(error)
  reason = re.sub(r'\{\{.*?\}\}\s*', '', reason)
  return re.sub(r'\s*\[Op:\w+\].*', '', reason, flags=re.DOTALL).strip()
