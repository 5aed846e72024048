"""Mutation testing: does a test fail if one operator of a module changes?

  make mutants                      # All modules of modules.toml.
  make mutants MODULES='metrics pairs'
  make mutants MODULES=pairs AGAIN=1  # Only the last run's survivors.
  make mutants SHARE=0.3              # Three in ten, drawn with seed 0.

Cosmic Ray makes the mutants. It writes each into the module's file, therefore
all this runs in a copy of the tree, build/mutants/tree. Each mutant is tested
in a fork of this process, which has imported TensorFlow but never used it:
importing it anew would cost 6 to 20 seconds a mutant. (The tool mutmut forks
after TensorFlow has run; then TensorFlow hangs.)

Prints a line for each module, and writes its survivors to
build/mutants/<module>.txt. Survivors that tests/mutants/README.md lists are
known; the exit status is 1 if there are others.
"""

import argparse
import ast
import contextlib
import importlib
import io
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / 'build' / 'mutants'
TREE = OUTPUT / 'tree'
SEED = 0

# Each comparison gets its limit moved and its direction changed, each binary
# operator one other: further replacements are killed with these.
_BINARY = (
  'Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul '
  'LShift_RShift RShift_LShift BitOr_BitAnd BitAnd_BitOr'
).split()
_COMPARISON = (
  'Eq_NotEq NotEq_Eq Lt_LtE Lt_Gt LtE_Lt LtE_GtE Gt_GtE Gt_Lt GtE_Gt GtE_LtE '
  'Is_IsNot IsNot_Is'
).split()
_OPERATORS = [
  *[f'core/ReplaceBinaryOperator_{x}' for x in _BINARY],
  *[f'core/ReplaceComparisonOperator_{x}' for x in _COMPARISON],
  *[f'core/ReplaceUnaryOperator_Delete_{x}' for x in ('USub', 'Invert', 'Not')],
  'core/AddNot',
  'core/ReplaceTrueWithFalse',
  'core/ReplaceFalseWithTrue',
  'core/ReplaceAndWithOr',
  'core/ReplaceOrWithAnd',
  'core/ReplaceBreakWithContinue',
  'core/ReplaceContinueWithBreak',
  'core/ExceptionReplacer',
  'core/NumberReplacer',
  'core/ZeroIterationForLoop',
]
_OPTIONS = '-x -q --assert=plain -p no:cacheprovider -p no:warnings'.split()


class Mutant(NamedTuple):
  """One change of a module."""

  line: int
  change: str  # '`the line` → `the line with the change`'
  source: str  # The whole module, with the change.


def mutants(source: str) -> Iterator[Mutant]:
  """Yields a module's mutants, except those of annotations and decorators."""
  tree = get_ast(source)
  seen = {source}
  for name in _OPERATORS:
    operator = get_operator(name)()
    places = [
      start
      for node in ast_nodes(tree)
      for start, _ in operator.mutation_positions(node)
    ]
    for occurrence, place in enumerate(places):
      if _is_noise(place, source):
        continue
      mutated = mutate_code(source, operator, occurrence)
      if mutated not in seen and _compiles(mutated):
        seen.add(mutated)
        yield Mutant(place[0], _change(source, mutated), mutated)


def _is_noise(place: tuple[int, int], source: str) -> bool:
  for node in ast.walk(ast.parse(source)):
    parts = [getattr(node, x, None) for x in ('annotation', 'returns')]
    for part in parts + getattr(node, 'decorator_list', []):
      if part is None:
        continue
      start = (part.lineno, part.col_offset)
      if start <= place < (part.end_lineno, part.end_col_offset):
        return True
  return False


def _compiles(source: str) -> bool:
  try:
    compile(source, 'mutant', 'exec')
  except SyntaxError:
    return False
  return True


def _change(source: str, mutated: str) -> str:
  pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
  before, after = next(pair for pair in pairs if pair[0] != pair[1])
  return f'`{before.strip()}` → `{after.strip()}`'


def copy_tree() -> None:
  """Copies the files that git knows or would add, as they are now."""
  shutil.rmtree(TREE, ignore_errors=True)
  listed = subprocess.run(
    ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
  )
  for name in filter(None, listed.stdout.split('\0')):
    if (ROOT / name).is_file():
      (TREE / name).parent.mkdir(parents=True, exist_ok=True)
      shutil.copyfile(ROOT / name, TREE / name)


def preload(names: list[str]) -> None:
  """Imports other people's packages, which all forks then share."""
  for name in names:
    importlib.import_module(name)
  ours = [
    name
    for name, module in sys.modules.items()
    if str(getattr(module, '__file__', None) or '').startswith(str(TREE))
  ]
  assert not ours, f'{ours} would hide the mutants of these modules'


def run_tests(module: str, arguments: list[str], limit: float) -> bool:
  """Runs tests in a fork; returns whether they pass within `limit` seconds."""
  child = os.fork()
  if not child:
    _run_in_child(module, arguments)
  end = time.monotonic() + limit
  while time.monotonic() < end:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
      return status == 0
    time.sleep(0.02)
  os.killpg(child, signal.SIGKILL)
  os.waitpid(child, 0)
  return False


def _run_in_child(module: str, arguments: list[str]) -> None:
  """Runs tests and exits, with 0 if they pass and used the tree's module."""
  status = 1
  try:
    os.setpgid(0, 0)
    log = os.open(OUTPUT / 'log.txt', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # A loop that never ends may allocate: 4 GiB more than at the start.
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])
    most = pages * resource.getpagesize() + (4 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    result = int(pytest.main([*_OPTIONS, *arguments]))
    name = module.removesuffix('.py').replace('/', '.')
    assert sys.modules[name].__file__ == str(TREE / module)
    status = result
  finally:
    sys.stdout.flush()
    os._exit(status)


def known_survivors(name: str) -> str:
  """Returns the module's section of README.md, '' if it has none."""
  _, _, section = (HERE / 'README.md').read_text().partition(f'\n## {name}\n')
  return section.partition('\n## ')[0]


def test_module(name: str, settings: dict, options) -> int:
  """Tests a module's mutants; returns the number of unknown survivors."""
  module, arguments = settings['module'], settings['tests']
  preload(settings.get('preload', []))
  path = TREE / module
  source = path.read_text()
  start = time.monotonic()
  if not run_tests(module, arguments, 600):
    sys.exit(f'{name}: tests fail without a mutant; see {OUTPUT}/log.txt')
  limit = 5 + 3 * (time.monotonic() - start)
  report = OUTPUT / f'{name}.txt'
  chosen = list(mutants(source))
  total = len(chosen)
  if options.again:
    # Lines may have moved since.
    lines = report.read_text().splitlines()
    survived = {line.split(': ', 1)[1] for line in lines}
    chosen = [x for x in chosen if x.change in survived]
  elif options.share < 1:
    count = round(options.share * total)
    chosen = random.Random(SEED).sample(chosen, count)
  survivors = sorted(
    x for x in chosen if _survives(x, path, source, module, arguments, limit)
  )
  report.write_text(''.join(f'{_line(module, x)}\n' for x in survivors))
  known = known_survivors(name)
  unknown = [x for x in survivors if x.change not in known]
  num = len(survivors)
  print(
    f'{name:18} {len(chosen):4} of {total:4} mutants, '
    f'{len(chosen) - num:4} killed, {num:3} survived, '
    f'{len(unknown):3} of them unknown '
    f'({time.monotonic() - start:.0f} s)',
    flush=True,
  )
  return len(unknown)


def _line(module: str, mutant: Mutant) -> str:
  return f'{module}:{mutant.line}: {mutant.change}'


def _survives(mutant, path, source, *test) -> bool:
  path.write_text(mutant.source)
  try:
    return run_tests(*test)
  finally:
    path.write_text(source)


def main() -> None:
  """Parses the arguments, prepares the tree and tests the modules."""
  modules = tomllib.loads((HERE / 'modules.toml').read_text())
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('modules', nargs='*', help=f'of {", ".join(modules)}')
  parser.add_argument(
    '--again', action='store_true', help="test the last run's survivors only"
  )
  parser.add_argument(
    '--share', type=float, default=1.0, help='of the mutants, drawn at random'
  )
  arguments = parser.parse_args()
  if wrong := set(arguments.modules) - set(modules):
    parser.error(f'{wrong} are not in modules.toml')
  copy_tree()
  os.chdir(TREE)
  # Compiling costs more than interpreting on tests of this size. Compiled code
  # wraps unsigned integers around without a warning.
  os.environ['NUMBA_DISABLE_JIT'] = '1'
  np.seterr(over='ignore')
  # The values of `cli.script.set_environment`, before TensorFlow's import.
  os.environ |= {'TF_ENABLE_ONEDNN_OPTS': '1', 'TF_CPP_MIN_LOG_LEVEL': '3'}
  os.environ['TF_USE_LEGACY_KERAS'] = '1'
  os.environ['PYTHONPATH'] = str(TREE)  # For processes that tests start.
  os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
  os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'
  sys.dont_write_bytecode = True
  sys.path.insert(0, str(TREE))
  with contextlib.redirect_stdout(io.StringIO()):
    pytest.main(['--noconftest', '--version', '--version'])  # Imports plugins.
  unknown = [
    test_module(name, modules[name], arguments)
    for name in arguments.modules or modules
  ]
  sys.exit(any(unknown))


if __name__ == '__main__':
  main()
