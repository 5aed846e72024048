"""Records that several test files read."""

import pytest
import tiny_records


@pytest.fixture
def two_files(tmp_path):
  """150 records of random lengths in the files `a` and `b`."""
  return tiny_records.two_files(tmp_path)
