"""The script that records a run's result. See also run_result_test.py."""

import json
import subprocess
import sys

import tiny_world

from tools import run_result


def test_the_script_writes_the_result_under_its_keys(tmp_path):
  (tmp_path / 'eval_results.txt').write_text('eval_accuracy = 0.75\n')
  (tmp_path / 'bert_config.json').write_text(json.dumps(tiny_world.CONFIG))
  results = tmp_path / 'results'
  subprocess.run(
    [
      *[sys.executable, '-m', 'tools.record_result', f'--run_dir={tmp_path}'],
      *[f'--results_dir={results}', '--keys=size=2/128,method=PD,seed=1'],
      *['--seconds=1.5', '--split=test'],
    ],
    check=True,
  )
  assert [path.name for path in results.iterdir()] == ['2-128_PD_seed1.json']
  (result,) = run_result.read_all(str(results))
  assert result['keys'] == {'size': '2/128', 'method': 'PD', 'seed': 1}
  assert (result['seconds'], result['split']) == (1.5, 'test')
  assert result['hardware']['cores'] > 0
