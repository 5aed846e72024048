"""The settings that say where a table holds a teacher's scores.

Does not import TensorFlow. Tested by
`tests/distillation/score_columns_test.py`.
"""

import dataclasses

from system.errors import UserError, listed
from system.settings import setting

KINDS = ('probabilities', 'logits', 'labels')

# Settings that only scores of all labels have, and those of a single label.
_OF_ALL_LABELS = ('teacher_score_prefix', 'teacher_score_column')
_OF_ONE_LABEL = ('teacher_label_column', 'teacher_confidence_column')
_BARE = 'teacher_label_confidence'
_IMPORTS = ('do_import_logits',)


@dataclasses.dataclass(frozen=True)
class ScoreOptions:
  """The columns of a table of scores, and what its values mean."""

  teacher_score_type: str = setting(
    'auto',
    'Added: what --teacher_scores holds. probabilities or logits: one number '
    'for each label; labels: one label, with or without a confidence. auto '
    'takes the first of these whose columns exist, and refuses a file with '
    'both probabilities and logits.',
    choices=('auto', *KINDS),
    needs=_IMPORTS,
  )
  teacher_score_prefix: str | None = setting(
    None,
    'Added: the prefix of the columns of probabilities or logits, one column '
    'for each label, named by the prefix and the label. The default is '
    "probability_ or logit_; give '' if the columns have the labels as names.",
    needs=_IMPORTS,
  )
  teacher_score_column: str | None = setting(
    None,
    'Added: the column that holds all probabilities or logits of a text: an '
    'object such as {"good": 0.9, "bad": 0.1}, or a list such as [{"label": '
    '"good", "score": 0.9}, ...]; in CSV, TSV and Parquet as JSON text. The '
    'default is probabilities or logits.',
    needs=_IMPORTS,
  )
  teacher_label_column: str | None = setting(
    None,
    "Added: the column with the teacher's label or, for a task of numbers, "
    "its number. The default is 'prediction' or, if there is none, 'label'.",
    needs=_IMPORTS,
  )
  teacher_confidence_column: str | None = setting(
    None,
    "Added: the column with the probability of the teacher's label; the other "
    "labels share the rest evenly. The default is 'confidence' if it exists.",
    needs=_IMPORTS,
  )
  teacher_label_confidence: float = setting(
    1.0,
    "Added: the probability of a teacher's label without a confidence. With 1, "
    "the student's loss is that of training on these labels.",
    more_than=0.0,
    at_most=1.0,
    needs=_IMPORTS,
  )
  teacher_label_names: tuple[str, ...] = setting(
    (),
    'Added: the names of the labels in --teacher_scores, in the order of the '
    "task's labels, separated by commas, if they are other names: "
    'NEGATIVE,POSITIVE for 0,1.',
    needs=_IMPORTS,
  )

  def check_names(self) -> None:
    """Checks settings that exclude each other.

    Raises:
      UserError: the message names the settings.
    """
    if self.teacher_score_prefix is not None and self.teacher_score_column:
      raise UserError(
        'give either `teacher_score_prefix` or `teacher_score_column`'
      )
    if self.teacher_score_type != 'auto':
      self.check_kind(self.teacher_score_type)

  def check_kind(self, kind: str) -> None:
    """Checks that the given settings suit a kind of scores.

    Args:
      kind: one of `KINDS`.

    Raises:
      UserError: a setting cannot take effect; the message names it.
    """
    given = {
      name
      for name in (*_OF_ALL_LABELS, *_OF_ONE_LABEL)
      if getattr(self, name) is not None
    }
    given |= {_BARE} if self.teacher_label_confidence != 1 else set()
    suits = _OF_ALL_LABELS if kind in KINDS[:2] else (*_OF_ONE_LABEL, _BARE)
    if wrong := sorted(given - set(suits)):
      raise UserError(
        f'`{wrong[0]}` cannot take effect: `teacher_scores` holds {kind} '
        '(`teacher_score_type`)'
      )

  def check_numbers(self) -> None:
    """Raises a `UserError` for a setting that no task of numbers can use."""
    names = (*_OF_ALL_LABELS, 'teacher_confidence_column')
    given = [name for name in names if getattr(self, name) is not None]
    given += [_BARE] * (self.teacher_label_confidence != 1)
    given += ['teacher_score_type'] * (self.teacher_score_type != 'auto')
    if given:
      raise UserError(
        f'`{given[0]}` cannot take effect: the task predicts numbers, from '
        '`teacher_label_column`'
      )

  def names_of(self, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of a task's labels in the table, in the task's order.

    Args:
      labels: the task's; empty for a task of numbers.

    Raises:
      UserError: there is not one name for each label, or a name occurs twice.
    """
    names = self.teacher_label_names
    if not names:
      return labels
    if len(names) != len(labels) or len(set(names)) < len(names):
      raise UserError(
        f'`teacher_label_names` is {listed(names)}, expected '
        f'{len(labels)} different names, one for each of the labels '
        f'{listed(labels)}'
        if labels
        else '`teacher_label_names` cannot take effect: the task predicts '
        'numbers'
      )
    return names
