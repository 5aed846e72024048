"""Shows, without writing anything, what records will look like and cost."""

import dataclasses
import functools
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import tqdm

from data.pretraining import blocks, shards
from data.pretraining.block_records import BlockRecords
from data.pretraining.blocks import Run
from data.pretraining.options import Options
from data.pretraining.plan import BLOCK_BYTES
from data.pretraining.statistics import Statistics
from data.text import survey
from data.text.corpus import Corpus
from data.text.document import Document
from system.threads import ordered_map

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

_NUM_EXAMPLES = 10
# From so many inputs, evenly spread, a part of the sample is read.
_NUM_FILES = 8


@dataclasses.dataclass
class _Sample:
  """A part of a corpus.

  Attributes:
    texts: documents.
    num_bytes: UTF-8 bytes of these.
    read_bytes: UTF-8 bytes of all documents that were read.
    stored_bytes: what those take in the files.
    seconds: what reading them took.
  """

  texts: list[str]
  num_bytes: int = 0
  read_bytes: int = 0
  stored_bytes: int = 0
  seconds: float = 0.0


def run(
  corpus: Corpus,
  vocabulary: tuple[str, bool],
  options: Options,
  num_workers: int,
) -> Iterator[str]:
  """Makes the records of a sample, and measures.

  Args:
    corpus: the text; up to 8 MiB of it are read.
    vocabulary: the WordPiece vocabulary's file, and whether to lower-case and
      strip accents.
    options: what the records are to be.
    num_workers: how many threads to use, as in the whole job.

  Yields:
    Lines to print: ten records, and what all will take.

  Raises:
    UserError: there is no document in the sample.
  """
  from data.text.tokenization import BertTokenizer

  options.check()
  options.warn_of_few_predictions()
  tokenizer = BertTokenizer(*vocabulary)
  sample = _read(corpus)
  special = shards.special_of(tokenizer)
  tokenize = functools.partial(shards.token_ids, tokenizer)
  with ThreadPoolExecutor(num_workers) as pool:
    in_threads = functools.partial(ordered_map, pool, 2 * num_workers)

    def make(texts: list[str], run: Run) -> BlockRecords:
      block = blocks.tokenised(texts, corpus.sentences, tokenize, run)
      return BlockRecords(block, 0, special, options, run)

    # A few first: what is compiled now is not measured.
    list(shards.made(make(sample.texts[:100], map), range(100), map))
    start = time.monotonic()
    records = make(sample.texts, in_threads)
    num_bytes, counted = 0, Statistics.zero(options.max_seq_length)
    for framed, statistics in shards.made(
      records, range(len(records)), in_threads
    ):
      num_bytes += len(framed.buffer)
      counted += statistics
    seconds = time.monotonic() - start
  yield from _examples(records, tokenizer)
  yield f'The sample: {len(sample.texts):,} documents, {counted}.'
  yield _estimate(corpus, sample, counted.records, num_bytes, seconds)


def _read(corpus: Corpus) -> _Sample:
  """Reads the beginnings of some inputs."""
  sample = _Sample([])
  start = time.monotonic()
  step = -(-len(corpus.paths) // _NUM_FILES)
  numbers = range(0, len(corpus.paths), step)
  for i, number in enumerate(numbers, 1):
    _read_beginning(corpus, number, sample, i * BLOCK_BYTES // len(numbers))
  sample.seconds = time.monotonic() - start
  if not sample.texts:
    # Says why not.
    found = [survey.survey_file(corpus, number) for number in numbers]
    survey.require_documents(corpus, found)
  return sample


def _read_beginning(
  corpus: Corpus, number: int, sample: _Sample, enough: int
) -> None:
  """Reads an input until the sample has enough bytes.

  Files are read in large pieces; what a piece holds is known when it is used
  up. So it is read to its end.
  """
  stored = [0]
  before = read_bytes = 0
  for document in corpus.read(number, functools.partial(stored.__setitem__, 0)):
    if stored[0] != before and before and sample.num_bytes >= enough:
      break
    before = stored[0]
    if not isinstance(document, Document):
      continue
    read_bytes += document.num_bytes
    if sample.num_bytes < enough:
      sample.texts.append(document.text)
      sample.num_bytes += document.num_bytes
  else:
    before = stored[0]  # All of it.
  sample.read_bytes += read_bytes
  sample.stored_bytes += before


def _examples(
  records: BlockRecords, tokenizer: 'BertTokenizer'
) -> Iterator[str]:
  """Yields the first records in a form to read."""
  columns = records.columns(slice(_NUM_EXAMPLES))
  for i in range(len(columns['input_ids'])):
    row = {name: column[i] for name, column in columns.items()}
    label = int(row['next_sentence_labels'][0])
    yield f'Record {i}, next_sentence_labels={label}:'
    yield textwrap.fill(
      ' '.join(_shown(row, tokenizer.tokens)),
      initial_indent='  ',
      subsequent_indent='  ',
      break_on_hyphens=False,
    )


def _shown(row, tokens: list[str]) -> list[str]:
  """Returns a record's tokens; a masked one as `[MASK]{what was there}`."""
  shown = [tokens[i] for i in row['input_ids'][: row['input_mask'].sum()]]
  for position, label, weight in zip(
    row.get('masked_lm_positions', []),
    row.get('masked_lm_ids', []),
    row.get('masked_lm_weights', []),
    strict=True,
  ):
    if weight:
      shown[position] += '{' + tokens[label] + '}'
  return shown


def _estimate(
  corpus: Corpus,
  sample: _Sample,
  num_records: int,
  record_bytes: int,
  seconds: float,
) -> str:
  """Returns what the whole job is expected to take."""
  stored = sum(corpus.sizes())
  read_times = stored / max(sample.stored_bytes, 1)
  times = read_times * sample.read_bytes / sample.num_bytes
  size = tqdm.tqdm.format_sizeof
  # The survey reads all once; the second time it is read meanwhile.
  whole = read_times * sample.seconds + times * seconds
  return (
    f'The whole: about {size(times * sample.num_bytes)}B of text, '
    f'{times * len(sample.texts):,.0f} documents, '
    f'{times * num_records:,.0f} records, {size(times * record_bytes)}B on '
    f'disk; {tqdm.tqdm.format_interval(whole)} on this machine, '
    f'the writing aside ({num_records / seconds:,.0f} records/s).'
  )
