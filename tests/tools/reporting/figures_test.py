"""Figures: what is drawn where. How they look is checked by eye."""

import sys
from xml.etree import ElementTree

import pytest
import tiny_results
from tiny_results import FIGURE, PAPER, result

from system.errors import UserError
from tools.reporting import figures


@pytest.fixture(autouse=True)
def _needs_matplotlib(request):
  if 'without' not in request.node.name:
    pytest.importorskip('matplotlib')


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


def test_limits_leave_room():
  assert figures.padded([1.0, 2.0], False) == pytest.approx((0.93, 2.07))
  assert figures.padded([10, 1000], True) == pytest.approx(
    (10 / 100**0.07, 1000 * 100**0.07)
  )
  assert figures.padded([0.5], False) == pytest.approx((0.45, 0.55))
  assert figures.padded([0.0], False) == (-0.01, 0.01)
  assert figures.padded([8], True) == (4, 16)


def test_without_matplotlib_one_message_says_what_to_install(
  tmp_path, monkeypatch
):
  monkeypatch.setitem(sys.modules, 'matplotlib.style', None)
  with pytest.raises(UserError, match=r"pip install -e '\.\[report\]'"):
    figures.draw(tiny_results.arrange(tmp_path))
