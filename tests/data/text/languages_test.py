"""The codes of languages."""

import pathlib
import re

import pytest

from data.text import languages
from system.errors import UserError


@pytest.mark.parametrize(
  ('language', 'code'),
  [
    ('en', 'en'),
    ('en-US', 'en'),
    ('de-lu', 'de'),
    ('de-AT', 'de-at'),
    ('th', 'th'),
    ('th-TH', 'th'),
    ('es-419', 'es'),
    ('zh-Hant-HK', 'zh-hant'),
    ('zh-min-nan', 'zh-min-nan'),
    ('arz', 'arz'),
  ],
)
def test_a_language_is_known_by_its_longest_known_code(language, code):
  assert languages.resolve(language) == code


@pytest.mark.parametrize(
  ('language', 'message'),
  [
    ('English', "expected a language code, 'en' or 'pt-br'"),
    ('en_US', "expected a language code, 'en' or 'pt-br'"),
    ('', 'expected a language code'),
    ('xx', "does not know 'xx'; docs/pretraining.md lists the codes"),
    ('jp', "does not know 'jp'"),
    ('xxx', "does not know 'xxx'"),
    ('ceb', "does not know 'ceb'"),
    ('zz-ZZ', "does not know 'zz'"),
    ('eng', "expected the code of two letters, 'en'"),
    ('deu-at', "expected the code of two letters, 'de'"),
  ],
)
def test_an_unknown_language_is_refused(language, message):
  with pytest.raises(UserError, match=f'`language`={language}: .*{message}'):
    languages.resolve(language)


def test_the_documentation_lists_all_codes():
  root = pathlib.Path(__file__).parents[3]
  page = (root / 'docs' / 'pretraining.md').read_text()
  section = page.split('### Languages')[1].split('\n## ')[0]
  listed = [
    text.split() for text in re.findall('```text(.*?)```', section, re.S)
  ]
  assert listed == [
    sorted(languages.WITH_RULES),
    sorted(languages.TWO_LETTER_CODES - languages.WITH_RULES),
  ]
