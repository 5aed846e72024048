"""Where this project is.

Tested by `tests/modeling/checkpoints/embedded_encoder_test.py`.
"""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def path(name: str) -> str:
  """Returns the path of one of the project's files or folders.

  Args:
    name: the path relative to the project.

  Returns:
    Just the name in the project's folder, where the scripts are usually run:
    commands with such a path are easier to read. Elsewhere, the whole path.
  """
  return name if os.getcwd() == ROOT else os.path.join(ROOT, name)
