"""Checks what Markdown files say of this tree: commands, flags and paths.

`make lint` checks their links, with rumdl.
"""

import concurrent.futures
import functools
import pathlib
import re
import shlex
import subprocess
import sys
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from modeling import configs
from modeling.checkpoints import initialisation
from system import threads

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGES = [
  *sorted(_ROOT.glob('*.md')),
  *sorted(_ROOT.glob('docs/*.md')),
  *sorted(_ROOT.glob('recipes/*.md')),
  *sorted(_ROOT.glob('recipes/*/*.md')),
  *sorted(_ROOT.glob('encoders/*/*.md')),
  *sorted(_ROOT.glob('examples/*/*.md')),
]
# A script in a command: `run_classifier.py`, `-m tools.report`.
_SCRIPT = re.compile(
  r'data/\w+\.py|run_(?:pretraining|classifier|distillation|pipeline)\.py|'
  r'-m (?:tools|benchmarks|recipes)\.\w+(?:\.\w+)?'
)
_BLOCK = re.compile(r'^ *```shell\n(.*?)^ *```', re.DOTALL | re.MULTILINE)
_FLAG = re.compile(r'(?<![\w-])--([a-z]\w*)')
# TensorBoard's, WikiExtractor's, that of Beam's worker pool, sbatch's; and
# Absl's own, which --helpxml leaves out.
_OTHER_FLAGS = {
  *('logdir', 'json', 'service_port', 'nodes', 'gpus', 'array', 'flagfile'),
  # Those of tf-models-official's `train`.
  *('experiment', 'mode', 'config_file', 'params_override'),
  # Those of npm and of Python's server.
  *('prefix', 'bind', 'directory'),
}
_SIZES = {*configs.COMPACT_SIZES, *configs.SIZE_ALIASES}
_FOLDERS = (
  'benchmarks|cli|data|devices|distillation|docs|modeling|pipeline|recipes|system|'
  'tests|tools|training'
)
_PATH = re.compile(rf'(?<![\w/.$~{{-])(?:{_FOLDERS})/[\w./-]*\w')


class _Flag(NamedTuple):
  """A flag as --helpxml shows it; `values` are those of an enum."""

  kind: str
  values: frozenset[str]


def _named_scripts(page: pathlib.Path) -> list[str]:
  return _SCRIPT.findall(page.read_text())


def _commands(page: pathlib.Path) -> list[tuple[str, list[str]]]:
  """Returns a page's commands that run a script: the script, then words."""
  blocks = '\n'.join(_BLOCK.findall(page.read_text()))
  commands = []
  for line in blocks.replace('\\\n', '').splitlines():
    line = line.strip()
    if (match := _SCRIPT.search(line)) and not line.startswith('#'):
      words = shlex.split(line[match.end() :], comments=True)
      if '--' in words:  # What follows is another command.
        place = words.index('--')
        commands.append((words[place + 1], words[place + 2 :]))
        words = words[:place]
      commands.append((match[0], words))
  return commands


@functools.cache
def _flags() -> dict[str, dict[str, _Flag]]:
  """Returns the flags of each script that a page names.

  Every script is a process: defining the flags of two in one would clash.
  """
  scripts = sorted({x for page in _PAGES for x in _named_scripts(page)})
  with concurrent.futures.ThreadPoolExecutor(threads.num_cores()) as pool:
    return dict(zip(scripts, pool.map(_flags_of, scripts), strict=True))


def _flags_of(script: str) -> dict[str, _Flag]:
  """Returns a script's flags; of a bool also 'no' and its name."""
  command = [sys.executable, *script.split(), '--helpxml']
  process = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
  if not process.stdout:
    return {}
  flags = {}
  for element in ElementTree.fromstring(process.stdout).iter('flag'):
    name, kind = element.findtext('name'), element.findtext('type')
    values = frozenset(value.text for value in element.iter('enum_value'))
    flags[name] = _Flag(kind, values)
    if kind == 'bool':
      flags[f'no{name}'] = _Flag('negation', frozenset())
  return flags


def _mistake(word: str, flags: dict[str, _Flag]) -> str | None:
  """Returns what is wrong with a word of a command; None if nothing is."""
  if not word.startswith('--') or word.startswith('--flagfile='):
    return None
  name, equals, value = word[2:].partition('=')
  if name not in flags:
    return f'{word}: no such flag'
  if name == 'bert_size' and value not in _SIZES:
    return f'{word}: none of the compact sizes'
  flag = flags[name]
  if bool(equals) == (flag.kind == 'negation') and flag.kind != 'bool':
    return f'{word}: a value is missing, or too much'
  if value == '...':  # A placeholder.
    return None
  try:
    {'int': int, 'float': float}.get(flag.kind, str)(value)
  except ValueError:
    return f'{word}: not of the type {flag.kind}'
  if flag.values and value not in flag.values:
    return f'{word}: expected one of {sorted(flag.values)}'
  return None


def _name(page: pathlib.Path) -> str:
  return str(page.relative_to(_ROOT))


def test_documented_scripts_start():
  assert not [script for script, flags in _flags().items() if not flags]


@pytest.mark.parametrize('page', _PAGES, ids=_name)
def test_commands_are_valid(page):
  mistakes = []
  for script, words in _commands(page):
    flags = dict(_flags()[script])
    for word in words:
      if word.startswith('--script='):  # Its job's flags can be given, too.
        flags |= _flags()[f'{word.partition("=")[2]}.py']
    mistakes += [_mistake(word, flags) for word in words]
  assert not [mistake for mistake in mistakes if mistake]


@pytest.mark.parametrize('page', _PAGES, ids=_name)
def test_flags_are_defined(page):
  known = _OTHER_FLAGS.union(*_flags().values())
  assert not set(_FLAG.findall(page.read_text())) - known


@pytest.mark.parametrize('page', _PAGES, ids=_name)
def test_paths_exist(page):
  paths = sorted(set(_PATH.findall(page.read_text())))
  assert not [path for path in paths if not (_ROOT / path).exists()]


def test_a_command_with_mistakes_is_noticed():
  flags = {
    'steps': _Flag('int', frozenset()),
    'do_train': _Flag('bool', frozenset()),
    'nodo_train': _Flag('negation', frozenset()),
    'init': _Flag('string enum', frozenset({'all'})),
    'bert_size': _Flag('string', frozenset()),
  }
  right = ['--steps=3', '--do_train', '--do_train=true', '--nodo_train', 'x']
  assert not any(_mistake(word, flags) for word in [*right, '--init=all'])
  wrong = ['--step=3', '--steps=x', '--steps', '--nodo_train=1', '--init=some']
  wrong += ['--bert_size=6/384']
  assert all(_mistake(word, flags) for word in wrong)


def test_readme_is_short():
  assert len((_ROOT / 'README.md').read_text().splitlines()) <= 200


def test_faq_quotes_how_a_run_starts():
  lines = initialisation.explain(initialisation.RESUMED)
  # As scripts print it: a setting is shown as its flag.
  printed = re.sub(r'`(\w+)`', r'--\1', '\n'.join(lines))
  assert printed in (_ROOT / 'docs/faq.md').read_text()
