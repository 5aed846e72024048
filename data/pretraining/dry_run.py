"""A dry run: shows sample records, estimates the whole job, writes nothing."""

import dataclasses
import functools
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import tqdm

from data.pretraining import blocks
from data.pretraining.block_records import BlockRecords
from data.pretraining.blocks import MapFunction
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.pretraining.partitioning import BLOCK_BYTES
from data.pretraining.record_statistics import RecordStatistics
from data.text import survey
from data.text.corpus import Corpus
from data.text.document import Document
from data.text.tokenization import BertTokenizer
from data.text.vocabulary_options import TokenizerOptions
from system.threads import ordered_map

_NUM_EXAMPLES = 10
# The sample is read from this many inputs at most, evenly spread.
_NUM_FILES = 8


@dataclasses.dataclass
class _Sample:
  """A part of a corpus.

  Attributes:
    texts: documents.
    num_bytes: UTF-8 bytes of `texts`.
    read_bytes: UTF-8 bytes of all documents that were read.
    stored_bytes: bytes that these documents take in the input files.
    seconds: the time that reading took.
  """

  texts: list[str]
  num_bytes: int = 0
  read_bytes: int = 0
  stored_bytes: int = 0
  seconds: float = 0.0


def run(
  corpus: Corpus,
  vocabulary: TokenizerOptions,
  options: RecordOptions,
  num_workers: int,
) -> Iterator[str]:
  """Makes the records of a sample, and measures the time.

  Args:
    corpus: the text; up to 8 MiB of it are read.
    vocabulary: the vocabulary, and how text is normalised.
    options: the settings of the records.
    num_workers: the number of threads, as in the whole job.

  Yields:
    Lines to print: ten records, and the size and time of the whole job.

  Raises:
    UserError: an option is wrong, or the sample has no document.
  """
  options.check()
  options.warn_of_few_predictions()
  corpus.options.log_missing_rules()
  tokenizer = BertTokenizer(vocabulary.vocab_file, vocabulary.do_lower_case)
  sample = _read_sample(corpus)
  special = SpecialTokens.of(tokenizer.vocabulary)
  with ThreadPoolExecutor(num_workers) as pool:
    in_threads = functools.partial(ordered_map, pool, 2 * num_workers)

    def make(texts: list[str], map_function: MapFunction) -> BlockRecords:
      block = blocks.make_block(
        texts, corpus, tokenizer, options.max_seq_length, map_function
      )
      return BlockRecords(block, 0, special, options, map_function)

    # Compile the functions first: the estimate leaves that time out.
    list(make(sample.texts[:100], map).framed_batches(range(100), map))
    start = time.monotonic()
    records = make(sample.texts, in_threads)
    num_bytes = 0
    statistics = RecordStatistics.empty(options.max_seq_length)
    for framed, counted in records.framed_batches(
      range(len(records)), in_threads
    ):
      num_bytes += len(framed.buffer)
      statistics += counted
    seconds = time.monotonic() - start
  yield from _examples(records, tokenizer)
  yield f'The sample: {len(sample.texts):,} documents, {statistics}.'
  statistics.warn()
  yield _estimate(corpus, sample, statistics.records, num_bytes, seconds)


def _read_sample(corpus: Corpus) -> _Sample:
  """Reads the beginnings of some inputs."""
  sample = _Sample([])
  start = time.monotonic()
  step = -(-len(corpus.paths) // _NUM_FILES)
  numbers = range(0, len(corpus.paths), step)
  for i, number in enumerate(numbers, 1):
    _read_beginning(corpus, number, sample, i * BLOCK_BYTES // len(numbers))
  sample.seconds = time.monotonic() - start
  if not sample.texts:
    # The survey's error names the reasons.
    found = [survey.survey_file(corpus, number) for number in numbers]
    survey.require_documents(corpus, found)
  return sample


def _read_beginning(
  corpus: Corpus, number: int, sample: _Sample, target_bytes: int
) -> None:
  """Reads an input until the sample has `target_bytes` bytes of documents.

  Inputs are read in large pieces. How many bytes a piece's documents take in
  the file is known only at its end, so the last piece is read completely.
  """
  position = [0]
  stored = read_bytes = 0
  on_progress = functools.partial(position.__setitem__, 0)
  for document in corpus.read(number, on_progress):
    if position[0] != stored and stored and sample.num_bytes >= target_bytes:
      break
    stored = position[0]
    if not isinstance(document, Document):
      continue
    read_bytes += document.num_bytes
    if sample.num_bytes < target_bytes:
      sample.texts.append(document.text)
      sample.num_bytes += document.num_bytes
  else:
    stored = position[0]  # The whole input.
  sample.read_bytes += read_bytes
  sample.stored_bytes += stored


def _examples(records: BlockRecords, tokenizer: BertTokenizer) -> Iterator[str]:
  """Yields the first records as text."""
  columns = records.columns(slice(_NUM_EXAMPLES))
  for i in range(len(columns['input_ids'])):
    row = {name: column[i] for name, column in columns.items()}
    label = int(row['next_sentence_labels'][0])
    yield f'Record {i}, next_sentence_labels={label}:'
    yield textwrap.fill(
      ' '.join(_readable_tokens(row, tokenizer.tokens)),
      initial_indent='  ',
      subsequent_indent='  ',
      break_on_hyphens=False,
    )


def _readable_tokens(row, tokens: list[str]) -> list[str]:
  """Returns a record's tokens; a masked one as `[MASK]{original token}`."""
  readable = [tokens[i] for i in row['input_ids'][: row['input_mask'].sum()]]
  for position, label, weight in zip(
    row.get('masked_lm_positions', []),
    row.get('masked_lm_ids', []),
    row.get('masked_lm_weights', []),
    strict=True,
  ):
    if weight:
      readable[position] += '{' + tokens[label] + '}'
  return readable


def _estimate(
  corpus: Corpus,
  sample: _Sample,
  num_records: int,
  record_bytes: int,
  seconds: float,
) -> str:
  """Returns a line with the expected size and time of the whole job."""
  stored = sum(corpus.sizes())
  read_times = stored / max(sample.stored_bytes, 1)
  times = read_times * sample.read_bytes / sample.num_bytes
  size = tqdm.tqdm.format_sizeof
  # The survey reads the text once; the second pass reads while it works.
  total_seconds = read_times * sample.seconds + times * seconds
  return (
    f'The whole job: about {size(times * sample.num_bytes)}B of text, '
    f'{times * len(sample.texts):,.0f} documents, '
    f'{times * num_records:,.0f} records, {size(times * record_bytes)}B on '
    f'disk; {tqdm.tqdm.format_interval(total_seconds)} on this machine, '
    f'without writing ({num_records / seconds:,.0f} records/s).'
  )
