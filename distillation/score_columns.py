"""Finds the columns of a table that hold a teacher's scores.

Does not import TensorFlow.
"""

import dataclasses
from collections.abc import Sequence

from absl import logging

from data.tasks import tables
from distillation.score_options import ScoreOptions
from system import files
from system.errors import UserError, listed, shown

# The default name of a kind's columns: of all, and the beginning of each.
_NAMES = {
  'probabilities': ('probabilities', 'probability_'),
  'logits': ('logits', 'logit_'),
}
_LABEL_COLUMNS = ('prediction', 'label')
_CONFIDENCE = 'confidence'
# How Hugging Face's pipelines name the probability of a label.
_SCORE = 'score'


@dataclasses.dataclass(frozen=True)
class ScoreColumns:
  """What a table holds, and where.

  Attributes:
    kind: 'probabilities', 'logits', 'labels' or 'numbers'.
    names: one column for each label, in the task's order; or the one column
      of an object, a label or a number.
    labels: the names of the labels in the table, in the task's order.
    confidence: the column of a label's confidence, if there is one.
    is_object: whether the one column holds the scores of all labels.
  """

  kind: str
  names: tuple[str, ...]
  labels: tuple[str, ...] = ()
  confidence: str | None = None
  is_object: bool = False

  def all(self) -> tuple[str, ...]:
    """Returns the names of all these columns."""
    return (*self.names, *filter(None, [self.confidence]))


def in_file(path: str) -> list[str]:
  """Returns the columns of a table; of JSONL, all keys of its rows.

  Raises:
    UserError: the file is missing, no table, malformed or empty.
  """
  files.require_file(path, 'the table of scores')
  rows = tables.column_names(path)
  columns = dict.fromkeys(name for names in rows for name in names)
  if not columns:
    raise UserError(f'{path} holds no row')
  return list(columns)


def find(
  path: str,
  columns: Sequence[str],
  options: ScoreOptions,
  labels: tuple[str, ...],
) -> ScoreColumns:
  """Finds the columns of the scores.

  Args:
    path: the table, for messages.
    columns: all its columns.
    options: the kind of scores and the names that the user gave.
    labels: the task's; empty for a task of numbers.

  Raises:
    UserError: no kind of scores is there, or two are; a label has no column,
      or a column has a label that the task lacks. The columns are listed.
  """
  names = options.names_of(labels)
  if not labels:
    options.check_numbers()
    return ScoreColumns('numbers', (_one(path, columns, options),))
  wanted = options.teacher_score_type
  found = [
    each
    for kind in _NAMES
    if wanted in ('auto', kind)
    and (each := _of_each_label(path, columns, kind, options, names))
  ]
  if len(found) > 1:
    raise UserError(
      f'{path} holds probabilities ({listed(found[0].names)}) and logits '
      f'({listed(found[1].names)}): choose one of them with '
      '`teacher_score_type`'
    )
  is_one_label = options.teacher_label_column and wanted == 'auto'
  if found and not is_one_label:
    options.check_kind(found[0].kind)
    return found[0]
  if wanted in _NAMES or options.teacher_score_column:
    raise _missing(path, columns, options, names)
  return _of_one_label(path, columns, options, names)


def _of_each_label(
  path: str,
  columns: Sequence[str],
  kind: str,
  options: ScoreOptions,
  labels: Sequence[str],
) -> ScoreColumns | None:
  """Returns the columns of probabilities or logits; None if there are none."""
  whole, prefix = _NAMES[kind]
  is_auto = options.teacher_score_type == 'auto'
  given = options.teacher_score_column, options.teacher_score_prefix
  if any(x is not None for x in given):
    if is_auto and kind == 'logits':
      return None  # Columns with names of the user's are probabilities.
    whole, prefix = given
  if whole and whole in columns:
    return ScoreColumns(kind, (whole,), tuple(labels), is_object=True)
  if prefix is None:
    return None
  present = [x for x in columns if x.startswith(prefix)] if prefix else []
  wanted = [prefix + label for label in labels]
  if not present and not set(wanted) & set(columns):
    return None
  _check_labels(path, prefix, present, wanted, columns)
  return ScoreColumns(kind, tuple(wanted), tuple(labels))


def _of_one_label(
  path: str,
  columns: Sequence[str],
  options: ScoreOptions,
  labels: tuple[str, ...],
) -> ScoreColumns:
  """Returns the columns of a label and its confidence."""
  if not any(name in columns for name in _label_columns(options)):
    raise _missing(path, columns, options, labels)
  options.check_kind('labels')
  if (confidence := options.teacher_label_confidence) < 1 / len(labels):
    raise UserError(
      f'`teacher_label_confidence`={confidence}: expected 1/{len(labels)} or '
      'more, or another label is likelier'
    )
  return ScoreColumns(
    'labels',
    (_one(path, columns, options),),
    labels,
    _confidence(path, columns, options),
  )


def _check_labels(
  path: str,
  prefix: str,
  present: Sequence[str],
  wanted: Sequence[str],
  columns: Sequence[str],
) -> None:
  missing = [name for name in wanted if name not in columns]
  unknown = [name for name in present if name not in wanted]
  if not missing and not unknown:
    return
  parts = [f'lacks the columns {listed(missing)}'] if missing else []
  if unknown:
    parts.append(f'has {listed(unknown)}, which name no label of the task')
  raise UserError(
    f'{path} {" and ".join(parts)}: expected one column {prefix}<label> for '
    f'each label, {listed(wanted)}. `teacher_label_names` gives the labels '
    'other names.'
  )


def _label_columns(options: ScoreOptions) -> Sequence[str]:
  given = options.teacher_label_column
  return (given,) if given else _LABEL_COLUMNS


def _one(path: str, columns: Sequence[str], options: ScoreOptions) -> str:
  """Returns the column of a label or a number."""
  names = _label_columns(options)
  for name in names:
    if name in columns:
      return name
  raise UserError(
    f'{path}: expected a column {" or ".join(map(shown, names))} '
    f'(`teacher_label_column`), found {listed(columns)}'
  )


def _confidence(
  path: str, columns: Sequence[str], options: ScoreOptions
) -> str | None:
  given = options.teacher_confidence_column
  if given and given not in columns:
    raise UserError(
      f'{path}: expected a column {shown(given)} '
      f'(`teacher_confidence_column`), found {listed(columns)}'
    )
  found = given or (_CONFIDENCE if _CONFIDENCE in columns else None)
  if not found and _SCORE in columns:
    logging.warning(
      '%s: the column %s is not used. If it holds the probabilities of the '
      'labels, give `teacher_confidence_column`=%s.',
      *(path, _SCORE, _SCORE),
    )
  return found


def _missing(
  path: str,
  columns: Sequence[str],
  options: ScoreOptions,
  labels: Sequence[str],
) -> UserError:
  kinds = [
    f'{prefix}<label> or {whole} (`teacher_score_type`={kind})'
    for kind, (whole, prefix) in _NAMES.items()
  ]
  given = [
    f'`{name}`={getattr(options, name)}'
    for name in ('teacher_score_type', *_NAMED_BY_USER)
    if getattr(options, name) not in (None, 'auto')
  ]
  return UserError(
    f'{path} has no scores{" for " if given else ""}{", ".join(given)}: '
    f'expected columns {", ".join(kinds)}, or '
    f'{" or ".join(_LABEL_COLUMNS)} with only the label; the labels are '
    f'{listed(labels)}. Found {listed(columns)}'
  )


_NAMED_BY_USER = (
  'teacher_score_prefix',
  'teacher_score_column',
  'teacher_label_column',
)
