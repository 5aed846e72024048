"""The result of a run as one small JSON file."""

import json

import pytest
import tiny_world

from system.errors import UserError
from tools import record_result


def test_accuracy_speed_and_size_of_a_run_are_read(tmp_path):
  with pytest.raises(UserError, match='--run_dir: there is no file'):
    record_result.read_result(str(tmp_path))
  results = tmp_path / 'eval_results.txt'
  results.write_text('global_step = 3\nloss = 1.5\n')
  with pytest.raises(UserError, match='has no eval_accuracy'):
    record_result.read_result(str(tmp_path))
  results.write_text('eval_accuracy = 0.75\nglobal_step = 3\n')
  config = tiny_world.CONFIG
  (tmp_path / 'bert_config.json').write_text(json.dumps(config))
  (tmp_path / 'eval_speed.json').write_text('{"examples_per_second": 12.5}')

  result = record_result.read_result(str(tmp_path))

  embeddings = (config['vocab_size'] + 32 + 2) * 8 + 2 * 8
  layer = 4 * (8 * 8 + 8) + (8 * 16 + 16) + (16 * 8 + 8) + 4 * 8
  assert result == {
    'accuracy': 0.75,
    'parameters': embeddings + 2 * layer + (8 * 8 + 8),
    'examples_per_second': 12.5,
  }
