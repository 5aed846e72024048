"""Running text as sentences."""

import gzip
import threading
import time

import pytest

from data.text import sentences
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from system.errors import UserError


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
def test_the_language_decides(language, parts):
  text = ('' if language == 'zh' else ' ').join(parts)
  assert sentences.split(text, language) == parts


def test_nothing_is_lost_or_made_up():
  text = 'One (two. "Three. Four! ' * 300 + 'word' * 2000 + ' «a. b» ' * 50
  parts = sentences.split(text, 'en')
  assert ''.join(parts).replace(' ', '') == text.replace(' ', '')
  assert all(part and part == part.strip() for part in parts)


def test_a_quotation_mark_that_is_never_closed_hides_no_sentences():
  text = 'He said "no. ' + 'It was a long day. ' * 300
  assert sentences.split(text, 'en').count('It was a long day.') > 290


def test_no_word_is_cut_where_there_is_no_end():
  parts = sentences.split('word ' * 2000, 'en')
  assert len(parts) < 10
  assert {word for part in parts for word in part.split()} == {'word'}


@pytest.mark.parametrize('text', ['«', '你好。', '“A. ', '. ', '"', 'x', 'A '])
def test_no_text_takes_long(text):
  start = time.process_time()
  sentences.split(text * (100_000 // len(text)), 'en')
  assert time.process_time() - start < 5


def test_the_sentences_of_a_corpus_are_those_of_its_format():
  text = 'One. Two\nthree.\n\nFour.'
  split = {
    kind: Corpus(['a'], CorpusOptions(input_format=kind)).sentences([text])[0]
    for kind in ('jsonl', 'text_file', 'text')
  }
  assert split['jsonl'] == ['One.', 'Two', 'three.', 'Four.']
  assert split['text'] == split['jsonl']
  assert split['text_file'] == ['One.', 'Two three.', 'Four.']
  bert = Corpus(['a'], CorpusOptions())
  assert bert.sentences(['One. Two\nthree.', 'a']) == [
    *[['One. Two', 'three.'], ['a']]
  ]


def test_threads_may_split_at_once():
  corpus = Corpus(['a'], CorpusOptions(input_format='text'))
  text = 'This is one. This is two. ' * 200
  found = []
  threads = [
    threading.Thread(target=lambda: found.append(corpus.sentences([text] * 20)))
    for _ in range(4)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert found == [[['This is one.', 'This is two.'] * 200] * 20] * 4


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'input_format': 'xml'}, '--input_format=xml: expected one of bert, text'),
    ({'language': 'English'}, '--language=English: expected the code'),
    ({'text_field': ''}, '--text_field is empty'),
    ({'min_document_characters': 0}, 'characters=0: expected 1 to 100,000'),
  ],
)
def test_wrong_options_are_named(options, message):
  with pytest.raises(UserError, match=message):
    Corpus(['a'], CorpusOptions(**options))


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
