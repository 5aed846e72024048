"""Measures this project's tokenizer against google-research/bert's.

  python -m benchmarks.tokenization --vocab_file=vocab.txt \\
    --input_file=wiki.txt --reference_dir=path/to/google-research-bert

It also checks that the ids are the same; different ids are an error. Both
tokenizers read the same lines in the same process: the original one line at a
time, which is all it supports, this project's in batches. Rounds alternate, so
that other load on the machine affects both.
"""

import itertools
import statistics
import time
from collections.abc import Callable

from absl import flags

from benchmarks import comparison, original
from cli import script
from system import text_files

_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', None, 'The vocabulary of both tokenizers.', required=True
)
_INPUT_FILE = flags.DEFINE_string(
  'input_file',
  None,
  'Text, plain or gzip, one sentence per line.',
  required=True,
)
_REFERENCE_DIR = flags.DEFINE_string(
  'reference_dir', None, 'A checkout of google-research/bert.', required=True
)
_DO_LOWER_CASE = flags.DEFINE_bool(
  'do_lower_case', True, 'Whether to lower-case text.'
)
_NUM_LINES = flags.DEFINE_integer(
  'num_lines', 10_000, 'Number of lines to tokenise; blank ones are skipped.', 1
)
_BATCH_SIZE = flags.DEFINE_integer(
  'batch_size', 1_000, "Lines per batch of this project's tokenizer.", 1
)
_NUM_ROUNDS = flags.DEFINE_integer(
  'num_rounds', 5, 'Number of rounds for each tokenizer.', 1
)


def _original(
  reference_dir: str, vocab_file: str, do_lower_case: bool
) -> Callable[[list[str]], list[list[int]]]:
  """Returns a function that tokenises lines with google-research/bert."""
  module = original.load(reference_dir, 'tokenization')
  tokenizer = module.FullTokenizer(vocab_file, do_lower_case)
  return lambda lines: [
    tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line)) for line in lines
  ]


def _ours(
  vocab_file: str, do_lower_case: bool, batch_size: int
) -> Callable[[list[str]], list]:
  """Returns a function that tokenises lines in batches."""
  from data.text.tokenization import BertTokenizer

  tokenizer = BertTokenizer(vocab_file, do_lower_case)
  return lambda lines: [
    tokenizer.tokenize(lines[start : start + batch_size])
    for start in range(0, len(lines), batch_size)
  ]


def _seconds(tokenise: Callable, lines: list[str]) -> float:
  start = time.perf_counter()
  tokenise(lines)
  return time.perf_counter() - start


def _check_equal(
  expected: list[list[int]], batches: list, lines: list[str]
) -> None:
  """Raises a ValueError at the first line whose ids differ."""
  actual = [ids for batch in batches for ids in batch.to_list()]
  for line, theirs, ours in zip(lines, expected, actual, strict=True):
    if theirs != ours:
      raise ValueError(f'{line!r}: the original gives {theirs}, ours {ours}')


def main(_: list[str]) -> None:
  """Compares the ids, then prints both speeds and their ratio."""
  lines = (line for line in text_files.read_lines(_INPUT_FILE.value) if line)
  lines = list(itertools.islice(lines, _NUM_LINES.value))
  megabytes = sum(len(line.encode()) for line in lines) / 1e6
  theirs = _original(
    _REFERENCE_DIR.value, _VOCAB_FILE.value, _DO_LOWER_CASE.value
  )
  ours = _ours(_VOCAB_FILE.value, _DO_LOWER_CASE.value, _BATCH_SIZE.value)
  _check_equal(theirs(lines), ours(lines), lines)

  rounds = [
    (_seconds(theirs, lines), _seconds(ours, lines))
    for _ in range(_NUM_ROUNDS.value)
  ]
  original_seconds, our_seconds = map(
    statistics.median, zip(*rounds, strict=True)
  )
  ratios = [slow / fast for slow, fast in rounds]
  print(f'{len(lines):,} lines, {megabytes:.2f} MB, the same ids')
  print(f'google-research/bert  {megabytes / original_seconds:6.2f} MB/s')
  print(f'this project          {megabytes / our_seconds:6.2f} MB/s')
  print(f'ratio                 {comparison.spread(ratios, 1)}')


if __name__ == '__main__':
  script.run(main)
