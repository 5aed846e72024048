"""Duplicates found in memory and through temporary files."""

import numpy as np
import pytest

from data.text import duplicates
from system.errors import UserError


def test_duplicates_are_those_that_a_dictionary_finds():
  rng = np.random.default_rng(0)
  values = rng.integers(500, size=3000)
  digests = [b'%016d' % value for value in values]
  known, expected = set(), {}
  for number, digest in enumerate(digests):
    if digest in known:
      expected[number] = int(values[number])
    known.add(digest)
  with duplicates.Duplicates(in_memory=700) as documents:
    for digest, value in zip(digests, values, strict=True):
      documents.add(digest, int(value))
    found = {}
    for numbers, num_bytes in documents.find():
      found |= zip(numbers.tolist(), num_bytes.tolist(), strict=True)
  assert found == expected


def test_a_part_holds_all_entries_of_a_digest():
  digests = [bytes([first]) + bytes(15) for first in (7, 3, 7)]
  entries = b''.join(duplicates.entry(digest, 5) for digest in digests)
  rows = duplicates.numbered_entries(entries, 10)
  parts = {
    part: own['number'].tolist() for part, own in duplicates.by_digest(rows)
  }
  assert parts == {3: [11], 7: [10, 12]}
  numbers, num_bytes = duplicates.find_among(rows[::-1])
  assert (numbers.tolist(), num_bytes.tolist()) == ([12], [5])


def test_a_temporary_folder_that_cannot_be_written_is_named(monkeypatch):
  monkeypatch.setattr(duplicates.tempfile, 'tempdir', '/none')
  with (
    pytest.raises(UserError, match='cannot write to /none: No such file'),
    duplicates.Duplicates(in_memory=1) as documents,
  ):
    documents.add(bytes(16), 1)
