"""Reads an experiment: what its report shows, and the results of its runs.

A folder with an experiment.json is an experiment; the other JSON files in it
are the results of its runs (`tools.run_result`). The folder's name is the
experiment's. The keys of experiment.json:

title, question  the heading, and one or two sentences below it
command          the shell command that repeats the experiment
figure           what the figure and the table show, see `Figure`
table            optional: {"rows": [...], "columns": ...}, names of the
                 figure's keys; by default the lines are the columns
paper            optional: published numbers, see `PaperScore`
paper_source     where they are published and how they were read
notes            optional: sentences below the figure
planned          optional: the keys of the planned runs, each once. What is
                 planned and has no result is named as missing; by default every
                 combination of the figure's values is planned
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from system import files
from system.errors import UserError, shown
from tools import run_result

_SCALES = ('category', 'log', 'linear')
Value = str | int | float


@dataclasses.dataclass(frozen=True)
class Figure:
  """Which keys of the results the axes of a figure stand for.

  Attributes:
    x: the key on the horizontal axis. A result without it holds for all of the
      axis, and is drawn as a horizontal line.
    metric: the score on the vertical axis.
    line: the key that divides the results into lines; None for a single one.
    panel: the key that divides them into panels; None for a single one.
    x_order, line_order, panel_order: the expected values, in this order. What
      has no result is named as missing. Other values follow.
    x_scale: one of 'category', 'log' and 'linear'.
    x_names: a key whose value names each x, such as the domain at a similarity.
    x_label, y_label: the axes' labels; by default made from the keys.
    connect: whether lines connect their points. Set it to false where the
      categories have no order.
  """

  x: str
  metric: str
  line: str | None = None
  panel: str | None = None
  x_order: tuple[Value, ...] = ()
  line_order: tuple[Value, ...] = ()
  panel_order: tuple[Value, ...] = ()
  x_scale: str = 'category'
  x_names: str | None = None
  x_label: str | None = None
  y_label: str | None = None
  connect: bool = True

  @property
  def keys(self) -> tuple[str, ...]:
    """The keys of panel, x and line, without those that are None."""
    return tuple(key for key in (self.panel, self.x, self.line) if key)


@dataclasses.dataclass(frozen=True)
class PaperScore:
  """A published score; `x` is null if it holds for all of the axis."""

  value: float
  x: Value | None = None
  line: Value | None = None
  panel: Value | None = None


@dataclasses.dataclass(frozen=True)
class Experiment:
  """An experiment.

  Attributes:
    name: the name of its folder and its files.
    rows: the keys of the table's rows.
    columns: the key of the table's columns; None if there is a single line.
    results: as `run_result.read_all` returns them.
    planned: the keys of the planned runs; None for all combinations.
  """

  name: str
  title: str
  question: str
  command: str
  figure: Figure
  rows: tuple[str, ...]
  columns: str | None
  paper: tuple[PaperScore, ...]
  paper_source: str
  notes: tuple[str, ...]
  results: tuple[Mapping[str, Any], ...]
  planned: tuple[Mapping[str, Any], ...] | None = None


def read_all(results_dir: str) -> list[Experiment]:
  """Reads the experiment in a folder, and those in its subfolders by name.

  Raises:
    UserError: there is none, or one is malformed.
  """
  top = pathlib.Path(results_dir)
  folders = [top, *sorted(path for path in top.glob('*') if path.is_dir())]
  found = [
    read(str(path))
    for path in folders
    if (path / run_result.EXPERIMENT_FILE).exists()
  ]
  if not found:
    raise UserError(
      f'--results_dir: no {run_result.EXPERIMENT_FILE} in {results_dir} or '
      'a folder in it'
    )
  return found


def read(folder: str) -> Experiment:
  """Reads an experiment and its results.

  Raises:
    UserError: a file is malformed; the message names it.
  """
  path = pathlib.Path(folder).resolve() / run_result.EXPERIMENT_FILE
  where = str(path)
  content = _object(files.read_json(where), where)
  allowed = {'title', 'question', 'command', 'figure'}
  optional = {'table', 'paper', 'paper_source', 'notes', 'planned'}
  _check_names(content, allowed, optional, where)
  figure = _figure(content['figure'], where)
  rows, columns = _table(content.get('table'), figure, where)
  return Experiment(
    name=path.parent.name,
    title=_text(content, 'title', where),
    question=_text(content, 'question', where),
    command=_text(content, 'command', where),
    figure=figure,
    rows=rows,
    columns=columns,
    paper=_paper(content.get('paper', []), figure, where),
    paper_source=_text(content, 'paper_source', where, default=''),
    notes=_texts(content.get('notes', []), 'notes', where),
    results=tuple(run_result.read_all(folder)),
    planned=_planned(content.get('planned'), where),
  )


def _planned(content: Any, where: str) -> tuple[Mapping[str, Any], ...] | None:
  if content is None:
    return None
  if not isinstance(content, list):
    raise UserError(f'{where}: planned must be a list, got {shown(content)}')
  return tuple(_object(entry, f'{where}: planned') for entry in content)


def _figure(content: Any, where: str) -> Figure:
  fields = {field.name: field for field in dataclasses.fields(Figure)}
  content = _object(content, f'{where}: figure')
  _check_names(content, {'x', 'metric'}, set(fields), f'{where}: figure')
  content = {k: v for k, v in content.items() if v is not None}
  for name, value in content.items():
    if name.endswith('_order'):
      content[name] = _values(value, f'figure.{name}', where)
    elif name == 'connect':
      if not isinstance(value, bool):
        raise UserError(
          f'{where}: figure.connect must be true or false, got {shown(value)}'
        )
    else:
      _text(content, name, where)
  figure = Figure(**content)
  if figure.x_scale not in _SCALES:
    raise UserError(
      f'{where}: figure.x_scale must be one of {", ".join(_SCALES)}, got '
      f'{shown(figure.x_scale)}'
    )
  if len(set(figure.keys)) < len(figure.keys):
    raise UserError(
      f'{where}: figure.x, line and panel must be three keys, got '
      f'{", ".join(figure.keys)}'
    )
  return figure


def _table(
  content: Any, figure: Figure, where: str
) -> tuple[tuple[str, ...], str | None]:
  """Returns the keys of the rows and of the columns."""
  if content is None:
    return tuple(k for k in figure.keys if k != figure.line), figure.line
  content = _object(content, f'{where}: table')
  _check_names(content, {'rows', 'columns'}, set(), f'{where}: table')
  rows = _texts(content['rows'], 'table.rows', where)
  columns = _text(content, 'columns', where)
  if sorted([*rows, columns]) != sorted(figure.keys):
    raise UserError(
      f"{where}: table must have the figure's keys, {', '.join(figure.keys)}, "
      f'as rows and columns, got {", ".join([*rows, columns])}'
    )
  return rows, columns


def _paper(content: Any, figure: Figure, where: str) -> tuple[PaperScore, ...]:
  if not isinstance(content, list):
    raise UserError(f'{where}: paper must be a list, got {shown(content)}')
  scores = []
  for entry in content:
    entry = _object(entry, f'{where}: paper')
    _check_names(entry, {'value'}, {'x', 'line', 'panel'}, f'{where}: paper')
    if not _is_number(entry['value']):
      raise UserError(
        f'{where}: the value of paper must be a number, got '
        f'{shown(entry["value"])}'
      )
    for name in ('line', 'panel'):
      if (entry.get(name) is None) != (getattr(figure, name) is None):
        raise UserError(
          f'{where}: paper must name {name} as figure does, got {shown(entry)}'
        )
    scores.append(PaperScore(**entry))
  return tuple(scores)


def _check_names(
  content: Mapping, required: set[str], optional: set[str], where: str
) -> None:
  if missing := sorted(required - content.keys()):
    raise UserError(f'{where}: {missing[0]} is missing')
  if unknown := sorted(content.keys() - required - optional):
    raise UserError(
      f'{where}: {unknown[0]} is unknown; expected '
      f'{", ".join(sorted(required | optional))}'
    )


def _object(value: Any, where: str) -> dict[str, Any]:
  if not isinstance(value, dict):
    raise UserError(f'{where}: expected a JSON object, got {shown(value)}')
  return value


def _text(
  content: Mapping, name: str, where: str, default: str | None = None
) -> str:
  value = content.get(name, default)
  if not isinstance(value, str) or (default is None and not value):
    raise UserError(f'{where}: {name} must be text, got {shown(value)}')
  return value


def _texts(value: Any, name: str, where: str) -> tuple[str, ...]:
  if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
    raise UserError(f'{where}: {name} must list texts, got {shown(value)}')
  return tuple(value)


def _values(value: Any, name: str, where: str) -> tuple[Value, ...]:
  if not isinstance(value, list) or not all(
    isinstance(x, str) or _is_number(x) for x in value
  ):
    raise UserError(
      f'{where}: {name} must list texts or numbers, got {shown(value)}'
    )
  return tuple(value)


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)
