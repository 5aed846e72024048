"""The settings of a corpus: where its text is, and how to read it."""

import dataclasses
import re
from typing import Any

from system import settings
from system.errors import UserError
from system.settings import setting

FORMATS = (
  *['bert', 'text', 'text_file', 'jsonl', 'wikiextractor', 'parquet', 'tfds'],
)
_LANGUAGE = re.compile('([a-z]{2,3})(-[a-z]+)*')
# The codes of ISO 639-1. sentencex splits unknown languages like English.
_TWO_LETTER_CODES = frozenset(
  'aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch '
  'co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga '
  'gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja '
  'jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv '
  'mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or '
  'os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq '
  'sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve '
  'vi vo wa wo xh yi yo za zh zu'.split()
)
# The three-letter codes, of ISO 639-2, of the languages that sentencex has
# rules for and knows by two letters alone.
_SHORT_CODES = dict(
  pair.split('=')
  for pair in (
    'amh=am ara=ar arm=hy ben=bn bul=bg bur=my cat=ca chi=zh dan=da deu=de '
    'dut=nl ell=el eng=en fin=fi fra=fr fre=fr ger=de gre=el guj=gu hin=hi '
    'hye=hy ita=it jpn=ja kan=kn kaz=kk mal=ml mar=mr mya=my nld=nl pan=pa '
    'pol=pl por=pt rus=ru slk=sk slo=sk spa=es tam=ta tel=te ukr=uk zho=zh'
  ).split()
)


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
    'Added: bert: one sentence a line, blank lines between documents; text: '
    'one document a line; text_file: one document a file, blank lines between '
    'paragraphs; jsonl: one JSON object a line; wikiextractor: the output of '
    'WikiExtractor without --json; parquet: one document a row; tfds: one '
    'document per example of tensorflow-datasets, which downloads missing '
    'data. The text of all formats except bert is split into sentences.',
    choices=FORMATS,
  )
  text_field: str = setting(
    'text',
    'Added: the field or column with the text; for jsonl, parquet and tfds.',
    needs=('input_format=jsonl,parquet,tfds',),
  )
  language: str = setting(
    'en',
    "Added: the language of the text, an ISO 639 code such as 'en' or 'pt-br'. "
    'It decides where sentences end; for all formats except bert.',
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
      UserError: a value is not allowed; it is named.
    """
    settings.check(self)
    _check_language(self.language)
    if not self.text_field:
      raise UserError('`text_field` is empty: expected the name of a field')

  def document_settings(self) -> dict[str, Any]:
    """Returns the settings that decide the documents of a text, by name.

    The manifest of pre-training records stores them. `input_file` and
    `tfds_data_dir` are left out, because the text may move.
    """
    values = dataclasses.asdict(self)
    del values['input_file'], values['tfds_data_dir']
    return values


def _check_language(language: str) -> None:
  """Raises a `UserError` if a language code is none."""
  found = _LANGUAGE.fullmatch(language)
  if not found:
    raise UserError(
      f"`language`={language}: expected a language code, 'en' or 'pt-br'"
    )
  if short := _SHORT_CODES.get(found[1]):
    raise UserError(
      f'`language`={language}: expected the code of two letters, {short!r}'
    )
  if len(found[1]) == 2 and found[1] not in _TWO_LETTER_CODES:
    raise UserError(
      f'`language`={language}: {found[1]!r} is no language code of ISO 639-1'
    )
