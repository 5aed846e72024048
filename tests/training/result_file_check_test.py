"""Which files a job's results replace, and which are kept."""

import numpy as np
import pytest

from system.errors import UserError
from training import result_file_check, result_files, run_folder

_FOREIGN = {
  'eval_results.txt': 'mine',
  'eval_results_mismatched.txt': 'mine',
  'eval_classes.tsv': 'label\tmine',
  'eval_confusion_mismatched.tsv': 'mine',
  'eval_speed.json': '{"mine": 1}',
  'eval.tf_record': 'mine',
  'eval.tf_record.index.json': '[1]',
  'predict_speed.json': 'mine',
  'predict.tf_record': 'mine',
  'predict.tf_record.index.json': '{}',
  'predictions.tsv': 'id\tprediction',
  'predictions_mismatched.tsv': 'mine',
  'test_results.tsv': 'probability\n0.5',
  'test_results_mismatched.tsv': 'mine',
}


@pytest.mark.parametrize('name', _FOREIGN)
def test_a_file_of_another_program_with_a_result_s_name_is_kept(tmp_path, name):
  path, suffixes = tmp_path / name, ('', '_mismatched')
  path.write_text(_FOREIGN[name])
  with pytest.raises(UserError, match=f'/{name} is not .*, so it is kept'):
    result_file_check.check_replaceable(str(tmp_path), True, True, suffixes)
  path.write_text('')  # Nothing is lost.
  result_file_check.check_replaceable(str(tmp_path), True, True, suffixes)
  path.unlink()
  path.mkdir()
  with pytest.raises(UserError, match=f'/{name} is not .*, so it is kept'):
    result_file_check.check_replaceable(str(tmp_path), True, True, suffixes)


def test_files_that_a_job_does_not_write_do_not_matter(tmp_path):
  for name, content in _FOREIGN.items():
    if 'eval' in name:
      (tmp_path / name).write_text(content)
  result_file_check.check_replaceable(str(tmp_path), False, True)


def test_records_do_not_matter_to_a_job_that_writes_scores_alone(tmp_path):
  for name, content in _FOREIGN.items():
    if name != 'eval_results.txt':
      (tmp_path / name).write_text(content)
  result_file_check.check_eval_results(str(tmp_path))
  (tmp_path / 'eval_results.txt').write_text('mine')
  with pytest.raises(UserError, match='eval_results.txt is not the result of'):
    result_file_check.check_eval_results(str(tmp_path))


def test_damaged_records_in_the_folder_of_a_run_are_its_own(tmp_path):
  (tmp_path / 'eval.tf_record').write_text('damaged')
  with pytest.raises(UserError, match='eval.tf_record is not a file of rec'):
    result_file_check.check_replaceable(str(tmp_path), True, False)
  run_folder.claim(str(tmp_path), {}, has_progress=False)
  result_file_check.check_replaceable(str(tmp_path), True, False)


@pytest.mark.parametrize('end', ['0.5\t', '1e-', '12'])
def test_test_results_of_thousands_of_labels_are_replaced(tmp_path, end):
  # The check reads 64 KiB, which end inside of the first line.
  start = '0.5\t' * 16_000
  start += '1' * ((1 << 16) - len(start + end) - 1) + '\t' + end
  line = start + '05\t0.25\n'
  path = tmp_path / 'test_results.tsv'
  path.write_text(2 * line)
  result_files.write_test_results(str(tmp_path), np.float32([[0.5, 0.5]]))
  assert path.read_text() == '0.5\t0.5\n'
  path.write_text('text' + line)
  with pytest.raises(UserError, match='its first line is not numbers'):
    result_files.write_test_results(str(tmp_path), np.float32([[0.5, 0.5]]))
