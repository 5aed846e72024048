"""Documents of tensorflow-datasets."""

import numpy as np
import pytest
import tiny_tfds

from data.text import survey, tfds_text
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from system.errors import UserError


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  """Makes a data set with the splits train and validation."""
  bodies = [f'One {i}.\n\nTwo.' for i in range(40)]
  rows = {
    'train': [{'body': body, 'number': 1} for body in [*bodies, '']],
    'validation': [{'body': b'\xff', 'number': 1}, {'body': 'ü', 'number': 2}],
  }
  folder = tmp_path_factory.mktemp('tfds')
  return tiny_tfds.own_texts(folder, rows, number=np.int64)


def _corpus(inputs, data_dir, text_field='body'):
  return Corpus(
    CorpusOptions(inputs, 'tfds', text_field=text_field, tfds_data_dir=data_dir)
  )


def test_an_example_is_a_document(data_dir):
  corpus = _corpus('own_texts,own_texts:1.0.0:validation', data_dir)
  assert corpus.paths == [
    *['own_texts:train[0shard]', 'own_texts:1.0.0:validation[0shard]']
  ]
  assert corpus.sizes() == [41, 2]
  positions = []
  train, validation = survey.survey(
    corpus, lambda done, note: positions.append(done)
  )
  assert positions == list(range(1, 44))
  assert (train.num_documents, train.rejects['too_short']) == (40, 1)
  assert (validation.num_documents, validation.num_bytes) == (1, 2)
  assert validation.rejects['not_utf8'] == 1
  texts = sorted(document.text for document in corpus.documents(0, train))
  assert texts == sorted(f'One {i}.\n\nTwo.' for i in range(40))
  assert corpus.split_sentences(['One 1.\n\nTwo.']) == ['One 1.\nTwo.']


def test_a_part_of_a_split_is_one_input(data_dir):
  corpus = _corpus('own_texts:train[3:10]', data_dir)
  assert corpus.paths == ['own_texts:train[3:10]']
  assert corpus.sizes() == [7]
  assert len(list(corpus.read(0))) == 7


def test_each_example_of_a_sum_of_splits_is_read_once(data_dir):
  corpus = _corpus('own_texts:train+validation[:1]', data_dir)
  assert corpus.paths == [
    *['own_texts:train[0shard]', 'own_texts:validation[:1]']
  ]
  assert corpus.sizes() == [41, 1]
  every = _corpus('own_texts:all', data_dir)
  assert (every.paths, every.sizes()) == (['own_texts:all'], [43])
  assert len(list(every.read(0))) == 43


@pytest.mark.parametrize(
  ('inputs', 'message'),
  [
    ('own_texts:dev', "`input_file`=own_texts, dev: .* split 'dev'"),
    ('own_texts:train[x]', r'own_texts, train\[x\]: ValueError: Error parsing'),
    ('nobodys_texts', '`input_file`=nobodys_texts: '),
    ('own_texts:1.0.0:train:x', "expected name:split .* found 'own_texts:1.0"),
    ('', "`input_file`='' names no file"),
  ],
)
def test_missing_data_sets_and_splits_are_named(data_dir, inputs, message):
  with pytest.raises(UserError, match=message):
    list(_corpus(inputs, data_dir).read(0))


def test_missing_columns_are_named(data_dir):
  corpus = _corpus('own_texts', data_dir, text_field='text')
  with pytest.raises(UserError, match="'text' is not a text .* body, number"):
    list(corpus.read(0))


def test_names_may_have_a_configuration_and_a_version():
  parsed = {
    'wikipedia/20230601.en:train': ('wikipedia/20230601.en', 'train'),
    'a/b:1.0.0': ('a/b:1.0.0', 'train'),
    'a/b:1.0.0:train[:10%]': ('a/b:1.0.0', 'train[:10%]'),
    'c4/en:3.0.1:validation': ('c4/en:3.0.1', 'validation'),
  }
  for text, expected in parsed.items():
    assert tfds_text._parse(text) == expected
