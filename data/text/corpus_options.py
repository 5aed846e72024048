"""What the flags say of a corpus."""

import dataclasses
import re

from system.errors import UserError

FORMATS = (
  *['bert', 'text', 'text_file', 'jsonl', 'wikiextractor', 'parquet', 'tfds'],
)
# A piece of a document that was cut has more characters than that.
_MOST_MIN_CHARACTERS = 100_000
_LANGUAGE = re.compile('[a-z]{2,3}(-[a-z]+)*')


@dataclasses.dataclass(frozen=True)
class CorpusOptions:
  """How text is read: the flags of these names.

  Attributes:
    input_format: one of `FORMATS`.
    text_field: the field with the text; of jsonl, parquet and tfds.
    language: what the text is in, an ISO 639 code: decides where sentences
      end. Not of bert, whose lines are sentences.
    min_document_characters: documents with fewer are left out.
    deduplicate: whether a text that stands in the corpus again is left out.
  """

  input_format: str = 'bert'
  text_field: str = 'text'
  language: str = 'en'
  min_document_characters: int = 1
  deduplicate: bool = False

  def check(self) -> None:
    """Raises a `UserError` that names the flag whose value is none."""
    if self.input_format not in FORMATS:
      raise UserError(
        f'--input_format={self.input_format}: expected one of '
        f'{", ".join(FORMATS)}'
      )
    if not 1 <= self.min_document_characters <= _MOST_MIN_CHARACTERS:
      raise UserError(
        f'--min_document_characters={self.min_document_characters}: expected '
        f'1 to {_MOST_MIN_CHARACTERS:,}'
      )
    if not _LANGUAGE.fullmatch(self.language):
      raise UserError(
        f"--language={self.language}: expected the code of a language, 'en' or "
        "'pt-br'"
      )
    if not self.text_field:
      raise UserError('--text_field is empty: expected the name of a field')
