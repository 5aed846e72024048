"""The refusal of a weak teacher; the script's tests cover the rest."""

import pytest

from distillation import dev_scores
from system.errors import UserError


@pytest.mark.parametrize(
  ('score', 'message'),
  [
    (0.51, 'is at chance level on dev: eval_f1 is 0.5100, .* gives 0.5100'),
    (0.45, 'is at chance level on dev: eval_f1 is 0.4500, .* gives 0.5100'),
    (
      0.095,
      'is far below chance level on dev: eval_f1 is 0.0950, .* gives 0.5100. '
      'Its labels may be in another order',
    ),
    (float('nan'), 'is at chance level on dev: eval_f1 is nan'),
  ],
)
def test_a_weak_teacher_s_score_is_compared_with_chance(score, message):
  with pytest.raises(UserError, match=f'the teacher a/b {message}'):
    dev_scores.check_strength('a/b', 'eval_f1', score, 0.51)
  dev_scores.check_strength('a/b', 'eval_f1', 0.52, 0.51)
