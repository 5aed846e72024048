"""The survey of a corpus, as transforms of Apache Beam.

  inputs ─Survey─▶ survey by input ────────────────────────┐
            └────▶ digests by part ─Find─▶ duplicates ─Reduce─▶ a file

Duplicates are found as on one machine, in 256 parts. What the survey says is a
function of the text, too, so that the second pass finds the same documents
wherever it runs.
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
# A document's number in the corpus is its input's, and in that its own.
_BITS = 32

# An input's number and its survey, as JSON holds it.
_Entry = tuple[int, dict[str, Any]]


def build(pipeline: beam.Pipeline, corpus: Corpus, path: str) -> None:
  """Adds everything to a pipeline, from the inputs to a file for `read`."""
  found = (
    pipeline
    | 'Inputs' >> beam.Create(range(len(corpus.paths)))
    | 'Spread' >> beam.Reshuffle()
    | 'Survey' >> beam.ParDo(_Survey(corpus)).with_outputs(_DIGESTS, main='all')
  )
  again = (
    found[_DIGESTS]
    | 'Parts' >> beam.GroupByKey()
    | 'Find' >> beam.FlatMap(_find)
  )
  (
    (found['all'], again)
    | 'Both' >> beam.CoGroupByKey()
    | 'Reduce' >> beam.Map(_reduced)
    | 'Gather' >> beam.combiners.ToList()
    | 'Write' >> beam.Map(_write, path)
  )


def read(path: str) -> list[FileSurvey]:
  """Returns the surveys in the order of the inputs."""
  found = sorted(files.read_json(path), key=lambda entry: entry[0])
  return [FileSurvey.from_json(values) for _, values in found]


class _Survey(beam.DoFn):
  """An input's number → its survey; digests of its documents, by part."""

  def __init__(self, corpus: Corpus):
    super().__init__()
    self._corpus = corpus

  def setup(self) -> None:
    file_systems.use_for_remote(remote_files)

  def process(self, number: int) -> Iterator:
    entries = bytearray()

    def note(digest: bytes, num_bytes: int) -> None:
      entries.extend(duplicates.entry(digest, num_bytes))

    seen = note if self._corpus.options.deduplicate else None
    yield number, survey.survey_file(self._corpus, number, seen)
    rows = duplicates.noted(entries, number << _BITS)
    for part, own in duplicates.by_digest(rows):
      yield beam.pvalue.TaggedOutput(_DIGESTS, (part, own.tobytes()))


def _find(
  element: tuple[int, Iterable[bytes]],
) -> Iterator[tuple[int, tuple[bytes, int]]]:
  """A part's digests → duplicates, int64, and their bytes, by input."""
  rows = np.frombuffer(b''.join(element[1]), duplicates.NOTED)
  numbers, num_bytes = duplicates.find_among(rows)
  inputs = numbers >> _BITS
  for number in np.unique(inputs).tolist():
    own = inputs == number
    yield number, (numbers[own].tobytes(), int(num_bytes[own].sum()))


def _reduced(element: tuple[int, tuple[Iterable, Iterable]]) -> _Entry:
  """An input's survey and its duplicates → an entry of the file."""
  number, (found, again) = element
  again = list(again)
  numbers = np.frombuffer(b''.join(part for part, _ in again), np.int64)
  num_bytes = sum(part_bytes for _, part_bytes in again)
  (found,) = found
  about = survey.reduced(found, number << _BITS, np.sort(numbers), num_bytes)
  return number, about.to_json()


def _write(entries: list[_Entry], path: str) -> None:
  """Writes the file, on whatever worker."""
  file_systems.use_for_remote(remote_files)
  files.write_json(path, entries)
