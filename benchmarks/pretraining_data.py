"""Measures data/create_pretraining_data.py and its peers on the same text.

    python benchmarks/pretraining_data.py --vocab_file=vocab.txt \\
        --input_file='wiki-*.txt.gz' \\
        --reference_dir=path/to/google-research-bert

Each is a process of its own, measured from its start to its end, with all of
its descendants. The peers read plain text only, so all of them read the same
unpacked copy. They take turns, so that other load on the machine meets all. One
that fails is reported, and the others go on. The copy and the records lie in a
temporary folder (TMPDIR says where), the records of one run at a time.

--scaling=1,2,4 measures this project alone instead, on the text once, twice and
four times over: what more text costs in time and memory.
"""

import dataclasses
import glob
import json
import os
import pathlib
import re
import shlex
import sys
import tempfile

import comparison
import contest
import machine
from absl import app, flags
from comparison import Measurement
from contest import Contestant

from cli import script
from system.errors import UserError
from tools import local_files

FLAGS = flags.FLAGS

_ROOT = pathlib.Path(__file__).resolve().parents[1]

_INPUT_FILE = flags.DEFINE_string(
  'input_file',
  None,
  'Text, plain or gzip, a sentence a line, blank lines between documents: '
  'globs, separated by commas.',
  required=True,
)
_PEERS = flags.DEFINE_list(
  'peers',
  ['original', 'tf_models'],
  'Which to compare with: google-research/bert, tf-models-official, or none.',
)
_OURS = flags.DEFINE_bool(
  'ours', True, 'Whether this project runs, too; there are no ratios without.'
)
_REFERENCE_DIR = flags.DEFINE_string(
  'reference_dir', None, "A checkout of google-research/bert, for 'original'."
)
_OUR_FLAGS = flags.DEFINE_string(
  'our_flags', '', "Further flags of this project's script."
)
_SCALING = flags.DEFINE_list(
  'scaling', [], 'How many times over this project reads the text: 1,2,4.'
)
_NUM_ROUNDS = flags.DEFINE_integer(
  'num_rounds', 3, 'Rounds of each; medians are printed.', 1
)
_OUTPUT_JSON = flags.DEFINE_string(
  'output_json', None, 'Gets all numbers, and what they were measured on.'
)

flags.DEFINE_string('vocab_file', None, 'The vocabulary.', required=True)
flags.DEFINE_bool('do_lower_case', True, 'Whether to lower-case.')
flags.DEFINE_bool('do_whole_word_mask', False, 'Whether to mask whole words.')
flags.DEFINE_integer('max_seq_length', 128, 'Tokens in a record.')
flags.DEFINE_integer('max_predictions_per_seq', 20, 'Most masked in a record.')
flags.DEFINE_integer('random_seed', 12345, 'The seed.')
flags.DEFINE_integer('dupe_factor', 5, 'How many times the text is used.')
flags.DEFINE_float('masked_lm_prob', 0.15, 'The share of tokens to mask.')
flags.DEFINE_float('short_seq_prob', 0.1, 'The share of short records.')

# What all of the scripts get.
_SHARED_FLAGS = (
  *('vocab_file', 'do_lower_case', 'do_whole_word_mask', 'max_seq_length'),
  *('max_predictions_per_seq', 'random_seed', 'dupe_factor', 'masked_lm_prob'),
  'short_seq_prob',
)

_TITLES = {
  'ours': 'this project',
  'original': 'google-research/bert',
  'tf_models': 'tf-models-official',
}


def main(argv: list[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments: {argv[1:]}')
  try:
    report, results = _run()
  except UserError as error:
    script.fail(str(error))
  except KeyboardInterrupt:
    script.fail('interrupted; --output_json, if given, has the whole rounds')
  print('\n'.join(report.lines(results)))
  if any(runs[-1].failure for runs in results):
    sys.exit(1)


def _run() -> tuple['_Report', list[list[Measurement]]]:
  """Runs everything; returns each contestant's measurements."""
  _check_flags()
  with tempfile.TemporaryDirectory(
    prefix='pretraining_data.', ignore_cleanup_errors=True
  ) as folder:
    inputs = contest.unpack(_expand(_INPUT_FILE.value), folder)
    contestants = _contestants(inputs)
    report = _Report(contestants)
    report.write([])  # Better now than after hours, if it cannot be written.
    return report, contest.compare(
      contestants, _NUM_ROUNDS.value, folder, report.write
    )


def _check_flags() -> None:
  """Raises a `UserError` for what would only fail after hours, or never."""
  for peer in _PEERS.value:
    if peer not in ('original', 'tf_models'):
      raise UserError(f'--peers={peer}: expected original or tf_models')
  if not os.path.isfile(FLAGS.vocab_file):
    raise UserError(f'--vocab_file: there is no file {FLAGS.vocab_file!r}')
  if _SCALING.value:
    _check_scaling()
  elif not _OURS.value and not _PEERS.value:
    raise UserError('--noours and an empty --peers leave nothing to measure')
  elif 'original' in _PEERS.value and not os.path.isfile(_original_script()):
    raise UserError(
      f'--reference_dir: there is no file {_original_script()!r}; expected a '
      'checkout of google-research/bert, or --peers without original'
    )


def _check_scaling() -> None:
  """Raises a `UserError` where --scaling is wrong or meets other flags."""
  if FLAGS['peers'].present or not _OURS.value:
    raise UserError('--scaling measures this project alone, without --peers')
  given = _SCALING.value
  if all(re.fullmatch('[1-9][0-9]*', times) for times in given):
    multiples = list(map(int, given))
    if multiples == sorted(set(multiples)):
      return
  raise UserError(
    f'--scaling={",".join(given)}: expected whole numbers, each larger than '
    'the one before'
  )


def _original_script() -> str:
  folder = os.path.abspath(_REFERENCE_DIR.value or '')
  return os.path.join(folder, 'create_pretraining_data.py')


def _expand(patterns: str) -> list[str]:
  """Returns the files that globs, separated by commas, name."""
  paths = []
  for pattern in filter(None, patterns.split(',')):
    matches = sorted(glob.glob(pattern))
    if not matches:
      raise UserError(f'--input_file: no file matches {pattern!r}')
    paths += matches
  return paths


def _contestants(inputs: list[str]) -> list[Contestant]:
  """Returns who takes part, this project first."""
  shared = [f'--{name}={FLAGS[name].value}' for name in _SHARED_FLAGS]
  programs = {
    'ours': [str(_ROOT / 'data' / 'create_pretraining_data.py')],
    'original': [
      str(_ROOT / 'benchmarks' / 'original.py'),
      _original_script(),
    ],
    'tf_models': ['-m', 'official.nlp.data.create_pretraining_data'],
  }
  commands = {
    name: [sys.executable, *program, *shared]
    for name, program in programs.items()
  }
  commands['ours'] += shlex.split(_OUR_FLAGS.value)
  if _SCALING.value:
    return [
      Contestant(
        f'text x {times}', commands['ours'], contest.repeat(inputs, int(times))
      )
      for times in _SCALING.value
    ]
  names = (['ours'] if _OURS.value else []) + _PEERS.value
  return [Contestant(_TITLES[name], commands[name], inputs) for name in names]


class _Report:
  """What is printed at the end, and written to --output_json on the way."""

  def __init__(self, contestants: list[Contestant]):
    self._commands = {each.title: each.command for each in contestants}
    self._load_at_start = os.getloadavg()

  def lines(self, results: list[list[Measurement]]) -> list[str]:
    """Returns the table and what follows from it."""
    rows = list(map(comparison.median, results))
    lines = [
      f'dupe_factor {FLAGS.dupe_factor}, max_seq_length {FLAGS.max_seq_length},'
      f' medians of {_NUM_ROUNDS.value} rounds',
      *comparison.table(rows),
    ]
    if _SCALING.value:
      return lines + comparison.growth_lines(rows)
    ratios = self._ratios(results)
    return lines + [comparison.ratio_line(*item) for item in ratios.items()]

  def _ratios(self, results: list[list[Measurement]]) -> dict[str, dict]:
    """Returns the ratios to this project of each peer, by title."""
    whole = [runs for runs in results if not runs[-1].failure]
    if _SCALING.value or not whole or whole[0][0].title != _TITLES['ours']:
      return {}
    ours, *peers = whole
    return {runs[0].title: comparison.ratios(ours, runs) for runs in peers}

  def write(self, results: list[list[Measurement]]) -> None:
    """Writes --output_json."""
    if not _OUTPUT_JSON.value:
      return
    medians = map(comparison.median, results)
    content = {
      'input_file': _INPUT_FILE.value,
      'commands': self._commands,
      'runs': [dataclasses.asdict(run) for runs in results for run in runs],
      'medians': [dataclasses.asdict(each) for each in medians],
      'ratios': self._ratios(results),
      'machine': machine.describe(),
      'load_average': {'start': self._load_at_start, 'end': os.getloadavg()},
    }
    text = json.dumps(content, indent=2) + '\n'
    local_files.write(_OUTPUT_JSON.value, text)


if __name__ == '__main__':
  app.run(main)
