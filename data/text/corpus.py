"""A corpus: inputs of one format, and the documents in them."""

from collections.abc import Iterator

from data.text import sentences, text_formats, tfds_text
from data.text.corpus_options import CorpusOptions
from data.text.document import Document, Rejected
from data.text.file_survey import FileSurvey
from data.text.parquet import read_parquet
from data.text.tfds_text import read_tfds
from data.text.wikiextractor import read_wikiextractor
from system import files, streams
from system.errors import UserError

_READERS: dict[str, text_formats.Reader] = {
  'bert': text_formats.read_bert,
  'text': text_formats.read_text,
  'text_file': text_formats.read_text_file,
  'jsonl': text_formats.read_jsonl,
  'wikiextractor': read_wikiextractor,
  'parquet': read_parquet,
  'tfds': read_tfds,
}


class Corpus:
  """Text that can be read again and again, the same each time.

  It can be pickled, so that workers may read each a part of it.

  Attributes:
    paths: the inputs, in their order.
    options: how they are read.
  """

  def __init__(
    self,
    inputs: str | list[str],
    options: CorpusOptions,
    open_file: streams.Open = files.open_stream,
    tfds_data_dir: str | None = None,
  ):
    """Lists the inputs.

    Args:
      inputs: files or globs, separated by commas, or the data sets of
        `data.text.tfds_text`; or the very paths, which are not looked for.
      options: how to read them.
      open_file: opens a path for reading bytes.
      tfds_data_dir: where tensorflow-datasets keeps its data; None for its
        default.

    Raises:
      UserError: an option is wrong, or there is no such input.
    """
    options.check()
    self.options = options
    self.paths = inputs
    if isinstance(inputs, str):
      self.paths = _found(inputs, options, tfds_data_dir)
    self._open_file = open_file
    self._tfds_data_dir = tfds_data_dir

  def sizes(self) -> list[int]:
    """Returns how large the inputs are, in what `read` tells its progress in:
    stored bytes, of tfds examples."""
    if self.options.input_format == 'tfds':
      return [
        tfds_text.num_examples(path, self._tfds_data_dir) for path in self.paths
      ]
    return [files.size(path) for path in self.paths]

  def read(
    self, number: int, told: streams.Told | None = None
  ) -> Iterator[Document | Rejected]:
    """Yields an input's documents in their order, and what is none.

    Args:
      number: the input's, from 0.
      told: is told how much of the input has been read, see `sizes`.

    Raises:
      UserError: the input cannot be read or is damaged; it is named, and the
        place in it.
    """
    source = text_formats.Input(
      self.paths[number], self._open_file, told, self._tfds_data_dir
    )
    return _READERS[self.options.input_format](source, self.options)

  def documents(self, number: int, survey: FileSurvey) -> Iterator[Document]:
    """Yields the documents of an input that its survey kept.

    Raises:
      UserError: as `read`, or the input has changed since.
    """
    left_out = iter(survey.duplicates)
    next_left_out = next(left_out, None)
    ordinal = num_documents = num_bytes = 0
    for document in self.read(number):
      if isinstance(document, Rejected):
        continue
      if ordinal == next_left_out:
        next_left_out = next(left_out, None)
      else:
        num_documents += 1
        num_bytes += document.num_bytes
        yield document
      ordinal += 1
    if (num_documents, num_bytes) != (survey.num_documents, survey.num_bytes):
      raise UserError(
        f'{survey.path} has changed since it was surveyed: found '
        f'{num_documents:,} documents of {num_bytes:,} bytes, expected '
        f'{survey.num_documents:,} of {survey.num_bytes:,}'
      )

  def sentences(self, texts: list[str]) -> list[list[str]]:
    """Splits documents into sentences, none blank, without white space around.

    Several threads may call it at once.
    """
    language = self.options.language
    match self.options.input_format:
      case 'bert':
        return [text.split('\n') for text in texts]
      case 'text_file':
        return [sentences.split_wrapped(text, language) for text in texts]
    return [sentences.split(text, language) for text in texts]


def _found(
  inputs: str, options: CorpusOptions, data_dir: str | None
) -> list[str]:
  """Returns the inputs that the flag stands for."""
  if options.input_format == 'tfds':
    found = tfds_text.expand(inputs, data_dir)
  else:
    found = files.expand(inputs)
    for path in found:
      files.require_file(path, '--input_file')
      if files.is_pipe(path):
        raise UserError(
          f'--input_file: {path!r} is a pipe; expected a file, which can be '
          'read twice'
        )
  if not found:
    raise UserError(f'--input_file={inputs!r} names no file')
  return found
