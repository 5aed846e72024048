"""The figure of an experiment: means, the spread over seeds, paper's scores.

A vertical line spans the lowest to the highest score, with a tick for each
seed. Published scores are grey, hollow marks of the same shape. The same
results give the same bytes.
"""

import contextlib
import io
import itertools
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from tools.reporting import marks
from tools.reporting.grid import Cell, Grid, Value, value_text

_WIDTH = 7.2  # inches, of every figure
_ROW_HEIGHT = 3.0
_LEGEND_ROW_HEIGHT = 0.24
_LEGEND_COLUMNS = 4
_CHARACTER_WIDTH = 0.07  # inches, of the ticks' font
_LABEL_CHARACTERS = 28  # as long as the vertical axis
_VALUE_WIDTH = 0.7  # inches, of a mark and its value
_STYLE = {
  'font.family': 'DejaVu Sans',
  'font.size': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.grid': True,
  'axes.grid.axis': 'y',
  'axes.axisbelow': True,
  'axes.titlesize': 9,
  'axes.formatter.useoffset': False,
  'grid.color': '0.9',
  'legend.frameon': False,
  'legend.handlelength': 3.2,
  'lines.linewidth': 1.3,
  'lines.markersize': 5.5,
  'svg.hashsalt': 'well-read-bert',
}


def draw(grid: Grid) -> dict[str, bytes]:
  """Draws the figure.

  Returns:
    'svg' and 'png' → the content of the file.
  """
  with styled() as figure_class:
    figure = build(grid, figure_class)
    return {kind: _saved(figure, kind) for kind in ('svg', 'png')}


def build(grid: Grid, figure_class: Any) -> Any:
  """Returns the figure as an object of Matplotlib's class `Figure`."""
  num_panels = max(1, len(grid.panels))
  num_columns = num_panels if num_panels < 3 else 2 + (num_panels > 4)
  num_rows = math.ceil(num_panels / num_columns)
  handles = marks.legend(grid)
  height = _ROW_HEIGHT * num_rows
  height += _LEGEND_ROW_HEIGHT * (_legend_title(grid) is not None)
  height += _LEGEND_ROW_HEIGHT * math.ceil(len(handles) / _LEGEND_COLUMNS)
  figure = figure_class(figsize=(_WIDTH, height), layout='constrained')
  all_axes = list(figure.subplots(num_rows, num_columns, squeeze=False).flat)
  for axes, panel in zip(all_axes, grid.panels, strict=False):
    _draw_panel(axes, grid, panel)
  for axes in all_axes[num_panels:]:
    axes.remove()
  if handles:
    columns = min(_LEGEND_COLUMNS, len(handles))
    figure.legend(
      handles=handles,
      loc='outside lower center',
      ncols=columns,
      title=_legend_title(grid),
    )
  return figure


@contextlib.contextmanager
def styled() -> Iterator[Any]:
  """Yields Matplotlib's class `Figure`, with this module's style in force."""
  # It takes half a second to import.
  import matplotlib.style
  from matplotlib.figure import Figure

  # The user's own style must not change the figures. pyplot is avoided: it
  # keeps global state and looks for a display.
  with matplotlib.style.context(['default', _STYLE]):
    yield Figure


def _saved(figure: Any, kind: str) -> bytes:
  content = io.BytesIO()
  # The time and the version would change the bytes.
  metadata = {'svg': {'Date': None, 'Creator': None}, 'png': {'Software': None}}
  figure.savefig(content, format=kind, dpi=150, metadata=metadata[kind])
  return content.getvalue()


def _draw_panel(axes: Any, grid: Grid, panel: Value | None) -> None:
  figure = grid.experiment.figure
  cells = [cell for place, cell in grid.cells.items() if place.panel == panel]
  _set_scales(axes, grid, cells)
  for index, line in enumerate(grid.lines):
    own = [cell for cell in cells if cell.place.line == line]
    marks.draw_line(axes, grid, own, index)
  if len(grid.lines) == 1:
    _write_values(axes, grid, cells)
  if axes.get_subplotspec().is_first_col():
    default = ', '.join(grid.splits) + f' {figure.metric}'.replace('_', ' ')
    label = figure.y_label or default.strip()
    axes.set_ylabel(_wrapped(label, _LABEL_CHARACTERS))
  axes.set_xlabel(figure.x_label or figure.x.replace('_', ' '))
  if panel is not None:
    room = int(_width(axes) / _CHARACTER_WIDTH)
    title = _wrapped(value_text(panel), room)
    axes.set_title(title, fontweight='bold', loc='left')
  if grid.names:
    _write_names(axes, grid)


def _legend_title(grid: Grid) -> str | None:
  """Returns the lines' key if the lines are numbers, which need it."""
  if all(isinstance(line, int | float) for line in grid.lines):
    return grid.experiment.figure.line.replace('_', ' ')
  return None


def _set_scales(axes: Any, grid: Grid, cells: Sequence[Cell]) -> None:
  scale = grid.experiment.figure.x_scale
  positions = [marks.position(grid, x) for x in grid.xs] or [0]
  labels = [tick_label(x) for x in grid.xs] or ['']
  if scale == 'category':
    axes.set_xlim(-0.5, max(positions) + 0.5)
  else:
    axes.set_xscale(scale)
    axes.set_xlim(*padded(positions, scale == 'log'))
  # The numbers of a linear axis have their own ticks only if they are few
  # and whole; Matplotlib chooses other ticks well.
  is_plain = all(isinstance(x, int) for x in grid.xs) and len(positions) <= 8
  if scale != 'linear' or is_plain:
    _set_ticks(axes, positions, labels)
    axes.minorticks_off()
  values = [v for cell in cells for v in (*cell.values, cell.paper)]
  values = [v for v in values if v is not None]
  if values:
    axes.set_ylim(*padded(values, False))
  else:
    axes.set_yticks([])
    axes.text(0.5, 0.5, 'no result yet', transform=axes.transAxes, ha='center')


def padded(values: Sequence[float], is_log: bool) -> tuple[float, float]:
  """Returns limits that leave 7% of the range free on both sides."""
  low, high = min(values), max(values)
  if is_log:
    factor = (high / low) ** 0.07 if high > low else 2
    return low / factor, high * factor
  margin = (high - low) * 0.07 or max(abs(high) * 0.1, 0.01)
  return low - margin, high + margin


def tick_label(x: Value) -> str:
  """Returns the label of a tick: 20,000, 0.25 or 5e-5."""
  if isinstance(x, float):
    text = f'{x:g}' if abs(x) >= 0.001 or x == 0 else f'{x:.15e}'
    return re.sub(r'\.?0*e-0?', 'e-', text)
  return value_text(x)


def _set_ticks(
  axes: Any, positions: Sequence[float], labels: Sequence[str]
) -> None:
  """Labels the ticks; wraps labels that need it, or turns them."""
  places = axes.transAxes.inverted().transform(
    axes.transData.transform([(x, 0) for x in positions])
  )[:, 0]
  gaps = [b - a for a, b in itertools.pairwise(places)]
  room = min(gaps, default=1.0) * _width(axes) / _CHARACTER_WIDTH - 1
  if all(len(word) <= room for text in labels for word in text.split()):
    wrapped = [_wrapped(label, int(room)) for label in labels]
    axes.set_xticks(positions, wrapped)
  else:
    turned = {'rotation': 40, 'ha': 'right', 'rotation_mode': 'anchor'}
    axes.set_xticks(positions, labels, **turned)


def _wrapped(text: str, characters: int) -> str:
  return textwrap.fill(text, max(1, characters), break_on_hyphens=False)


def _width(axes: Any) -> float:
  """Returns the axes' width in inches, before the final layout."""
  return axes.get_position().width * _WIDTH


def _write_values(axes: Any, grid: Grid, cells: Sequence[Cell]) -> None:
  """Writes each mean next to its point, if there is room.

  It writes 'no result' where there is none.
  """
  if _width(axes) / max(1, len(grid.xs)) < _VALUE_WIDTH:
    return
  for cell in cells:
    if cell.place.x is None:
      continue
    x = marks.position(grid, cell.place.x)
    if cell.runs:
      axes.annotate(
        f'{cell.mean:.3f}',
        (x, cell.mean),
        xytext=(8, 0),
        textcoords='offset points',
        va='center',
      )
    else:
      axes.annotate(
        'no result',
        (x, 0.03),
        xycoords=axes.get_xaxis_transform(),
        ha='center',
        color='0.4',
      )


def _write_names(axes: Any, grid: Grid) -> None:
  """Writes the names of the xs above the axes, with room between them."""
  gap = 0.035 / axes.get_position().width
  to_axes = axes.transAxes.inverted()
  places, last = [], -math.inf
  for x in sorted(grid.names, key=lambda x: marks.position(grid, x)):
    point = axes.transData.transform((marks.position(grid, x), 0))
    last = max(to_axes.transform(point)[0], last + gap)
    places.append((x, last))
  for x, place in places:
    axes.annotate(
      grid.names[x],
      (marks.position(grid, x), 1),
      xycoords=axes.get_xaxis_transform(),
      xytext=(place, 1.05),
      textcoords='axes fraction',
      rotation=35,
      rotation_mode='anchor',
      fontsize=8,
      arrowprops={'arrowstyle': '-', 'color': '0.7', 'lw': 0.6},
    )
