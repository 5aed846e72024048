"""Reads tables of texts with the scores that any teacher gave them.

The formats are those of `data.tasks.tables`. No row is dropped silently: those
without usable scores are counted by what is wrong with them, with their places.

Does not import TensorFlow.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.tasks import tables
from distillation import score_columns, score_values
from distillation.score_columns import ScoreColumns
from distillation.score_options import ScoreOptions
from system import text_files
from system.errors import UserError, listed, shown

# Messages name the places of this many rows.
_NUM_PLACES = 5
# Smaller deviations of a sum from 1 are rounding errors of float32.
_ROUNDING = 1e-4


class ScoredText(NamedTuple):
  """A text and its scores."""

  number: int  # Of the line in which it begins, or of Parquet's row; from 1.
  text_a: str
  text_b: str | None  # None for single sentences.
  logits: np.ndarray  # float32 [C]


@dataclasses.dataclass(frozen=True)
class ScoreRows:
  """The rows of a table.

  Attributes:
    path: the file.
    columns: where its scores are.
    unused: the columns that are not read.
    rows: those with usable scores.
    bad: what is wrong with a row → the places of those rows.
    num_rescaled: the rows whose probabilities were scaled to the sum 1.
    largest_sum_error: by how much a sum differed from 1 at most.
    num_bare: the rows with a label without a confidence.
  """

  path: str
  columns: ScoreColumns
  unused: Sequence[str]
  rows: Sequence[ScoredText]
  bad: Mapping[str, Sequence[str]]
  num_rescaled: int = 0
  largest_sum_error: float = 0.0
  num_bare: int = 0

  def describe_bad(self) -> str:
    """Describes the rows without usable scores; '' if there are none."""
    return '; '.join(
      f'{len(places):,} rows have {kind}: {", ".join(places[:_NUM_PLACES])}'
      + ', ...' * (len(places) > _NUM_PLACES)
      for kind, places in self.bad.items()
    )


def read(
  path: str,
  text_columns: Sequence[str],
  labels: tuple[str, ...],
  options: ScoreOptions,
) -> ScoreRows:
  """Reads a table of texts and scores.

  Args:
    path: see `tables.format_of`.
    text_columns: the column of the text, or the columns of both.
    labels: the task's, in the order of the logits; empty for numbers.
    options: where the scores are, and what they mean.

  Raises:
    UserError: the table is missing or malformed, or lacks a column; the message
      names the file and the line.
  """
  found = score_columns.in_file(path)
  _check_texts(path, text_columns, found)
  columns = score_columns.find(path, found, options, labels)
  table_format = tables.format_of(path)
  wanted = (*text_columns, *columns.all())
  rows = tables.read_rows(
    path,
    table_format,
    wanted,
    allows_missing=True,
    json_columns=columns.all(),
  )
  placed = (
    (number, tables.place(path, table_format, number), row)
    for number, row in rows
  )
  return _collect(
    ScoreRows(path, columns, [x for x in found if x not in wanted], [], {}),
    placed,
    text_columns,
    options.teacher_label_confidence,
  )


def _check_texts(
  path: str, text_columns: Sequence[str], found: Sequence[str]
) -> None:
  missing = [name for name in text_columns if name not in found]
  if missing:
    raise UserError(
      f'{path}: expected a column {shown(missing[0])} with texts '
      '(`transfer_text_column`, `transfer_text_pair_column`), found '
      f'{listed(found)}'
    )


def _collect(
  empty: ScoreRows,
  placed: Iterable[tuple[int, str, Mapping[str, str] | str]],
  text_columns: Sequence[str],
  bare_confidence: float,
) -> ScoreRows:
  """Returns all rows, the usable and the bad."""
  rows: list[ScoredText] = []
  bad: dict[str, list[str]] = {}
  errors: list[float] = []
  num_bare = 0
  for number, where, row in placed:
    if isinstance(row, str):
      raise UserError(f'{where}: {row}')
    texts = [row.get(name, '') for name in text_columns]
    text_files.check_encodable(texts, where)
    try:
      _check_not_blank(texts)
      score = score_values.score_of(row, empty.columns, bare_confidence)
    except score_values.BadScore as error:
      place = where.rpartition(', ')[2]
      bad.setdefault(error.kind, []).append(f'{place} ({error.found})')
      continue
    rows.append(ScoredText(number, *(*texts, None)[:2], score.logits))
    errors.append(score.sum_error)
    num_bare += score.is_bare
  return dataclasses.replace(
    empty,
    rows=rows,
    bad=bad,
    num_rescaled=sum(error > _ROUNDING for error in errors),
    largest_sum_error=max(errors, default=0.0),
    num_bare=num_bare,
  )


def _check_not_blank(texts: Sequence[str]) -> None:
  for text in texts:
    if not text.strip():
      raise score_values.BadScore('a blank text', shown(text))
