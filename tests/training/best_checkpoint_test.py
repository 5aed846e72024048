"""The best checkpoint and early stopping, also in resumed runs."""

import json
import math

import pytest

from modeling.checkpoints import location
from system.errors import UserError
from training import best_checkpoint


class _Run:
  """An `Evaluation` with given scores, which records the exported steps."""

  def __init__(self, folder, scores, patience=None, metric='eval_accuracy'):
    self.exported = []
    self._folder = folder
    self._metric = metric
    self._scores = iter(scores)
    self.evaluation = best_checkpoint.Evaluation(
      lambda: {metric: next(self._scores)}, metric, patience
    )

  def resume(self, step):
    self.evaluation.resume(
      str(self._folder), step, lambda step, folder: self.exported.append(step)
    )
    return self

  def run(self, *steps):
    for step in steps:
      self.evaluation.run(step)
    return self


def test_better_scores_are_exported_and_ties_are_not(tmp_path):
  run = _Run(tmp_path, [0.5, 0.5, 0.7, 0.6, 0.7]).resume(0)
  run.run(10, 20, 30, 40, 50)
  assert run.exported == [10, 30]
  lines = (tmp_path / 'eval_metrics.jsonl').read_text().splitlines()
  assert json.loads(lines[3]) == {'step': 40, 'eval_accuracy': 0.6}


def test_a_lower_loss_is_better(tmp_path):
  run = _Run(tmp_path, [0.5, 0.7, 0.4, 0.4], metric='eval_loss').resume(0)
  assert run.run(1, 2, 3, 4).exported == [1, 3]


@pytest.mark.parametrize(
  ('values', 'best'),
  [
    ([math.nan, -1.0, math.nan, -0.5], 3),
    ([math.nan, math.nan], None),
    ([], None),
    ([0.0, 0.0], 0),
  ],
)
def test_nan_is_never_the_best(values, best):
  assert best_checkpoint.best_index(values, 'eval_pearson') == best


def test_patience_counts_the_evaluations_since_the_best(tmp_path):
  run = _Run(tmp_path, [0.5, 0.4, 0.6, 0.6, 0.5], patience=2).resume(0)
  stopped = []
  for step in range(1, 6):
    run.run(step)
    stopped.append(run.evaluation.has_stopped)
  assert stopped == [False, False, False, False, True]


def test_a_run_whose_scores_are_all_nan_stops(tmp_path):
  run = _Run(tmp_path, [math.nan] * 2, patience=2).resume(0).run(1)
  assert not run.evaluation.has_stopped
  assert run.run(2).evaluation.has_stopped and not run.exported


def test_a_resumed_run_decides_like_an_undisturbed_one(tmp_path):
  _Run(tmp_path, [0.5, 0.7, 0.9], patience=2).resume(0).run(10, 20, 30)
  # Killed after step 30, the run resumes at 20 and drops the evaluation at 30.
  run = _Run(tmp_path, [0.6, 0.7], patience=2).resume(20)
  assert not run.evaluation.has_stopped
  assert run.run(30, 40).exported == []
  assert run.evaluation.has_stopped
  assert _Run(tmp_path, [], patience=2).resume(40).evaluation.has_stopped
  steps = [
    json.loads(line)['step']
    for line in (tmp_path / 'eval_metrics.jsonl').read_text().splitlines()
  ]
  assert steps == [10, 20, 30, 40]


@pytest.mark.parametrize(('step', 'exported'), [(30, [30]), (20, [])])
def test_a_best_checkpoint_of_a_dropped_step_is_replaced(
  tmp_path, step, exported
):
  _Run(tmp_path, [0.5, 0.7, 0.9]).resume(0).run(10, 20, 30)
  prefix = f'model.ckpt-{step}'
  text = f'model_checkpoint_path: "{prefix}"\n'
  (tmp_path / 'best' / 'checkpoint').write_text(text)
  (tmp_path / 'best' / f'{prefix}.index').touch()
  run = _Run(tmp_path, [0.6, 0.6]).resume(20)
  assert run.run(30, 40).exported == exported


def test_a_run_killed_while_the_best_is_written_evaluates_again(tmp_path):
  def killed(step, folder):
    raise KeyboardInterrupt

  evaluation = best_checkpoint.Evaluation(lambda: {'eval_f1': 0.5}, 'eval_f1')
  evaluation.resume(str(tmp_path), 0, killed)
  with pytest.raises(KeyboardInterrupt):
    evaluation.run(10)
  assert not (tmp_path / 'eval_metrics.jsonl').exists()


@pytest.mark.parametrize('damage', ['{"step": 20, "eval_', '[20]', '{}'])
def test_a_damaged_line_is_named_unless_it_is_cut_off(tmp_path, damage):
  log = tmp_path / 'eval_metrics.jsonl'
  log.write_text('{"step": 10, "eval_accuracy": 0.5}\n' + damage + '\n')
  with pytest.raises(UserError, match='eval_metrics.jsonl, line 2 is dam'):
    _Run(tmp_path, []).resume(20)
  assert log.read_text().endswith(damage + '\n')
  _Run(tmp_path, []).resume(10)
  assert log.read_text() == '{"step": 10, "eval_accuracy": 0.5}\n'


def test_a_new_run_discards_the_best_of_an_old_one(tmp_path):
  (tmp_path / 'best').mkdir()
  names = ('checkpoint', 'model.ckpt-8.index', 'labels.txt')
  for name in (*names, 'tokenizer_config.json'):
    (tmp_path / 'best' / name).write_text('')
  (tmp_path / 'eval_metrics.jsonl').write_text('{"step": 8}\n')
  assert location.has_best(str(tmp_path))
  best_checkpoint.discard(str(tmp_path))
  assert not location.has_best(str(tmp_path))
  assert [p.name for p in tmp_path.rglob('*')] == ['best']
