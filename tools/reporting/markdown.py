"""The page of a report in Markdown, for repositories and terminals."""

from collections.abc import Sequence

from tools.reporting import page, tables
from tools.reporting.grid import Grid


def build(grids: Sequence[Grid]) -> str:
  """Returns the whole page; its figures are files next to it."""
  is_one = len(grids) == 1
  parts = [] if is_one else ['# Results', page.summary(grids)]
  for grid in grids:
    experiment = grid.experiment
    parts += [
      f'{"#" if is_one else "##"} {experiment.title}',
      experiment.question,
      *([page.summary(grids)] if is_one else []),
      f'![{page.alternative(grid)}]({experiment.name}.svg)',
      page.caption(grid),
      *experiment.notes,
      tables_of(grid).rstrip(),
      f'All runs: [{experiment.name}.csv]({experiment.name}.csv). This command '
      'repeats the experiment:',
      f'```shell\n{page.wrapped(experiment.command)}\n```',
    ]
  return '\n\n'.join(parts) + '\n'


def tables_of(grid: Grid) -> str:
  """Returns an experiment's tables and what they lack."""
  parts = [tables.as_markdown(tables.details(grid))]
  if (overview := tables.overview(grid)) is not None:
    parts.insert(0, tables.as_markdown(overview))
  if missing := tables.missing_text(grid):
    parts.append(missing + '\n')
  parts += [f'Left out: {omitted}.\n' for omitted in grid.omitted]
  return '\n'.join(parts)
