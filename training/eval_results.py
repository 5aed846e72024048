"""Reads eval_results.txt; `training.result_files` writes it.

It imports little, for the tools that compare runs.
"""

from system import files
from system.errors import UserError, shown


def read(path: str) -> dict[str, float]:
  """Reads the scores of an evaluation, as any of the scripts wrote them.

  Returns:
    Name, without 'eval_' → value; `global_step` among them.

  Raises:
    UserError: a line has another form; it is shown.
  """
  values = {}
  for line in files.read_text(path).splitlines():
    name, _, value = line.partition(' = ')
    try:
      values[name.removeprefix('eval_')] = float(value)
    except ValueError:
      raise UserError(
        f'{path}: expected NAME = NUMBER, got {shown(line)}'
      ) from None
  return values
