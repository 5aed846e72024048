"""The marks of a figure: lines, spreads, seeds and published scores.

Every line has its own colour, marker and dash pattern, so that it can be told
apart in grey, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tools.reporting.grid import Cell, Grid, Value, value_text

# The palette of Okabe and Ito, in an order in which neighbours differ in
# luminance.
COLOURS = (
  *('#0072B2', '#E69F00', '#000000', '#009E73', '#56B4E9', '#D55E00'),
  '#CC79A7',
)
_MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X')
_DASHES = (
  '-',
  '--',
  '-.',
  ':',
  (0, (5, 1, 1, 1, 1, 1)),
  (0, (8, 2)),
  (0, (1, 1)),
)
_PAPER_COLOUR = '0.55'
# Points between two lines at a category, and between the first and the last.
_MAX_STEP = 6.0
_MAX_SPREAD = 26.0


class Style(NamedTuple):
  """How a line is drawn."""

  colour: str
  marker: str
  dashes: Any


def style_of(index: int) -> Style:
  """Returns the style of the line with this index."""
  return Style(
    COLOURS[index % len(COLOURS)],
    _MARKERS[index % len(_MARKERS)],
    _DASHES[index % len(_DASHES)],
  )


def draw_line(axes: Any, grid: Grid, cells: Sequence[Cell], index: int) -> None:
  """Draws one line: its published scores, spreads, seeds and means.

  Args:
    axes: Matplotlib's.
    grid: the experiment.
    cells: those of the line in this panel.
    index: the line's.
  """
  style = style_of(index)
  moved = axes.transData + _offset(axes, grid, index)
  for cell in cells:
    if cell.place.x is None:
      _draw_level(axes, cell, style)
  at = [
    (position(grid, cell.place.x), cell)
    for cell in cells
    if cell.place.x is not None
  ]
  paper = [(x, cell.paper) for x, cell in at if cell.paper is not None]
  if paper:
    axes.plot(
      *zip(*paper, strict=True),
      style.marker,
      **_hollow(8),
      transform=moved,
      zorder=2,
    )
  for x, cell in at:
    _draw_spread(axes, x, cell, style.colour, moved)
  means = [(x, cell.mean) for x, cell in at if cell.runs]
  if means:
    connects = grid.experiment.figure.connect and grid.lines != (None,)
    axes.plot(
      *zip(*sorted(means), strict=True),
      marker=style.marker,
      linestyle=style.dashes if connects else 'none',
      color=style.colour,
      transform=moved,
      zorder=4,
    )


def _draw_spread(
  axes: Any, x: float, cell: Cell, colour: str, transform: Any
) -> None:
  """Draws a line from the lowest to the highest score, a tick for each."""
  if len(cell.runs) < 2:
    return
  axes.plot(
    [x] * 2,
    [min(cell.values), max(cell.values)],
    color=colour,
    linewidth=1,
    transform=transform,
    zorder=3,
  )
  axes.plot(
    [x] * len(cell.values),
    cell.values,
    '_',
    color=colour,
    markersize=9,
    transform=transform,
    zorder=3,
  )


def _draw_level(axes: Any, cell: Cell, style: Style) -> None:
  """Draws a score that holds for the whole axis as a horizontal line."""
  across = axes.get_yaxis_transform()
  if cell.paper is not None:
    axes.axhline(cell.paper, color=_PAPER_COLOUR, linewidth=1, linestyle=':')
    axes.plot(
      0.985, cell.paper, style.marker, **_hollow(8), transform=across, zorder=2
    )
  if not cell.runs:
    return
  axes.axhline(cell.mean, color=style.colour, linestyle=style.dashes, zorder=2)
  axes.plot(
    0.015, cell.mean, style.marker, color=style.colour, transform=across
  )
  _draw_spread(axes, 0.015, cell, style.colour, across)
  if len(cell.runs) > 1:
    axes.axhspan(
      min(cell.values), max(cell.values), color=style.colour, alpha=0.1, lw=0
    )


def position(grid: Grid, x: Value) -> float:
  """Returns the coordinate of an x."""
  is_category = grid.experiment.figure.x_scale == 'category'
  return grid.xs.index(x) if is_category else x


def legend(grid: Grid) -> list[Any]:
  """Returns a handle for each line, the seeds and the published scores."""
  from matplotlib.lines import Line2D

  handles = []
  if grid.lines != (None,):
    connects = grid.experiment.figure.connect
    for index, line in enumerate(grid.lines):
      style = style_of(index)
      handles.append(
        Line2D(
          [],
          [],
          color=style.colour,
          marker=style.marker,
          linestyle=style.dashes if connects else 'none',
          label=value_text(line),
        )
      )
  if any(len(cell.runs) > 1 for cell in grid.cells.values()):
    plain = {'color': '0.2', 'linestyle': 'none'}
    handles.append(
      Line2D([], [], marker='_', markersize=9, label='each seed', **plain)
    )
  if grid.has_paper:
    handles.append(
      Line2D([], [], marker='o', label=_paper_label(grid), **_hollow(8))
    )
  return handles


def _paper_label(grid: Grid) -> str:
  return 'paper' if grid.lines == (None,) else 'paper (same shapes)'


def _hollow(size: float) -> dict[str, Any]:
  """Returns how a published score is drawn."""
  return {
    'linestyle': 'none',
    'markersize': size,
    'markerfacecolor': 'none',
    'markeredgecolor': _PAPER_COLOUR,
    'markeredgewidth': 1.6,
  }


def _offset(axes: Any, grid: Grid, index: int) -> Any:
  """Returns a transform that moves a line sideways, to uncover the others."""
  from matplotlib.transforms import ScaledTranslation

  is_category = grid.experiment.figure.x_scale == 'category'
  num_lines = len(grid.lines)
  step = min(_MAX_STEP, _MAX_SPREAD / max(1, num_lines - 1))
  # On an axis of numbers, points must not seem to have another x.
  step = step if is_category else step / 3
  points = (index - (num_lines - 1) / 2) * step
  return ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)
