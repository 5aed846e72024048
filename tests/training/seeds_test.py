"""The statistics of several seeds' scores."""

import json
import math

from training import seeds


def test_statistics_by_hand():
  scores = {
    seed: {'eval_f1': score}
    for seed, score in zip((1, 2, 3, 4), (0, 3, 1, 8), strict=True)
  }
  (values,) = seeds.summarise(scores).values()
  # Deviations from the mean 3: -3, 0, -2, 5; their squares add up to 38.
  assert values == {
    'median': 2.0,
    'lowest': 0,
    'highest': 8,
    'mean': 3.0,
    'std': math.sqrt(38 / 3),
  }


def test_a_report_names_each_seed(tmp_path, caplog):
  scores = {7: {'eval_f1': 0.5, 'loss': 1.0}, 8: {'eval_f1': 0.25, 'loss': 2.0}}
  seeds.report(str(tmp_path), scores)
  report = json.loads((tmp_path / 'seeds.json').read_text())
  assert report['scores'] == {str(k): v for k, v in scores.items()}
  assert report['summary']['eval_f1']['median'] == 0.375
  assert 'eval_f1  0.3750  0.2500   0.5000' in caplog.text
