"""The files of a table's splits: read back, made once, never overwritten."""

import dataclasses
import json
import os
import pathlib

import pyarrow as pa
import pytest
from pyarrow import parquet

from data.tasks import custom, split_folder
from data.tasks.examples import Fields
from data.tasks.split_options import SplitOptions, make
from data.tasks.text_key import text_key
from system import files
from system.errors import UserError

LABELS = ('no', 'yes')


def _table(folder, name='table.tsv', num_rows=40, first=0):
  rows = [
    f'text {n}\t{LABELS[n % 2]}\n' for n in range(first, first + num_rows)
  ]
  path = folder / name
  path.write_text('sentence\tlabel\n' + ''.join(rows))
  return str(path)


def _read(folder, fields=None, is_regression=False):
  splits = custom.in_files(fields or Fields())
  task = custom.classification(LABELS, splits)
  if is_regression:
    task = custom.regression(splits)
  return {
    name: task.read_split(str(folder), name)
    for name in ('train', 'dev', 'test')
  }


def test_the_splits_are_a_custom_task(tmp_path):
  path, folder = _table(tmp_path), tmp_path / 'out'
  manifest = split_folder.write(SplitOptions(path), str(folder))
  assert sorted(p.name for p in folder.iterdir()) == [
    *['dev.tsv', 'split.json', 'test.tsv', 'train.tsv']
  ]
  splits = _read(folder)
  assert {k: len(v) for k, v in splits.items()} == manifest['num_examples']
  assert manifest['num_examples'] == {'train': 32, 'dev': 4, 'test': 4}
  assert manifest['labels']['dev'] == {'no': 2, 'yes': 2}
  lines = pathlib.Path(path).read_text().splitlines()
  for example in sum(splits.values(), []):
    line = lines[int(example.example_id) - 1]
    assert line == f'{example.text_a}\t{example.label}'
  assert json.loads((folder / 'split.json').read_text()) == manifest


@pytest.mark.parametrize('breaks', ['\ta\nb\u2028', '\t', '\n', 'a\rb'])
def test_texts_with_tabs_and_line_ends_become_jsonl(tmp_path, breaks):
  texts = [f'{n}{breaks}' for n in range(20)]
  path, folder = tmp_path / 'a.parquet', tmp_path / 'out'
  table = {'q': texts, 'p': ['"é'] * 20, 'y': [n % 2 for n in range(20)]}
  parquet.write_table(pa.table(table), str(path))
  options = SplitOptions(
    str(path), text_column='q', text_pair_column='p', label_column='y'
  )
  split_folder.write(options, str(folder))
  fields = Fields(split_folder.TEXT_COLUMN, split_folder.PAIR_COLUMN)
  task = custom.classification(('0', '1'), custom.in_files(fields))
  found = task.read_split(str(folder), 'train')
  assert len(found) == 16 and (folder / 'train.jsonl').exists()
  for example in found:
    row = int(example.example_id) - 1
    assert (example.text_a, example.text_b) == (texts[row], '"é')
    assert example.label == str(row % 2)


def test_numbers(tmp_path):
  path = tmp_path / 'a.csv'
  path.write_text('text,label\n' + ''.join(f'{n},{n / 8}\n' for n in range(30)))
  manifest = split_folder.write(
    SplitOptions(str(path), regression=True), str(tmp_path / 'out')
  )
  assert manifest['num_examples'] == {'train': 24, 'dev': 3, 'test': 3}
  for example in _read(tmp_path / 'out', is_regression=True)['train']:
    assert float(example.label) == float(example.text_a) / 8


def test_own_tables_of_dev_and_test(tmp_path):
  options = SplitOptions(
    _table(tmp_path),
    dev_file=_table(tmp_path, 'd.tsv', 10, first=35),
    test_file=_table(tmp_path, 't.tsv', 5, first=43),
  )
  splits = make(options)
  texts = {
    name: {text_key(e.text_a) for e in own}
    for name, own in splits.examples.items()
  }
  assert {k: len(v) for k, v in texts.items()} == {
    'train': 35,
    'dev': 8,
    'test': 5,
  }
  assert len(set.union(*texts.values())) == 48
  assert splits.facts['left_out'] == {
    'dev_in_other_split': 2,
    'input_in_other_split': 5,
  }
  assert 'small_classes' not in splits.facts  # Nothing is split.
  # Without labels, test is for predictions.
  path = tmp_path / 't.tsv'
  path.write_text('sentence\nnew\n')
  only_test = dataclasses.replace(options, dev_file=None)
  splits = make(only_test)
  assert splits.facts['num_examples'] == {'train': 36, 'dev': 4, 'test': 1}
  split_folder.write(only_test, str(tmp_path / 'out'))
  assert [e.label for e in _read(tmp_path / 'out')['test']] == [None]


def test_labels_of_dev_must_be_known(tmp_path):
  path = tmp_path / 'd.tsv'
  path.write_text('sentence\tlabel\nnew\tyes\nnewer\tmaybe\n')
  options = SplitOptions(_table(tmp_path), dev_file=str(path))
  with pytest.raises(UserError, match="d.tsv, line 3: the label 'maybe' is"):
    make(options)
  rows = {'sentence': ['new'], 'label': ['maybe']}
  parquet.write_table(pa.table(rows), str(tmp_path / 'd.parquet'))
  options = dataclasses.replace(options, dev_file=str(tmp_path / 'd.parquet'))
  with pytest.raises(UserError, match="d.parquet, row 1: the label 'maybe' is"):
    make(options)
  options = dataclasses.replace(options, dev_file=str(path))
  path.write_text((tmp_path / 'table.tsv').read_text())
  with pytest.raises(UserError, match='table.tsv: each of its texts is also'):
    make(options)


def test_duplicates_and_lacking_values_are_counted(tmp_path):
  path = _table(tmp_path)
  with open(path, 'a') as file:
    file.write('TEXT 3\tno\ntext 4\tno\n\tno\nx\t\n')
  facts = make(SplitOptions(path)).facts
  assert facts['duplicates'] == {
    'texts': 2,
    'examples': 4,
    'with_different_labels': 1,
    'first_with_different_labels': ["'text 3'"],
  }
  assert facts['left_out'] == {
    'input_without_text': 1,
    'input_without_label': 1,
  }


def test_a_second_call_changes_nothing(tmp_path):
  path, folder = _table(tmp_path), tmp_path / 'out'
  first = split_folder.write(SplitOptions(path), str(folder))
  for made in folder.iterdir():
    os.utime(made, (1, 1))
  moved = tmp_path / 'moved.tsv'
  moved.write_text(pathlib.Path(path).read_text())
  for options in (
    SplitOptions(str(moved)),
    SplitOptions(path, text_column='sentence'),
  ):
    assert split_folder.write(options, str(folder)) == first
  assert {made.stat().st_mtime for made in folder.iterdir()} == {1}


def test_other_settings_are_refused_by_name(tmp_path):
  path, folder = _table(tmp_path), str(tmp_path / 'out')
  split_folder.write(SplitOptions(path), folder)
  for changes, message in (
    ({'dev_fraction': 0.2}, '`dev_fraction` had 0.1, now 0.2'),
    ({'split_seed': 1}, '`split_seed` had 12345, now 1'),
    ({'label_column': 'sentence'}, "`label_column` had 'label', now"),
    ({'input_file': _table(tmp_path, 'b.tsv', 41)}, '`input_file` had another'),
    ({'dev_file': path}, '`dev_file` had None, now'),
  ):
    options = dataclasses.replace(SplitOptions(path), **changes)
    with pytest.raises(UserError, match=message):
      split_folder.write(options, folder)


def test_changed_and_missing_splits_are_refused(tmp_path):
  path, folder = _table(tmp_path), tmp_path / 'out'
  split_folder.write(SplitOptions(path), str(folder))
  with open(folder / 'dev.tsv', 'a') as file:
    file.write('more\tyes\t1\n')
  with pytest.raises(UserError, match='dev.tsv was changed since'):
    split_folder.write(SplitOptions(path), str(folder))
  (folder / 'dev.tsv').unlink()
  with pytest.raises(UserError, match='there is no file .*dev.tsv'):
    split_folder.write(SplitOptions(path), str(folder))


def test_files_of_another_origin_are_kept(tmp_path):
  path, folder = _table(tmp_path), tmp_path / 'out'
  folder.mkdir()
  (folder / 'dev.csv').write_text('mine')
  with pytest.raises(UserError, match='out holds dev.csv, but no split.json'):
    split_folder.write(SplitOptions(path), str(folder))
  assert [p.name for p in folder.iterdir()] == ['dev.csv']
  (folder / 'split.json').write_text('{"mine": 1}')
  with pytest.raises(UserError, match='split.json does not describe splits'):
    split_folder.write(SplitOptions(path), str(folder))


@pytest.mark.parametrize('num_writes', range(5))
def test_a_call_that_was_cut_off_is_repeated(tmp_path, monkeypatch, num_writes):
  path, folder = _table(tmp_path), tmp_path / 'out'
  expected = split_folder.write(SplitOptions(path), str(tmp_path / 'whole'))
  left, rename = [num_writes], files.rename

  def fail_later(source, target):
    if not left[0]:
      raise KeyboardInterrupt
    left[0] -= 1
    rename(source, target)

  with monkeypatch.context() as patch:
    patch.setattr(files, 'rename', fail_later)
    with pytest.raises(KeyboardInterrupt):
      split_folder.write(SplitOptions(path), str(folder))
  # The table may have changed in the meantime, and with it the format.
  other = tmp_path / 'other.csv'
  other.write_text('text,label\n' + '"a\nb",no\nc,yes\nd,yes\ne,yes\n')
  if num_writes % 2:
    split_folder.write(SplitOptions(str(other)), str(folder))
    assert len(list(folder.iterdir())) == 4
    return
  assert split_folder.write(SplitOptions(path), str(folder)) == expected
  for file in folder.iterdir():
    assert file.read_bytes() == (tmp_path / 'whole' / file.name).read_bytes()
  assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'input_file': None}, '`input_file` must be given'),
    ({'test_file': '/none.tsv'}, "`test_file`: there is no file '/none.tsv'"),
    (
      {'dev_fraction': 0.6, 'test_fraction': 0.5},
      'add up to 1.1, expected less than 1',
    ),
  ],
)
def test_settings_that_do_not_fit(tmp_path, changes, message):
  options = dataclasses.replace(SplitOptions(_table(tmp_path)), **changes)
  with pytest.raises(UserError, match=message):
    make(options)


def test_a_single_label_is_refused(tmp_path):
  path = tmp_path / 'a.tsv'
  path.write_text('sentence\tlabel\na\t1\nb\t1\nc\t1\n')
  with pytest.raises(UserError, match="a.tsv has one label, '1'; expected two"):
    make(SplitOptions(str(path)))
