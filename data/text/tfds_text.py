"""Reads a text column of tensorflow-datasets.

An input is called 'name:split', as in 'wikipedia/20230601.en:train'; each file
of the split is an input of its own, 'name:train[3shard]'. The name may have a
version, the split may be a part, 'wikipedia/20230601.en:1.0.0:train[:10%]', and
is 'train' where none is given.

This is the one format that needs TensorFlow.
"""

import functools
import re

from data.text.corpus_options import CorpusOptions
from data.text.document import DocumentMaker
from data.text.text_formats import Documents, Input
from data.text.tfds_rows import TfdsSource
from system.errors import UserError

_INPUT = re.compile(r'([^:]+(?::\d[\d.]*)?)(?::([a-zA-Z_][^:]*(?:\[.*\])?))?')


def expand(inputs: str, data_dir: str | None) -> list[str]:
  """Returns the inputs that a list of data sets stands for.

  Args:
    inputs: 'name:split', separated by commas.
    data_dir: where tensorflow-datasets keeps its data; None for its default.

  Raises:
    UserError: there is no such data set or split, or it cannot be downloaded.
  """
  found = []
  for text in filter(None, inputs.split(',')):
    name, split = _parsed(text)
    found += [f'{name}:{part}' for part in _open(name, data_dir).shards(split)]
  return found


def num_examples(text: str, data_dir: str | None) -> int:
  """Returns how many examples an input has."""
  name, split = _parsed(text)
  return _open(name, data_dir).num_examples(split)


def read_tfds(source: Input, options: CorpusOptions) -> Documents:
  """Reads a document an example."""
  maker = DocumentMaker(
    options.min_document_characters, 'record', counts_lines=False
  )
  name, split = _parsed(source.path)
  dataset = _open(name, source.tfds_data_dir)
  texts = dataset.texts(split, options.text_field)
  for number, text in enumerate(texts, 1):
    yield from maker.whole(text.decode('utf-8', 'surrogateescape'), number)
    if source.told:
      source.told(number)


def _parsed(text: str) -> tuple[str, str]:
  """Returns the name of a data set and that of its split."""
  found = _INPUT.fullmatch(text)
  if not found:
    raise UserError(
      f'--input_file: expected name:split of a data set, found {text!r}'
    )
  return found[1], found[2] or 'train'


@functools.cache
def _open(name: str, data_dir: str | None) -> TfdsSource:
  return TfdsSource(name, data_dir, f'--input_file={name}')
