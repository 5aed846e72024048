"""Writes the shards of pre-training records, in threads.

While the records of one block are made, a thread reads the text of the next
one. Batches of its documents are tokenised by the threads that make records.
The bytes do not depend on the number of threads. A shard appears when it is
complete. Its index identifies the job, so that a later run finds the shard and
does not make it again.

Tested by `tests/data/pretraining/creation_test.py`.
"""

import contextlib
import functools
import itertools
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psutil

from data.pretraining import blocks
from data.pretraining.block_records import BlockRecords
from data.pretraining.blocks import MapFunction, Split
from data.pretraining.masking import SpecialTokens
from data.pretraining.record_statistics import RecordStatistics
from data.pretraining.records_job import RecordsJob
from data.records.record_writer import RecordWriter
from data.text.corpus import Corpus, split_sentences
from system import processes
from system.progress import Progress
from system.threads import one_ahead, ordered_map

# At `dupe_factor` 5, splitting takes an eighth of the time of all work.
_CORES_PER_SPLITTER = 5


class _Slice(NamedTuple):
  """Consecutive records of a block that go to one shard."""

  shard: int
  records: BlockRecords
  numbers: range
  record_bytes: float  # Mean bytes of text per record.


def write_shards(
  job: RecordsJob, shards: Collection[int], num_workers: int
) -> None:
  """Writes some of a job's shards.

  Args:
    job: the job.
    shards: the numbers of the shards to write.
    num_workers: the number of threads.

  Raises:
    UserError: a file cannot be read or written, or a shard would have no
      record. Shards that are complete by then are kept.
  """
  left = dict.fromkeys(shards)
  with (
    _JobProgress(job, shards) as progress,
    _splitter(job.corpus, num_workers) as split,
    ThreadPoolExecutor(num_workers) as pool,
  ):
    map_function = functools.partial(ordered_map, pool, 2 * num_workers)
    slices = _slices(job, left.keys(), map_function, split)
    with contextlib.closing(slices):
      for shard, group in itertools.groupby(slices, lambda item: item.shard):
        _write_shard(job, shard, group, map_function, progress)
        del left[shard]
  if left:
    raise job.empty_shard_error(next(iter(left)))


def splitter_processes(num_workers: int) -> int:
  """Returns how many processes split sentences; 0 for none."""
  if num_workers < processes.MIN_CORES:
    return 0
  return -(-num_workers // _CORES_PER_SPLITTER)


@contextlib.contextmanager
def _splitter(corpus: Corpus, num_workers: int) -> Iterator[Split]:
  """Yields a function that splits documents, as `Corpus.split_sentences`.

  On several cores it runs in processes, because the sentence splitter holds
  Python's lock.
  """
  options = corpus.options
  num_processes = splitter_processes(num_workers)
  if not options.splits_sentences or not num_processes:
    yield corpus.split_sentences
    return
  modules = [split_sentences.__module__]
  with processes.process_pool(num_processes, modules) as pool:
    yield lambda texts: pool.submit(split_sentences, options, texts).result()


def _slices(
  job: RecordsJob,
  shards: Collection[int],
  map_function: MapFunction,
  split: Split,
) -> Iterator[_Slice]:
  """Yields the slices that go to some shards, in the order of the text."""
  partitioning = job.partitioning
  special = SpecialTokens.of(job.tokenizer.vocabulary)

  def is_wanted(block: int) -> bool:
    return any(shard in shards for shard in partitioning.shards_of(block))

  texts = blocks.block_texts(job.corpus, job.surveys, partitioning, is_wanted)
  tokenized = blocks.make_blocks(
    texts,
    job.corpus,
    job.tokenizer,
    job.options.max_seq_length,
    map_function,
    split,
  )
  prepared = (
    BlockRecords(block, number, special, job.options, map_function)
    for number, block in tokenized
  )
  block_bytes = partitioning.num_bytes / partitioning.num_blocks
  for records in one_ahead(prepared):
    number = records.number
    for shard in filter(shards.__contains__, partitioning.shards_of(number)):
      numbers = partitioning.records_of(number, shard, len(records))
      yield _Slice(shard, records, numbers, block_bytes / max(len(records), 1))


def _write_shard(
  job: RecordsJob,
  shard: int,
  slices: Iterable[_Slice],
  map_function: MapFunction,
  progress: '_JobProgress',
) -> None:
  """Writes one shard; its file appears only when it is complete."""
  statistics = RecordStatistics.empty(job.options.max_seq_length)
  num_documents = 0
  with RecordWriter(job.outputs[shard], tidies=False) as writer:
    for item in slices:
      if job.partitioning.is_first_shard_of(item.records.number, shard):
        num_documents += item.records.block.num_documents
      for framed, counted in item.records.framed_batches(
        item.numbers, map_function
      ):
        writer.write_framed(framed)
        statistics += counted
        progress.add(counted.records, counted.records * item.record_bytes)
    if not statistics.records:
      raise job.empty_shard_error(shard)
    writer.details = job.index_details(num_documents, statistics)


class _JobProgress:
  """Shows a job's progress; use as a context manager."""

  def __init__(self, job: RecordsJob, shards: Collection[int]):
    share = len(shards) / len(job.outputs)
    self._progress = Progress(round(job.partitioning.num_bytes * share), 'B')
    self._process = psutil.Process()
    self._records = 0
    self._bytes = 0.0

  def __enter__(self) -> '_JobProgress':
    self._progress.__enter__()
    return self

  def __exit__(self, *error) -> None:
    self._progress.__exit__(*error)

  def add(self, num_records: int, num_bytes: float) -> None:
    """Counts records, and the bytes of text that they come from."""
    self._records += num_records
    self._bytes += num_bytes
    rate = self._records / max(self._progress.seconds, 1e-9)
    memory = self._process.memory_info().rss / 2**30
    self._progress.update(
      self._bytes,
      f'{self._records:,} records, {rate:,.0f} records/s, {memory:.2f} GiB',
    )
