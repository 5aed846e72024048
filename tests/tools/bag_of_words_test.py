"""The bag-of-words baseline, on sentences that one word decides."""

import json
import subprocess
import sys

import pytest

from data.tasks import labelled, split_folder
from data.tasks.labelled import LabelledOptions
from data.tasks.split_options import SplitOptions
from system.errors import UserError
from tools import bag_of_words, run_result

CATS = [(f'the cat purrs {word}', 'cat') for word in ('now', 'then', 'here')]
DOGS = [(f'the dog barks {word}', 'dog') for word in ('now', 'then', 'here')]


def test_evaluate_scores_dev_and_test():
  dev = [('a cat', 'cat'), ('a dog', 'dog')]
  test = [*dev, ('it purrs', 'cat'), ('it barks', 'cat')]
  splits = {'train': CATS + DOGS, 'dev': dev, 'test': test}
  result = bag_of_words.evaluate(splits)
  assert result['scores'] == {'accuracy': 0.75, 'dev_accuracy': 1.0}
  assert result['split'] == 'test'
  # Two classes need one row: the, cat, dog, purrs, barks, now, then, here.
  assert result['parameters'] == 8 + 1
  assert result['examples_per_second'] > 0
  assert result['seconds'] >= 0


def test_without_a_test_split_dev_is_scored():
  dev = [('a cat', 'cat'), ('a dog', 'cat')]
  result = bag_of_words.evaluate({'train': CATS + DOGS, 'dev': dev})
  assert result['scores'] == {'accuracy': 0.5}
  assert result['split'] == 'dev'


def test_numbers_have_correlations():
  words = ('bad', 'poor', 'fair', 'good', 'great')
  train = [
    (f'{word} {n}', str(i)) for i, word in enumerate(words) for n in 'xy'
  ]
  dev = [(word, str(10 * i)) for i, word in enumerate(words)]
  flat = [('unknown', '1'), ('also', '2')]
  splits = {'train': train, 'dev': dev, 'test': flat}
  result = bag_of_words.evaluate(splits, is_regression=True)
  assert result['scores']['dev_pearson'] == pytest.approx(1, abs=1e-6)
  assert result['scores']['dev_spearman'] == pytest.approx(1)
  # All predictions are the mean: a correlation is undefined.
  assert result['scores']['pearson'] is None
  assert result['scores']['spearman'] is None
  assert result['parameters'] == 5 + 1


def _scored_rows(folder, **columns):
  options = LabelledOptions(data_dir=str(folder), **columns)
  return bag_of_words.scored_rows(labelled.read(options))


def test_quotes_are_ordinary_characters(tmp_path):
  for name in ('train', 'dev', 'test'):
    (tmp_path / f'{name}.tsv').write_text(
      'label\tsentence\r\ncat\tsay "this\r\ndog\tand\x0bthat\n'
    )
  rows = [('say "this', 'cat'), ('and\x0bthat', 'dog')]
  assert _scored_rows(tmp_path) == dict.fromkeys(('train', 'dev', 'test'), rows)


def test_a_test_split_without_labels_is_left_out(tmp_path):
  for name in ('train', 'dev'):
    (tmp_path / f'{name}.tsv').write_text('sentence\tlabel\na\tx\nb\ty\n')
  (tmp_path / 'test.tsv').write_text('sentence\na\nb\n')
  assert _scored_rows(tmp_path).keys() == {'train', 'dev'}


def test_columns_have_names_and_pairs_are_joined(tmp_path):
  for name in ('train', 'dev'):
    (tmp_path / f'{name}.csv').write_text('q,p,y\n"a, b",c,1.5\n')
  columns = {
    'text_column': 'q',
    'text_pair_column': 'p',
    'label_column': 'y',
    'regression': True,
  }
  assert _scored_rows(tmp_path, **columns)['dev'] == [('a, b\nc', '1.5')]
  (tmp_path / 'dev.csv').write_text('q,p,y\na,c,high\n')
  with pytest.raises(UserError, match="dev.csv, line 2: label 'high' is not"):
    _scored_rows(tmp_path, **columns)


@pytest.mark.slow
def test_the_columns_of_a_split_table_need_no_flags(tmp_path):
  rows = [f'text {n}\tmore {n}\t{n}.5\n' for n in range(40)]
  (tmp_path / 'a.tsv').write_text('q\tp\ty\n' + ''.join(rows))
  options = SplitOptions(
    str(tmp_path / 'a.tsv'),
    text_column='q',
    text_pair_column='p',
    label_column='y',
    regression=True,
  )
  split_folder.write(options, str(tmp_path / 'data'))
  command = [sys.executable, '-m', 'tools.bag_of_words']
  done = subprocess.run(
    [*command, f'--data_dir={tmp_path}/data'], capture_output=True, text=True
  )
  result = json.loads(done.stdout)
  # Weights for the words of both texts, 'text' and 'more', and for the numbers
  # of two digits in train, which are words, too; and a bias.
  rows = (tmp_path / 'data/train.tsv').read_text().splitlines()[1:]
  numbers = {row.split('\t')[0].removeprefix('text ') for row in rows}
  num_words = sum(len(number) == 2 for number in numbers)
  assert result['parameters'] == 2 + num_words + 1
  assert result['scores'].keys() >= {'pearson', 'dev_pearson'}


@pytest.mark.slow
def test_script_writes_its_result(tmp_path):
  lines = ['\t'.join(row) for row in CATS + DOGS]
  for split in ('train', 'dev', 'test'):
    (tmp_path / f'{split}.tsv').write_text(
      '\n'.join(['sentence\tlabel', *lines]) + '\n'
    )
  folder = tmp_path / 'results'
  arguments = [f'--data_dir={tmp_path}', f'--results_dir={folder}']
  arguments += ['--keys=method=words,seed=3']
  command = [sys.executable, '-m', 'tools.bag_of_words', *arguments]
  done = subprocess.run(command, check=True, capture_output=True, text=True)
  (result,) = run_result.read_all(str(folder))
  assert done.stdout == ''
  assert 'words_seed3.json: test: dev_accuracy 1, accuracy 1' in done.stderr
  assert [path.name for path in folder.iterdir()] == ['words_seed3.json']
  assert result['scores']['accuracy'] == 1.0
  assert result['command'] == ['-m', 'tools.bag_of_words', *arguments]
  assert result['versions'].keys() == {'scikit-learn'}
  assert result['hardware']['cores'] > 0


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ([], 'at least one of --data_dir and --input_file must be given'),
    (
      ['--data_dir=x', '--input_file=y', '--split_seed=1'],
      '--input_file, --split_seed cannot take effect: --data_dir has its',
    ),
    (
      ['--input_file=y', '--test_file=z', '--test_fraction=0.2'],
      '--test_fraction cannot take effect: --test_file is z',
    ),
    (['--input_file=/none.csv'], "--input_file: there is no file '/none.csv'"),
  ],
)
def test_flags_that_do_not_fit_are_named(arguments, message):
  done = subprocess.run(
    [sys.executable, '-m', 'tools.bag_of_words', *arguments],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert message in done.stderr


def test_script_names_a_missing_file_in_one_line(tmp_path):
  done = subprocess.run(
    [sys.executable, '-m', 'tools.bag_of_words', f'--data_dir={tmp_path}'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert done.stderr.startswith('ERROR: ')
  assert 'train.tsv' in done.stderr
  assert done.stderr.count('\n') == 1


def test_a_split_that_cannot_be_learned_is_named():
  rows = [('a film', '0'), ('the plot', '0')]
  with pytest.raises(UserError, match='the train split: .*at least 2 classes'):
    bag_of_words.evaluate({'train': rows, 'dev': rows})
