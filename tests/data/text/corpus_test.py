"""Finding, reading again and splitting the inputs of a corpus."""

import gzip
import os
import pickle
import threading

import pytest

from data.text import survey
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from system import files
from system.errors import UserError

_FILES = {
  'a': b'one\ntwo\n\nx\n\n\xff\n',
  'empty': b'',
  'b': gzip.compress('one\ntwo\n\none\n\n\xfcber\n'.encode()),
}


def _texts(corpus, surveys):
  return [
    [document.text for document in corpus.documents(number, found)]
    for number, found in enumerate(surveys)
  ]


@pytest.mark.parametrize(
  ('deduplicate', 'last'),
  [(False, ['one\ntwo', 'one', 'über']), (True, ['one', 'über'])],
)
def test_documents_are_those_that_the_survey_kept(corpus_of, deduplicate, last):
  corpus = corpus_of(_FILES, min_document_characters=2, deduplicate=deduplicate)
  texts = _texts(corpus, survey.survey(corpus))
  assert texts == [['one\ntwo'], [], last]


def test_a_pickled_corpus_reads_the_same_documents(tmp_path):
  (tmp_path / 'a').write_bytes(_FILES['a'])
  corpus = Corpus(CorpusOptions(str(tmp_path / 'a')))
  surveys = survey.survey(corpus)
  restored = pickle.loads(pickle.dumps(corpus))
  assert _texts(restored, surveys) == _texts(corpus, surveys)


def test_text_that_changed_since_its_survey_is_named(corpus_of):
  contents = dict(_FILES)
  corpus = corpus_of(contents)
  surveys = survey.survey(corpus)
  contents['a'] += b'\n\nmore\n'
  with pytest.raises(UserError, match='^a has changed .* 3 documents of 12'):
    _texts(corpus, surveys)


def test_inputs_are_found_in_order(tmp_path):
  for name in ('b', 'a2', 'a1'):
    (tmp_path / name).write_text('x')
  corpus = Corpus(CorpusOptions(f'{tmp_path}/b,{tmp_path}/a*'))
  assert corpus.paths == [f'{tmp_path}/{name}' for name in ('b', 'a1', 'a2')]


def test_missing_and_unreadable_inputs_are_named(tmp_path):
  with pytest.raises(UserError, match="no file matches '.*none"):
    Corpus(CorpusOptions(f'{tmp_path}/none*'))
  with pytest.raises(UserError, match='is a folder, not a file'):
    Corpus(CorpusOptions(str(tmp_path)))
  os.mkfifo(tmp_path / 'pipe')  # A second read would wait for ever.
  with pytest.raises(UserError, match="pipe' is a pipe; expected a file"):
    Corpus(CorpusOptions(f'{tmp_path}/pipe'))
  with pytest.raises(UserError, match="`input_file`=',' names no file"):
    Corpus(CorpusOptions(','))
  with pytest.raises(UserError, match="`input_file`='' names no file"):
    Corpus(CorpusOptions())
  with pytest.raises(UserError, match='cannot read gone: No such file'):
    survey.survey(Corpus(CorpusOptions(), ['gone']))


def test_remote_text_is_read(tmp_path):
  folder = f'ram://{tmp_path}'
  files.make_folder(folder)
  with files.open_write(f'{folder}/a.gz', 'wb') as file:
    file.write(_FILES['b'])
  corpus = Corpus(CorpusOptions(f'{folder}/*.gz'))
  assert survey.survey(corpus)[0].num_documents == 3
  assert corpus.sizes() == [len(_FILES['b'])]


def test_each_format_splits_its_own_way():
  text = 'One. Two\nthree.\n\nFour.'
  split = {
    kind: Corpus(CorpusOptions(input_format=kind), ['a']).split_sentences(
      [text]
    )
    for kind in ('jsonl', 'text_file', 'text')
  }
  assert split['jsonl'] == ['One.\nTwo\nthree.\nFour.']
  assert split['text'] == split['jsonl']
  assert split['text_file'] == ['One.\nTwo three.\nFour.']
  bert = Corpus(CorpusOptions(), ['a'])
  texts = ['One. Two\nthree.', 'a']
  assert bert.split_sentences(texts) == texts


def test_threads_may_split_at_once():
  corpus = Corpus(CorpusOptions(input_format='text'), ['a'])
  text = 'This is one. This is two. ' * 200
  found = []
  threads = [
    threading.Thread(
      target=lambda: found.append(corpus.split_sentences([text] * 20))
    )
    for _ in range(4)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert found == [['\n'.join(['This is one.', 'This is two.'] * 200)] * 20] * 4
