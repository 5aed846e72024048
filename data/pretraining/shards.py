"""Writes the shards of pre-training records, in threads.

Blocks are tokenised one ahead of the block whose records are being made; both
are cut into small parts that all cores share. What is written does not depend
on how many there are. A shard appears when it is whole, and its index says what
it was made of, so that another run finds it and does not make it again.
"""

import contextlib
import functools
import itertools
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil

from data.pretraining import blocks
from data.pretraining.block_records import BlockRecords
from data.pretraining.blocks import Run
from data.pretraining.job import Job
from data.pretraining.masking import Special
from data.pretraining.plan import Plan
from data.pretraining.statistics import Statistics
from data.records import feature_spec, framing, serialization
from system.errors import UserError
from system.progress import Progress
from system.threads import one_ahead, ordered_map

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

# Records that are made at once; their arrays fit a CPU's second cache.
_BATCH_SIZE = 1024


class _Slice(NamedTuple):
  """Records of a block that go to one shard, one after the other."""

  shard: int
  records: BlockRecords
  numbers: range
  num_bytes: float  # Of the text that they come from.


def write(job: Job, shards: Collection[int], num_workers: int) -> None:
  """Writes some of a job's shards.

  Args:
    job: what is to be made.
    shards: the numbers of the shards to write.
    num_workers: how many threads to use.

  Raises:
    UserError: a file cannot be read or written, or a shard would have no
      record. The shards that were written before stay.
  """
  left = dict.fromkeys(shards)
  with _Report(job, shards) as report, ThreadPoolExecutor(num_workers) as pool:
    run = functools.partial(ordered_map, pool, 2 * num_workers)
    slices = _slices(job, left.keys(), run)
    with contextlib.closing(slices):
      for shard, group in itertools.groupby(slices, lambda item: item.shard):
        _write_shard(job, shard, group, run, report)
        del left[shard]
  if left:
    raise no_record(job, next(iter(left)))


def _slices(job: Job, shards: Collection[int], run: Run) -> Iterator[_Slice]:
  """Yields the slices that go to some shards, in the order of the text."""
  plan = job.plan
  tokenize = functools.partial(token_ids, job.tokenizer)

  def is_wanted(block: int) -> bool:
    return any(shard in shards for shard in plan.shards_of(block))

  texts = blocks.block_texts(job.corpus, job.surveys, plan, is_wanted)
  tokenised = (
    (number, blocks.tokenised(documents, job.corpus.sentences, tokenize, run))
    for number, documents in texts
  )
  special = special_of(job.tokenizer)
  for number, block in one_ahead(tokenised):
    records = BlockRecords(block, number, special, job.options, run)
    for shard in filter(shards.__contains__, plan.shards_of(number)):
      numbers = plan.records_of(number, shard, len(records))
      size = plan.num_bytes / plan.num_blocks * len(numbers)
      yield _Slice(shard, records, numbers, size / max(len(records), 1))


def _write_shard(
  job: Job, shard: int, slices: Iterable[_Slice], run: Run, report: '_Report'
) -> None:
  """Writes one shard, whole or not at all."""
  from data.records.record_writer import RecordWriter

  statistics = Statistics.zero(job.options.max_seq_length)
  documents = 0
  with RecordWriter(job.outputs[shard]) as writer:
    for item in slices:
      documents += documents_of(job.plan, item.records, shard)
      for framed, counted in made(item.records, item.numbers, run):
        writer.write_framed(framed)
        statistics += counted
        share = counted.records / len(item.numbers)
        report.add(counted.records, share * item.num_bytes)
    if not statistics.records:
      raise no_record(job, shard)
    writer.details = job.details(documents, statistics)


def documents_of(plan: Plan, records: BlockRecords, shard: int) -> int:
  """Returns how many documents a shard counts for records of a block: all of
  the block's in the first of its shards."""
  is_first = shard == plan.shards_of(records.number)[0]
  return is_first * (len(records.block.documents) - 1)


def made(
  records: BlockRecords, numbers: range, run: Run
) -> Iterator[tuple[serialization.Serialized, Statistics]]:
  """Makes records, batch by batch.

  Args:
    records: of a block.
    numbers: which.
    run: maps a function over the batches, in order; may do it in threads.

  Yields:
    Framed records and their statistics.
  """
  numbers = range(numbers.start, min(numbers.stop, len(records)))
  batches = (
    slice(start, min(start + _BATCH_SIZE, numbers.stop))
    for start in numbers[::_BATCH_SIZE]
  )
  return run(functools.partial(_make, records), batches)


def _make(
  records: BlockRecords, numbers: slice
) -> tuple[serialization.Serialized, Statistics]:
  columns = records.columns(numbers)
  is_masked = 'masked_lm_ids' in columns
  fields = (
    feature_spec.PRETRAINING if is_masked else feature_spec.UNMASKED_PRETRAINING
  )
  serialized = serialization.serialize(columns, fields)
  return framing.frame(serialized), Statistics.of(columns)


def special_of(tokenizer: 'BertTokenizer') -> Special:
  """Returns what masking must know of a vocabulary."""
  return Special(
    tokenizer.cls_id,
    tokenizer.sep_id,
    tokenizer.mask_id,
    tokenizer.continuation_mask,
  )


def token_ids(
  tokenizer: 'BertTokenizer', lines: list[str]
) -> tuple[np.ndarray, np.ndarray]:
  """Tokenises lines; returns all ids, int32 [T], and each line's number of
  them, int64 [N]."""
  ids = tokenizer.tokenize(lines)
  return ids.values.numpy(), ids.row_lengths().numpy()


def no_record(job: Job, shard: int) -> UserError:
  """Returns what to raise where no record goes to a shard."""
  return UserError(
    f'the text is too short for {len(job.outputs)} output files: '
    f'{job.outputs[shard]} would have no record; give fewer '
    '(--num_shards, --output_file)'
  )


class _Report:
  """Shows how far the job has come; use as a context manager."""

  def __init__(self, job: Job, shards: Collection[int]):
    share = len(shards) / len(job.outputs)
    self._progress = Progress(round(job.plan.num_bytes * share), 'B')
    self._process = psutil.Process()
    self._records = 0
    self._bytes = 0.0

  def __enter__(self) -> '_Report':
    self._progress.__enter__()
    return self

  def __exit__(self, *error) -> None:
    self._progress.__exit__(*error)

  def add(self, num_records: int, num_bytes: float) -> None:
    """Counts records, and the bytes of the text that they come from."""
    self._records += num_records
    self._bytes += num_bytes
    rate = self._records / max(self._progress.seconds, 1e-9)
    memory = self._process.memory_info().rss / 2**30
    self._progress.update(
      self._bytes,
      f'{self._records:,} records, {rate:,.0f} records/s, {memory:.2f} GiB',
    )
