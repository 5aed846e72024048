"""The survey of a corpus, as transforms of Apache Beam.

  inputs ─Survey─▶ survey by input ────────────────────────┐
            └────▶ digests by part ─Find─▶ duplicates ─Reduce─▶ a file

As on one machine, duplicates are found in each of 256 parts of the digests. The
result depends only on the text, so the second pass finds the same documents on
any worker.

Tested by `tests/data/pretraining/beam/pipeline_test.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np

from data.pretraining.beam import remote_files
from data.text import duplicates, survey
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey
from system import file_systems, files

_DIGESTS = 'digests'
# A document's number in the corpus: its input's number in the high bits, its
# number within the input in the low ones.
_BITS = 32

# An input's number and the JSON of its survey.
_Entry = tuple[int, dict[str, Any]]


def build(pipeline: beam.Pipeline, corpus: Corpus, path: str) -> None:
  """Adds all transforms to a pipeline, from the inputs to a file for `read`."""
  surveys = (
    pipeline
    | 'Inputs' >> beam.Create(range(len(corpus.paths)))
    | 'Spread' >> beam.Reshuffle()
    | 'Survey' >> beam.ParDo(_Survey(corpus)).with_outputs(_DIGESTS, main='all')
  )
  duplicates_found = (
    surveys[_DIGESTS]
    | 'Parts' >> beam.GroupByKey()
    | 'Find' >> beam.FlatMap(_find_duplicates)
  )
  (
    (surveys['all'], duplicates_found)
    | 'Both' >> beam.CoGroupByKey()
    | 'Reduce' >> beam.Map(_without_duplicates)
    | 'Gather' >> beam.combiners.ToList()
    | 'Write' >> beam.Map(_write, path)
  )


def read(path: str) -> list[FileSurvey]:
  """Returns the surveys in the order of the inputs."""
  entries = sorted(files.read_json(path), key=lambda entry: entry[0])
  return [FileSurvey.from_json(values) for _, values in entries]


class _Survey(beam.DoFn):
  """An input's number → its survey; digests of its documents, by part."""

  def __init__(self, corpus: Corpus):
    super().__init__()
    self._corpus = corpus

  def setup(self) -> None:
    file_systems.use_for_remote(remote_files)

  def process(self, number: int) -> Iterator:
    entries = bytearray()

    def add(digest: bytes, num_bytes: int) -> None:
      entries.extend(duplicates.entry(digest, num_bytes))

    on_document = add if self._corpus.options.deduplicate else None
    yield number, survey.survey_file(self._corpus, number, on_document)
    rows = duplicates.numbered_entries(entries, number << _BITS)
    for part, own in duplicates.by_digest(rows):
      yield beam.pvalue.TaggedOutput(_DIGESTS, (part, own.tobytes()))


def _find_duplicates(
  element: tuple[int, Iterable[bytes]],
) -> Iterator[tuple[int, tuple[bytes, int]]]:
  """A part's digests → the duplicates' numbers, int64, and bytes, by input."""
  rows = np.frombuffer(b''.join(element[1]), duplicates.NUMBERED_ENTRY)
  numbers, num_bytes = duplicates.find_among(rows)
  inputs = numbers >> _BITS
  for number in np.unique(inputs).tolist():
    own = inputs == number
    yield number, (numbers[own].tobytes(), int(num_bytes[own].sum()))


def _without_duplicates(
  element: tuple[int, tuple[Iterable, Iterable]],
) -> _Entry:
  """An input's survey and its duplicates → an entry of the file."""
  number, (found, parts) = element
  parts = list(parts)
  numbers = np.frombuffer(b''.join(part for part, _ in parts), np.int64)
  num_bytes = sum(part_bytes for _, part_bytes in parts)
  (found,) = found
  reduced = survey.subtract_duplicates(
    found, number << _BITS, np.sort(numbers), num_bytes
  )
  return number, reduced.to_json()


def _write(entries: list[_Entry], path: str) -> None:
  """Writes the file; any worker may do it."""
  file_systems.use_for_remote(remote_files)
  files.write_json(path, entries)
