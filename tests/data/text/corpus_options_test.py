"""The limits of a corpus's settings, and those that manifests store."""

import pytest

from data.text.corpus_options import CorpusOptions
from system.errors import UserError


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'input_format': 'xml'}, '`input_format`=xml: expected bert or text or'),
    ({'language': 'xxx'}, "`language`=xxx: .* does not know 'xxx'"),
    ({'text_field': ''}, '`text_field` is empty'),
    ({'input_file': 'a.txt,b.jsonl.gz'}, 'b.jsonl.gz .*give `input_format`=js'),
    ({'input_file': 'b.csv', 'input_format': 'text'}, 'tools.sample_sentences'),
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


@pytest.mark.parametrize(
  ('language', 'input_format', 'is_logged'),
  [
    ('th', 'text', True),
    ('th', 'bert', False),
    ('en', 'text', False),
    ('pt-PT', 'text', False),
  ],
)
def test_a_language_without_rules_is_logged(
  caplog, language, input_format, is_logged
):
  caplog.set_level('INFO')
  options = CorpusOptions(language=language, input_format=input_format)
  options.log_missing_rules()
  found = 'has no rules for `language`=th: sentences end as in' in caplog.text
  assert found == is_logged


def test_document_settings_leave_out_where_the_text_is():
  options = CorpusOptions('a', 'tfds', tfds_data_dir='b')
  assert list(options.document_settings().items()) == [
    ('input_format', 'tfds'),
    ('text_field', 'text'),
    ('language', 'en'),
    ('min_document_characters', 1),
    ('deduplicate', False),
  ]
