"""Measures which stages of making pre-training records limit many cores.

  python -m benchmarks.record_stages --vocab_file=vocab.txt \\
    --input_file='wiki-*.txt.gz' --dupe_factor=5 --num_workers=1,2,4,8,16

First it runs data/create_pretraining_data.py with each of --num_workers, as far
as this machine has cores. Then it runs the same functions in one thread of one
process, and adds up the CPU time of each stage. CPU time depends less on other
load than wall time does. From these seconds it predicts the time on more cores:
the longest of all work divided by the cores, of the stages that hold Python's
lock with its hand-overs, and of the writer. The prediction leaves out waiting
at the start and at the end, and assumes that memory is fast enough.
"""

import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from unittest import mock

from absl import flags

from benchmarks import machine, processes
from benchmarks.processes import ROOT
from cli import script
from system import files, threads
from system.errors import UserError

FLAGS = flags.FLAGS

# In the order of the work. The splitter runs in processes on several cores.
_SURVEY, _READ, _SPLIT = 'survey', 'reading', 'splitting sentences'
_TOKENIZE, _PAIR, _MAKE = 'tokenizing', 'pairs and order', 'records'
_WRITE, _OTHER = 'writing', 'other Python'
_STAGES = {
  _SURVEY: 'Python, a process an input from 4 cores on',
  _READ: "Python's lock",
  _SPLIT: "Python's lock; a few processes from 4 cores on",
  _TOKENIZE: 'all threads, in TensorFlow',
  _PAIR: 'one thread a block, compiled',
  _MAKE: 'all threads, compiled',
  _WRITE: 'one thread, in the system',
  _OTHER: "Python's lock",
}

# How often a batch of records, and a batch of text to tokenise, waits for
# Python's lock, and how long a hand-over takes (an estimate).
_RECORD_WAITS, _TEXT_WAITS, _HAND_OVER_SECONDS = 3, 12, 1e-4


class _Clock:
  """Adds up the CPU time of this process by stage.

  Attributes:
    seconds: the CPU seconds of each stage, without those of stages within it.
  """

  def __init__(self):
    self.seconds = dict.fromkeys(_STAGES, 0.0)
    self._stage = _OTHER
    self._last = time.process_time()

  @contextlib.contextmanager
  def stage(self, name: str) -> Iterator[None]:
    """Counts the time within the context for a stage."""
    outer = self._switch(name)
    try:
      yield
    finally:
      self._switch(outer)

  def _switch(self, name: str) -> str:
    now = time.process_time()
    self.seconds[self._stage] += now - self._last
    self._last = now
    outer, self._stage = self._stage, name
    return outer

  def timed(self, name: str, function: Callable) -> Callable:
    """Returns a function whose time and calls count for a stage."""

    def call(*arguments):
      call.num_calls += 1
      with self.stage(name):
        return function(*arguments)

    call.num_calls = 0
    return call

  def iterate(self, name: str, items: Iterable) -> Iterator:
    """Yields items; the time to make them counts for a stage."""
    iterator = iter(items)
    while True:
      with self.stage(name):
        item = next(iterator, None)
      if item is None:
        return
      yield item


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'Text: globs, separated by commas.', required=True
  )
  flags.DEFINE_string('input_format', 'bert', 'The form of the text.')
  flags.DEFINE_string('vocab_file', None, 'The vocabulary.', required=True)
  flags.DEFINE_integer('dupe_factor', 5, 'Number of passes over the text.', 1)
  flags.DEFINE_integer('max_seq_length', 128, 'Tokens per record.', 5)
  flags.DEFINE_list(
    'num_workers', ['1', '2', '4', '8', '16'], 'Runs, and predictions.'
  )
  flags.DEFINE_bool('runs', True, 'Whether to run the script, too.')
  flags.DEFINE_string(
    'output_json', None, 'The JSON file for all numbers and the machine.'
  )


def main(_: list[str]) -> None:
  """Runs the script, then the stages, and prints both."""
  counts = _worker_counts()
  paths = files.expand(FLAGS.input_file)
  files.require_file(FLAGS.vocab_file, '--vocab_file')
  load_at_start = os.getloadavg()
  runs = {}
  for count in counts if FLAGS.runs else []:
    if count <= threads.num_cores():
      runs[count] = _run(count)
      print(f'{count} workers: {_format_run(runs[count])}', flush=True)
  _account(paths[:1])  # Compiles functions, and loads the tokenizer.
  num_records, seconds, waits = _account(paths)
  per_million = {
    name: 1e6 * value / num_records for name, value in seconds.items()
  }
  hand_over = 1e6 * _HAND_OVER_SECONDS * waits / num_records
  predicted = {
    count: predict(per_million, hand_over, count, len(paths))
    for count in counts
  }
  print(f'{num_records:,} records')
  print('\n'.join(_lines(per_million, hand_over, predicted)))
  machine.save(
    FLAGS.output_json,
    {
      'input_file': FLAGS.input_file,
      'input_format': FLAGS.input_format,
      'records': num_records,
      'runs': runs,
      'cpu_seconds_per_million_records': per_million,
      'hand_over_seconds_per_million_records': hand_over,
      'predicted_seconds_per_million_records': predicted,
    },
    load_at_start,
  )


def _worker_counts() -> list[int]:
  given = FLAGS.num_workers
  if not given or not all(re.fullmatch('[1-9][0-9]*', text) for text in given):
    raise UserError(
      f'--num_workers={",".join(given)}: expected whole numbers, such as 1,2,4'
    )
  return [*map(int, given)]


def _run(num_workers: int) -> dict[str, float | str]:
  """Runs the script; returns its time, and that of its second pass."""
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    log = os.path.join(folder, 'log')
    usage = processes.run(
      [
        *(sys.executable, f'{ROOT}/data/create_pretraining_data.py'),
        f'--input_file={FLAGS.input_file}',
        f'--input_format={FLAGS.input_format}',
        f'--vocab_file={FLAGS.vocab_file}',
        f'--dupe_factor={FLAGS.dupe_factor}',
        f'--max_seq_length={FLAGS.max_seq_length}',
        f'--num_workers={num_workers}',
        f'--output_file={os.path.join(folder, "records.tfrecord")}',
      ],
      log,
    )
    with open(log, errors='replace') as file:
      made = re.search(r'made in ([\d.]+) s, ([\d,]+) records/s', file.read())
  if usage.failure or not made:
    raise UserError(f'the script failed: {usage.failure}')
  return {
    'seconds': usage.seconds,
    'cpu_seconds': usage.cpu_seconds,
    'peak_megabytes': usage.peak_bytes / 1e6,
    'made_seconds': float(made[1]),
    'made_records_per_second': float(made[2].replace(',', '')),
  }


def _format_run(run: dict[str, float | str]) -> str:
  return (
    f'{run["made_records_per_second"]:,.0f} records/s in the second pass; in '
    f'all {run["seconds"]:.1f} s, {run["cpu_seconds"]:.1f} CPU s, '
    f'{run["peak_megabytes"]:,.0f} MB'
  )


def _account(paths: list[str]) -> tuple[int, dict[str, float], int]:
  """Makes the records of some inputs in one thread.

  Returns:
    The number of records, the CPU seconds of each stage, and how often the
    threads would wait for Python's lock.
  """
  from data.pretraining import blocks, record_rows
  from data.pretraining.block_records import BlockRecords
  from data.pretraining.masking import SpecialTokens
  from data.pretraining.options import RecordOptions
  from data.pretraining.partitioning import Partitioning
  from data.records.record_writer import RecordWriter
  from data.text import survey
  from data.text.corpus import Corpus
  from data.text.corpus_options import CorpusOptions
  from data.text.tokenization import BertTokenizer

  options = RecordOptions(
    max_seq_length=FLAGS.max_seq_length, dupe_factor=FLAGS.dupe_factor
  )
  corpus = Corpus(
    CorpusOptions(FLAGS.input_file, input_format=FLAGS.input_format), paths
  )
  tokenizer = BertTokenizer(FLAGS.vocab_file)
  special = SpecialTokens.of(tokenizer.vocabulary)
  clock = _Clock()
  surveys = clock.timed(_SURVEY, survey.survey)(corpus)
  partitioning = Partitioning(sum(found.num_bytes for found in surveys))
  texts = blocks.block_texts(corpus, surveys, partitioning)
  made = blocks.make_blocks(
    clock.iterate(_READ, texts),
    corpus,
    tokenizer,
    options.max_seq_length,
    split=clock.timed(_SPLIT, corpus.split_sentences),
  )
  make = clock.timed(_MAKE, record_rows.make_framed)
  tokenize = clock.timed(_TOKENIZE, blocks.tokenize_lines)
  with (
    tempfile.TemporaryDirectory() as folder,
    RecordWriter(os.path.join(folder, 'records.tfrecord')) as writer,
    mock.patch.object(record_rows, 'make_framed', make),
    mock.patch.object(blocks, 'tokenize_lines', tokenize),
  ):
    write = clock.timed(_WRITE, writer.write_framed)
    for number, block in made:
      records = clock.timed(_PAIR, BlockRecords)(
        block, number, special, options
      )
      for framed, _ in records.framed_batches(range(len(records)), map):
        write(framed)
  waits = _RECORD_WAITS * make.num_calls + _TEXT_WAITS * tokenize.num_calls
  return writer.num_records, clock.seconds, waits


def predict(
  seconds: dict[str, float], hand_over: float, num_cores: int, num_inputs: int
) -> tuple[float, float]:
  """Predicts the time of the survey and of the second pass.

  Args:
    seconds: the CPU seconds of each stage.
    hand_over: the seconds in which no thread has Python's lock.
    num_cores: the number of cores, and of workers.
    num_inputs: the number of inputs, of equal size.
  """
  from data.pretraining.shard_writer import splitter_processes
  from data.text.survey import num_processes

  work = sum(seconds.values()) - seconds[_SURVEY]
  lock = seconds[_READ] + seconds[_OTHER] + hand_over * (num_cores > 1)
  split = seconds[_SPLIT]
  if num_splitters := splitter_processes(num_cores):
    split /= num_splitters
  else:
    lock += split
  surveyors = num_processes(num_cores, num_inputs)
  rounds = -(-num_inputs // surveyors)
  return (
    seconds[_SURVEY] * rounds / num_inputs,
    max(work / num_cores, lock, split, seconds[_WRITE]),
  )


def _lines(per_million, hand_over, predicted) -> Iterator[str]:
  """Yields the table of the stages, and that of the predictions."""
  yield 'CPU seconds per million records:'
  for name, where in _STAGES.items():
    yield f'{name:20}{per_million[name]:7.2f}  {where}'
  yield f"{'hand-overs':20}{hand_over:7.2f}  of Python's lock, on several cores"
  yield 'predicted, without start-up:'
  first = sum(next(iter(predicted.values())))
  for count, (survey, second) in predicted.items():
    yield (
      f'{count:3} cores: survey {survey:.2f} s, second pass {second:.2f} s per '
      f'million records, {1e6 / second:,.0f} records/s; in all '
      f'{first / (survey + second):.1f} times as fast as the first row'
    )


if __name__ == '__main__':
  define_flags()
  script.run(main)
