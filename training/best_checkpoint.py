"""Evaluation during training: keeps the best checkpoint, and stops early.

eval_metrics.jsonl  one line per evaluation: the step and the scores
best/               the best checkpoint, laid out like released BERT, with its
                    labels and casing: it can be copied elsewhere

There is no other state: the best evaluation and early stopping are computed
from eval_metrics.jsonl, which is cut back to the step at which a run resumes.
So a killed and resumed run ends like an uninterrupted one. If best/ holds the
checkpoint of a step that the resumed run has yet to repeat, the next evaluation
replaces it, because rounding may give the repeated step different weights.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence

from absl import logging

from data.tasks import label_order
from modeling.checkpoints import exporting, location, recorded_casing
from system import files
from system.errors import UserError
from training.metrics import LOWER_IS_BETTER
from training.metrics_log import MetricsLog

_LOG = 'eval_metrics.jsonl'
_LOWER_IS_BETTER = tuple(f'eval_{name}' for name in LOWER_IS_BETTER)


def discard(output_dir: str) -> None:
  """Removes a previous run's evaluations and best checkpoint."""
  log = os.path.join(output_dir, _LOG)
  if files.exists(log):
    files.remove(log)
  best = location.best_folder(output_dir)
  if files.is_folder(best):
    exporting.discard(best, label_order.FILE, recorded_casing.FILE)


def best_index(values: Sequence[float], metric: str) -> int | None:
  """Returns the index of the best value, the first if several are equal.

  Args:
    values: one per evaluation. NaN is never the best.
    metric: the score's name; lower is better for those of `LOWER_IS_BETTER`,
      higher for others.

  Returns:
    An index into `values`; None if all are NaN.
  """
  sign = -1 if metric in _LOWER_IS_BETTER else 1
  indices = [i for i, value in enumerate(values) if not math.isnan(value)]
  return max(indices, key=lambda i: sign * values[i], default=None)


class Evaluation:
  """Scores a model during training, keeps its best weights, stops early."""

  def __init__(
    self,
    evaluate: Callable[[], Mapping[str, float]],
    metric: str,
    patience: int | None = None,
    describe: Callable[[str], None] = lambda folder: None,
  ):
    """Makes an evaluation; call `resume` before `run`.

    Args:
      evaluate: returns the scores of the current weights.
      metric: the score that decides which checkpoint is the best.
      patience: the run stops after this many evaluations in a row without a
        better score; None never stops it.
      describe: writes the files that belong to the best checkpoint into a
        folder.
    """
    self._evaluate = evaluate
    self._metric = metric
    self._patience = patience
    self._describe = describe

  def resume(
    self, output_dir: str, step: int, export: Callable[[int, str], str]
  ) -> None:
    """Prepares the folder of the best checkpoint and the log of evaluations.

    Evaluations after `step` are dropped.

    Args:
      output_dir: the run's folder.
      step: the step at which the run starts or resumes.
      export: takes a step and a folder; writes the current weights there.
    """
    self._best = location.best_folder(output_dir)
    files.make_folder(self._best)
    self._describe(self._best)
    self._export = export
    self._log = MetricsLog(output_dir, _LOG)
    self._log.resume(step)
    self._is_dropped = _step_in(self._best) > step

  def run(self, step: int) -> Mapping[str, float]:
    """Scores the weights, exports them if they are the best so far.

    Exports them, too, if the best checkpoint is of a step that was dropped.

    Returns:
      The scores by name.
    """
    scores = self._evaluate()
    values = [*self._values(), scores[self._metric]]
    is_best = best_index(values, self._metric) == len(values) - 1
    text = ' · '.join(f'{name} {value:.4f}' for name, value in scores.items())
    logging.info('step %d: %s%s', step, text, ' (the best)' if is_best else '')
    if is_best or self._is_dropped:
      self._export(step, self._best)
      self._is_dropped = False
    # Logging comes last: a run killed before it evaluates this step again.
    self._log.append(step, scores)
    self._log.flush()
    return scores

  @property
  def has_stopped(self) -> bool:
    """Whether there were `patience` evaluations since the best one."""
    values = self._values()
    best = best_index(values, self._metric)
    since = len(values) if best is None else len(values) - 1 - best
    return self._patience is not None and since >= self._patience

  def _values(self) -> list[float]:
    return [line[self._metric] for line in self._log.lines()]


def _step_in(best: str) -> int:
  """Returns the step of the checkpoint in best/; -1 if there is none."""
  try:
    return location.locate_latest(best).step
  except UserError:
    return -1
