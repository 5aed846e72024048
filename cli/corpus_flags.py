"""The flags that say which text is read, and how."""

import functools
from typing import TYPE_CHECKING

from absl import flags

from cli import flag_group
from data.text.corpus_options import FORMATS, CorpusOptions

if TYPE_CHECKING:
  from data.text.corpus import Corpus

FLAGS = flags.FLAGS

_WITH_FIELDS = ('jsonl', 'parquet', 'tfds')


@functools.cache
def define() -> None:
  """The text and its format."""
  flags.DEFINE_string(
    'input_file',
    None,
    'Text files, plain or compressed: globs, separated by commas. With '
    '--input_format=tfds data sets and their splits: '
    'wikipedia/20230601.en:train.',
  )
  flags.DEFINE_enum(
    'input_format',
    'bert',
    FORMATS,
    'Added: bert: a sentence a line, blank lines between documents; text: a '
    'document a line; text_file: a document a file, blank lines between '
    'paragraphs; jsonl: a JSON object a line; wikiextractor: as WikiExtractor '
    'writes it without --json; parquet; tfds: from tensorflow-datasets, which '
    'downloads what is not there yet. Of all but bert the sentences are split.',
  )
  flags.DEFINE_string(
    'text_field',
    'text',
    'Added: the field or column with the text; of jsonl, parquet and tfds.',
  )
  flags.DEFINE_string(
    'language',
    'en',
    'Added: the code of the language of the text, which decides where its '
    'sentences end; not of bert.',
  )
  flags.DEFINE_integer(
    'min_document_characters',
    1,
    'Added: leave out documents with fewer characters, and report them.',
  )
  flags.DEFINE_bool(
    'deduplicate',
    False,
    'Added: leave out documents that stand in the input again, to the letter, '
    'and report them.',
  )
  flags.DEFINE_string(
    'tfds_data_dir',
    None,
    'Added: where tensorflow-datasets keeps its data, ~/tensorflow_datasets if '
    'not given; of tfds.',
  )


def check() -> None:
  """Refuses flags about the text that are wrong or cannot take effect.

  Raises:
    UserError: the flags are named.
  """
  flag_group.require('input_file')
  kind = f'--input_format={FLAGS.input_format}'
  if FLAGS.input_format not in _WITH_FIELDS:
    flag_group.refuse_if_given(['text_field'], f'{kind} has no fields')
  if FLAGS.input_format == 'bert':
    flag_group.refuse_if_given(['language'], f'{kind} has a sentence a line')
  if FLAGS.input_format != 'tfds':
    flag_group.refuse_if_given(['tfds_data_dir'], f'{kind} reads files')
  options().check()


def options() -> CorpusOptions:
  """Returns how the text is to be read."""
  return CorpusOptions(
    input_format=FLAGS.input_format,
    text_field=FLAGS.text_field,
    language=FLAGS.language,
    min_document_characters=FLAGS.min_document_characters,
    deduplicate=FLAGS.deduplicate,
  )


def corpus() -> 'Corpus':
  """Finds the text.

  Raises:
    UserError: there is none of that name.
  """
  from data.text.corpus import Corpus

  return Corpus(FLAGS.input_file, options(), tfds_data_dir=FLAGS.tfds_data_dir)
