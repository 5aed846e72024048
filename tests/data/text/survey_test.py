"""The survey: its counts, checksums, duplicates and progress."""

import gzip
import json

import pytest

from data.text import duplicates, survey
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from system.errors import UserError

_FILES = {
  'a': b'one\ntwo\n\nx\n\none\n\n\xff\n',
  'empty': b'',
  'b': gzip.compress('one\ntwo\n\none\n\none\n\n\xfcber\n'.encode()),
}


def test_a_survey_counts_by_file(corpus_of):
  corpus = corpus_of(_FILES, min_document_characters=2)
  a, empty, b = survey.survey(corpus)
  assert (a.path, a.num_documents, a.num_bytes, a.cut) == ('a', 2, 10, 0)
  assert a.rejects == {
    'too_short': 1,
    'too_long': 0,
    'not_utf8': 1,
    'has_nul': 0,
    'duplicate': 0,
  }
  assert a.first == {'too_short': 'line 4', 'not_utf8': 'line 8'}
  assert (empty.num_documents, empty.num_bytes) == (0, 0)
  assert not any(empty.rejects.values())
  assert (b.num_documents, b.num_bytes) == (4, 18)


@pytest.mark.parametrize('in_memory', [1, 2, 100])
def test_all_except_the_first_of_equal_documents_are_left_out(
  corpus_of, monkeypatch, in_memory
):
  original = duplicates.Duplicates
  monkeypatch.setattr(survey, 'Duplicates', lambda: original(in_memory))
  corpus = corpus_of(_FILES, min_document_characters=2, deduplicate=True)
  a, _, b = surveys = survey.survey(corpus)
  assert (a.num_documents, a.num_bytes, a.rejects['duplicate']) == (2, 10, 0)
  assert (b.num_documents, b.num_bytes, b.rejects['duplicate']) == (1, 5, 3)
  assert b.first == {'duplicate': 'document 1'}
  texts = [
    [document.text for document in corpus.documents(number, found)]
    for number, found in enumerate(surveys)
  ]
  assert texts == [['one\ntwo', 'one'], [], ['über']]


def test_a_checksum_depends_on_the_documents_alone(corpus_of):
  text = {
    'a': b'one\ntwo\n\nthree\n',
    'spaced': gzip.compress(b'\n one\r\ntwo\n\n \n\n\nthree'),
    'joined': b'one\ntwo\nthree\n',
    'turned': b'three\n\none\ntwo\n',
  }
  a, spaced, joined, turned = [
    found.checksum for found in survey.survey(corpus_of(text))
  ]
  assert a == spaced
  assert len({a, joined, turned}) == 3
  rows = ''.join(json.dumps({'text': t}) + '\n' for t in ('one\ntwo', 'three'))
  jsonl = corpus_of({'a': rows.encode()}, input_format='jsonl')
  assert survey.survey(jsonl)[0].checksum == a


def test_a_corpus_without_a_document_is_refused(corpus_of):
  with pytest.raises(
    UserError, match='(?s)no document in .*bert: .*b: left out'
  ):
    survey.survey(corpus_of({'a': b'\n \n', 'b': b'\xff'}))


def test_progress_is_reported_in_stored_bytes(tmp_path):
  for name, content in _FILES.items():
    (tmp_path / name).write_bytes(content)
  updates = []
  corpus = Corpus(CorpusOptions(f'{tmp_path}/*'))
  survey.survey(corpus, lambda done, note: updates.append((done, note)))
  done = [done for done, _ in updates]
  assert done == sorted(done)
  assert done[-1] == sum(corpus.sizes())
  assert updates[-1][1] == '2 inputs, 7 documents'


def test_processes_find_what_one_process_finds(tmp_path, monkeypatch):
  monkeypatch.setattr(survey, '_MIN_BYTES', 0)
  for name, content in _FILES.items():
    (tmp_path / name).write_bytes(content)
  corpus = Corpus(CorpusOptions(str(tmp_path / '*')))
  progress = []
  found = survey.survey(
    corpus, lambda done, note: progress.append(done), num_workers=4
  )
  assert found == survey.survey(corpus)
  assert progress[-1:] == [sum(corpus.sizes())]
  (tmp_path / 'b').write_bytes(_FILES['b'][:-9])
  with pytest.raises(UserError, match='/b is damaged or cut short'):
    survey.survey(corpus, num_workers=4)
