"""The survey: what is counted, left out and reported, and the second pass."""

import gzip
import io
import json
import os
import pickle

import numpy as np
import pytest

from data.text import duplicates, survey
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.file_survey import FileSurvey
from data.text.survey_report import render
from system import files
from system.errors import UserError


def _corpus(contents, **options):
  """Returns a corpus of files that are nowhere but in memory."""
  return Corpus(
    list(contents),
    CorpusOptions(**options),
    lambda path: io.BytesIO(contents[path]),
  )


def _texts(corpus, surveys):
  return [
    [document.text for document in corpus.documents(number, found)]
    for number, found in enumerate(surveys)
  ]


_FILES = {
  'a': b'one\ntwo\n\nx\n\none\n\n\xff\n',
  'empty': b'',
  'b': gzip.compress('one\ntwo\n\none\n\none\n\n\xfcber\n'.encode()),
}


def test_a_survey_counts_by_file():
  corpus = _corpus(_FILES, min_document_characters=2)
  a, empty, b = surveys = survey.survey(corpus)
  assert (a.path, a.num_documents, a.num_bytes, a.cut) == ('a', 2, 10, 0)
  assert a.rejects == {
    'too_short': 1,
    'too_long': 0,
    'not_utf8': 1,
    'duplicate': 0,
  }
  assert a.first == {'too_short': 'line 4', 'not_utf8': 'line 8'}
  assert (empty.num_documents, empty.num_bytes) == (0, 0)
  assert not any(empty.rejects.values())
  assert (b.num_documents, b.num_bytes) == (4, 18)
  texts = [['one\ntwo', 'one'], [], ['one\ntwo', 'one', 'one', 'über']]
  assert _texts(corpus, surveys) == texts


@pytest.mark.parametrize('in_memory', [1, 2, 100])
def test_all_but_the_first_of_equal_documents_are_left_out(
  monkeypatch, in_memory
):
  noted = duplicates.Duplicates
  monkeypatch.setattr(survey, 'Duplicates', lambda: noted(in_memory))
  corpus = _corpus(_FILES, min_document_characters=2, deduplicate=True)
  a, _, b = surveys = survey.survey(corpus)
  assert (a.num_documents, a.num_bytes, a.rejects['duplicate']) == (2, 10, 0)
  assert (b.num_documents, b.num_bytes, b.rejects['duplicate']) == (1, 5, 3)
  assert b.first == {'duplicate': 'document 1'}
  assert _texts(corpus, surveys) == [['one\ntwo', 'one'], [], ['über']]


def test_a_checksum_is_that_of_the_documents():
  text = {
    'a': b'one\ntwo\n\nthree\n',
    'spaced': gzip.compress(b'\n one\r\ntwo\n\n \n\n\nthree'),
    'joined': b'one\ntwo\nthree\n',
    'turned': b'three\n\none\ntwo\n',
  }
  a, spaced, joined, turned = [
    found.checksum for found in survey.survey(_corpus(text))
  ]
  assert a == spaced
  assert len({a, joined, turned}) == 3
  rows = ''.join(json.dumps({'text': t}) + '\n' for t in ('one\ntwo', 'three'))
  jsonl = _corpus({'a': rows.encode()}, input_format='jsonl')
  assert survey.survey(jsonl)[0].checksum == a


def test_surveys_become_json_and_back():
  surveys = survey.survey(_corpus(_FILES, deduplicate=True))
  text = json.dumps([found.to_json() for found in surveys])
  assert [FileSurvey.from_json(x) for x in json.loads(text)] == surveys


def test_a_corpus_can_be_pickled(tmp_path):
  (tmp_path / 'a').write_bytes(_FILES['a'])
  corpus = Corpus(str(tmp_path / 'a'), CorpusOptions())
  surveys = survey.survey(corpus)
  again = pickle.loads(pickle.dumps(corpus))
  assert _texts(again, surveys) == _texts(corpus, surveys)


def test_text_that_changed_since_its_survey_is_named():
  contents = dict(_FILES)
  corpus = _corpus(contents)
  surveys = survey.survey(corpus)
  contents['a'] += b'\n\nmore\n'
  with pytest.raises(UserError, match='^a has changed .* 4 documents of 15'):
    _texts(corpus, surveys)


def test_input_without_a_document_is_a_mistake():
  with pytest.raises(
    UserError, match='(?s)no document in .*bert: .*b: left out'
  ):
    survey.survey(_corpus({'a': b'\n \n', 'b': b'\xff'}))


def test_inputs_are_found_or_named(tmp_path):
  with pytest.raises(UserError, match="no file matches '.*none"):
    Corpus(f'{tmp_path}/none*', CorpusOptions())
  with pytest.raises(UserError, match='is a folder, not a file'):
    Corpus(str(tmp_path), CorpusOptions())
  os.mkfifo(tmp_path / 'pipe')  # Whoever reads it twice waits for ever.
  with pytest.raises(UserError, match="pipe' is a pipe; expected a file"):
    Corpus(f'{tmp_path}/pipe', CorpusOptions())
  with pytest.raises(UserError, match="--input_file=',' names no file"):
    Corpus(',', CorpusOptions())
  with pytest.raises(UserError, match='cannot read gone: No such file'):
    survey.survey(Corpus(['gone'], CorpusOptions()))


def test_remote_text_is_read(tmp_path):
  folder = f'ram://{tmp_path}'
  files.make_folder(folder)
  with files.open_write(f'{folder}/a.gz', 'wb') as file:
    file.write(_FILES['b'])
  corpus = Corpus(f'{folder}/*.gz', CorpusOptions())
  assert survey.survey(corpus)[0].num_documents == 4
  assert corpus.sizes() == [len(_FILES['b'])]


def test_progress_is_told_in_bytes(tmp_path):
  for name, content in _FILES.items():
    (tmp_path / name).write_bytes(content)
  told = []
  corpus = Corpus(f'{tmp_path}/*', CorpusOptions())
  survey.survey(corpus, lambda done, note: told.append((done, note)))
  done = [done for done, _ in told]
  assert done == sorted(done)
  assert done[-1] == sum(corpus.sizes())
  assert told[-1][1] == '2 inputs, 7 documents'


def test_duplicates_are_those_of_a_dictionary():
  rng = np.random.default_rng(0)
  values = rng.integers(500, size=3000)
  digests = [b'%016d' % value for value in values]
  seen, expected = set(), {}
  for number, digest in enumerate(digests):
    if digest in seen:
      expected[number] = int(values[number])
    seen.add(digest)
  with duplicates.Duplicates(in_memory=700) as noted:
    for digest, value in zip(digests, values, strict=True):
      noted.add(digest, int(value))
    found = {}
    for numbers, num_bytes in noted.find():
      found |= zip(numbers.tolist(), num_bytes.tolist(), strict=True)
  assert found == expected


def test_where_duplicates_cannot_be_noted_the_folder_is_named(monkeypatch):
  monkeypatch.setattr(duplicates.tempfile, 'tempdir', '/none')
  with (
    pytest.raises(UserError, match='cannot write to /none: No such file'),
    duplicates.Duplicates(in_memory=1) as noted,
  ):
    noted.add(bytes(16), 1)


def test_a_report_names_the_inputs_with_something_to_report():
  contents = {f'f{i}': b'good\n\nx' if i % 2 else b'good' for i in range(50)}
  contents['f0'] = b''
  corpus = _corpus(contents, min_document_characters=2)
  lines = render(survey.survey(corpus), most_files=3).split('\n')
  assert lines == [
    '49 documents, 0.00 MB of text in 50 inputs; left out: 25 too short; '
    '1 input without any',
    '  f0: no document',
    '  f1: left out: 1 too short (the first: line 3)',
    '  f3: left out: 1 too short (the first: line 3)',
    '  ... and 23 more',
  ]


def test_a_report_of_a_whole_corpus_is_one_line():
  found = survey.survey(_corpus({'a': b'a' * 10_000_000}))
  assert render(found) == '1 document, 10.00 MB of text in 1 input'
