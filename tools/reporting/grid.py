"""Arranges an experiment's results: the cells of its figure and its table.

A cell holds the runs that differ in nothing but the seed.
"""

import collections
import dataclasses
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from system.errors import UserError, listed
from tools.reporting.experiments import Experiment, Figure, Value

_SEED = 'seed'


class Place(NamedTuple):
  """Where a cell is. `x` is None for a line that is constant over the axis.

  `panel` and `line` are None if the figure has a single one.
  """

  panel: Value | None
  x: Value | None
  line: Value | None


@dataclasses.dataclass(frozen=True)
class Cell:
  """The runs at one place.

  Attributes:
    place: the place.
    metric: the score of interest.
    runs: the results, by seed; those without the score are left out.
    paper: the published score; None if there is none.
    num_planned: how many runs there should be.
  """

  place: Place
  metric: str
  runs: tuple[Mapping[str, Any], ...]
  paper: float | None
  num_planned: int = 1

  @property
  def num_missing(self) -> int:
    """The number of planned runs that have no result."""
    return max(self.num_planned - len(self.runs), 0)

  @property
  def is_missing(self) -> bool:
    """Whether there is no run although one is planned."""
    return bool(self.num_planned) and not self.runs

  @property
  def values(self) -> tuple[float, ...]:
    """The score of each run; empty if the cell is missing."""
    return tuple(run['scores'][self.metric] for run in self.runs)

  @property
  def mean(self) -> float:
    """The mean score."""
    return statistics.fmean(self.values)

  @property
  def parameters(self) -> int | None:
    """The number of the models' parameters, if recorded."""
    return next(iter(self._recorded('parameters')), None)

  @property
  def examples_per_second(self) -> float | None:
    """The median speed of prediction, if measured."""
    return _median(self._recorded('examples_per_second'))

  @property
  def seconds(self) -> float | None:
    """The median wall time of a run, if measured."""
    return _median(self._recorded('seconds'))

  def _recorded(self, field: str) -> list:
    return [run[field] for run in self.runs if run[field] is not None]


@dataclasses.dataclass(frozen=True)
class Grid:
  """All cells of an experiment, missing ones included.

  Attributes:
    experiment: the experiment.
    panels, xs, lines: the values in the order of the report. `panels` and
      `lines` are (None,) if the figure has a single one.
    names: x → its name, see `Figure.x_names`.
    cells: place → cell, by panel, then x, then line; None comes after the xs.
    omitted: what was left out because it lacks the score.
    splits: the splits of the scores.
  """

  experiment: Experiment
  panels: tuple[Value | None, ...]
  xs: tuple[Value, ...]
  lines: tuple[Value | None, ...]
  names: Mapping[Value, str]
  cells: Mapping[Place, Cell]
  omitted: tuple[str, ...]
  splits: tuple[str, ...]

  @property
  def missing(self) -> list[Cell]:
    """The cells that lack a planned run."""
    return [cell for cell in self.cells.values() if cell.num_missing]

  @property
  def has_paper(self) -> bool:
    """Whether there is any published score."""
    return any(cell.paper is not None for cell in self.cells.values())


def arrange(experiment: Experiment) -> Grid:
  """Sorts results into cells.

  Raises:
    UserError: a result lacks a key, two results of a cell have the same seed or
      differ in another key, the split or the model's size, no result has
      the score, or a numeric axis gets text.
  """
  figure = experiment.figure
  runs, omitted = _group(experiment)
  paper = {Place(s.panel, s.x, s.line): s.value for s in experiment.paper}
  planned = None
  if experiment.planned is not None:
    planned = collections.Counter(
      _place({'keys': keys}, figure, experiment.name)
      for keys in experiment.planned
    )
  places = [*runs, *(planned or ()), *paper]
  panels, lines = (None,), (None,)
  if figure.panel:
    panels = _ordered(figure.panel_order, (p.panel for p in places))
  if figure.line:
    lines = _ordered(figure.line_order, (p.line for p in places))
  xs = _ordered(figure.x_order, (p.x for p in places if p.x is not None))
  _check_scale(experiment, xs)
  flat = {p.line for p in places if p.x is None} if xs else {*lines}
  expected = [
    Place(panel, x, line)
    for panel in panels
    for x in (*xs, None)
    for line in lines
    if Place(panel, x, line) in {*places}
    or (planned is None and (x is None) == (line in flat))
  ]
  cells = {
    place: Cell(
      place,
      figure.metric,
      tuple(runs.get(place, ())),
      paper.get(place),
      1 if planned is None else planned[place],
    )
    for place in expected
  }
  for cell in cells.values():
    _check_cell(cell, experiment)
  return Grid(
    experiment,
    panels,
    xs,
    lines,
    _names(experiment),
    cells,
    omitted,
    tuple(sorted({run['split'] for run in experiment.results})),
  )


def _group(
  experiment: Experiment,
) -> tuple[dict[Place, list[Mapping[str, Any]]], tuple[str, ...]]:
  """Returns the runs of each place, and a sentence per run without score."""
  figure, groups, omitted = experiment.figure, {}, []
  for run in experiment.results:
    place = _place(run, figure, experiment.name)
    if run['scores'].get(figure.metric) is None:
      omitted.append(f'{keys_text(run["keys"])} has no {figure.metric}')
    else:
      groups.setdefault(place, []).append(run)
  if omitted and not groups:
    raise UserError(
      f'{experiment.name}: no result has the score {figure.metric}; the first '
      f'has {", ".join(experiment.results[0]["scores"])}'
    )
  for runs in groups.values():
    runs.sort(key=lambda run: _natural(run['keys'].get(_SEED, 0)))
  return groups, tuple(omitted)


def _place(run: Mapping[str, Any], figure: Figure, name: str) -> Place:
  keys = run['keys']
  for key in (figure.panel, figure.line):
    if key and key not in keys:
      raise UserError(f'{name}: the result of {keys_text(keys)} has no {key}')
  return Place(
    keys[figure.panel] if figure.panel else None,
    keys.get(figure.x),
    keys[figure.line] if figure.line else None,
  )


def _check_cell(cell: Cell, experiment: Experiment) -> None:
  seeds: dict[Any, Mapping] = {}
  for run in cell.runs:
    seed = run['keys'].get(_SEED)
    if seed in seeds:
      raise UserError(
        f'{experiment.name}: these results have the same place and seed: '
        f'{keys_text(seeds[seed]["keys"])}; {keys_text(run["keys"])}'
      )
    seeds[seed] = run
  names = dict.fromkeys(name for run in cell.runs for name in run['keys'])
  for name in names:
    values = dict.fromkeys(run['keys'].get(name) for run in cell.runs)
    if name != _SEED and len(values) > 1:
      raise UserError(
        f'{experiment.name}: the results of {place_text(cell.place)} differ in '
        f'{name}, which experiment.json does not put on an axis: '
        f'{listed(values)}. Runs of one place may differ in the seed only.'
      )
  if len(splits := sorted({run['split'] for run in cell.runs})) > 1:
    raise UserError(
      f'{experiment.name}: the scores of {place_text(cell.place)} are of '
      f'different splits: {", ".join(splits)}'
    )
  sizes = {r['parameters'] for r in cell.runs if r['parameters'] is not None}
  if len(sizes) > 1:
    shown = ', '.join(f'{size:,}' for size in sorted(sizes))
    raise UserError(
      f'{experiment.name}: the models of {place_text(cell.place)} have '
      f'different sizes: {shown} parameters'
    )


def _check_scale(experiment: Experiment, xs: Sequence[Value]) -> None:
  figure = experiment.figure
  lowest = {'log': 0, 'linear': float('-inf')}.get(figure.x_scale)
  for x in xs:
    if lowest is not None and (isinstance(x, str) or x <= lowest):
      raise UserError(
        f'{experiment.name}: {figure.x} {x!r} does not fit x_scale '
        f'{figure.x_scale}'
      )


def _names(experiment: Experiment) -> dict[Value, str]:
  figure = experiment.figure
  return {
    run['keys'][figure.x]: str(run['keys'][figure.x_names])
    for run in experiment.results
    if figure.x in run['keys'] and figure.x_names in run['keys']
  }


def _ordered(first: Iterable, values: Iterable) -> tuple:
  """Returns each value once: `first` as given, the others sorted."""
  others = sorted(set(values) - set(first), key=_natural)
  return (*dict.fromkeys(first), *others)


def _natural(value: Value | None) -> list[tuple[bool, float, str]]:
  """Returns a key that sorts numbers in text by size: 2/128 before 12/768."""
  if isinstance(value, int | float):
    return [(False, float(value), '')]
  parts = re.split(r'(\d+(?:\.\d+)?)', str(value))
  return [
    (i % 2 == 0, float(part) if i % 2 else 0.0, part)
    for i, part in enumerate(parts)
    if part
  ]


def keys_text(keys: Mapping[str, Any]) -> str:
  """Returns keys as text, 'method PD, seed 1'."""
  return ', '.join(f'{name} {value}' for name, value in keys.items())


def place_text(place: Place) -> str:
  """Returns a place as text, 'SST-2, 2/128, PD'."""
  return ', '.join(value_text(v) for v in place if v is not None) or 'all'


def value_text(value: Value | None) -> str:
  """Returns a value of a key; large whole numbers get thousands separators."""
  if isinstance(value, int) and value >= 1000:
    return f'{value:,}'
  return 'any' if value is None else str(value)


def _median(values: Sequence[float]) -> float | None:
  return statistics.median(values) if values else None
