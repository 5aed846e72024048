"""Fields of every kind of record: name, dtype, length and range, declared once.

A length is a letter (S sequence, P predictions, C classes), a number, or None
for a field that is stored unpadded, with 1 to S values.

A range is [low, high): low is a number; high is a number, one of those letters,
V (the vocabulary's size) or T (the number of segments). Floats have no range.

Tested by `tests/data/records/record_source_test.py`.
"""

from typing import NamedTuple


class Field(NamedTuple):
  """One feature of a record."""

  name: str
  dtype: str  # 'int64', 'float32' or 'bytes'
  length: str | int | None
  range: tuple[int, str | int] | None = None


_FLAG = (0, 2)

# Parses under google-research/bert's feature specification.
PRETRAINING = (
  Field('input_ids', 'int64', 'S', (0, 'V')),
  Field('input_mask', 'int64', 'S', _FLAG),
  Field('segment_ids', 'int64', 'S', (0, 'T')),
  Field('masked_lm_positions', 'int64', 'P', (0, 'S')),
  Field('masked_lm_ids', 'int64', 'P', (0, 'V')),
  Field('masked_lm_weights', 'float32', 'P'),
  Field('next_sentence_labels', 'int64', 1, (0, 2)),
)
_MASKS = ('masked_lm_positions', 'masked_lm_ids', 'masked_lm_weights')
# Without masks: training draws new ones in each epoch.
UNMASKED_PRETRAINING = tuple(
  field for field in PRETRAINING if field.name not in _MASKS
)

# Parses under google-research/bert's feature specification. For a regression
# task, `label_ids` is float32 and has no range.
CLASSIFIER = (
  Field('input_ids', 'int64', 'S', (0, 'V')),
  Field('input_mask', 'int64', 'S', _FLAG),
  Field('segment_ids', 'int64', 'S', (0, 'T')),
  Field('label_ids', 'int64', 1, (0, 'C')),
  Field('is_real_example', 'int64', 1, _FLAG),
)

LOGITS_DUMP = (
  Field('input_ids', 'int64', None, (0, 'V')),
  Field('segment_ids', 'int64', None, (0, 'T')),
  Field('teacher_logits', 'float32', 'C'),
  Field('example_id', 'bytes', 1),
)
# A dump's label, read only where hard labels count in the loss: a class, or a
# number. -1 and NaN mark a missing label.
LOGITS_DUMP_LABEL = Field('label_ids', 'int64', 1, (-1, 'C'))
LOGITS_DUMP_NUMBER = Field('label_ids', 'float32', 1)


def cls_states_field(num_values: int) -> Field:
  """Returns the field of a dump's [CLS] states, layer after layer."""
  return Field('teacher_cls_states', 'float32', num_values)
