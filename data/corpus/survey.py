"""The first pass over a corpus: reads all of it and finds what is wrong.

What it counts says where each document stands in the whole. The second pass
reads the same documents again.
"""

import base64
import dataclasses
import hashlib
import zlib
from array import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from data.corpus.document import (
  DUPLICATE,
  NOT_UTF8,
  TOO_LONG,
  TOO_SHORT,
  Rejected,
)
from data.corpus.duplicates import Duplicates
from data.errors import UserError

if TYPE_CHECKING:
  from data import streams
  from data.corpus.corpus import Corpus
  from data.progress import Progress

REASONS = (TOO_SHORT, TOO_LONG, NOT_UTF8, DUPLICATE)
_DIGEST_BYTES = 16

# Is given the digest of a document and its number of bytes.
Seen = Callable[[bytes, int], None]


@dataclasses.dataclass(frozen=True)
class FileSurvey:
  """What one input holds.

  Attributes:
    path: the input.
    num_documents: documents that are kept.
    num_bytes: UTF-8 bytes of these.
    rejects: for each of `REASONS` how many documents are left out.
    first: where the first one left out for a reason stands.
    cut: documents that were cut in pieces; each piece counts as a document.
    checksum: of all documents, duplicates too, in hexadecimal.
    duplicates: which documents are duplicates: their numbers from 0, in order,
      among the documents that were not rejected for another reason. uint32.
  """

  path: str
  num_documents: int
  num_bytes: int
  rejects: Mapping[str, int]
  first: Mapping[str, str]
  cut: int
  checksum: str
  duplicates: array

  def to_json(self) -> dict[str, Any]:
    """Returns what JSON can hold."""
    return dataclasses.asdict(self) | {'duplicates': _packed(self.duplicates)}

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'FileSurvey':
    """Returns what `to_json` was called of."""
    return cls(**values | {'duplicates': _unpacked(values['duplicates'])})


def survey(
  corpus: 'Corpus', progress: 'Progress | None' = None
) -> list[FileSurvey]:
  """Reads a corpus.

  Args:
    corpus: to be read.
    progress: is told how many of the inputs' stored bytes have been read.

  Returns:
    What each input holds, in the order of the inputs.

  Raises:
    UserError: an input cannot be read, is damaged or is no text, or there is
      no document in any.
  """
  with Duplicates() as duplicates:
    seen = duplicates.add if corpus.options.deduplicate else None
    surveys = [
      survey_file(corpus, number, seen) for number in range(len(corpus.paths))
    ]
    surveys = _without(surveys, duplicates)
  if not sum(found.num_documents for found in surveys):
    raise UserError(f'no document in {", ".join(corpus.paths)}')
  return surveys


def survey_file(
  corpus: 'Corpus',
  number: int,
  seen: Seen | None = None,
  told: 'streams.Told | None' = None,
) -> FileSurvey:
  """Reads one input; finds no duplicates.

  Args:
    corpus: it belongs to.
    number: the input's, from 0.
    seen: is told of every document.
    told: as for `Corpus.read`.
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


def _without(
  surveys: list[FileSurvey], duplicates: Duplicates
) -> list[FileSurvey]:
  """Returns the surveys with the duplicates left out."""
  ends = np.cumsum([found.num_documents for found in surveys])
  fewer_bytes = np.zeros(len(surveys), np.int64)
  numbers = [np.zeros(0, np.uint64)]
  for part, num_bytes in duplicates.find():
    files = np.searchsorted(ends, part, 'right')
    np.add.at(fewer_bytes, files, num_bytes)
    numbers.append(part)
  numbers = np.sort(np.concatenate(numbers))
  in_files = np.split(numbers, np.searchsorted(numbers, ends[:-1]))
  starts = ends - [found.num_documents for found in surveys]
  return [
    _reduced(*about)
    for about in zip(surveys, starts, in_files, fewer_bytes, strict=True)
  ]


def _reduced(
  found: FileSurvey, start: int, numbers: np.ndarray, num_bytes: int
) -> FileSurvey:
  """Returns a survey less some duplicates.

  Args:
    found: the survey.
    start: how many documents come before the file's own.
    numbers: of the duplicates among all, uint64 [N], ascending.
    num_bytes: the bytes of these.
  """
  if not len(numbers):
    return found
  ordinals = (numbers - np.uint64(start)).astype(np.uint32)
  return dataclasses.replace(
    found,
    num_documents=found.num_documents - len(ordinals),
    num_bytes=found.num_bytes - int(num_bytes),
    rejects=found.rejects | {DUPLICATE: len(ordinals)},
    first=found.first | {DUPLICATE: f'document {ordinals[0] + 1}'},
    duplicates=array('I', ordinals.tobytes()),
  )


def digest_of(text: str) -> bytes:
  """Returns what tells a document from all others, 16 bytes."""
  return hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES]


def _packed(ordinals: array) -> str:
  """Returns ascending numbers in ASCII, a byte or two for each."""
  steps = np.diff(np.asarray(ordinals, '<u4'), prepend=np.uint32(0))
  return base64.b85encode(zlib.compress(steps.tobytes())).decode()


def _unpacked(packed: str) -> array:
  steps = np.frombuffer(zlib.decompress(base64.b85decode(packed)), '<u4')
  return array('I', np.cumsum(steps, dtype=np.uint32).tobytes())
