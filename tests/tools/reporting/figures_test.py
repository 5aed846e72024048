"""Figures: what is drawn where. How they look is checked by eye."""

import itertools
from xml.etree import ElementTree

import pytest
import tiny_results
from tiny_results import FIGURE, PAPER, result

from tools.reporting import figures


def _size(svg: bytes) -> tuple[str, str]:
  root = ElementTree.fromstring(svg)
  return root.get('width'), root.get('height')


def test_the_same_results_give_the_same_bytes(tmp_path):
  found = tiny_results.arrange(tmp_path, paper=PAPER)
  first, second = figures.draw(found), figures.draw(found)
  assert first == second
  assert first['png'].startswith(b'\x89PNG')
  assert b'<dc:date>' not in first['svg']


def test_the_user_s_style_changes_nothing(tmp_path):
  import matplotlib

  found = tiny_results.arrange(tmp_path)
  first = figures.draw(found)
  with matplotlib.rc_context({'lines.linewidth': 9, 'font.size': 30}):
    assert figures.draw(found) == first
    assert matplotlib.rcParams['font.size'] == 30


@pytest.mark.parametrize('scale', ['category', 'log', 'linear'])
def test_figures_of_all_kinds_have_the_same_width(tmp_path, scale):
  runs = [
    result(0.5 + n / 1e6, n=n, domain=f'd{n}', method=method, seed=seed)
    for n in (1000, 20_000)
    for method in ('PD', 'basic')
    for seed in (1, 2)
  ]
  figure = FIGURE | {'x': 'n', 'x_scale': scale, 'line_order': []}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  named = tiny_results.arrange(
    tmp_path, runs, figure=figure | {'x_names': 'domain'}
  )
  width = f'{7.2 * 72}pt'
  assert _size(figures.draw(found)['svg'])[0] == width
  assert _size(figures.draw(named)['svg'])[0] == width


def test_panels_stand_in_rows(tmp_path):
  runs = [
    result(0.5, task=task, method='PD', size='2/128', seed=1)
    for task in ('CoLA', 'RTE', 'SST-2')
  ]
  figure = FIGURE | {'panel': 'task', 'line_order': []}
  heights = [
    float(_size(figures.draw(found)['svg'])[1].removesuffix('pt'))
    for found in (
      tiny_results.arrange(tmp_path / 'a', runs, figure=figure),
      tiny_results.arrange(tmp_path / 'b', runs[:2], figure=figure),
    )
  ]
  # The third panel needs a row of its own, three inches high.
  assert heights[0] - heights[1] == pytest.approx(3 * 72)


def test_an_experiment_without_results_has_a_figure(tmp_path):
  found = tiny_results.arrange(tmp_path, [])
  assert figures.draw(found)['svg']
  figure = {'x': 'method', 'metric': 'accuracy', 'x_order': ['PD', 'basic']}
  found = tiny_results.arrange(tmp_path / 'b', [], figure=figure)
  assert figures.draw(found)['svg']
  figure = {'x': 'method', 'metric': 'accuracy', 'panel': 'task'}
  found = tiny_results.arrange(tmp_path / 'c', [], figure=figure)
  assert figures.draw(found)['svg']


def _sizes(tmp_path):
  sizes = [f'{2 * n}/{h}' for n in range(1, 7) for h in (128, 256, 512, 768)]
  runs = [result(0.5, size=size, seed=1) for size in sizes]
  figure = {'x': 'size', 'metric': 'accuracy', 'y_label': 'a score ' * 6}
  return tiny_results.arrange(tmp_path, runs, figure=figure)


def _rates(tmp_path):
  runs = [
    result(0.5, rate=rate, batch=batch, panel=f'{panel} ' * 8, seed=seed)
    for rate in (3e-5, 5e-5, 1e-4)
    for batch in (8, 16)
    for panel in range(5)
    for seed in (1, 2)
  ]
  figure = {'x': 'rate', 'line': 'batch', 'panel': 'panel', 'x_scale': 'log'}
  figure |= {'metric': 'accuracy'}
  return tiny_results.arrange(tmp_path, runs, figure=figure)


def _starts(tmp_path):
  starts = ['from random weights', 'word embeddings only', 'pre-trained']
  runs = [result(0.5, start=start, seed=1) for start in starts]
  figure = {'x': 'start', 'metric': 'accuracy'}
  return tiny_results.arrange(tmp_path, runs, figure=figure)


@pytest.mark.parametrize('arrange', [_sizes, _rates, _starts])
def test_no_text_is_cut_off_and_no_labels_overlap(tmp_path, arrange):
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.text import Text

  with figures.styled() as figure_class:
    figure = figures.build(arrange(tmp_path), figure_class)
    FigureCanvasAgg(figure).draw()
  # Matplotlib keeps labels of ticks that are outside the axes.
  hidden = {text for axes in figure.axes for text in axes.get_yticklabels()}
  shown = {text for text in figure.findobj(Text) if text.get_text()}
  for text in shown - hidden:
    box = text.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text
    assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, text
  for axes in figure.axes:
    level = [x for x in axes.get_xticklabels() if not x.get_rotation()]
    boxes = [label.get_window_extent() for label in level]
    for left, right in itertools.pairwise(boxes):
      assert left.x1 < right.x0


def test_only_the_first_panel_of_a_row_has_a_label(tmp_path):
  from matplotlib.figure import Figure

  figure = figures.build(_rates(tmp_path), Figure)
  labels = [axes.get_ylabel() for axes in figure.axes]
  assert labels == ['dev accuracy', '', '', 'dev accuracy', '']
  assert figure.legends[0].get_title().get_text() == 'batch'


@pytest.mark.parametrize(
  ('x', 'label'),
  [
    (20_000, '20,000'),
    ('2/128', '2/128'),
    (0.25, '0.25'),
    (1.0, '1'),
    (0.0, '0'),
    (0.001, '0.001'),
    (3e-4, '3e-4'),
    (1.5e-5, '1.5e-5'),
    (1e-10, '1e-10'),
  ],
)
def test_labels_of_ticks(x, label):
  assert figures.tick_label(x) == label


def test_limits_leave_room():
  assert figures.padded([1.0, 2.0], False) == pytest.approx((0.93, 2.07))
  assert figures.padded([10, 1000], True) == pytest.approx(
    (10 / 100**0.07, 1000 * 100**0.07)
  )
  assert figures.padded([0.5], False) == pytest.approx((0.45, 0.55))
  assert figures.padded([0.0], False) == (-0.01, 0.01)
  assert figures.padded([8], True) == (4, 16)
