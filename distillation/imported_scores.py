"""A transfer set with the scores that any teacher gave it.

Texts that are in dev or test are left out and counted, as of every transfer
set. A text that occurs several times is kept each time, as in a dump that a
teacher of ours makes of the same file: the mean of the losses under several
scores is the loss under their mean. Such texts are counted, and named if their
scores differ.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.tasks.examples import Example
from data.tasks.held_out import HeldOut
from data.tasks.task import Task
from data.tasks.text_key import by_text, text_key
from distillation import score_rows
from distillation.score_options import ScoreOptions
from distillation.score_rows import ScoredText, ScoreRows
from distillation.transfer_text import Text, names_of
from system import files
from system.errors import UserError, shown

# Messages name this many texts.
_NUM_SHOWN = 3
# Scores of one text that differ by less are the same.
_SAME = 1e-3


@dataclasses.dataclass(frozen=True)
class ImportedScores:
  """The texts of a dump, their logits, and what was found in the files.

  Attributes:
    texts: N texts.
    logits: float32 [N, C].
    facts: counts, for `imported_scores.json`.
  """

  texts: Sequence[Text]
  logits: np.ndarray
  facts: Mapping[str, Any]

  def checksum(self) -> str:
    """Returns the SHA-256 of texts, ids and logits."""
    digest = hashlib.sha256(np.ascontiguousarray(self.logits).tobytes())
    for text in self.texts:
      digest.update(repr(tuple(text)).encode())
    return digest.hexdigest()


def read_tables(
  patterns: Sequence[str],
  text_columns: Sequence[str],
  task: Task,
  options: ScoreOptions,
  leaves_out_bad: bool,
) -> list[ScoreRows]:
  """Reads tables of scores, and reports what they hold.

  Args:
    patterns: names and globs; each file is read once.
    text_columns: the column of the text, or the columns of both.
    task: its labels.
    options: where the scores are.
    leaves_out_bad: whether rows without usable scores are left out.

  Raises:
    UserError: a table is missing or malformed, has no usable row, or has rows
      without usable scores that are not to be left out; the message names them.
  """
  paths = dict.fromkeys(p for x in patterns for p in files.expand(x))
  found = [
    score_rows.read(path, text_columns, task.labels, options) for path in paths
  ]
  for table in found:
    if table.bad and not (leaves_out_bad and table.rows):
      raise UserError(
        f'{table.path}: {table.describe_bad()}. `leave_out_bad_scores` leaves '
        'such rows out, if others remain.'
      )
    _report(table)
  return found


def _report(table: ScoreRows) -> None:
  logging.info(
    '%s: %s texts with %s from %s; columns not used: %s',
    table.path,
    f'{len(table.rows):,}',
    table.columns.kind,
    ', '.join(table.columns.all()),
    ', '.join(table.unused) or 'none',
  )
  if table.bad:
    logging.warning('%s: left out: %s', table.path, table.describe_bad())
  if table.num_rescaled:
    logging.warning(
      '%s: scaled the probabilities of %s texts to sum to 1, from which they '
      'differed by up to %.4f',
      table.path,
      f'{table.num_rescaled:,}',
      table.largest_sum_error,
    )
  if table.num_bare:
    logging.info(
      '%s: %s labels have no confidence and get `teacher_label_confidence`',
      table.path,
      f'{table.num_bare:,}',
    )


def collect(
  tables: Sequence[ScoreRows], task: Task, held_out: HeldOut
) -> ImportedScores:
  """Joins tables into a transfer set, without the texts of dev and test.

  Args:
    tables: at least one.
    task: the task.
    held_out: the texts of dev and test.

  Raises:
    UserError: no text is left.
  """
  names = names_of(table.path for table in tables)
  rows = [
    (name, row)
    for name, table in zip(names, tables, strict=True)
    for row in table.rows
  ]
  kept = [
    (name, row)
    for name, row in rows
    if not held_out.has(row.text_a, row.text_b)
  ]
  num_held_out = len(rows) - len(kept)
  if not kept:
    raise UserError(
      f'each of the {num_held_out:,} texts of `teacher_scores` is in dev or '
      'test: no text is left to learn from'
    )
  if num_held_out:
    logging.warning(
      'Left out %s of %s texts, which are in dev or test',
      f'{num_held_out:,}',
      f'{len(rows):,}',
    )
  logits = np.stack([row.logits for _, row in kept])
  facts = {
    'tables': [_facts(table) for table in tables],
    'num_held_out': num_held_out,
    'num_texts': len(kept),
    **_repeated([row for _, row in kept]),
    'predicted_labels': _predicted(logits, task.labels),
  }
  texts = [
    Text(f'{name}:{row.number}', row.text_a, row.text_b) for name, row in kept
  ]
  return ImportedScores(texts, logits, facts)


def _facts(table: ScoreRows) -> dict[str, Any]:
  return {
    'path': table.path,
    'kind': table.columns.kind,
    'columns': list(table.columns.all()),
    'columns_not_used': list(table.unused),
    'num_rows': len(table.rows) + sum(map(len, table.bad.values())),
    'left_out': {kind: len(places) for kind, places in table.bad.items()},
    'num_scaled_to_sum_1': table.num_rescaled,
    'largest_sum_error': table.largest_sum_error,
    'num_without_confidence': table.num_bare,
  }


def _differ(rows: Sequence[ScoredText]) -> bool:
  first = rows[0].logits
  return any(not np.allclose(x.logits, first, atol=_SAME) for x in rows[1:])


def _repeated(rows: Sequence[ScoredText]) -> dict[str, int]:
  """Counts the texts that occur several times, and warns of them."""
  repeated = [group for group in by_text(rows).values() if len(group) > 1]
  differing = [group for group in repeated if _differ(group)]
  if repeated:
    logging.info(
      '%s texts occur several times, in %s rows; all are kept',
      f'{len(repeated):,}',
      f'{sum(map(len, repeated)):,}',
    )
  if differing:
    logging.warning(
      '%s texts have several scores that differ, the first: %s. The student '
      'learns their mean.',
      f'{len(differing):,}',
      '; '.join(shown(group[0].text_a) for group in differing[:_NUM_SHOWN]),
    )
  return {
    'num_repeated_texts': len(repeated),
    'num_texts_with_different_scores': len(differing),
  }


def _predicted(logits: np.ndarray, labels: Sequence[str]) -> dict[str, int]:
  """Returns label → for how many texts it is the likeliest; {} for numbers."""
  counts = Counter(logits.argmax(axis=1).tolist())
  return {label: counts[number] for number, label in enumerate(labels)}


def on_dev(tables: Sequence[ScoreRows], dev: Sequence[Example]) -> np.ndarray:
  """Returns the logits of the examples of dev.

  A text is found as it is or, if it is not there, regardless of its case and
  white space. Other texts of the tables are counted.

  Args:
    tables: at least one.
    dev: N examples.

  Returns:
    float32 [N, C].

  Raises:
    UserError: a text of dev has no score, or several that differ.
  """
  rows = [row for table in tables for row in table.rows]
  exact: dict[tuple[str, str | None], list[ScoredText]] = {}
  for row in rows:
    exact.setdefault((row.text_a, row.text_b), []).append(row)
  by_key = by_text(rows)
  groups = [
    exact.get((e.text_a, e.text_b))
    or by_key.get(text_key(e.text_a, e.text_b), [])
    for e in dev
  ]
  for what, wrong in (
    ('have no score', [not group for group in groups]),
    (
      'have several scores that differ',
      [bool(group) and _differ(group) for group in groups],
    ),
  ):
    if num_wrong := sum(wrong):
      first = dev[wrong.index(True)]
      raise UserError(
        f'{num_wrong:,} of {len(dev):,} texts of dev {what} in '
        f'`teacher_dev_scores`, the first: {shown(first.text_a)}'
      )
  keys = {text_key(e.text_a, e.text_b) for e in dev}
  if num_others := sum(len(x) for key, x in by_key.items() if key not in keys):
    logging.info(
      '`teacher_dev_scores` holds %s other texts, which are not used',
      f'{num_others:,}',
    )
  return np.stack([group[0].logits for group in groups])
