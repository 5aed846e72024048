"""The bag-of-words baseline, on sentences that one word decides."""

import json
import subprocess
import sys

import pytest

from system.errors import UserError
from tools import bag_of_words, result_record

CATS = [(f'the cat purrs {word}', 'cat') for word in ('now', 'then', 'here')]
DOGS = [(f'the dog barks {word}', 'dog') for word in ('now', 'then', 'here')]


def test_evaluate_scores_dev_and_test():
  dev = [('a cat', 'cat'), ('a dog', 'dog')]
  test = [*dev, ('it purrs', 'cat'), ('it barks', 'cat')]
  result = bag_of_words.evaluate(CATS + DOGS, dev, test)
  assert result['scores'] == {'accuracy': 0.75, 'dev_accuracy': 1.0}
  assert result['split'] == 'test'
  # Two classes need one row: the, cat, dog, purrs, barks, now, then, here.
  assert result['parameters'] == 8 + 1
  assert result['examples_per_second'] > 0
  assert result['seconds'] >= 0


def test_quotes_are_ordinary_characters(tmp_path):
  path = tmp_path / 'train.tsv'
  path.write_text('label\tsentence\r\ncat\tsay "this\r\ndog\tand\x0bthat\n')
  rows = bag_of_words.read_split(str(tmp_path), 'train')
  assert rows == [('say "this', 'cat'), ('and\x0bthat', 'dog')]


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('text\tlabel\na\tb\n', "line 1: .* 'sentence'"),
    ('', 'empty'),
    ('sentence\tlabel\n', ''),
    ('sentence\tlabel\na\tb\nc\n', 'line 3: found 1 columns'),
    ('sentence\nb\n', 'line 2: expected a label'),
  ],
)
def test_malformed_files_are_named(tmp_path, text, message):
  (tmp_path / 'test.tsv').write_text(text)
  with pytest.raises(UserError, match=f'test.tsv.*{message}'):
    bag_of_words.read_split(str(tmp_path), 'test')


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
  (result,) = result_record.read_all(str(folder))
  assert json.loads(done.stdout) == result
  assert [path.name for path in folder.iterdir()] == ['words_seed3.json']
  assert result['scores']['accuracy'] == 1.0
  assert result['command'] == ['-m', 'tools.bag_of_words', *arguments]
  assert result['versions'].keys() == {'scikit-learn'}
  assert result['hardware']['cores'] > 0


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
