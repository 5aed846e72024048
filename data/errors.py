"""The one exception that means: the user can mend this."""


class UserError(ValueError):
  """A mistake in the input, the flags or the files, told in one message.

  Scripts print the message without a traceback and exit with status 1. The
  message names the file, record or flag, says what was received and what was
  expected. Any other exception that reaches a user is a bug of ours.
  """
