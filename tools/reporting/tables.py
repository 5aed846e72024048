"""The tables of an experiment, as rows of text, Markdown and CSV."""

import csv
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tools.reporting.grid import Cell, Grid, Place, value_text

MISSING = 'missing'
_ANY = 'any'
_OBJECTS = ('confusion', 'versions', 'hardware')


class Table(NamedTuple):
  """A table of text.

  Attributes:
    header: the columns' names.
    rows: the texts of each row.
    num_keys: how many columns, from the left, name the row.
    places: for each row, the cell that it describes; empty if a row holds
      several cells.
  """

  header: list[str]
  rows: list[list[str]]
  num_keys: int
  places: list[Place]


def overview(grid: Grid) -> Table | None:
  """Returns the table of means, by rows and columns of the experiment.

  Each column with a published score is followed by one of these scores.

  Returns:
    None if the figure has a single line; `details` then says the same.
  """
  experiment = grid.experiment
  if experiment.columns is None:
    return None
  order = _fields(grid)
  columns = _distinct(grid, (order[experiment.columns],))
  row_fields = tuple(order[key] for key in experiment.rows)
  published = {
    _pick(cell.place, (order[experiment.columns],))
    for cell in grid.cells.values()
    if cell.paper is not None
  }
  cells = {
    (_pick(p, row_fields), _pick(p, (order[experiment.columns],))): cell
    for p, cell in grid.cells.items()
  }
  header = list(experiment.rows)
  for column in columns:
    header.append(value_text(column[0]))
    header += ['paper'] if column in published else []
  rows = []
  for row in _distinct(grid, row_fields):
    texts = [
      _key_text(grid, key, value)
      for key, value in zip(experiment.rows, row, strict=True)
    ]
    for column in columns:
      cell = cells.get((row, column))
      texts.append(_mean_and_spread(cell) if cell else '')
      if column in published:
        texts.append(_paper_text(cell) if cell else '')
    rows.append(texts)
  return Table(header, rows, len(experiment.rows), [])


def details(grid: Grid) -> Table:
  """Returns the table with a row for each cell, missing ones included.

  Columns of which nothing was recorded are left out, and so are cells that have
  only a published score if `overview` shows them.
  """
  metric = ' '.join([', '.join(grid.splits), grid.experiment.figure.metric])
  cells = [
    cell
    for cell in grid.cells.values()
    if cell.runs or cell.num_planned or grid.experiment.columns is None
  ]
  keys = {
    key: [_key_text(grid, key, cell.place[i]) for cell in cells]
    for key, i in _fields(grid).items()
  }
  numbers = {
    metric.strip(): [score_text(cell) for cell in cells],
    'lowest–highest': [_spread_text(cell) for cell in cells],
    'seeds': [_seeds(cell) for cell in cells],
    'paper': [_paper_text(cell) for cell in cells],
    'parameters': [_count(cell.parameters) for cell in cells],
    'examples/s': [_count(cell.examples_per_second) for cell in cells],
    'time per run': [duration_text(cell.seconds) for cell in cells],
  }
  columns = keys | {name: t for name, t in numbers.items() if any(t)}
  rows = [list(row) for row in zip(*columns.values(), strict=True)]
  return Table(list(columns), rows, len(keys), [cell.place for cell in cells])


def as_markdown(table: Table) -> str:
  """Returns a table whose columns are aligned in its source, too."""
  header = [_escaped(text) for text in table.header]
  rows = [[_escaped(text) for text in row] for row in table.rows]
  widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
  rule = [
    '-' * max(3, width) if i < table.num_keys else '-' * max(2, width - 1) + ':'
    for i, width in enumerate(widths)
  ]
  lines = [header, rule, *rows]
  return ''.join(f'{_line(line, widths, table.num_keys)}\n' for line in lines)


def missing_text(grid: Grid) -> str:
  """Returns a sentence that names the missing runs; '' if there is none."""
  whole = [
    line
    for line in grid.lines
    if line is not None
    and all(c.is_missing for c in grid.cells.values() if c.place.line == line)
  ]
  names = [f'{value_text(line)} (no run at all)' for line in whole]
  names += [
    place_text(grid, cell.place)
    + (f' ({cell.num_missing} of {cell.num_planned} seeds)' * bool(cell.runs))
    for cell in grid.missing
    if cell.place.line is None or cell.place.line not in whole
  ]
  return f'Missing, no result yet: {"; ".join(names)}.' if names else ''


def runs_csv(results: Sequence[Mapping[str, Any]]) -> str:
  """Returns every run with all keys, scores and other fields, as CSV."""
  keys = list(dict.fromkeys(k for run in results for k in run['keys']))
  keys.sort(key=lambda key: key == 'seed')
  scores = sorted({name for run in results for name in run['scores']})
  plain = ['parameters', 'examples_per_second', 'seconds', 'finished']
  plain += ['checkpoint', 'init_checkpoint']
  # Most experiments recorded no confusion matrix.
  is_shown = any(run['confusion'] for run in results)
  objects = [n for n in _OBJECTS if n != 'confusion' or is_shown]
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  writer.writerow([*keys, 'split', *scores, *plain, 'command', *objects])
  for run in results:
    row = [run['keys'].get(key) for key in keys] + [run['split']]
    row += [run['scores'].get(name) for name in scores]
    row += [run[name] for name in plain]
    row += [shlex.join(run['command'] or [])]
    row += [json.dumps(run[n]) if run[n] else '' for n in objects]
    writer.writerow(row)
  return file.getvalue()


def score_text(cell: Cell) -> str:
  """Returns the mean with three decimals; `MISSING`, or '' if not planned."""
  if cell.is_missing:
    return MISSING
  return f'{cell.mean:.3f}' if cell.runs else ''


def _spread_text(cell: Cell) -> str:
  """Returns the lowest and the highest score; '' of fewer than two runs."""
  if len(cell.runs) < 2:
    return ''
  return f'{min(cell.values):.3f}–{max(cell.values):.3f}'


def _paper_text(cell: Cell) -> str:
  """Returns the published score; '' if there is none."""
  return '' if cell.paper is None else f'{cell.paper:.3f}'


def duration_text(seconds: float | None) -> str:
  """Returns a duration as '1 h 05 min', '5 min 12 s' or '9.4 s'; '' if None."""
  if seconds is None:
    return ''
  if round(seconds, 1) < 60:
    return f'{seconds:.1f} s'
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours} h {minutes:02} min' if hours else f'{minutes} min {rest} s'


def place_text(grid: Grid, place: Place) -> str:
  """Returns a place as text, 'SST-2, 2/128, PD'."""
  texts = [
    _key_text(grid, key, place[i])
    for key, i in _fields(grid).items()
    if place[i] is not None
  ]
  return ', '.join(texts) or _ANY


def _key_text(grid: Grid, key: str, value: Any) -> str:
  """Returns the value of a key; an x with its name, '0.82, books'."""
  if key != grid.experiment.figure.x:
    return value_text(value)
  if value is None:
    return _ANY
  name = grid.names.get(value)
  return f'{value_text(value)}, {name}' if name else value_text(value)


def _fields(grid: Grid) -> dict[str, int]:
  """Returns the figure's keys and their positions in a `Place`."""
  figure = grid.experiment.figure
  keys = (figure.panel, figure.x, figure.line)
  return {key: i for i, key in enumerate(keys) if key}


def _pick(place: Place, fields: Sequence[int]) -> tuple:
  return tuple(place[i] for i in fields)


def _distinct(grid: Grid, fields: Sequence[int]) -> list[tuple]:
  """Returns the values of some fields in the cells, each once, in order."""
  orders = (grid.panels, (*grid.xs, None), grid.lines)
  found = {_pick(place, fields) for place in grid.cells}
  return sorted(
    found,
    key=lambda t: [orders[i].index(v) for i, v in zip(fields, t, strict=True)],
  )


def _mean_and_spread(cell: Cell) -> str:
  """Returns the mean, the spread, and the number of seeds if some lack."""
  seeds = f'{_seeds(cell)} seeds' if cell.num_missing else ''
  details = '; '.join(filter(None, [_spread_text(cell), seeds]))
  return score_text(cell) + (f' ({details})' if cell.runs and details else '')


def _seeds(cell: Cell) -> str:
  """Returns the number of runs, and of how many if some lack."""
  number = str(len(cell.runs))
  is_part = cell.runs and cell.num_missing
  return f'{number} of {cell.num_planned}' if is_part else number


def _count(number: float | None) -> str:
  return '' if number is None else f'{number:,.0f}'


def _escaped(text: str) -> str:
  return text.replace('|', '\\|').replace('\n', ' ')


def _line(texts: Sequence[str], widths: Sequence[int], num_keys: int) -> str:
  padded = [
    text.ljust(width) if i < num_keys else text.rjust(width)
    for i, (text, width) in enumerate(zip(texts, widths, strict=True))
  ]
  return f'| {" | ".join(padded)} |'
