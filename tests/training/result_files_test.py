"""Result files: their layout, and reading back exactly what was written."""

import dataclasses
import json

import numpy as np
import pytest

from data.tasks import custom, glue
from data.tasks.examples import Example
from system.errors import UserError
from training import result_file_check, result_files


def _write(path, task, examples, decisions, probabilities):
  result_files.write_predictions(
    str(path),
    task,
    examples,
    np.array(decisions),
    np.array(probabilities, np.float32),
  )
  return result_files.read_predictions(str(path))


def test_test_results_of_another_program_are_kept(tmp_path):
  for _ in range(2):
    result_files.write_test_results(str(tmp_path), np.float32([[0.25, 0.75]]))
  path = tmp_path / 'test_results.tsv'
  assert path.read_text() == '0.25\t0.75\n'
  path.write_text('mine\n')
  with pytest.raises(UserError, match='test_results.tsv is not the result of'):
    result_files.write_test_results(str(tmp_path), np.float32([[0.25, 0.75]]))
  assert path.read_text() == 'mine\n'


def test_results_of_another_program_are_kept(tmp_path):
  path = tmp_path / 'eval_results.txt'
  for _ in range(2):
    result_files.write_eval_results(str(tmp_path), 'model', 7, {'a': 0.5})
  assert path.read_text() == 'a = 0.5\nglobal_step = 7\n'
  path.write_text('mine\n')
  with pytest.raises(UserError, match='eval_results.txt is not the result of'):
    result_files.write_eval_results(str(tmp_path), 'model', 7, {'a': 0.5})
  assert path.read_text() == 'mine\n'


def test_scores_are_read_as_they_were_written(tmp_path):
  scores = {'eval_accuracy': 0.1 + 0.2, 'loss': float('nan')}
  result_files.write_eval_results(str(tmp_path), 'model', 7, scores)
  path = tmp_path / 'eval_results.txt'
  found = result_files.read_eval_results(str(path))
  assert np.isnan(found.pop('loss'))
  assert found == {'accuracy': 0.1 + 0.2, 'global_step': 7}
  path.write_text('accuracy: 1\n')
  with pytest.raises(UserError, match="expected NAME = NUMBER, got 'accuracy"):
    result_files.read_eval_results(str(path))


def test_predictions_have_a_header_ids_labels_and_probabilities(tmp_path):
  task = custom.classification(('no', 'yes'))
  path = tmp_path / 'predictions.tsv'
  _write(
    path,
    task,
    [Example('a7', 'x', None, 'yes'), Example('a8', 'y', None, 'no')],
    [1, 1],
    [[0.25, 0.75], [0.5, 0.5]],
  )
  assert path.read_text() == (
    'example_id\tlabel\tprediction\tprobability_no\tprobability_yes\n'
    'a7\tyes\tyes\t0.25\t0.75\n'
    'a8\tno\tyes\t0.5\t0.5\n'
  )


def test_a_rate_that_is_unknown_is_null(tmp_path, caplog):
  result_files.write_speed(str(tmp_path), 'eval', 1234.56)
  path = tmp_path / 'eval_speed.json'
  assert json.loads(path.read_text()) == {'examples_per_second': 1234.6}
  assert caplog.messages == ['Scored 1235 examples/s']
  result_files.write_speed(str(tmp_path), 'eval', None)
  assert json.loads(path.read_text()) == {'examples_per_second': None}
  assert len(caplog.messages) == 1
  result_files.write_speed(str(tmp_path), 'eval', None, 'test')
  speed = {'examples_per_second': None, 'split': 'test'}
  assert json.loads(path.read_text()) == speed
  # It is a result, which the next run replaces.
  result_file_check.check_replaceable(str(tmp_path), True, False)


def test_examples_without_labels_have_no_label_column(tmp_path):
  task = custom.classification(('no', 'yes'))
  rows = _write(
    tmp_path / 'p', task, [Example('0', 'x', None, None)], [0], [[1.0, 0.0]]
  )
  assert list(rows[0]) == [
    *['example_id', 'prediction', 'probability_no', 'probability_yes']
  ]


def test_a_regressor_predicts_numbers(tmp_path):
  numbers = np.float32([[0.1], [-3e-8]])
  rows = _write(
    tmp_path / 'p',
    glue.get_task('STS-B'),
    [Example('0', 'x', 'y', '2.50'), Example('1', 'x', 'y', '1')],
    numbers[:, 0],
    numbers,
  )
  assert [row['label'] for row in rows] == ['2.50', '1']
  assert [np.float32(row['prediction']) for row in rows] == numbers[
    :, 0
  ].tolist()


def test_tabs_newlines_and_numbers_are_read_back_exactly(tmp_path):
  labels = ('a\tb', 'c\nd\r', '\\t', 'ü\u2028"')
  rng = np.random.default_rng(0)
  probabilities = rng.dirichlet(np.ones(4), 4).astype(np.float32)
  examples = [
    Example(f'{label}{i}', 'x', None, label) for i, label in enumerate(labels)
  ]
  path = tmp_path / 'p'
  task = dataclasses.replace(custom.classification(('a', 'b')), labels=labels)
  rows = _write(path, task, examples, [3, 2, 1, 0], probabilities)
  assert [row['example_id'] for row in rows] == [e.example_id for e in examples]
  assert [row['label'] for row in rows] == list(labels)
  assert [row['prediction'] for row in rows] == list(labels[::-1])
  read = [[row[f'probability_{label}'] for label in labels] for row in rows]
  np.testing.assert_array_equal(np.float32(read), probabilities)
  lines = path.read_bytes().split(b'\n')
  assert len(lines) == 6 and {line.count(b'\t') for line in lines[:-1]} == {6}


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('0.1\t0.9\n', 'no header with example_id and prediction'),
    ('', 'no header'),
    ('example_id\tprediction\n0\n', 'line 2: found 1 columns, expected 2'),
  ],
)
def test_malformed_files_are_refused(tmp_path, text, message):
  (tmp_path / 'p').write_text(text)
  with pytest.raises(UserError, match=message):
    result_files.read_predictions(str(tmp_path / 'p'))
