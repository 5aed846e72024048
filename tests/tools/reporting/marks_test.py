"""The marks of a figure."""

import pytest
import tiny_results
from matplotlib.figure import Figure
from tiny_results import FIGURE, PAPER

from tools.reporting import marks


def _luminance(colour: str) -> float:
  """Returns a colour's relative luminance, after WCAG 2."""
  channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
  linear = [
    c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
    for c in channels
  ]
  return sum(
    w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
  )


def test_lines_differ_in_more_than_colour():
  styles = [marks.style_of(i) for i in range(7)]
  for field in zip(*styles, strict=True):
    assert len({repr(value) for value in field}) == 7


def test_neighbours_differ_in_grey():
  luminances = [_luminance(colour) for colour in marks.COLOURS]
  for first, second in zip(luminances, luminances[1:], strict=False):
    assert abs(first - second) > 0.05


@pytest.fixture(name='axes')
def _axes():
  figure = Figure()
  axes = figure.subplots()
  axes.set_xlim(-0.5, 1.5)
  return axes


def _draw(axes, found, line):
  cells = [cell for cell in found.cells.values() if cell.place.line == line]
  marks.draw_line(axes, found, cells, found.lines.index(line))
  return {
    (artist.get_marker(), artist.get_markerfacecolor() == 'none'): [
      list(map(float, artist.get_xdata())),
      list(map(float, artist.get_ydata())),
    ]
    for artist in axes.lines
  }


def test_a_line_shows_means_and_seeds(tmp_path, axes):
  drawn = _draw(axes, tiny_results.arrange(tmp_path), 'basic')
  assert drawn == {
    ('o', False): [[0, 1], [0.625, 0.8]],
    ('_', False): [[0, 0], [0.5, 0.75]],
    ('None', False): [[0, 0], [0.5, 0.75]],
  }


@pytest.mark.parametrize(('scale', 'points'), [('category', 6), ('linear', 2)])
def test_lines_stand_side_by_side(tmp_path, axes, scale, points):
  runs = [
    tiny_results.result(0.5, method=method, size=1)
    for method in ('basic', 'PD', 'teacher')
  ]
  figure = FIGURE | {'x_scale': scale}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  for index in range(3):
    offset = marks._offset(axes, found, index)
    moved = offset.transform((0, 0))[0] / axes.figure.dpi * 72
    assert moved == pytest.approx((index - 1) * points)


def test_published_scores_are_hollow_and_need_no_run_of_ours(tmp_path, axes):
  drawn = _draw(axes, tiny_results.arrange(tmp_path, paper=PAPER), 'PD')
  assert drawn == {
    ('s', True): [[0, 1], [0.7, 0.85]],
    ('s', False): [[0], [0.625]],
  }


def test_a_line_without_x_crosses_the_axes(tmp_path, axes):
  drawn = _draw(axes, tiny_results.arrange(tmp_path, paper=PAPER), 'teacher')
  assert drawn[('^', True)] == [[0.985], [0.95]]
  assert drawn[('^', False)] == [[0.015], [0.9]]
  levels = [
    artist.get_ydata()[0]
    for artist in axes.lines
    if list(artist.get_xdata()) == [0, 1]
  ]
  assert levels == [0.95, 0.9]


@pytest.mark.parametrize(('connect', 'dashes'), [(True, '-'), (False, 'None')])
def test_unordered_categories_are_not_connected(
  tmp_path, axes, connect, dashes
):
  figure = FIGURE | {'connect': connect}
  _draw(axes, tiny_results.arrange(tmp_path, figure=figure), 'basic')
  (means,) = (a for a in axes.lines if a.get_marker() == 'o')
  assert means.get_linestyle() == dashes


def test_the_legend_names_lines_seeds_and_paper(tmp_path):
  found = tiny_results.arrange(tmp_path, paper=PAPER)
  labels = [handle.get_label() for handle in marks.legend(found)]
  assert labels == [
    *['basic', 'PD', 'teacher', 'each seed', 'paper (same shapes)']
  ]
  figure = {'x': 'method', 'metric': 'accuracy'}
  single = tiny_results.arrange(
    tmp_path / 'b', tiny_results.RESULTS[2:3], figure=figure
  )
  assert marks.legend(single) == []
