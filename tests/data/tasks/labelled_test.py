"""Labelled texts: a table is split as tools.split_table does; own splits."""

import dataclasses

import pytest

from data.tasks import labelled, split_folder
from data.tasks.labelled import LabelledOptions
from data.tasks.split_options import SplitOptions
from system.errors import UserError

_ROWS = 'sentence\tlabel\na\t0\nb\t1\n'


def _read_splits(folder, **texts):
  """Writes files as a folder's splits, and reads them."""
  for name, content in texts.items():
    (folder / f'{name}.tsv').write_text(content)
  return labelled.read(LabelledOptions(data_dir=str(folder)))


def _table(folder):
  path = folder / 'reviews.csv'
  rows = [f'text {n},{("down", "up")[n % 2]}\n' for n in range(40)]
  path.write_text('review,stars\n' + ''.join(rows))
  return LabelledOptions(str(path), text_column='review', label_column='stars')


def test_a_table_is_split_and_its_columns_are_renamed(tmp_path):
  found = labelled.read(_table(tmp_path))
  assert {name: len(own) for name, own in found.splits.items()} == {
    'train': 32,
    'dev': 4,
    'test': 4,
  }
  assert found.labels == ('down', 'up')
  assert found.scored_split == 'test' and found.metric == 'accuracy'
  assert not any(found.columns.values())


def test_a_table_of_test_may_lack_the_labels_of_all_rows_or_of_none(tmp_path):
  test = tmp_path / 'test.tsv'
  options = dataclasses.replace(_table(tmp_path), test_file=str(test))
  test.write_text('review\nnew\n')
  assert labelled.read(options).scored_split == 'dev'
  test.write_text('review\tstars\nnew\t\nnewer\tup\n')
  with pytest.raises(
    UserError, match='1 of the 2 .* no label, the first .* 2:'
  ):
    labelled.read(options)


def test_own_splits_keep_their_columns(tmp_path):
  rows = 'text\tlabel\na\t0\nb\t1\n'
  found = _read_splits(tmp_path, train=rows, dev=rows)
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
  found = labelled.read(LabelledOptions(data_dir=data))
  assert found.is_pair and found.is_regression and found.metric == 'pearson'
  # The commands get flags, so that they agree.
  assert found.columns == {'text_pair_column': 'sentence2', 'regression': True}


@pytest.mark.parametrize(
  'test', ['sentence\nc\n', 'sentence\tlabel\nc\t-1\nd\t-1\n']
)
def test_a_test_split_without_labels_is_not_scored(tmp_path, test):
  found = _read_splits(tmp_path, train=_ROWS, dev=_ROWS, test=test)
  assert found.scored_split == 'dev'


@pytest.mark.parametrize(
  ('test', 'message'),
  [
    ('sentence\tlabel\nc\t0\nd\t\n', '1 of the 2 examples of test have no'),
    ('text\tlabel\na\tb\n', "test.tsv, line 1: .* 'sentence'"),
    ('', 'test.tsv.*empty'),
    ('sentence\tlabel\n', 'test.tsv holds no example'),
    ('sentence\tlabel\na\t0\nc\n', 'test.tsv, line 3: found 1 columns'),
    ('sentence\tlabel\na\tgood\n', "test.tsv, line 2: unknown label 'good'"),
  ],
)
def test_a_malformed_split_is_named(tmp_path, test, message):
  with pytest.raises(UserError, match=message):
    _read_splits(tmp_path, train=_ROWS, dev=_ROWS, test=test)


def test_two_files_of_a_split_are_refused(tmp_path):
  (tmp_path / 'test.csv').write_text('sentence,label\na,0\n')
  with pytest.raises(UserError, match='test.csv exist: keep one of them'):
    _read_splits(tmp_path, train=_ROWS, dev=_ROWS, test=_ROWS)


def test_numbers_are_correlated(tmp_path):
  path = tmp_path / 'numbers.tsv'
  rows = [f'word {i}\t{i / 10}\n' for i in range(40)]
  path.write_text('text\tscore\n' + ''.join(rows))
  options = LabelledOptions(str(path), label_column='score', regression=True)
  found = labelled.read(options)
  assert found.is_regression and found.metric == 'pearson'
  assert found.columns['regression'] is True
