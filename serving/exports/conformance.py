r"""Texts with their token ids, for those who port the tokenizer.

A line of conformance.jsonl is a JSON object:

  {"text": "a fine film", "input_ids": [101, ...], "input_type_ids": [0, ...]}

with `text_a` and `text_b` instead of `text` if the model takes pairs. The ids
are those of the model's own tokenizer, with [CLS] and [SEP], cut to its longest
input, without padding. A port conforms if it gives the same ids for all.

Tested by `tests/serving/exports/conformance_test.py`.
"""

import itertools
import json
from collections.abc import Iterator

from data.text.vocabulary import CONTINUATION
from serving.exports import reference
from serving.exports.parts import Parts
from serving.text_model import Text
from system import files

NUM_TEXTS = 200

# What ports of the tokenizer get wrong: white space and control characters,
# punctuation of all kinds, accents, scripts without spaces, case, long words.
_CASES = (
  *('', ' ', '\t\n\r', 'x', '.', '...', '!?', 'a b', ' a  b ', 'a\tb\nc'),
  *('a\u00a0b', 'a\u2003b', 'a\u3000b', 'a\u200bb', 'a\ufeffb', 'a\u00adb'),
  *('a\x00b', 'a\x01b', 'a\x7fb', 'a�b', 'a\u2028b', 'a\u202eb'),
  "don't", 'it’s', '“quoted”', 'well-read', 'a—b', 'a_b',
  *('$1,234.56', '3.5%', '50€', '£5', 'a+b=c', '1<2>0', '~`^|'),
  *('C++', '#tag @user', 'a/b\\c', 'e.g. i.e.', 'http://example.org/a?b=1'),
  *('user@example.org', '12:30', '1/2', '½', 'm²', 'H₂O'),
  *('…', '·', '¡hola!', '¿quién?', '§ 5', '°'),
  *('café', 'cafe\u0301', 'naïve', 'ÄÖÜ äöü', 'Straße', 'STRASSE'),
  *('İstanbul', 'ı', 'Ångström', 'Łódź', 'český', 'øæ'),
  *('ﬁn', 'ǅ', 'ẞ', 'A\u030a', 'A\u0308\u0323', '\u0301a'),
  *('ΑΣ', 'σς', 'Ελληνικά', 'Москва', 'ёлка Й', 'Україна'),
  *('中文', '我喜欢这部电影。', 'a中b', '東京タワー', 'ひらがな'),
  *('한국어', '\U00020000', '豈', 'ＡＢｃ', '！，'),
  *('ภาษาไทย', 'ह\u093fन\u094dद\u0940', 'էր'),
  *('\u0627\u0644\u0639\u0631\u0628\u064a\u0629', '\u05e2\u05d1\u05e8'),
  *('😀', 'a😀b', '👨\u200d👩', '❤\ufe0f', '™®'),
  *('HELLO World', 'iPhone', 'McDonald', 'USA', 'aBcDeF', 'ABC123def'),
  *('[CLS]', '[SEP] [MASK]', '[UNK]', '[PAD]', '##ing', 'a ##b', '# # ing'),
  *('a' * 100, 'a' * 101, 'a' * 200, 'a' * 201, 'ab' * 60, 'é' * 120),
  *('the ' * 600, 'a.' * 300, '中' * 520, 'unaffable', 'antidisestablishment'),
)  # fmt: skip


def write(parts: Parts, path: str) -> None:
  """Writes the vectors of a model's tokenizer, as ASCII.

  Args:
    parts: the model.
    path: the file.
  """
  found = list(texts(parts))
  features = reference.features_of(parts, found)
  lengths = features['attention_mask'].sum(axis=1)
  lines = []
  for i, (text, length) in enumerate(zip(found, lengths, strict=True)):
    values = _named(text)
    values['input_ids'] = features['input_ids'][i, :length].tolist()
    values['input_type_ids'] = features['token_type_ids'][i, :length].tolist()
    lines.append(f'{json.dumps(values)}\n')
  files.write_text(path, ''.join(lines))


def texts(parts: Parts) -> Iterator[Text]:
  """Yields `NUM_TEXTS` different texts, or pairs if the model takes them."""
  found = _singles(parts.tokenizer.tokens)
  first = list(itertools.islice(found, NUM_TEXTS))
  if not parts.takes_pairs:
    yield from first
    return
  yield from zip(first, [*first[7:], *first[:7]], strict=True)


def _singles(tokens: list[str]) -> Iterator[str]:
  """Yields the cases, then lines of words of the vocabulary, without end."""
  yield from _CASES
  for number in itertools.count():
    # Prime steps, so that the lines visit all parts of the vocabulary.
    start, size = number * 7919, 3 + number % 12
    words = (tokens[(start + i * 613) % len(tokens)] for i in range(size))
    line = ' '.join(word.removeprefix(CONTINUATION) for word in words)
    yield f'{line} {number}'


def _named(text: Text) -> dict[str, object]:
  if isinstance(text, str):
    return {'text': text}
  return {'text_a': text[0], 'text_b': text[1]}
