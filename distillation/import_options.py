"""The settings of --do_import_logits. Nothing here imports TensorFlow.

Tested by `tests/scripts/import_logits_test.py`.
"""

import dataclasses

from distillation.score_options import ScoreOptions
from system.errors import UserError
from system.settings import setting


@dataclasses.dataclass(frozen=True)
class ImportOptions(ScoreOptions):
  """A dump made of scores that any teacher gave."""

  do_import_logits: bool = setting(
    False,
    'Added: whether to make a logits dump of the scores in --teacher_scores, '
    'which any other model, program or person gave.',
  )
  teacher_scores: tuple[str, ...] = setting(
    (),
    'Added: tables (.csv, .tsv, .jsonl, .parquet) of texts and scores, which '
    'are the transfer set; names and globs, separated by commas. The columns '
    'of the texts are those of --transfer_text_column, else --text_column.',
    reads='files',
    needs=('do_import_logits',),
  )
  teacher_dev_scores: tuple[str, ...] = setting(
    (),
    'Added: tables with the same columns that score every text of dev; other '
    'texts in them are ignored. They are used to measure the teacher, and the '
    "student's agreement with it.",
    reads='files',
    needs=('do_import_logits',),
  )
  teacher_name: str | None = setting(
    None,
    "Added: the teacher's name, by which dumps of the same teacher are "
    'recognised. The default is the names and the content of --teacher_scores.',
    needs=('do_import_logits',),
  )
  leave_out_bad_scores: bool = setting(
    False,
    'Added: whether to leave out rows without usable scores, and count them, '
    'instead of refusing the file: a blank text, NaN, an unknown label, '
    'probabilities that do not sum to 1.',
    needs=('do_import_logits',),
  )

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the message names the settings.
    """
    self.check_names()
    if self.teacher_name is not None and not self.teacher_name.strip():
      raise UserError('`teacher_name` is blank')

  def check_dev(self) -> None:
    """Raises a `UserError` if the teacher cannot be scored on dev."""
    if not self.teacher_dev_scores:
      raise UserError(
        'the teacher cannot be scored: give its scores for the texts of dev as '
        '`teacher_dev_scores`, or `allow_weak_teacher`. Without them, the '
        "student's agreement with its teacher is not measured, either."
      )
