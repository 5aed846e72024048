"""Evaluation during training: the best weights are kept, and when to stop.

eval_metrics.jsonl  one line an evaluation: the step and the scores
best/               the best of them as a folder of released BERT's form

Nothing else is remembered: which evaluation was the best, and whether the run
has stopped early, are functions of eval_metrics.jsonl, which is cut back with
the run. So a run that was killed ends as one left alone.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence

from absl import logging

from modeling.checkpoints import exporting
from system import files
from training.run_folder import MetricsLog

_LOG = 'eval_metrics.jsonl'
# The score of which less is better.
LOSS = 'eval_loss'


def folder(output_dir: str) -> str:
  """Returns where the best checkpoint of a run stands."""
  return os.path.join(output_dir, 'best')


def exists(output_dir: str) -> bool:
  """Returns whether a run was evaluated while it trained, and has a best."""
  return files.exists(os.path.join(folder(output_dir), 'checkpoint'))


def discard(output_dir: str) -> None:
  """Removes what a run that is no more left in the folder of a new one."""
  log = os.path.join(output_dir, _LOG)
  if files.exists(log):
    files.remove(log)
  if files.is_folder(folder(output_dir)):
    exporting.discard(folder(output_dir))


def best_place(values: Sequence[float], metric: str) -> int | None:
  """Returns where the best value stands, the earliest of equals.

  Args:
    values: one an evaluation. NaN is never the best.
    metric: its name; of `LOSS` less is better, of all others more.

  Returns:
    A place in `values`, or None where all are NaN.
  """
  sign = -1 if metric == LOSS else 1
  places = [i for i, value in enumerate(values) if not math.isnan(value)]
  return max(places, key=lambda i: sign * values[i], default=None)


class Evaluation:
  """Scores a model while it trains, keeps the best, says when to stop."""

  def __init__(
    self,
    evaluate: Callable[[], Mapping[str, float]],
    metric: str,
    patience: int | None = None,
  ):
    """Keeps how to evaluate.

    Args:
      evaluate: returns the scores of the weights as they are now.
      metric: the score that decides.
      patience: after so many evaluations in a row that bring no better score
        the run stops; None never stops.
    """
    self._evaluate = evaluate
    self._metric = metric
    self._patience = patience

  def resume(
    self, output_dir: str, step: int, export: Callable[[int], str]
  ) -> None:
    """Takes up a run's evaluations up to a step; forgets the later ones.

    Args:
      output_dir: the run's folder.
      step: where the run goes on.
      export: writes the weights as they are now to `folder(output_dir)`.
    """
    self._export = export
    self._log = MetricsLog(output_dir, _LOG)
    self._log.resume(step)

  def run(self, step: int) -> Mapping[str, float]:
    """Evaluates; keeps the weights if they are the best; returns the scores."""
    scores = self._evaluate()
    values = [*self._values(), scores[self._metric]]
    is_best = best_place(values, self._metric) == len(values) - 1
    text = ' · '.join(f'{name} {value:.4f}' for name, value in scores.items())
    logging.info('step %d: %s%s', step, text, ' (the best)' if is_best else '')
    if is_best:
      self._export(step)
    # The line last: killed before it, the run evaluates this step again.
    self._log.append(step, scores)
    return scores

  @property
  def has_stopped(self) -> bool:
    """Whether there have been `patience` evaluations since the best."""
    values = self._values()
    best = best_place(values, self._metric)
    since = len(values) if best is None else len(values) - 1 - best
    return self._patience is not None and since >= self._patience

  def _values(self) -> list[float]:
    return [line[self._metric] for line in self._log.lines()]
