"""The limits of a corpus's settings, and those that manifests store."""

import pytest

from data.text.corpus_options import CorpusOptions
from system.errors import UserError


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'input_format': 'xml'}, '`input_format`=xml: expected bert or text or'),
    ({'language': 'English'}, '`language`=English: expected a language code'),
    (
      {'language': 'xx'},
      "`language`=xx: 'xx' is no language code of ISO 639-1",
    ),
    ({'language': 'jp'}, "`language`=jp: 'jp' is no language code"),
    ({'language': 'eng'}, "=eng: expected the code of two letters, 'en'"),
    ({'language': 'deu-at'}, "=deu-at: expected the code of two letters, 'de'"),
    ({'text_field': ''}, '`text_field` is empty'),
    (
      {'min_document_characters': 0},
      '`min_document_characters`=0: expected 1 to 100,000',
    ),
    (
      {'min_document_characters': 100_001},
      '`min_document_characters`=100001: expected 1 to 100,000',
    ),
  ],
)
def test_wrong_options_are_named(options, message):
  with pytest.raises(UserError, match=message):
    CorpusOptions(**options).check()


@pytest.mark.parametrize('language', ['en', 'th', 'ceb', 'pt-br', 'zh-min-nan'])
def test_language_codes_are_allowed(language):
  CorpusOptions(language=language).check()


def test_document_settings_leave_out_where_the_text_is():
  options = CorpusOptions('a', 'tfds', tfds_data_dir='b')
  assert list(options.document_settings().items()) == [
    ('input_format', 'tfds'),
    ('text_field', 'text'),
    ('language', 'en'),
    ('min_document_characters', 1),
    ('deduplicate', False),
  ]
