"""What the survey of a corpus says of each input, and to JSON and back."""

import base64
import dataclasses
import zlib
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class FileSurvey:
  """What one input holds.

  Attributes:
    path: the input.
    num_documents: documents that are kept.
    num_bytes: UTF-8 bytes of these.
    rejects: how many are left out, for each reason of `data.text.document`.
    first: where the first one left out for a reason stands.
    cut: documents that were cut in pieces; each piece counts as a document.
    checksum: of all documents, duplicates too, in hexadecimal.
    duplicates: which documents are duplicates: their numbers from 0, in order,
      among those that were not left out for another reason. uint32.
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


def _packed(ordinals: array) -> str:
  """Returns ascending numbers in ASCII, a byte or two for each."""
  steps = np.diff(np.asarray(ordinals, '<u4'), prepend=np.uint32(0))
  return base64.b64encode(zlib.compress(steps.tobytes())).decode()


def _unpacked(packed: str) -> array:
  steps = np.frombuffer(zlib.decompress(base64.b64decode(packed)), '<u4')
  return array('I', np.cumsum(steps, dtype=np.uint32).tobytes())
