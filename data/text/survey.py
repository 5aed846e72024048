"""The first pass over a corpus: reads all of it and finds what is wrong.

What it counts says where each document stands in the whole. The second pass
reads the same documents again.
"""

import dataclasses
import hashlib
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from data.text import survey_report
from data.text.document import DUPLICATE, REASONS, Rejected
from data.text.duplicates import Duplicates
from data.text.file_survey import FileSurvey
from system import streams
from system.errors import UserError

if TYPE_CHECKING:
  from data.text.corpus import Corpus

_DIGEST_BYTES = 16

# Is told how much has been done, and a note.
Update = Callable[[float, str], None]
# Is given the digest of a document and its number of bytes.
Seen = Callable[[bytes, int], None]


def survey(corpus: 'Corpus', update: Update | None = None) -> list[FileSurvey]:
  """Reads a corpus.

  Args:
    corpus: to be read.
    update: is told how much has been read, of `sum(corpus.sizes())`, and a
      note: as `system.progress.Progress.update`.

  Returns:
    What each input holds, in the order of the inputs.

  Raises:
    UserError: an input cannot be read, is damaged or is no text, or there is
      no document in any.
  """
  surveys = []
  with Duplicates() as duplicates:
    seen = duplicates.add if corpus.options.deduplicate else None
    tell = _Teller(corpus, update) if update else None
    for number in range(len(corpus.paths)):
      surveys.append(survey_file(corpus, number, seen, tell and tell.position))
      if tell:
        tell.end(surveys[-1])
    surveys = _without(surveys, duplicates)
  require_documents(corpus, surveys)
  return surveys


def require_documents(corpus: 'Corpus', surveys: list[FileSurvey]) -> None:
  """Raises a `UserError` if there is no document in any input."""
  if not sum(found.num_documents for found in surveys):
    raise UserError(
      'no document in the input with '
      f'`input_format`={corpus.options.input_format}: '
      f'{survey_report.render(surveys, most_files=5)}'
    )


class _Teller:
  """Tells how far the survey has come."""

  def __init__(self, corpus: 'Corpus', update: Update):
    self._sizes = corpus.sizes()
    self._update = update
    self._num_inputs = self._done = self._documents = 0

  def position(self, position: int) -> None:
    """Tells how much of an input has been read."""
    note = f'{self._num_inputs:,} inputs, {self._documents:,} documents'
    self._update(self._done + position, note)

  def end(self, found: FileSurvey) -> None:
    """Goes on to the next input."""
    self._done += self._sizes[self._num_inputs]
    self._num_inputs += 1
    self._documents += found.num_documents


def survey_file(
  corpus: 'Corpus',
  number: int,
  seen: Seen | None = None,
  told: streams.Told | None = None,
) -> FileSurvey:
  """Reads one input; finds no duplicates.

  Args:
    corpus: it belongs to.
    number: the input's, from 0.
    seen: is told of every document.
    told: as for `Corpus.read`.

  Raises:
    UserError: as `Corpus.read`.
  """
  rejects, first = dict.fromkeys(REASONS, 0), {}
  checksum = hashlib.sha256()
  num_documents = num_bytes = cut = 0
  for document in corpus.read(number, told):
    if isinstance(document, Rejected):
      rejects[document.reason] += 1
      first.setdefault(document.reason, document.place)
      continue
    num_documents += 1
    num_bytes += document.num_bytes
    cut += document.piece == 1
    digest = digest_of(document.text)
    checksum.update(digest)
    if seen:
      seen(digest, document.num_bytes)
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


def digest_of(text: str) -> bytes:
  """Returns what tells a document from all others, 16 bytes."""
  return hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES]


def _without(
  surveys: list[FileSurvey], duplicates: Duplicates
) -> list[FileSurvey]:
  """Returns the surveys with the duplicates left out."""
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
    reduced(*about)
    for about in zip(surveys, starts, in_files, fewer_bytes, strict=True)
  ]


def reduced(
  found: FileSurvey, start: int, numbers: np.ndarray, num_bytes: int
) -> FileSurvey:
  """Returns a survey less some duplicates.

  Args:
    found: the survey.
    start: how many documents come before the file's own.
    numbers: of the duplicates among all, int64 [N], ascending.
    num_bytes: the bytes of these.
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
