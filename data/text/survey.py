"""The survey: a first pass over a corpus, which counts and checks documents.

Its counts give each document's position in the whole corpus. The second pass,
which reads the documents again, needs these positions.
"""

import dataclasses
import functools
import hashlib
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from data.text import survey_report
from data.text.document import DUPLICATE, REASONS, Rejected
from data.text.duplicates import Duplicates
from data.text.file_survey import FileSurvey
from system import file_systems, processes, streams
from system.errors import UserError
from system.progress import Progress
from system.threads import ordered_map

if TYPE_CHECKING:
  from data.text.corpus import Corpus

_DIGEST_BYTES = 16
# A process reads 100 MB of text a second, and takes half a second to start.
_MIN_BYTES = 32 << 20
_MOST_PROCESSES = 8

# Called with how much has been read, and a note.
Update = Callable[[float, str], None]
# Called with a document's digest and its number of bytes.
OnDocument = Callable[[bytes, int], None]


def survey(
  corpus: 'Corpus', update: Update | None = None, num_workers: int = 1
) -> list[FileSurvey]:
  """Surveys a corpus.

  Args:
    corpus: the text.
    update: called with how much of `sum(corpus.sizes())` has been read, and a
      note; see `system.progress.Progress.update`.
    num_workers: how many cores to use. On several cores, processes read large
      inputs side by side; not if duplicates are to be found.

  Returns:
    One survey an input, in the order of the inputs.

  Raises:
    UserError: an input is damaged, is not text or cannot be read, or the corpus
      has no document.
  """
  surveys = []
  with Duplicates() as duplicates:
    on_document = duplicates.add if corpus.options.deduplicate else None
    progress = _Progress(corpus, update) if update else None
    on_progress = progress.report if progress else None
    in_processes = not on_document and _is_worth_processes(corpus, num_workers)
    if in_processes:
      found_in_order = _survey_in_processes(corpus, num_workers)
    else:
      found_in_order = (
        survey_file(corpus, number, on_document, on_progress)
        for number in range(len(corpus.paths))
      )
    for found in found_in_order:
      surveys.append(found)
      if progress:
        progress.end_input(found)
        if in_processes:
          progress.report(0)
    surveys = _without_duplicates(surveys, duplicates)
  require_documents(corpus, surveys)
  return surveys


def num_processes(num_workers: int, num_inputs: int) -> int:
  """Returns how many processes survey a large corpus; 1 for none."""
  if num_workers < processes.MIN_CORES:
    return 1
  return min(num_workers // 2, num_inputs, _MOST_PROCESSES)


def _is_worth_processes(corpus: 'Corpus', num_workers: int) -> bool:
  """Returns whether reading takes longer than starting processes.

  A process that reads remote files or tfds would import TensorFlow.
  """
  return (
    num_processes(num_workers, len(corpus.paths)) > 1
    and corpus.options.input_format != 'tfds'
    and None not in map(file_systems.local_path, corpus.paths)
    and sum(corpus.sizes()) >= _MIN_BYTES
  )


def _survey_in_processes(
  corpus: 'Corpus', num_workers: int
) -> Iterator[FileSurvey]:
  """Yields the survey of each input, in their order."""
  count = num_processes(num_workers, len(corpus.paths))
  inputs = map(corpus.only, range(len(corpus.paths)))
  survey_first = functools.partial(survey_file, number=0)
  with processes.process_pool(count, [__name__]) as pool:
    yield from ordered_map(pool, 2 * count, survey_first, inputs)


def survey_with_progress(
  corpus: 'Corpus', num_workers: int = 1
) -> list[FileSurvey]:
  """Surveys a corpus, as `survey`, and shows progress."""
  # The sizes of tensorflow-datasets' splits are numbers of examples.
  unit = ' examples' if corpus.options.input_format == 'tfds' else 'B'
  with Progress(sum(corpus.sizes()), unit) as progress:
    return survey(corpus, progress.update, num_workers)


def require_documents(corpus: 'Corpus', surveys: list[FileSurvey]) -> None:
  """Raises a `UserError` if no input has a document."""
  if not sum(found.num_documents for found in surveys):
    raise UserError(
      'no document in the input with '
      f'`input_format`={corpus.options.input_format}: '
      f'{survey_report.render(surveys, most_files=5)}'
    )


class _Progress:
  """Reports how much of the corpus has been read."""

  def __init__(self, corpus: 'Corpus', update: Update):
    self._sizes = corpus.sizes()
    self._update = update
    self._num_inputs = self._done = self._documents = 0

  def report(self, position: int) -> None:
    """Reports how much of the current input has been read."""
    note = f'{self._num_inputs:,} inputs, {self._documents:,} documents'
    self._update(self._done + position, note)

  def end_input(self, found: FileSurvey) -> None:
    """Counts the current input, and continues with the next."""
    self._done += self._sizes[self._num_inputs]
    self._num_inputs += 1
    self._documents += found.num_documents


def survey_file(
  corpus: 'Corpus',
  number: int,
  on_document: OnDocument | None = None,
  on_progress: streams.OnProgress | None = None,
) -> FileSurvey:
  """Surveys one input; does not look for duplicates.

  Args:
    corpus: the text.
    number: the input's number, from 0.
    on_document: called for every document.
    on_progress: see `Corpus.read`.

  Raises:
    UserError: as `Corpus.read`.
  """
  rejects, first = dict.fromkeys(REASONS, 0), {}
  checksum = hashlib.sha256()
  num_documents = num_bytes = cut = 0
  for document in corpus.read(number, on_progress):
    if isinstance(document, Rejected):
      rejects[document.reason] += 1
      first.setdefault(document.reason, document.position)
      continue
    num_documents += 1
    num_bytes += document.num_bytes
    cut += document.piece == 1
    digest = _digest_of(document.text)
    checksum.update(digest)
    if on_document:
      on_document(digest, document.num_bytes)
  return FileSurvey(
    corpus.paths[number],
    num_documents,
    num_bytes,
    rejects,
    first,
    cut,
    checksum.hexdigest()[: 2 * _DIGEST_BYTES],
    array('I'),
  )


def _digest_of(text: str) -> bytes:
  """Returns a document's digest, 16 bytes: the beginning of its SHA-256."""
  return hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES]


def _without_duplicates(
  surveys: list[FileSurvey], duplicates: Duplicates
) -> list[FileSurvey]:
  """Returns the surveys with the duplicates subtracted from their counts."""
  ends = np.cumsum([found.num_documents for found in surveys])
  fewer_bytes = np.zeros(len(surveys), np.int64)
  numbers = [np.zeros(0, np.int64)]
  for part, num_bytes in duplicates.find():
    files = np.searchsorted(ends, part, 'right')
    np.add.at(fewer_bytes, files, num_bytes)
    numbers.append(part)
  numbers = np.sort(np.concatenate(numbers))
  in_files = np.split(numbers, np.searchsorted(numbers, ends[:-1]))
  starts = ends - [found.num_documents for found in surveys]
  return [
    subtract_duplicates(*arguments)
    for arguments in zip(surveys, starts, in_files, fewer_bytes, strict=True)
  ]


def subtract_duplicates(
  found: FileSurvey, start: int, numbers: np.ndarray, num_bytes: int
) -> FileSurvey:
  """Returns an input's survey with its duplicates subtracted from the counts.

  Args:
    found: the survey.
    start: how many documents of the corpus precede those of the input.
    numbers: the numbers of the input's duplicates within the corpus, int64 [N],
      ascending.
    num_bytes: the total bytes of the duplicates.
  """
  if not len(numbers):
    return found
  ordinals = (numbers - start).astype(np.uint32)
  return dataclasses.replace(
    found,
    num_documents=found.num_documents - len(ordinals),
    num_bytes=found.num_bytes - int(num_bytes),
    rejects=found.rejects | {DUPLICATE: len(ordinals)},
    first=found.first | {DUPLICATE: f'document {ordinals[0] + 1}'},
    duplicates=array('I', ordinals.tobytes()),
  )
