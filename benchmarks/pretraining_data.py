"""Measures data/create_pretraining_data.py and its peers on the same text.

  python -m benchmarks.pretraining_data --vocab_file=vocab.txt \\
    --input_file='wiki-*.txt.gz' --reference_dir=path/to/google-research-bert

It reproduces the README's numbers. Each program runs as a separate process,
which is measured with all its descendants from start to end. All programs read
the same unpacked copy, because the peers read plain text only. They run
alternately, so that other load on the machine affects all of them. A program
that fails is reported, and the others continue. The copy and the records of one
run at a time are in a temporary folder in TMPDIR.

--scaling=1,2,4 measures only this project, on the text once, twice and four
times over, to show how time and memory grow with the text.
"""

import dataclasses
import os
import re
import shlex
import sys
import tempfile

from absl import flags

from benchmarks import comparison, contest, machine
from benchmarks.comparison import Measurement
from benchmarks.contest import Contestant
from benchmarks.processes import ROOT
from cli import script
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS

_INPUT_FILE = flags.DEFINE_string(
  'input_file',
  None,
  'Text, plain or gzip, one sentence per line, blank lines between documents: '
  'globs, separated by commas.',
  required=True,
)
_PEERS = flags.DEFINE_list(
  'peers',
  ['original', 'tf_models'],
  'The programs to compare with: original (google-research/bert) and tf_models '
  '(tf-models-official); may be empty.',
)
_OURS = flags.DEFINE_bool(
  'ours', True, 'Whether to run this project, too; ratios need it.'
)
_REFERENCE_DIR = flags.DEFINE_string(
  'reference_dir', None, "A checkout of google-research/bert, for 'original'."
)
_OUR_FLAGS = flags.DEFINE_string(
  'our_flags', '', "Further flags of this project's script."
)
_SCALING = flags.DEFINE_list(
  'scaling',
  [],
  'Measure only this project, on the text repeated these numbers of times, for '
  'example 1,2,4.',
)
_NUM_ROUNDS = flags.DEFINE_integer(
  'num_rounds', 3, 'Number of runs of each program.', 1
)
_OUTPUT_JSON = flags.DEFINE_string(
  'output_json', None, 'The JSON file for all numbers and the machine.'
)

flags.DEFINE_string('vocab_file', None, 'The vocabulary.', required=True)
flags.DEFINE_bool('do_lower_case', True, 'Whether to lower-case text.')
flags.DEFINE_bool('do_whole_word_mask', False, 'Whether to mask whole words.')
flags.DEFINE_integer('max_seq_length', 128, 'Tokens per record.')
flags.DEFINE_integer(
  'max_predictions_per_seq', 20, 'Maximum number of masked tokens per record.'
)
flags.DEFINE_integer('random_seed', 12345, 'The seed.')
flags.DEFINE_integer('dupe_factor', 5, 'Number of passes over the text.')
flags.DEFINE_float('masked_lm_prob', 0.15, 'Share of tokens to mask.')
flags.DEFINE_float('short_seq_prob', 0.1, 'Share of short records.')

# The flags that all programs get.
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


def main(_: list[str]) -> None:
  """Runs all programs and prints the table and the ratios."""
  try:
    report, results = _run()
  except KeyboardInterrupt:
    script.fail('interrupted; --output_json, if given, has the finished rounds')
  print('\n'.join(report.lines(results)))
  if any(runs[-1].failure for runs in results):
    sys.exit(1)


def _run() -> tuple['_Report', list[list[Measurement]]]:
  """Runs all programs; returns each one's measurements."""
  _check_flags()
  with tempfile.TemporaryDirectory(
    prefix='pretraining_data.', ignore_cleanup_errors=True
  ) as folder:
    inputs = contest.unpack(files.expand(_INPUT_FILE.value), folder)
    contestants = _contestants(inputs)
    report = _Report(contestants)
    report.write([])  # Fail now, not after hours, if it cannot be written.
    return report, contest.compare(
      contestants, _NUM_ROUNDS.value, folder, report.write
    )


def _check_flags() -> None:
  """Raises a `UserError` for mistakes that would show late or never."""
  for peer in _PEERS.value:
    if peer not in ('original', 'tf_models'):
      raise UserError(f'--peers={peer}: expected original or tf_models')
  files.require_file(FLAGS.vocab_file, '--vocab_file')
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
  """Raises a `UserError` if --scaling is malformed or excludes other flags."""
  if FLAGS['peers'].present or not _OURS.value:
    raise UserError('--scaling measures only this project, without --peers')
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


def _contestants(inputs: list[str]) -> list[Contestant]:
  """Returns the programs to run, this project first."""
  shared = [f'--{name}={FLAGS[name].value}' for name in _SHARED_FLAGS]
  programs = {
    'ours': [f'{ROOT}/data/create_pretraining_data.py'],
    'original': ['-m', 'benchmarks.original', _original_script()],
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
  """Prints the results at the end and saves them after each round."""

  def __init__(self, contestants: list[Contestant]):
    self._commands = {each.title: each.command for each in contestants}
    self._load_at_start = os.getloadavg()

  def lines(self, results: list[list[Measurement]]) -> list[str]:
    """Returns the table and the ratios, or the growth for --scaling."""
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
    """Returns each peer's ratios to this project, by title."""
    succeeded = [runs for runs in results if not runs[-1].failure]
    if _SCALING.value or not succeeded:
      return {}
    ours, *peers = succeeded
    if ours[0].title != _TITLES['ours']:
      return {}
    return {runs[0].title: comparison.ratios(ours, runs) for runs in peers}

  def write(self, results: list[list[Measurement]]) -> None:
    """Writes --output_json, if given."""
    medians = map(comparison.median, results)
    machine.save(
      _OUTPUT_JSON.value,
      {
        'input_file': _INPUT_FILE.value,
        'commands': self._commands,
        'runs': [dataclasses.asdict(run) for runs in results for run in runs],
        'medians': [dataclasses.asdict(each) for each in medians],
        'ratios': self._ratios(results),
      },
      self._load_at_start,
    )


if __name__ == '__main__':
  script.run(main)
