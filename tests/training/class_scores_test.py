"""Scores of single classes and confusion matrices, worked out by hand."""

import math
import warnings

import numpy as np
import pytest

from system.errors import UserError
from training import class_scores, result_files

# Class 2 has no example but one prediction, class 3 has neither.
TRUTH, PREDICTIONS = [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 2]
LABELS = ('a = b', 'c\td', 'e\nf', 'ü')


@pytest.fixture(autouse=True)
def _warnings_are_errors():
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    yield


def test_undefined_scores_are_nan():
  scores = class_scores.compute(TRUTH, PREDICTIONS, 4)
  nan = math.nan
  np.testing.assert_allclose(scores.precision, [1, 1 / 3, 0, nan])
  np.testing.assert_allclose(scores.recall, [1 / 2, 1 / 2, nan, nan])
  np.testing.assert_allclose(scores.f1, [2 / 3, 2 / 5, 0, nan])
  np.testing.assert_array_equal(scores.support, [4, 2, 0, 0])
  np.testing.assert_array_equal(scores.predicted, [2, 3, 1, 0])


def test_files_hold_labels_with_any_character(tmp_path, caplog):
  class_scores.write(str(tmp_path), LABELS, TRUTH, PREDICTIONS)
  text = (tmp_path / 'eval_classes.tsv').read_text()
  assert text.split('\n')[:2] == [
    'label\tprecision\trecall\tf1\tsupport\tpredicted',
    'a = b\t1.0\t0.5\t0.6666666666666666\t4\t2',
  ]
  rows = result_files.read_table(str(tmp_path / 'eval_classes.tsv'))
  assert [row[0] for row in rows[1:]] == list(LABELS)
  assert rows[4][1:] == ['nan', 'nan', 'nan', '0', '0']
  text = (tmp_path / 'eval_confusion.tsv').read_text()
  assert text.split('\n')[:3] == [
    'true_label\tpredicted_a = b\tpredicted_c\\td\tpredicted_e\\nf'
    '\tpredicted_ü',
    'a = b\t2\t2\t0\t0',
    'c\\td\t0\t1\t1\t0',
  ]
  read = class_scores.read_confusion(str(tmp_path / 'eval_confusion.tsv'))
  assert read.labels == LABELS
  np.testing.assert_array_equal(
    read.counts, [[2, 2, 0, 0], [0, 1, 1, 0], [0] * 4, [0] * 4]
  )
  warning = "No example of the split has the labels 'e\\nf', 'ü': recall is und"
  assert warning in caplog.text


def test_too_many_labels_have_no_confusion_matrix(tmp_path):
  labels = [str(i) for i in range(1001)]
  class_scores.write(str(tmp_path), labels[:1000], [0, 999], [0, 7])
  path = tmp_path / 'eval_confusion.tsv'
  assert len(path.read_text().splitlines()) == 1001
  class_scores.write(str(tmp_path), labels, [0, 999], [0, 7])
  assert not path.exists()
  assert len((tmp_path / 'eval_classes.tsv').read_text().split('\n')) == 1003


def test_the_score_of_a_label_is_read(tmp_path):
  class_scores.write(str(tmp_path), ('no', 'a\tb:c'), [0, 0, 1], [0, 1, 1])
  path = str(tmp_path / 'eval_classes.tsv')
  assert class_scores.read_score(path, 'recall:no') == 0.5
  assert class_scores.read_score(path, 'precision:a\tb:c') == 0.5
  for name in ('f1:yes', 'auc:no'):
    with pytest.raises(UserError, match=f"has no {name}: .* labels 'no', 'a"):
      class_scores.read_score(path, name)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'expected the header true_label'),
    ('true_label\tpredicted_a\nb\t1\n', "got 'true_label', 'predicted_a'"),
    ('true_label\tpredicted_a\na\tx\n', 'expected counts: .*x'),
    ('true_label\tpredicted_a\na\t1\t2\n', 'line 2: found 3 columns'),
  ],
)
def test_a_malformed_matrix_is_refused(tmp_path, text, message):
  (tmp_path / 'm').write_text(text)
  with pytest.raises(UserError, match=message):
    class_scores.read_confusion(str(tmp_path / 'm'))
