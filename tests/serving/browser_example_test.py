"""examples/browser in Chromium: the page's answers are Python's."""

import functools
import html.parser
import http.server
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading
import urllib.parse

import pytest

from serving import runtimes

_EXAMPLE = pathlib.Path(__file__).parents[2] / 'examples' / 'browser'
_BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
_KINDS = {
  'classifier': [
    *('the film is good .', 'It is, frankly, awful!', 'x' * 300),
    'the film is good , the plot is dull' + ' . It is awful' * 40,
  ],
  'pairs': [
    *('the film is good .\ta dull plot', 'nice\tthe plot is awful .'),
    'the film is good' + ' . the plot is dull' * 40 + '\tthe plot is awful .',
    'nice\tthe plot is awful' + ' . the film is good' * 40,
  ],
  'regressor': ['the film is good .\ta dull plot'],
}
_TEMPERATURE = 2.0


# Opens the example in a frame, and sends its content when it has an answer.
_FRAME = """
<iframe src="index.html"></iframe>
<script>
const frame = document.querySelector('iframe');
frame.src += location.search;
const timer = setInterval(() => {
  const page = frame.contentDocument;
  const said = page?.getElementById('state')?.value;
  if (!said || said.startsWith('Loading')) return;
  clearInterval(timer);
  fetch('/', {method: 'POST', body: page.documentElement.outerHTML});
}, 100);
</script>
"""


class _Server(http.server.ThreadingHTTPServer):
  """Serves a folder; `sent` has the pages that were sent to it."""

  def __init__(self, folder):
    self.sent = queue.Queue()
    handler = functools.partial(_Handler, directory=str(folder))
    super().__init__(('127.0.0.1', 0), handler)


class _Handler(http.server.SimpleHTTPRequestHandler):
  def do_POST(self):
    length = int(self.headers['Content-Length'])
    self.server.sent.put(self.rfile.read(length).decode())
    self.send_response(204)
    self.end_headers()

  def log_message(self, *_):
    pass


class _Rows(html.parser.HTMLParser):
  """Collects the cells of the table's rows, and what the page says."""

  def __init__(self):
    super().__init__()
    self.rows, self.said, self._tag = [], '', ''

  def handle_starttag(self, tag, _):
    self._tag = tag
    if tag == 'tr':
      self.rows.append([])
    if tag == 'td':
      self.rows[-1].append('')

  def handle_endtag(self, tag):
    self._tag = ''

  def handle_data(self, data):
    if self._tag == 'td':
      self.rows[-1][-1] += data
    if self._tag == 'output':
      self.said += data


@pytest.fixture(scope='module')
def browser():
  """The path of a Chromium."""
  for name in _BROWSERS:
    if path := shutil.which(name):
      return path
  pytest.skip(f'none of {", ".join(_BROWSERS)} is installed')


@pytest.fixture(scope='module')
def example(tmp_path_factory):
  """A copy of the example with its npm packages."""
  if not (npm := shutil.which('npm')):
    pytest.skip('npm is not installed')
  folder = tmp_path_factory.mktemp('example') / 'browser'
  shutil.copytree(
    _EXAMPLE, folder, ignore=shutil.ignore_patterns('node_modules', 'model')
  )
  done = subprocess.run(
    [npm, 'install', '--ignore-scripts', '--no-audit', '--no-fund'],
    cwd=folder,
    capture_output=True,
    text=True,
  )
  if done.returncode:
    pytest.skip(f'npm cannot install transformers.js: {done.stderr[-500:]}')
  return folder


def _open(browser, folder, texts, tmp_path):
  """Returns the page when it has labelled the texts."""
  (folder / 'frame.html').write_text(_FRAME)
  query = urllib.parse.urlencode([('text', text) for text in texts])
  with _Server(folder) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_port}/frame.html?{query}'
    process = subprocess.Popen(
      [
        *[browser, '--headless', '--no-sandbox', '--disable-gpu'],
        *[f'--user-data-dir={tmp_path / "profile"}', '--no-first-run'],
        *['--remote-debugging-port=0', url],
      ],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      start_new_session=True,
    )
    try:
      content = server.sent.get(timeout=180)
    finally:
      os.killpg(process.pid, signal.SIGKILL)
      process.wait()
      server.shutdown()
  page = _Rows()
  page.feed(content)
  return page


@pytest.mark.slow
@pytest.mark.parametrize('kind', _KINDS)
def test_the_page_answers_as_python_does(
  browser, example, export_folder, needs, kind, tmp_path
):
  needs('onnx')
  folder, _ = export_folder('onnx', kind, _TEMPERATURE)
  shutil.rmtree(example / 'model', ignore_errors=True)
  shutil.copytree(folder, example / 'model' / 'onnx')
  texts = _KINDS[kind]
  pairs = [tuple(text.split('\t')) if '\t' in text else text for text in texts]
  page = _open(browser, example, texts, tmp_path)
  assert page.said.endswith(' ms'), page.said
  rows = [row for row in page.rows if row]
  for row, text, expected in zip(
    rows, texts, runtimes.load(folder).predict(pairs), strict=True
  ):
    assert row[0] == text
    if expected.value is not None:
      assert float(row[1]) == pytest.approx(expected.value, abs=1e-4)
    else:
      assert row[1] == expected.label
      probability = expected.probabilities[expected.label]
      assert float(row[2]) == pytest.approx(probability, abs=1e-4)


@pytest.mark.slow
def test_a_line_that_is_no_pair_is_refused(
  browser, example, export_folder, needs, tmp_path
):
  needs('onnx')
  folder, _ = export_folder('onnx', 'pairs')
  shutil.rmtree(example / 'model', ignore_errors=True)
  shutil.copytree(folder, example / 'model' / 'onnx')
  page = _open(browser, example, ['nice\tdull', 'nice'], tmp_path)
  assert page.said == (
    'found 1 texts in "nice", expected two, separated by a tab'
  )
  assert not any(page.rows)


@pytest.mark.slow
def test_the_page_says_what_it_lacks(browser, example, tmp_path):
  shutil.rmtree(example / 'model', ignore_errors=True)
  page = _open(browser, example, ['x'], tmp_path)
  assert 'Is there an export in model/onnx' in page.said
