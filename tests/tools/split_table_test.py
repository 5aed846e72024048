"""Tests for tools/split_table.py; `split_folder_test.py` tests the splits."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_table_becomes_the_data_of_a_custom_task(tmp_path):
  table = tmp_path / 'reviews.csv'
  rows = [f'text {i},{i % 2}' for i in range(20)]
  table.write_text('\n'.join(['review,stars', *rows]) + '\n')
  command = [sys.executable, '-m', 'tools.split_table']
  command += [f'--input_file={table}', f'--output_dir={tmp_path}/data']
  columns = ['--text_column=review', '--label_column=stars']
  done = subprocess.run([*command, *columns], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  facts = json.loads((tmp_path / 'data' / 'split.json').read_text())
  assert facts['num_examples'] == {'train': 16, 'dev': 2, 'test': 2}
  header = (tmp_path / 'data' / 'train.tsv').read_text().splitlines()[0]
  assert header == 'sentence\tlabel\tindex'
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 1
  assert done.stderr.startswith(f'ERROR: {table}: expected a column')
