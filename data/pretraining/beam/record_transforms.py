"""Corpus → shards of pre-training records, as transforms of Apache Beam.

  inputs ─Read─▶ pieces of text by block ─Make─▶ parts by shard ─Join─▶ shards

A part holds the records of one block that go to one shard. It is a file, so
that records, ten times as many bytes as the text, need not be shuffled; only
its name is. A part or a shard appears when it is whole: workers may die and do
their work again, or do it twice at the same time.
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

from data.pretraining import blocks, shards
from data.pretraining.beam import remote_files
from data.pretraining.block_records import BlockRecords
from data.pretraining.job import Job
from data.pretraining.statistics import Statistics
from data.records import file_names, record_reader, record_writer
from system import file_systems, files

_PART = re.compile(r'(\d+)-(\d+)-(\d+)')

# Texts of a block: the input's number, the piece's in the block, documents.
_Piece = tuple[int, int, list[str]]


@dataclasses.dataclass(frozen=True)
class Part:
  """A file with the records of one block that go to one shard."""

  shard: int
  block: int
  num_records: int
  path: str


def part_path(folder: str, shard: int, block: int, num_records: int) -> str:
  """Returns the name of a part, which tells what is in it."""
  return os.path.join(folder, f'{shard:05d}-{block:06d}-{num_records}')


def find_parts(folder: str) -> dict[tuple[int, int], Part]:
  """Returns the whole parts in a folder, by shard and block."""
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
  """What workers must know; it comes to them in a file.

  Attributes:
    job: what is to be made.
    shards: the shards that are to be written.
    folder: where parts are.
    ready: parts that an earlier run left.
  """

  job: Job
  shards: frozenset[int]
  folder: str
  ready: Mapping[tuple[int, int], Part]

  def missing(self, block: int) -> list[int]:
    """Returns the shards for which a part of a block must be made."""
    return [
      shard
      for shard in self.job.plan.shards_of(block)
      if shard in self.shards and (shard, block) not in self.ready
    ]

  def save(self) -> str:
    """Writes the file; returns its path."""
    path = os.path.join(self.folder, 'task')
    with files.open_write(path, 'wb') as file:
      file.write(pickle.dumps(self))
    return path


def build(pipeline: beam.Pipeline, task: Task) -> None:
  """Adds everything to a pipeline, from the inputs to the shards."""
  place = (task.save(), Shared())
  made = (
    pipeline
    | 'Inputs' >> beam.Create(range(len(task.job.corpus.paths)))
    | 'Spread' >> beam.Reshuffle()
    | 'Read' >> beam.ParDo(_Read(*place))
    | 'Blocks' >> beam.GroupByKey()
    | 'Make' >> beam.ParDo(_Make(*place))
  )
  parts = ((part.shard, part) for part in task.ready.values())
  ready = pipeline | 'Ready' >> beam.Create(parts)
  (
    (made, ready)
    | 'Parts' >> beam.Flatten()
    | 'Shards' >> beam.GroupByKey()
    | 'Join' >> beam.ParDo(_Join(*place))
  )


class _Worker(beam.DoFn):
  """Has the task, the tokenizer with it: one for all threads of a process."""

  def __init__(self, path: str, shared: Shared):
    super().__init__()
    self._path = path
    self._shared = shared

  def setup(self) -> None:
    file_systems.use_for_remote(remote_files)
    load = functools.partial(_load, self._path)
    self._task: Task = self._shared.acquire(load, self._path)


def _load(path: str) -> Task:
  with files.open_read(path, 'rb') as file:
    return pickle.loads(file.read())


class _Read(_Worker):
  """An input's number → its text in pieces, by block."""

  def process(self, number: int) -> Iterator[tuple[int, _Piece]]:
    job = self._task.job
    documents = Metrics.counter('pretraining_data', 'documents')
    start = sum(survey.num_bytes for survey in job.surveys[:number])
    placed = blocks.placed_in_file(
      job.corpus,
      number,
      job.surveys[number],
      start,
      job.plan,
      lambda block: bool(self._task.missing(block)),
    )
    for block, group in itertools.groupby(placed, lambda item: item[0]):
      texts = (text for _, text in group)
      for i, piece in enumerate(blocks.parts_of(texts)):
        documents.inc(len(piece))
        yield block, (number, i, piece)


class _Make(_Worker):
  """A block's pieces → the parts of its records, by shard."""

  def process(
    self, element: tuple[int, Iterable[_Piece]]
  ) -> Iterator[tuple[int, Part]]:
    number, pieces = element
    job = self._task.job
    texts = itertools.chain.from_iterable(piece[2] for piece in sorted(pieces))
    tokenize = functools.partial(shards.token_ids, job.tokenizer)
    block = blocks.tokenised(texts, job.corpus.sentences, tokenize)
    special = shards.special_of(job.tokenizer)
    made = BlockRecords(block, number, special, job.options)
    for shard in self._task.missing(number):
      yield shard, self._write(made, shard)

  def _write(self, made: BlockRecords, shard: int) -> Part:
    plan = self._task.job.plan
    numbers = plan.records_of(made.number, shard, len(made))
    path = part_path(self._task.folder, shard, made.number, len(numbers))
    num_records = Metrics.counter('pretraining_data', 'records')
    num_bytes = Metrics.counter('pretraining_data', 'bytes')
    statistics = Statistics.zero(self._task.job.options.max_seq_length)
    with record_writer.RecordWriter(path, tidies=False) as writer:
      for framed, counted in shards.made(made, numbers, map):
        writer.write_framed(framed)
        statistics += counted
        num_records.inc(counted.records)
        num_bytes.inc(len(framed.buffer))
      writer.details = {
        'documents': shards.documents_of(plan, made, shard),
        'statistics': statistics.to_json(),
      }
    return Part(shard, made.number, len(numbers), path)


class _Join(_Worker):
  """A shard's parts → the shard."""

  def process(self, element: tuple[int, Iterable[Part]]) -> None:
    shard, parts = element
    job = self._task.job
    # It is whole where this is done again.
    if job.finished(shard):
      return
    parts = sorted(parts, key=lambda part: part.block)
    documents = 0
    statistics = Statistics.zero(job.options.max_seq_length)
    with record_writer.RecordWriter(job.outputs[shard]) as writer:
      for part in parts:
        details = files.read_json(file_names.index_path(part.path))['details']
        documents += details['documents']
        statistics += Statistics.from_json(details['statistics'])
        for framed in record_reader.read_framed(part.path):
          writer.write_framed(framed)
      if not statistics.records:
        raise shards.no_record(job, shard)
      writer.details = job.details(documents, statistics)
    for part in parts:
      files.remove(file_names.index_path(part.path))
      files.remove(part.path)
