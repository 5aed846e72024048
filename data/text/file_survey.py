"""The survey's result for one input, and its JSON form in the manifest."""

import base64
import dataclasses
import zlib
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class FileSurvey:
  """The documents that one input holds.

  Attributes:
    path: the input.
    num_documents: how many documents are kept.
    num_bytes: UTF-8 bytes of the kept documents.
    rejects: how many documents are left out, for each reason of
      `data.text.document`.
    first: the position of the first document left out, for each reason that
      occurs.
    cut: how many documents were cut in pieces. Each piece counts as a document
      in `num_documents`.
    checksum: of all documents, duplicates included, in hexadecimal.
    duplicates: the ordinals of the duplicates, ascending, uint32: they count
      from 0 the documents that are not left out for another reason.
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
    """Returns values that JSON can hold."""
    return dataclasses.asdict(self) | {'duplicates': _pack(self.duplicates)}

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'FileSurvey':
    """Returns the survey whose `to_json` returned the values."""
    return cls(**values | {'duplicates': _unpack(values['duplicates'])})


def _pack(ordinals: array) -> str:
  """Returns ascending numbers in ASCII, one or two bytes for each."""
  steps = np.diff(np.asarray(ordinals, '<u4'), prepend=np.uint32(0))
  return base64.b64encode(zlib.compress(steps.tobytes())).decode()


def _unpack(packed: str) -> array:
  """Returns the numbers that `_pack` packed."""
  steps = np.frombuffer(zlib.decompress(base64.b64decode(packed)), '<u4')
  return array('I', np.cumsum(steps, dtype=np.uint32).tobytes())
