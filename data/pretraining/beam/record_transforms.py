"""Corpus → shards of pre-training records, as transforms of Apache Beam.

  inputs ─Read─▶ pieces of text by block ─Make─▶ parts by shard ─Join─▶ shards

A part holds the records of one block that go to one shard. Parts are files, so
that Beam shuffles only their names: the records have ten times as many bytes as
the text. A part or a shard appears when it is complete, so workers may die and
repeat their work, or do it twice at the same time.

Tested by `tests/data/pretraining/beam/pipeline_test.py`.
"""

import dataclasses
import functools
import itertools
import os
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from data.pretraining import blocks
from data.pretraining.beam import remote_files
from data.pretraining.block_records import BlockRecords
from data.pretraining.masking import SpecialTokens
from data.pretraining.record_statistics import RecordStatistics
from data.pretraining.records_job import RecordsJob
from data.records import file_names, record_reader, record_writer
from system import file_systems, files
from system.errors import UserError

_PART = re.compile(r'(\d+)-(\d+)-(\d+)')

# Consecutive documents of a block: the number of their input, the piece's
# number within the input and block, and the texts.
_Piece = tuple[int, int, list[str]]


@dataclasses.dataclass(frozen=True)
class Part:
  """A file with the records of one block that go to one shard."""

  shard: int
  block: int
  num_records: int
  path: str


def _part_path(folder: str, shard: int, block: int, num_records: int) -> str:
  """Returns the path of a part; its name holds all other fields of `Part`."""
  return os.path.join(folder, f'{shard:05d}-{block:06d}-{num_records}')


def find_parts(folder: str) -> dict[tuple[int, int], Part]:
  """Returns the complete parts in a folder, by shard and block."""
  parts = {}
  for name in files.list_folder(folder):
    stem = name.removesuffix(file_names.index_path(''))
    if stem != name and (match := _PART.fullmatch(stem)):
      shard, block, num_records = map(int, match.groups())
      path = os.path.join(folder, stem)
      parts[shard, block] = Part(shard, block, num_records, path)
  return parts


@dataclasses.dataclass(frozen=True)
class Task:
  """The shards to write, and all that workers need; they read it from a file.

  Attributes:
    job: the job.
    shards: the shards to write.
    folder: the folder for parts.
    ready: parts of an earlier run.
  """

  job: RecordsJob
  shards: frozenset[int]
  folder: str
  ready: Mapping[tuple[int, int], Part]

  def missing_shards(self, block: int) -> list[int]:
    """Returns the shards for which a part of a block must be made."""
    return [
      shard
      for shard in self.job.partitioning.shards_of(block)
      if shard in self.shards and (shard, block) not in self.ready
    ]

  def save(self) -> str:
    """Writes the file; returns its path."""
    path = os.path.join(self.folder, 'task')
    with files.open_write(path, 'wb') as file:
      file.write(pickle.dumps(self))
    return path


def build(pipeline: beam.Pipeline, task: Task) -> None:
  """Adds all transforms to a pipeline, from the inputs to the shards."""
  source = (task.save(), Shared())
  made = (
    pipeline
    | 'Inputs' >> beam.Create(range(len(task.job.corpus.paths)))
    | 'Spread' >> beam.Reshuffle()
    | 'Read' >> beam.ParDo(_Read(*source))
    | 'Blocks' >> beam.GroupByKey()
    | 'Make' >> beam.ParDo(_Make(*source))
  )
  parts = ((part.shard, part) for part in task.ready.values())
  ready = pipeline | 'Ready' >> beam.Create(parts)
  (
    (made, ready)
    | 'Parts' >> beam.Flatten()
    | 'Shards' >> beam.GroupByKey()
    | 'Join' >> beam.ParDo(_Join(*source))
  )


class _Worker(beam.DoFn):
  """Loads the task; all threads of a process share it, and its tokenizer."""

  def __init__(self, path: str, shared: Shared):
    super().__init__()
    self._path = path
    self._shared = shared

  def setup(self) -> None:
    file_systems.use_for_remote(remote_files)
    load = functools.partial(_load, self._path)
    self._task: Task = self._shared.acquire(load, self._path)


def _load(path: str) -> Task:
  with files.open_stream(path) as file:
    return pickle.loads(file.read())


class _Read(_Worker):
  """An input's number → its text in pieces, by block."""

  def process(self, number: int) -> Iterator[tuple[int, _Piece]]:
    job = self._task.job
    num_documents = Metrics.counter('pretraining_data', 'documents')
    start = sum(survey.num_bytes for survey in job.surveys[:number])
    documents = blocks.block_documents_of_input(
      job.corpus,
      number,
      job.surveys[number],
      start,
      job.partitioning,
      lambda block: bool(self._task.missing_shards(block)),
    )
    for block, group in itertools.groupby(documents, lambda item: item[0]):
      texts = (text for _, text in group)
      for i, piece in enumerate(blocks.batch_documents(texts)):
        num_documents.inc(len(piece))
        yield block, (number, i, piece)


class _Make(_Worker):
  """A block's pieces → the parts of its records, by shard."""

  def process(
    self, element: tuple[int, Iterable[_Piece]]
  ) -> Iterator[tuple[int, Part]]:
    number, pieces = element
    job = self._task.job
    texts = itertools.chain.from_iterable(piece[2] for piece in sorted(pieces))
    block = blocks.make_block(
      texts, job.corpus, job.tokenizer, job.options.max_seq_length
    )
    special = SpecialTokens.of(job.tokenizer.vocabulary)
    records = BlockRecords(block, number, special, job.options)
    for shard in self._task.missing_shards(number):
      yield shard, self._write(records, shard)

  def _write(self, records: BlockRecords, shard: int) -> Part:
    partitioning = self._task.job.partitioning
    number = records.number
    numbers = partitioning.records_of(number, shard, len(records))
    path = _part_path(self._task.folder, shard, number, len(numbers))
    num_documents = 0
    if partitioning.is_first_shard_of(number, shard):
      num_documents = records.block.num_documents
    num_records = Metrics.counter('pretraining_data', 'records')
    num_bytes = Metrics.counter('pretraining_data', 'bytes')
    statistics = RecordStatistics.empty(self._task.job.options.max_seq_length)
    with record_writer.RecordWriter(path, tidies=False) as writer:
      for framed, counted in records.framed_batches(numbers, map):
        writer.write_framed(framed)
        statistics += counted
        num_records.inc(counted.records)
        num_bytes.inc(len(framed.buffer))
      writer.details = {
        'documents': num_documents,
        'statistics': statistics.to_json(),
      }
    return Part(shard, number, len(numbers), path)


class _Join(_Worker):
  """A shard's parts → the shard."""

  def process(self, element: tuple[int, Iterable[Part]]) -> None:
    shard, parts = element
    job = self._task.job
    # If Beam repeats this work, the shard may be complete already.
    if job.read_finished_index(shard):
      return
    parts = sorted(parts, key=lambda part: part.block)
    num_documents = 0
    statistics = RecordStatistics.empty(job.options.max_seq_length)
    with record_writer.RecordWriter(job.outputs[shard]) as writer:
      for part in parts:
        details = files.read_json(file_names.index_path(part.path))['details']
        num_documents += details['documents']
        statistics += RecordStatistics.from_json(details['statistics'])
        for framed in record_reader.read_framed(part.path):
          writer.write_framed(framed)
      if not statistics.records:
        raise job.empty_shard_error(shard)
      if writer.num_records != statistics.records:
        raise UserError(
          f'the parts of {job.outputs[shard]} hold {writer.num_records:,} '
          f'records, expected {statistics.records:,} by their indexes: remove '
          f'the folder {self._task.folder}'
        )
      writer.details = job.index_details(num_documents, statistics)
    for part in parts:
      files.remove(file_names.index_path(part.path))
      files.remove(part.path)
