"""The HTML page: every number leads to its command, versions and hardware."""

import dataclasses
import html.parser

import tiny_results
from tiny_results import PAPER, RESULTS

from tools.reporting import page

_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
_VOID = {'meta', 'img', 'br'}


class _Checker(html.parser.HTMLParser):
  """Checks that tags are closed; collects links, ids and text."""

  def __init__(self, text: str):
    super().__init__()
    self.open, self.links, self.ids, self.words = [], [], [], []
    self.feed(text)
    self.close()

  def handle_starttag(self, tag, attrs):
    attributes = dict(attrs)
    self.links += [attributes['href']] if 'href' in attributes else []
    self.ids += [attributes['id']] if 'id' in attributes else []
    if tag not in _VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.words += data.split()


def _check(text: str) -> _Checker:
  checker = _Checker(text)
  assert not checker.open
  assert len(checker.ids) == len(set(checker.ids))
  for link in checker.links:
    assert not link.startswith('#') or link[1:] in checker.ids
  return checker


def _build(*grids) -> str:
  return page.build(grids, {grid.experiment.name: _SVG for grid in grids})


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path):
  text = _build(tiny_results.arrange(tmp_path, paper=PAPER))
  checker = _check(text)
  assert [link for link in checker.links if not link.startswith('#')] == [
    *['sizes.csv', 'sizes.md', 'sizes.svg', 'sizes.png']
  ]
  assert '<script' not in text and 'http' not in text
  assert '<h1>Sizes &amp; methods</h1>' in text
  assert 'recipes/sizes.sh &lt;DIR&gt;' in text


def test_every_number_leads_to_its_runs(tmp_path):
  run = RESULTS[0] | {
    'command': ['run_classifier.py', '--labels=a b', '--x=<y>'],
    'versions': {'tensorflow': '2.20.0'},
    'hardware': {
      'cpu': 'EPYC',
      'cores': 2,
      'gpus': ['H100'],
      'memory_megabytes': 16000,
    },
    'seconds': 312.4,
    'finished': '2026-11-27T01:02:03Z',
    'checkpoint': '24afce6e',
  }
  text = _build(tiny_results.arrange(tmp_path, [run, *RESULTS[1:]]))
  links = [link for link in _check(text).links if link.startswith('#')]
  assert links == ['#sizes-1', '#sizes-2', '#sizes-3', '#sizes-5']
  assert (
    '<code>python <span>run_classifier.py</span> '
    '<span>&#x27;--labels=a b&#x27;</span> '
    '<span>&#x27;--x=&lt;y&gt;&#x27;</span></code>'
  ) in text
  for name, value in {
    'time': '5 min 12 s',
    'finished': '2026-11-27T01:02:03Z',
    'hardware': '2 cores of EPYC, 16 GB of memory, H100',
    'versions': 'tensorflow 2.20.0',
    'weights': 'CRC-32 of the ends 24afce6e',
  }.items():
    assert f'<dt>{name}</dt><dd>{value}</dd>' in text


def test_what_was_not_recorded_is_said(tmp_path):
  text = _build(tiny_results.arrange(tmp_path, RESULTS[:1]))
  for name in ('command', 'versions', 'hardware', 'time', 'finished'):
    assert f'<dt>{name}</dt><dd>not recorded</dd>' in text


def test_missing_results_and_notes_are_shown(tmp_path):
  found = tiny_results.arrange(
    tmp_path,
    [*RESULTS, tiny_results.result(None, method='PD', size='2/128', seed=9)],
    notes=['Pre-training < paper.'],
    paper=PAPER,
    paper_source='Table 1.',
  )
  text = _build(found)
  assert '<p class="missing">Missing, no result yet: 12/768, PD.</p>' in text
  assert (
    '<p class="missing">Left out: method PD, size 2/128, seed 9 has' in text
  )
  assert '<p>Pre-training &lt; paper.</p>' in text
  assert 'marks are the paper’s (Table 1).' in text


def test_several_experiments_have_a_table_of_contents(tmp_path):
  first = tiny_results.arrange(tmp_path)
  second = dataclasses.replace(first.experiment, name='others')
  text = page.build(
    [first, dataclasses.replace(first, experiment=second)],
    {'sizes': _SVG, 'others': _SVG},
  )
  checker = _check(text)
  assert checker.links[:2] == ['#sizes', '#others']
  assert '<h1>Results</h1>' in text


def test_the_summary_counts_runs_and_time(tmp_path):
  found = tiny_results.arrange(tmp_path)
  assert page.summary([found]) == ('5 runs in 1 experiment; 1 result missing.')
  runs = [run | {'seconds': 60.0} for run in RESULTS[:2]]
  found = tiny_results.arrange(tmp_path / 'b', [*runs, *RESULTS[2:]])
  assert page.summary([found, found]) == (
    '10 runs in 2 experiments; 4 min 0 s of computation in the 4 runs whose '
    'time was recorded; 2 results missing.'
  )


def test_the_summary_counts_a_run_of_two_experiments_once(tmp_path):
  shared = {'command': ['run.py'], 'finished': '2026-11-28T10:58:28Z'}
  found = tiny_results.arrange(
    tmp_path, [RESULTS[0] | shared, RESULTS[1] | shared | {'command': ['x.py']}]
  )
  assert page.summary([found, found]).startswith('2 runs in 2 experiments; ')


def test_a_run_shows_its_confusion_matrix(tmp_path):
  confusion = {'labels': ['<a>', 'b'], 'counts': [[1000, 3000], [0, 0]]}
  run = RESULTS[0] | {'confusion': confusion}
  text = _build(tiny_results.arrange(tmp_path, [run, *RESULTS[1:]]))
  _check(text)
  assert text.count('<table class="confusion">') == 1
  assert (
    '<tr><th scope="row">&lt;a&gt;</th>'
    '<td class="right" style="--share:25.0%">1,000</td>'
    '<td class="wrong" style="--share:75.0%">3,000</td></tr>'
  ) in text
  # A label without examples.
  assert '<td class="right" style="--share:0.0%">0</td></tr></tbody>' in text
