"""The page of a report: all experiments as one HTML file.

It needs no other file, no network and no JavaScript. Below each figure and its
tables, the page lists every run: its command, versions, hardware and time.
"""

import base64
import html
import importlib.resources
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.reporting import confusion, tables
from tools.reporting.grid import Cell, Grid, Place, keys_text
from tools.reporting.tables import Table

_NOT_RECORDED = 'not recorded'
_COMMAND_WIDTH = 90


def build(grids: Sequence[Grid], figures: Mapping[str, bytes]) -> str:
  """Returns the page.

  Args:
    grids: the experiments, in the page's order.
    figures: the name of an experiment → its figure, an SVG file.
  """
  title = grids[0].experiment.title if len(grids) == 1 else 'Results'
  parts = [f'<h1>{_text(title)}</h1>', f'<p>{_text(summary(grids))}</p>']
  if len(grids) > 1:
    parts.append(_contents(grids))
  for grid in grids:
    parts += _section(grid, figures[grid.experiment.name], len(grids) > 1)
  style = importlib.resources.files(__package__).joinpath('page.css')
  return _PAGE.format(
    title=_text(title),
    style=style.read_text(encoding='utf-8'),
    body='\n'.join(parts),
  )


def summary(grids: Sequence[Grid]) -> str:
  """Returns a sentence about the number of runs, and their time."""
  runs = _distinct(run for grid in grids for run in grid.experiment.results)
  timed = [run['seconds'] for run in runs if run['seconds'] is not None]
  text = f'{_number(len(runs), "run")} in {_number(len(grids), "experiment")}'
  if timed:
    text += f'; {tables.duration_text(sum(timed))} of computation'
    if len(timed) < len(runs):
      text += f' in the {_number(len(timed), "run")} whose time was recorded'
  missing = sum(cell.num_missing for grid in grids for cell in grid.missing)
  if missing:
    text += f'; {_number(missing, "result")} missing'
  return text + '.'


def _distinct(runs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
  """Returns the runs, once each: experiments may share some."""
  found = {}
  for run in runs:
    is_known = run['command'] and run['finished']
    key = (*run['command'], run['finished']) if is_known else object()
    found.setdefault(key, run)
  return list(found.values())


def wrapped(command: str) -> str:
  """Returns a command of the shell in lines that end before flags.

  >>> print(wrapped(f'python a.py --x={"1" * 40} --y={"2" * 40}'))
  python a.py --x=1111111111111111111111111111111111111111 \\
    --y=2222222222222222222222222222222222222222
  """
  lines = ['']
  for part in re.split(' (?=--)', command):
    if lines[-1] and len(lines[-1]) + len(part) > _COMMAND_WIDTH:
      lines[-1] += ' \\'
      lines.append(f'  {part}')
    else:
      lines[-1] += f' {part}' if lines[-1] else part
  return '\n'.join(lines)


def caption(grid: Grid) -> str:
  """Returns the caption of a figure."""
  text = 'Marks are single runs.'
  if any(len(cell.runs) > 1 for cell in grid.cells.values()):
    text = 'Marks are means over seeds.'
    text += ' Vertical lines span the lowest to the highest seed.'
  if grid.has_paper:
    text += ' Grey, hollow marks are the paper’s'
    source = grid.experiment.paper_source.rstrip('.')
    text += f' ({source}).' if source else '.'
  return text


def _contents(grids: Sequence[Grid]) -> str:
  items = [
    f'<li><a href="#{_id(g)}">{_text(g.experiment.title)}</a></li>'
    for g in grids
  ]
  return f'<nav><ol>{"".join(items)}</ol></nav>'


def _section(grid: Grid, figure: bytes, has_heading: bool) -> list[str]:
  experiment, name = grid.experiment, grid.experiment.name
  image = base64.b64encode(figure).decode()
  parts = [f'<section id="{_id(grid)}">']
  if has_heading:
    parts.append(f'<h2>{_text(experiment.title)}</h2>')
  parts += [
    f'<p>{_text(experiment.question)}</p>',
    f'<figure><img src="data:image/svg+xml;base64,{image}" '
    f'alt="{_text(alternative(grid))}">',
    f'<figcaption>{_text(caption(grid))}</figcaption></figure>',
    *[f'<p>{_text(note)}</p>' for note in experiment.notes],
  ]
  if missing := tables.missing_text(grid):
    parts.append(f'<p class="missing">{_text(missing)}</p>')
  for omitted in grid.omitted:
    parts.append(f'<p class="missing">Left out: {_text(omitted)}.</p>')
  if (overview := tables.overview(grid)) is not None:
    parts.append(_table(overview, grid))
  parts += [
    '<h3>All numbers</h3>',
    _table(tables.details(grid), grid),
    '<h3>Command, versions, hardware and time</h3>',
    '<p>This command repeats the experiment:</p>',
    f'<pre>{_text(wrapped(experiment.command))}</pre>',
    *[_cell(grid, cell) for cell in grid.cells.values() if cell.runs],
    '<p class="files">Files: '
    + ', '.join(
      f'<a href="{_text(name)}.{kind}">{_text(name)}.{kind}</a>'
      for kind in ('csv', 'md', 'svg', 'png')
    )
    + '</p></section>',
  ]
  return parts


def _table(table: Table, grid: Grid) -> str:
  lines = ['<div class="scroll"><table><thead><tr>']
  for i, text in enumerate(table.header):
    kind = 'key' if i < table.num_keys else 'number'
    lines.append(f'<th scope="col" class="{kind}">{_text(text)}</th>')
  lines.append('</tr></thead><tbody>')
  for i, row in enumerate(table.rows):
    place = table.places[i] if table.places else None
    has_runs = place is not None and grid.cells[place].runs
    lines.append('<tr>')
    for j, text in enumerate(row):
      content = _text(text)
      if has_runs and j == table.num_keys:
        content = f'<a href="#{_cell_id(grid, place)}">{content}</a>'
      tag = 'th scope="row"' if j < table.num_keys else 'td'
      mark = ' class="missing"' if text == tables.MISSING else ''
      lines.append(f'<{tag}{mark}>{content}</{tag[:2]}>')
    lines.append('</tr>')
  return ''.join([*lines, '</tbody></table></div>'])


def _cell(grid: Grid, cell: Cell) -> str:
  """Returns the runs of a cell, folded."""
  count = '1 run' if len(cell.runs) == 1 else f'{len(cell.runs)} runs'
  heading = (
    f'{tables.place_text(grid, cell.place)}: {tables.score_text(cell)}, {count}'
  )
  # A browser unfolds the runs if a link leads inside.
  runs = ''.join(_run(run, cell.metric) for run in cell.runs)
  return (
    f'<details><summary>{_text(heading)}</summary>'
    f'<div id="{_cell_id(grid, cell.place)}">{runs}</div></details>'
  )


def _run(run: Mapping[str, Any], metric: str) -> str:
  # A browser would break lines inside a flag, at its hyphens.
  words = [
    f'<span>{_text(shlex.quote(w))}</span>' for w in run['command'] or []
  ]
  score = f'{metric} {run["scores"][metric]:.4f} on {run["split"]}'
  others = ', '.join(
    f'{name} {value:.4g}'
    for name, value in run['scores'].items()
    if name != metric and value is not None
  )
  rows = {
    'other scores': others,
    'command': f'<code>python {" ".join(words)}</code>'
    if words
    else _NOT_RECORDED,
    'time': tables.duration_text(run['seconds']),
    'finished': run['finished'],
    'hardware': _hardware(run['hardware']),
    'versions': keys_text(run['versions'] or {}),
    'weights': _weights(run),
  }
  items = ''.join(
    f'<dt>{name}</dt><dd>'
    f'{text if name == "command" else _text(text or _NOT_RECORDED)}</dd>'
    for name, text in rows.items()
    if text or name != 'other scores'
  )
  heading = _text(f'{keys_text(run["keys"])}: {score}')
  matrix = run['confusion'] and confusion.as_html(run['confusion'])
  return f'<h4>{heading}</h4><dl>{items}</dl>{matrix or ""}'


def _hardware(hardware: Mapping[str, Any] | None) -> str:
  if not hardware:
    return ''
  parts = [f'{hardware.get("cores", "?")} cores of {hardware.get("cpu", "?")}']
  if megabytes := hardware.get('memory_megabytes'):
    parts.append(f'{megabytes / 1000:.0f} GB of memory')
  return ', '.join([*parts, *hardware.get('gpus', [])])


def _weights(run: Mapping[str, Any]) -> str:
  parts = []
  if run['checkpoint']:
    parts.append(f'CRC-32 of the ends {run["checkpoint"]}')
  if run['init_checkpoint']:
    parts.append(f'trained from SHA-256 {run["init_checkpoint"]}')
  return ', '.join(parts)


def alternative(grid: Grid) -> str:
  """Returns what a screen reader says for a figure."""
  figure = grid.experiment.figure
  return (
    f'{figure.metric} by {figure.x}'
    + (f' and {figure.line}' if figure.line else '')
    + '. The tables below have the same numbers.'
  )


def _number(number: int, noun: str) -> str:
  return f'{number:,} {noun}' + 's' * (number != 1)


def _id(grid: Grid) -> str:
  return _text(grid.experiment.name)


def _cell_id(grid: Grid, place: Place) -> str:
  return f'{_id(grid)}-{list(grid.cells).index(place) + 1}'


def _text(text: str) -> str:
  return html.escape(text)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
