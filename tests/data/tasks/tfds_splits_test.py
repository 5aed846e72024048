"""Splits in tensorflow-datasets, whose classes have an order of their own."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny_tfds
from tensorflow_datasets.text import glue as released

from data.tasks import custom, glue, label_order, tfds_splits
from data.tasks.examples import Example, Fields
from system.errors import UserError


def _task(name):
  return tfds_splits.from_tfds(glue.get_task(name))


def _nli(label, number=0):
  return {
    'premise': f'premise {number}',
    'hypothesis': f'hypothesis {number}',
    'label': label,
  }


@pytest.mark.slow
def test_mnli_has_the_task_s_order_of_labels_and_all_splits(tmp_path):
  words = ['entailment', 'neutral', 'contradiction']
  rows = {
    'train': [_nli(word, number) for number, word in enumerate(words)],
    'validation_matched': [_nli('neutral', 3)],
    'validation_mismatched': [_nli('contradiction', 4)],
    'test_matched': [_nli(-1, 5)],
    'test_mismatched': [_nli(-1, 6)],
  }
  folder, task = tiny_tfds.glue(tmp_path, 'mnli', rows), _task('MNLI')
  # The data set stores its examples in another order.
  train = sorted(task.read_split(folder, 'train'), key=lambda e: e.example_id)
  assert [task.encode_label(e.label) for e in train] == [1, 2, 0]
  assert [e.text_b for e in train] == [f'hypothesis {i}' for i in range(3)]
  assert [e.example_id for e in train] == ['0', '1', '2']
  for split, number, label in (
    ('dev', 3, 'neutral'),
    ('dev_mismatched', 4, 'contradiction'),
    ('test', 5, None),
    ('test_mismatched', 6, None),
  ):
    assert task.read_split(folder, split) == [
      Example('0', f'premise {number}', f'hypothesis {number}', label)
    ]


_PAIR = {'sentence1': 'a', 'sentence2': 'b'}


@pytest.mark.parametrize(
  ('name', 'row', 'text_a', 'label'),
  [
    ('CoLA', {'sentence': 'a', 'label': 'acceptable'}, 'a', '1'),
    ('STS-B', {**_PAIR, 'label': 4.2}, 'a', '4.2'),
    (
      'QQP',
      {'question1': 'a', 'question2': 'b', 'label': 'duplicate'},
      'a',
      '1',
    ),
  ],
)
def test_glue_s_classes_become_the_labels_of_its_files(
  tmp_path, name, row, text_a, label
):
  task = _task(name)
  config = name.lower().replace('-', '')
  rows = {'validation': [row], 'test': [{**row, 'label': -1}]}
  folder = tiny_tfds.glue(tmp_path, config, rows)
  text_b = 'b' if task.is_pair else None
  assert task.read_split(folder, 'dev') == [Example('0', text_a, text_b, label)]
  assert task.read_split(folder, 'test') == [Example('0', text_a, text_b, None)]
  assert task.has_split(folder, 'dev') and not task.has_split(folder, 'train')
  with pytest.raises(UserError, match=r"no split 'train'; it has .*validation"):
    task.read_split(folder, 'train')


@pytest.mark.parametrize(
  ('name', 'one'),
  [('SST-2', 'positive'), ('MRPC', 'equivalent'), ('WNLI', 'entailment')],
)
def test_the_class_that_is_1_in_glue_s_files(name, one):
  assert _task(name).splits['dev'].fields.renamed_labels[one] == '1'


def test_every_task_s_columns_and_classes_are_those_of_the_package():
  """Compares with the features of the installed package; needs no data."""
  configs = {config.name: config for config in released.Glue.BUILDER_CONFIGS}
  for name in glue.task_names():
    if name == 'XNLI':
      continue
    task = _task(name)
    config = configs[name.lower().replace('-', '')]
    split = task.splits['test']
    assert set(split.fields.texts()) == set(config.text_features), name
    renamed = split.fields.renamed_labels
    words = [renamed.get(word, word) for word in config.label_classes or ()]
    assert sorted(words) == sorted(task.labels), name
  assert _task('AX').splits.keys() == {'test'}


def test_xnli_has_no_training_set():
  with pytest.raises(UserError, match='no training set for XNLI'):
    _task('XNLI')


def test_a_failed_download_is_an_error_at_once(tmp_path, monkeypatch):
  def fail(self, **keywords):
    raise ConnectionError('no route to host\nmore\nmore')

  monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', fail)
  message = '`data_source`=tfds, glue/cola: ConnectionError: no route to host$'
  with pytest.raises(UserError, match=message):
    _task('CoLA').read_split(str(tmp_path), 'dev')


def test_a_user_s_data_set_has_labels_in_its_own_order(tmp_path):
  folder = tiny_tfds.own_texts(
    tmp_path,
    {
      'train': [{'text': 'a', 'y': 'good', 'key': 'k1'}],
      'dev': [{'text': 'b', 'y': 'bad', 'key': 'k2'}],
      'test': [{'text': 'c', 'y': -1, 'key': 'k3'}],
    },
    y=tfds.features.ClassLabel(names=['good', 'bad']),
  )
  fields = Fields('text', label='y', index='key', needs_index=True)
  splits = tfds_splits.custom_splits('own_texts', fields)
  labels = label_order.labels_in(splits['train'], folder)
  assert labels == ('good', 'bad')
  task = custom.classification(labels, splits)
  for split, expected in (
    ('train', Example('k1', 'a', None, 'good')),
    ('dev', Example('k2', 'b', None, 'bad')),
    ('test', Example('k3', 'c', None, None)),
  ):
    assert task.read_split(folder, split) == [expected]
  wrong = tfds_splits.custom_splits('own_texts', Fields('text', label='z'))
  with pytest.raises(UserError, match="train, example 0: there is no 'z', fo"):
    custom.classification(labels, wrong).read_split(folder, 'train')
  wrong = tfds_splits.custom_splits('own_texts', Fields('y', label='y'))
  with pytest.raises(UserError, match="'y' is not a text column"):
    custom.classification(labels, wrong).read_split(folder, 'train')


def test_numbers_without_names_are_labels_too(tmp_path):
  rows = {'train': [{'text': 'a', 'y': 10}, {'text': 'b', 'y': 9}]}
  folder = tiny_tfds.own_texts(tmp_path, rows, y=tfds.features.Scalar(np.int64))
  splits = tfds_splits.custom_splits('own_texts', Fields('text', label='y'))
  assert label_order.labels_in(splits['train'], folder) == ('9', '10')


def test_mocked_data_is_read(tmp_path):
  """`tfds.testing.mock_data` makes random examples with GLUE's features."""
  folder = tiny_tfds.glue(
    tmp_path, 'sst2', {'validation': [{'sentence': 'a', 'label': 'positive'}]}
  )
  with tfds.testing.mock_data(num_examples=7, data_dir=folder):
    examples = _task('SST-2').read_split(folder, 'dev')
  assert len(examples) == 7
  assert {e.label for e in examples} <= {'0', '1'}
