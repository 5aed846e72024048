import json
import subprocess
import sys

import pytest

from system.errors import UserError
from tools import bag_of_words

CATS = [(f'the cat purrs {word}', 'cat') for word in ('now', 'then', 'here')]
DOGS = [(f'the dog barks {word}', 'dog') for word in ('now', 'then', 'here')]


def test_evaluate_scores_dev_and_test():
  dev = [('a cat', 'cat'), ('a dog', 'dog')]
  test = [*dev, ('it purrs', 'cat'), ('it barks', 'cat')]
  result = bag_of_words.evaluate(CATS + DOGS, dev, test)
  assert result['dev_accuracy'] == 1.0
  assert result['accuracy'] == 0.75
  # Two classes need one row: the, cat, dog, purrs, barks, now, then, here.
  assert result['parameters'] == 8 + 1
  assert result['examples_per_second'] > 0


def test_read_rows_takes_quotes_as_text(tmp_path):
  path = tmp_path / 'a.tsv'
  path.write_text('label\tsentence\r\ncat\tsay "this\r\ndog\tand\x0bthat\n')
  rows = bag_of_words.read_rows(path)
  assert rows == [('say "this', 'cat'), ('and\x0bthat', 'dog')]


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('text\tlabel\na\tb\n', "line 1: expected a header with .* 'sentence'"),
    ('', 'is empty'),
    ('sentence\tlabel\n', 'has no rows'),
    ('sentence\tlabel\na\tb\nc\n', 'line 3: found 1 columns, expected 2'),
    ('sentence\tlabel\n\na\tb\n', 'line 2: found a blank line, expected 2'),
  ],
)
def test_read_rows_names_file_and_line(tmp_path, text, message):
  path = tmp_path / 'a.tsv'
  path.write_text(text)
  with pytest.raises(UserError, match=f'a.tsv.*{message}'):
    bag_of_words.read_rows(path)


def test_read_rows_of_a_missing_file(tmp_path):
  with pytest.raises(UserError, match='cannot read .*none.tsv'):
    bag_of_words.read_rows(tmp_path / 'none.tsv')


def test_script_writes_its_result(tmp_path):
  lines = ['\t'.join(row) for row in CATS + DOGS]
  for split in ('train', 'dev', 'test'):
    (tmp_path / f'{split}.tsv').write_text(
      '\n'.join(['sentence\tlabel', *lines]) + '\n'
    )
  output = tmp_path / 'results' / 'bag-of-words-seed3.json'
  command = [sys.executable, '-m', 'tools.bag_of_words', '--seed=3']
  files = [f'--data_dir={tmp_path}', f'--output_file={output}']
  subprocess.run([*command, *files], check=True)
  result = json.loads(output.read_text())
  assert (result['method'], result['seed']) == ('bag-of-words', 3)
  assert result['accuracy'] == 1.0


def test_script_ends_with_one_line_where_a_file_is_missing(tmp_path):
  done = subprocess.run(
    [sys.executable, '-m', 'tools.bag_of_words', f'--data_dir={tmp_path}'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert done.stderr.startswith('ERROR: cannot read')
  assert done.stderr.count('\n') == 1
