"""A teacher's scores on the task's dev split, and the check of its strength.

Tested by `tests/distillation/dev_scores_test.py` and
`tests/scripts/run_distillation_test.py`.
"""

from collections.abc import Sequence

import numpy as np
from absl import logging

from data.tasks.examples import Example
from distillation import logits_dump
from system.errors import UserError
from training import result_files, scoring
from training.task_folder import TaskFolder

# A score this far below chance is no accident: labels are probably swapped.
_FAR_BELOW_CHANCE = 0.1


def keep(
  folder: TaskFolder,
  teacher: str,
  step: int,
  dev: Sequence[Example],
  logits: np.ndarray,
  allows_weak: bool,
) -> dict[str, float]:
  """Scores a teacher's logits on dev, and keeps scores and logits.

  Args:
    folder: the task, in the dump's folder.
    teacher: its name, for messages.
    step: its training step, or 0.
    dev: N examples with labels.
    logits: float32 [N, C].
    allows_weak: whether a teacher at chance level is accepted.

  Returns:
    The scores by name.

  Raises:
    UserError: the teacher is no better than the best constant prediction.
  """
  logging.info('The teacher on dev:')
  scores = scoring.score(folder.task, dev, logits)
  result_files.write_eval_results(folder.output_dir, teacher, step, scores)
  if not allows_weak:
    name = f'eval_{folder.task.metrics[0]}'
    chance = scoring.chance_score(folder.task, dev)
    check_strength(teacher, name, scores[name], chance)
  # Last, because a refused teacher must leave nothing to resume from.
  logits_dump.write_dev_logits(folder.output_dir, logits)
  return scores


def check_strength(
  teacher: str, name: str, score: float, chance: float
) -> None:
  """Raises a `UserError` if a teacher's score is not better than chance."""
  if score > chance:
    return
  level, hint = 'at chance level', ''
  if score < chance - _FAR_BELOW_CHANCE:
    level = 'far below chance level'
    hint = 'Its labels may be in another order than those of the data. '
  raise UserError(
    f'the teacher {teacher} is {level} on dev: {name} is {score:.4f}, a '
    f'constant prediction gives {chance:.4f}. {hint}`allow_weak_teacher` '
    'accepts it.'
  )
