"""Corpora made of bytes."""

import io

import pytest

from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions


@pytest.fixture
def corpus_of():
  """Returns a function that makes a corpus of contents in memory, by path."""

  def make(contents, **options):
    return Corpus(
      CorpusOptions(**options),
      list(contents),
      lambda path: io.BytesIO(contents[path]),
    )

  return make


@pytest.fixture
def read(tmp_path):
  """Returns a function that reads bytes as a file of a format."""

  def read_bytes(content, input_format='bert', **options):
    path = tmp_path / 'input'
    path.write_bytes(content)
    options = CorpusOptions(str(path), input_format, **options)
    return list(Corpus(options).read(0))

  return read_bytes
