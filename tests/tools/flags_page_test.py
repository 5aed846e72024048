"""docs/flags.md follows the declarations and lists every flag."""

import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tools import flags_page

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date():
  written = (_ROOT / flags_page.PATH).read_text()
  assert written == flags_page.page(), 'run: python -m tools.flags_page'


@pytest.mark.parametrize(
  'script',
  [
    *('data/create_pretraining_data.py', 'run_pretraining.py'),
    *('run_classifier.py', 'run_distillation.py', 'run_pipeline.py'),
  ],
)
def test_every_flag_of_a_script_is_listed_and_help_needs_no_tensorflow(script):
  code = (
    'import runpy, sys\n'
    f'sys.argv = [{script!r}, "--helpxml"]\n'
    'try:\n'
    f'  runpy.run_path({script!r}, run_name="__main__")\n'
    'finally:\n'
    '  assert "tensorflow" not in sys.modules\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, cwd=_ROOT
  )
  assert 'AssertionError' not in done.stderr
  names = [
    flag.findtext('name')
    for flag in ElementTree.fromstring(done.stdout).iter('flag')
    if not flag.findtext('file').startswith('absl')
  ]
  assert len(names) > 20
  page = flags_page.page()
  assert [name for name in names if f'| `--{name}` |' not in page] == []
