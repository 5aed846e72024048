"""Chooses some of an experiment's runs by their keys, for --only."""

from collections.abc import Sequence

from recipes.paper.experiment import Run
from system.errors import UserError


def check(runs: Sequence[Run], only: Sequence[str]) -> None:
  """Refuses choices that no run meets.

  Args:
    runs: of the experiment.
    only: of --only: column=value. Several values of a column are alternatives.

  Raises:
    UserError: a choice is malformed, no run has such a column or value, or no
      run has one of the values of each column.
  """
  for column, given in _columns(only).items():
    values = {str(run.keys[column]): None for run in runs if column in run.keys}
    if not values:
      columns = dict.fromkeys(column for run in runs for column in run.keys)
      raise UserError(f'--only={column}: expected one of {", ".join(columns)}')
    if unknown := given - values.keys():
      raise UserError(
        f'--only={column}={min(unknown)}: expected one of {", ".join(values)}'
      )
  if not choose(runs, only):
    raise UserError(f'--only={",".join(only)}: no run has all of these')


def choose(runs: Sequence[Run], only: Sequence[str]) -> list[Run]:
  """Returns the runs with one of the values of each column.

  Args:
    runs: as for `check`.
    only: as for `check`; empty for all runs.

  Raises:
    UserError: a choice is malformed.
  """
  columns = _columns(only).items()
  return [
    run
    for run in runs
    if all(str(run.keys.get(column)) in values for column, values in columns)
  ]


def _columns(only: Sequence[str]) -> dict[str, set[str]]:
  """Returns column → its values."""
  columns: dict[str, set[str]] = {}
  for text in only:
    column, equals, value = text.partition('=')
    if not equals:
      raise UserError(f'--only: expected column=value, got {text}')
    columns.setdefault(column, set()).add(value)
  return columns
