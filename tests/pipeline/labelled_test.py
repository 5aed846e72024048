"""Labelled texts: a table is split as tools.split_table does; own splits."""

import pytest
import tiny_pipeline

from data.tasks import split_folder
from data.tasks.split_options import SplitOptions
from pipeline import labelled
from system.errors import UserError


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_pipeline.make_texts(tmp_path_factory.mktemp('texts'))


def _own_splits(folder, **texts):
  for name, content in texts.items():
    (folder / f'{name}.tsv').write_text(content)
  changes = {'input_file': None, 'text_column': None, 'label_column': 'label'}
  return tiny_pipeline.options(
    folder, data_dir=str(folder), transfer_file=(), **changes
  ).source


def test_a_table_is_split_and_its_columns_are_renamed(folder):
  found = labelled.read(tiny_pipeline.options(folder).source)
  assert {name: len(own) for name, own in found.splits.items()} == {
    'train': 128,
    'dev': 16,
    'test': 16,
  }
  assert found.labels == ('down', 'up')
  assert found.scored_split == 'test' and found.metric == 'accuracy'
  assert not any(found.columns.values())


def test_own_splits_keep_their_columns(tmp_path):
  rows = 'text\tlabel\na\t0\nb\t1\n'
  found = labelled.read(_own_splits(tmp_path, train=rows, dev=rows))
  assert found.columns == {'text_column': 'text'}
  assert found.labels == ('0', '1')
  assert found.scored_split == 'dev'


def test_the_tool_that_split_a_table_says_that_it_has_pairs_and_numbers(
  tmp_path,
):
  table, data = tmp_path / 'a.tsv', str(tmp_path / 'data')
  rows = [f'text {n}\tmore {n}\t{n}.5\n' for n in range(40)]
  table.write_text('q\tp\ty\n' + ''.join(rows))
  columns = {
    'text_column': 'q',
    'text_pair_column': 'p',
    'label_column': 'y',
    'regression': True,
  }
  split_folder.write(SplitOptions(str(table), **columns), data)
  own = {'input_file': None, 'text_column': None, 'label_column': 'label'}
  found = labelled.read(
    tiny_pipeline.options(tmp_path, data_dir=data, **own).source
  )
  assert found.is_pair and found.is_regression and found.metric == 'pearson'
  # The commands get flags, so that they agree.
  assert found.columns == {'text_pair_column': 'sentence2', 'regression': True}


def test_a_test_split_without_labels_is_not_scored(tmp_path):
  rows = 'sentence\tlabel\na\t0\nb\t1\n'
  source = _own_splits(tmp_path, train=rows, dev=rows, test='sentence\nc\n')
  assert labelled.read(source).scored_split == 'dev'


def test_a_test_split_with_some_labels_is_refused(tmp_path):
  rows = 'sentence\tlabel\na\t0\nb\t1\n'
  source = _own_splits(
    tmp_path, train=rows, dev=rows, test='sentence\tlabel\nc\t0\nd\t\n'
  )
  with pytest.raises(UserError, match='1 of the 2 examples of test have no'):
    labelled.read(source)


def test_numbers_are_correlated(tmp_path):
  (tmp_path / 'numbers.tsv').write_text(
    'text\tscore\n' + ''.join(f'word {i}\t{i / 10}\n' for i in range(40))
  )
  source = tiny_pipeline.options(
    tmp_path,
    input_file=str(tmp_path / 'numbers.tsv'),
    text_column=None,
    label_column='score',
    regression=True,
    transfer_file=(),
  ).source
  found = labelled.read(source)
  assert found.is_regression and found.metric == 'pearson'
  assert found.columns['regression'] is True
