"""eval_results.txt is read as it was written."""

import numpy as np
import pytest

from system.errors import UserError
from training import eval_results, result_files


def test_scores_are_read_as_they_were_written(tmp_path):
  scores = {'eval_accuracy': 0.1 + 0.2, 'loss': float('nan')}
  result_files.write_eval_results(str(tmp_path), 'model.ckpt-7', scores)
  path = tmp_path / 'eval_results.txt'
  found = eval_results.read(str(path))
  assert np.isnan(found.pop('loss'))
  assert found == {'accuracy': 0.1 + 0.2, 'global_step': 7}
  path.write_text('accuracy: 1\n')
  with pytest.raises(UserError, match="expected NAME = NUMBER, got 'accuracy"):
    eval_results.read(str(path))
