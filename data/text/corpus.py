"""A corpus: input files of one format, read as documents."""

from collections.abc import Callable, Iterator, Sequence

from absl import logging

from data.text import languages, sentences, text_formats, tfds_text
from data.text.corpus_options import CorpusOptions
from data.text.document import Document, Rejected
from data.text.file_survey import FileSurvey
from data.text.parquet import read_parquet
from data.text.tfds_text import read_tfds
from data.text.wikiextractor import read_wikiextractor
from system import files, streams
from system.errors import UserError, few

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
  """Text that can be read many times, with the same documents each time.

  A corpus can be pickled, so that several workers can each read some inputs.

  Attributes:
    paths: the inputs, in order.
    options: the settings.
  """

  def __init__(
    self,
    options: CorpusOptions,
    paths: Sequence[str] | None = None,
    open_file: streams.Open = files.open_stream,
    is_own: Callable[[str], bool] = lambda path: False,
  ):
    """Lists the inputs.

    Args:
      options: the settings.
      paths: the inputs; None finds those that `input_file` names.
      open_file: opens a path for reading bytes.
      is_own: whether the job wrote a file itself; a wildcard in `input_file`
        leaves these out.

    Raises:
      UserError: an option is wrong, or an input is missing.
    """
    options.check()
    self.options = options
    self.paths = _find_inputs(options, is_own) if paths is None else list(paths)
    self._open_file = open_file

  def sizes(self) -> list[int]:
    """Returns the size of each input, in the units of `read`'s progress.

    The unit is a stored byte; for tfds it is an example.
    """
    if self.options.input_format == 'tfds':
      data_dir = self.options.tfds_data_dir
      return [tfds_text.num_examples(path, data_dir) for path in self.paths]
    return [files.size(path) for path in self.paths]

  def read(
    self, number: int, on_progress: streams.OnProgress | None = None
  ) -> Iterator[Document | Rejected]:
    """Yields an input's documents and rejected documents, in order.

    Args:
      number: the input's number, from 0.
      on_progress: called with how much of the input has been read; see `sizes`.

    Raises:
      UserError: the input is damaged or cannot be read; the message names the
        input and the position in it.
    """
    source = text_formats.Input(
      self.paths[number], self._open_file, on_progress
    )
    return _READERS[self.options.input_format](source, self.options)

  def documents(self, number: int, survey: FileSurvey) -> Iterator[Document]:
    """Yields the documents of an input that its survey kept.

    Raises:
      UserError: as `read`, or the input has changed since the survey.
    """
    duplicates = iter(survey.duplicates)
    next_duplicate = next(duplicates, None)
    ordinal = num_documents = num_bytes = 0
    for document in self.read(number):
      if isinstance(document, Rejected):
        continue
      if ordinal == next_duplicate:
        next_duplicate = next(duplicates, None)
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

  def only(self, number: int) -> 'Corpus':
    """Returns the corpus of one of the inputs."""
    return Corpus(self.options, [self.paths[number]], self._open_file)

  def split_sentences(self, texts: list[str]) -> list[str]:
    """Splits documents into sentences; see the function `split_sentences`."""
    return split_sentences(self.options, texts)


def split_sentences(options: CorpusOptions, texts: list[str]) -> list[str]:
  """Splits documents; returns them with one sentence per line.

  The sentences are stripped of white space, and none is blank. May be called in
  several threads or processes at the same time.
  """
  language = languages.resolve(options.language)
  match options.input_format:
    case 'bert':
      return texts
    case 'text_file':
      split = sentences.split_wrapped
    case _:
      split = sentences.split
  return ['\n'.join(split(text, language)) for text in texts]


def _find_inputs(
  options: CorpusOptions, is_own: Callable[[str], bool]
) -> list[str]:
  """Returns the inputs that `input_file` names."""
  names = options.input_file or ''
  if options.input_format == 'tfds':
    paths = tfds_text.expand(names, options.tfds_data_dir)
  else:
    paths = _not_own(files.expand(names), names.split(','), is_own)
    for path in paths:
      files.require_file(path, '`input_file`')
  if not paths:
    raise UserError(f'`input_file`={names!r} names no file')
  return paths


def _not_own(
  paths: Sequence[str], names: Sequence[str], is_own: Callable[[str], bool]
) -> list[str]:
  """Leaves out files that the job wrote, unless they are among `names`."""
  own = [path for path in paths if path not in names and is_own(path)]
  if own:
    logging.info(
      '`input_file` matches files that this job wrote; leaves out %s', few(own)
    )
  return [path for path in paths if path not in own]
