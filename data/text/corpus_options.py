"""The settings of a corpus: where its text is, and how to read it."""

import dataclasses
import re
from typing import Any

from absl import logging

from data.text import languages
from system import settings
from system.errors import UserError
from system.settings import setting

FORMATS = (
  'bert',
  'text',
  'text_file',
  'jsonl',
  'wikiextractor',
  'parquet',
  'tfds',
)
_TABLE = re.compile(r'\.(jsonl?|csv)(?:\.(?:gz|bz2|xz|zst))?$', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class CorpusOptions:
  """The text of a corpus, and how to split it into documents."""

  input_file: str | None = setting(
    None,
    'Text files, plain or compressed: globs, separated by commas. For the '
    'format tfds: data sets and their splits, such as '
    'wikipedia/20230601.en:train.',
  )
  input_format: str = setting(
    'bert',
    'Added: bert: one sentence per line, blank lines between documents; text: '
    'one document per line; text_file: one document per file, blank lines '
    'between paragraphs; jsonl: one JSON object per line; wikiextractor: the '
    'output of WikiExtractor without --json; parquet: one document per row; '
    'tfds: one document per example of tensorflow-datasets, which downloads '
    'missing data. The text of all formats except bert is split into '
    'sentences.',
    choices=FORMATS,
  )
  text_field: str = setting(
    'text',
    'Added: the field or column with the text; for jsonl, parquet and tfds.',
    needs=('input_format=jsonl,parquet,tfds',),
  )
  language: str = setting(
    'en',
    "Added: the language of the text, such as 'en' or 'pt-br'; "
    'docs/pretraining.md lists the codes. It decides where sentences end; for '
    'all formats except bert.',
    needs=('input_format!=bert',),
  )
  # Even the highest limit keeps the first piece of a cut document, which has
  # 1 MiB of UTF-8 or more, at least 262,144 characters.
  min_document_characters: int = setting(
    1,
    'Added: leave out documents with fewer characters, and report them.',
    at_least=1,
    at_most=100_000,
  )
  deduplicate: bool = setting(
    False,
    'Added: leave out documents whose text is identical to that of an earlier '
    'one, and report them.',
  )
  tfds_data_dir: str | None = setting(
    None,
    'Added: the folder where tensorflow-datasets keeps its data; the default '
    'is ~/tensorflow_datasets.',
    needs=('input_format=tfds',),
  )

  def check(self) -> None:
    """Checks the values.

    Raises:
      UserError: a value is not allowed; the message names it.
    """
    settings.check(self)
    languages.resolve(self.language)
    if not self.text_field:
      raise UserError('`text_field` is empty: expected the name of a field')
    if self.input_format in ('bert', 'text'):
      self._refuse_tables()

  def _refuse_tables(self) -> None:
    """Refuses files whose names say that they are not plain text."""
    for pattern in (self.input_file or '').split(','):
      if not (match := _TABLE.search(pattern)):
        continue
      advice = 'tools.sample_sentences takes the text out of a table'
      if match[1].lower() != 'csv':
        advice = 'give `input_format`=jsonl'
      raise UserError(
        f'`input_file`={pattern} cannot be read as plain text '
        f'(`input_format`={self.input_format}): {advice}. If it is plain text, '
        'rename it'
      )

  @property
  def splits_sentences(self) -> bool:
    """Whether the text is running text, whose sentences the project finds."""
    return self.input_format != 'bert'

  def log_missing_rules(self) -> None:
    """Logs if the language's text is split into sentences like English."""
    code = languages.resolve(self.language)
    if self.splits_sentences and code not in languages.WITH_RULES:
      logging.info(
        'The sentence splitter has no rules for `language`=%s: sentences end '
        'as in English, and at the full stops of other scripts.',
        self.language,
      )

  def document_settings(self) -> dict[str, Any]:
    """Returns the settings that decide the documents of a text, by name.

    The manifest of pre-training records stores them. `input_file` and
    `tfds_data_dir` are left out, because the text may move.
    """
    values = dataclasses.asdict(self)
    del values['input_file'], values['tfds_data_dir']
    return values
