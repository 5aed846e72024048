"""Reader of a text column of a tensorflow-datasets data set.

A user names an input 'name:split', such as 'wikipedia/20230601.en:train'. The
name may have a version and the split may be a part of one:
'wikipedia/20230601.en:1.0.0:train[:10%]'. The default split is 'train'. Each
file of a split becomes an input: 'name:train[3shard]'.

No other format needs TensorFlow.
"""

import functools
import re

from data.text.corpus_options import CorpusOptions
from data.text.document import DocumentMaker
from data.text.text_formats import Documents, Input
from data.text.tfds_source import TfdsSource
from system.errors import UserError

_INPUT = re.compile(r'([^:]+(?::\d[\d.]*)?)(?::([a-zA-Z_][^:]*(?:\[.*\])?))?')


def expand(inputs: str, data_dir: str | None) -> list[str]:
  """Expands a list of data sets to inputs, one for each file.

  Args:
    inputs: 'name:split', separated by commas.
    data_dir: the folder where tensorflow-datasets keeps its data; None for its
      default.

  Raises:
    UserError: a data set or split does not exist, or cannot be downloaded.
  """
  paths = []
  for text in filter(None, inputs.split(',')):
    name, split = _parse(text)
    paths += [f'{name}:{part}' for part in _open(name, data_dir).shards(split)]
  return paths


def num_examples(text: str, data_dir: str | None) -> int:
  """Returns the number of examples of an input."""
  name, split = _parse(text)
  return _open(name, data_dir).num_examples(split)


def read_tfds(source: Input, options: CorpusOptions) -> Documents:
  """Reads one document an example.

  Raises:
    UserError: the data set has no such text column, or cannot be read.
  """
  maker = DocumentMaker(
    options.min_document_characters, 'record', counts_lines=False
  )
  name, split = _parse(source.path)
  dataset = _open(name, options.tfds_data_dir)
  texts = dataset.texts(split, options.text_field)
  for number, text in enumerate(texts, 1):
    yield from maker.whole(text.decode('utf-8', 'surrogateescape'), number)
    if source.on_progress:
      source.on_progress(number)


def _parse(text: str) -> tuple[str, str]:
  """Returns the names of a data set and of its split."""
  found = _INPUT.fullmatch(text)
  if not found:
    raise UserError(
      f'`input_file`: expected name:split of a data set, found {text!r}'
    )
  return found[1], found[2] or 'train'


@functools.cache
def _open(name: str, data_dir: str | None) -> TfdsSource:
  return TfdsSource(name, data_dir, f'`input_file`={name}')
