"""Every record's fields: name, dtype and length, declared once.

A length is a letter (S sequence, P predictions, C classes), a number, or None
where the record stores the field unpadded.
"""

from typing import NamedTuple


class Field(NamedTuple):
  """One feature of a record."""

  name: str
  dtype: str  # 'int64', 'float32' or 'bytes'
  length: str | int | None


# Parses under google-research/bert's feature specification.
PRETRAINING = (
  Field('input_ids', 'int64', 'S'),
  Field('input_mask', 'int64', 'S'),
  Field('segment_ids', 'int64', 'S'),
  Field('masked_lm_positions', 'int64', 'P'),
  Field('masked_lm_ids', 'int64', 'P'),
  Field('masked_lm_weights', 'float32', 'P'),
  Field('next_sentence_labels', 'int64', 1),
)

# Parses under google-research/bert's feature specification; `label_ids` is
# float32 for a regression task.
CLASSIFIER = (
  Field('input_ids', 'int64', 'S'),
  Field('input_mask', 'int64', 'S'),
  Field('segment_ids', 'int64', 'S'),
  Field('label_ids', 'int64', 1),
  Field('is_real_example', 'int64', 1),
)

LOGITS_DUMP = (
  Field('input_ids', 'int64', None),
  Field('segment_ids', 'int64', None),
  Field('teacher_logits', 'float32', 'C'),
  Field('example_id', 'bytes', 1),
)
