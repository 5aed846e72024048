"""Running text split into sentences."""

import gzip
import time

import pytest

from data.text import sentences


def test_text_is_split_at_sentence_and_line_ends():
  text = ' Title\n\nDr. Smith came. "Why? Me?" he said.\r\n \t\n'
  text += 'The U.S. team won 3.5.'
  assert sentences.split(text, 'en') == [
    'Title',
    'Dr. Smith came.',
    '"Why? Me?" he said.',
    'The U.S. team won 3.5.',
  ]
  assert sentences.split(' \n', 'en') == sentences.split('', 'en') == []


def test_wrapped_text_is_split_at_blank_lines_only():
  text = 'A sentence over\ntwo lines. Another\none.\n\nA heading\n\nThe end'
  assert sentences.split_wrapped(text, 'en') == [
    *['A sentence over two lines.', 'Another one.', 'A heading', 'The end']
  ]


@pytest.mark.parametrize(
  ('language', 'parts'),
  [
    ('de', ['Es war am 3. Mai in Wien.', 'Er ging.']),
    ('zh', ['你好。', '我是学生。']),
    ('hi', ['यह किताब है।', 'वह घर है।']),
  ],
)
def test_sentence_ends_depend_on_the_language(language, parts):
  text = ('' if language == 'zh' else ' ').join(parts)
  assert sentences.split(text, language) == parts


def test_no_text_is_lost_or_added():
  text = 'One (two. "Three. Four! ' * 300 + 'word' * 2000 + ' «a. b» ' * 50
  parts = sentences.split(text, 'en')
  assert ''.join(parts).replace(' ', '') == text.replace(' ', '')
  assert all(part and part == part.strip() for part in parts)


@pytest.mark.parametrize('space', ['\u00a0', ' \u202f', '\u3000 ', '\u0085'])
def test_a_capital_before_an_unusual_space_and_a_full_stop(space):
  # sentencex alone panics.
  text = f'Take\u00a0vitamin C{space}. It helps.'
  assert ' '.join(sentences.split(text, 'en')) == text


def test_a_panic_of_the_splitter_cuts_at_full_stops(monkeypatch):
  class PanicException(BaseException):
    pass

  def panic(language, text):
    raise PanicException

  monkeypatch.setattr(sentences.sentencex, 'segment', panic)
  assert sentences.split('One. Two! Three', 'en') == ['One.', 'Two!', 'Three']


def test_an_unclosed_quotation_hides_no_sentences():
  text = 'He said "no. ' + 'It was a long day. ' * 300
  assert sentences.split(text, 'en').count('It was a long day.') > 290


def test_text_without_sentence_ends_is_cut_between_words():
  parts = sentences.split('word ' * 2000, 'en')
  assert len(parts) < 10
  assert {word for part in parts for word in part.split()} == {'word'}


@pytest.mark.parametrize('text', ['«', '你好。', '“A. ', '. ', '"', 'x', 'A '])
def test_no_text_takes_long(text):
  start = time.process_time()
  sentences.split(text * (100_000 // len(text)), 'en')
  assert time.process_time() - start < 5


def test_sentences_of_wikipedia_are_found(shared_data):
  with gzip.open(shared_data / 'wiki' / 'heldout.txt.gz', 'rt') as file:
    documents = [text.strip() for text in file.read().split('\n\n')]
  wrong = right = 0
  for document in documents:
    lines = document.split('\n')
    found = sentences.split(' '.join(lines), 'en')
    right += len(set(lines) & set(found))
    wrong += len(set(lines) - set(found))
  assert right / (right + wrong) > 0.87
