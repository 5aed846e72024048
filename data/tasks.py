"""GLUE's tasks as one table, and the text that is read for them.

A task says where a split's columns stand, which labels there are and in what
order (an example's label id is its place in `Task.labels`), and which scores
are reported. A new task is a new row of the table; a new file layout is a new
`Layout`.
"""

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping

from absl import logging

from data import files, text_files
from data.errors import UserError

# A warning names this many broken rows and counts the rest. QQP's training
# file has a few dozen.
_MAX_NAMED_ROWS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
  """One sentence or pair of a task, as it stands in the file."""

  example_id: str  # The file's own index, or the row's number from 0.
  text_a: str
  text_b: str | None  # None where the task has single sentences.
  label: str | None  # As in the file, a number's text too; None in test.


@dataclasses.dataclass(frozen=True)
class Layout:
  """Where one split's fields stand: the file and its columns' names."""

  file: str
  text_a: str
  text_b: str | None = None
  label: str | None = None
  index: str = 'index'  # Read where the file has such a column.
  columns: tuple[str, ...] | None = None  # None: the first line names them.
  has_optional_label: bool = False  # Read where the file has such a column.


@dataclasses.dataclass(frozen=True)
class Task:
  """A task: its splits, its labels in order, its scores."""

  name: str  # GLUE's spelling, which is also its folder's name.
  labels: tuple[str, ...]  # Empty for regression.
  metrics: tuple[
    str, ...
  ]  # Names from modeling/metrics.py, the main one first.
  splits: Mapping[str, Layout] = dataclasses.field(hash=False)
  # Whether the official files are known to have rows with missing or excess
  # columns; such rows are skipped, named and counted.
  skips_broken_rows: bool = False

  @property
  def is_regression(self) -> bool:
    """Returns whether labels are numbers."""
    return not self.labels

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""
    return any(layout.text_b for layout in self.splits.values())

  @property
  def num_outputs(self) -> int:
    """Returns the number of logits: of labels, or 1 for regression."""
    return len(self.labels) or 1

  def encode_label(self, label: str) -> int | float:
    """Returns a label's place in `labels`, or the number it spells.

    Raises:
      UserError: the label is unknown, or not a finite number; says which labels
        are known.
    """
    if self.labels:
      if label not in self.labels:
        known = ', '.join(map(repr, self.labels))
        raise UserError(f'unknown label {label!r}; {self.name} has {known}')
      return self.labels.index(label)
    try:
      value = float(label)
    except ValueError:
      value = math.nan
    if not math.isfinite(value):
      raise UserError(f'label {label!r} is not a number; {self.name} needs one')
    return value

  def held_out_splits(self) -> list[str]:
    """Returns the splits whose text no model may be trained on."""
    return [split for split in self.splits if split != 'train']

  def has_split(self, data_dir: str, split: str) -> bool:
    """Returns whether a split's file is there."""
    try:
      self.split_path(data_dir, split)
    except UserError:
      return False
    return True

  def split_path(self, data_dir: str, split: str) -> str:
    """Returns a split's file, in `data_dir` or in its folder of GLUE's name.

    Raises:
      UserError: the task has no such split, or there is no such file.
    """
    if split not in self.splits:
      known = ', '.join(self.splits)
      raise UserError(f'{self.name} has no split {split!r}; it has {known}')
    path = os.path.join(data_dir, self.splits[split].file)
    nested = os.path.join(data_dir, self.name, self.splits[split].file)
    if not files.exists(path) and files.exists(nested):
      path = nested
    return files.require_file(path, f'the {split} split of {self.name}')

  def read_split(self, data_dir: str, split: str) -> list[Example]:
    """Reads a split's examples in the file's order.

    Args:
      data_dir: the folder with the task's TSV files, or GLUE's with the task's
        folder in it.
      split: 'train', 'dev' or 'test'; MNLI's are the matched ones, and it has
        'dev_mismatched' and 'test_mismatched' too.

    Returns:
      One example a row. Quotes are text. Labels are checked, not encoded.

    Raises:
      UserError: the file is missing, empty, not UTF-8 or lacks a column; a row
        has more or fewer columns than the header, or a label that
        `encode_label` refuses. File and line (from 1) are named. Where
        `skips_broken_rows`, rows with other columns are logged instead.
    """
    path = self.split_path(data_dir, split)
    layout = self.splits[split]
    lines = enumerate(text_files.read_lines(path), 1)
    columns = layout.columns or _read_header(lines, layout, path)
    first_row = 1 if layout.columns else 2
    examples: list[Example] = []
    broken: list[str] = []
    for number, line in lines:
      fields = line.split('\t')
      if len(fields) == len(columns):
        row = dict(zip(columns, fields, strict=True))
        examples.append(self._example(row, layout, path, number, first_row))
      else:
        broken.append(_broken_row(path, number, fields, columns))
        if not self.skips_broken_rows:
          raise UserError(broken[0])
    _report_broken(path, broken, len(examples))
    if not examples:
      raise UserError(broken[0] if broken else f'{path} holds no example')
    return examples

  def _example(
    self, row: dict[str, str], layout: Layout, path: str, line: int, first: int
  ) -> Example:
    """Makes an example of a row that has all its columns."""
    label = row.get(layout.label) if layout.label else None
    if label is not None:
      try:
        self.encode_label(label)
      except UserError as error:
        raise UserError(f'{path}, line {line}: {error}') from error
    return Example(
      example_id=row.get(layout.index, str(line - first)),
      text_a=row[layout.text_a],
      text_b=row[layout.text_b] if layout.text_b else None,
      label=label,
    )


def _read_header(
  lines: Iterator[tuple[int, str]], layout: Layout, path: str
) -> tuple[str, ...]:
  """Takes the first line and checks that it names the columns needed."""
  _, header = next(lines, (0, None))
  if header is None:
    raise UserError(f'{path} is empty: expected a line that names its columns')
  columns = tuple(header.split('\t'))
  label = None if layout.has_optional_label else layout.label
  for name in (layout.text_a, layout.text_b, label):
    if name is not None and name not in columns:
      found = ', '.join(map(repr, columns))
      raise UserError(
        f'{path}, line 1: expected a header with a column {name!r}, '
        f'found {found}'
      )
  return columns


def _broken_row(
  path: str, line: int, fields: list[str], columns: tuple[str, ...]
) -> str:
  found = 'a blank line' if fields == [''] else f'{len(fields)} columns'
  names = ', '.join(columns)
  return (
    f'{path}, line {line}: found {found}, expected {len(columns)} columns '
    f'({names})'
  )


def _report_broken(path: str, broken: list[str], num_examples: int) -> None:
  """Logs the rows that were skipped, each by name, and their number."""
  for message in broken[:_MAX_NAMED_ROWS]:
    logging.warning('skipped a broken row: %s', message)
  if broken:
    logging.warning(
      '%s: skipped %d broken rows of %d',
      path,
      len(broken),
      len(broken) + num_examples,
    )


def _splits(
  file_names: Mapping[str, str] | None = None, **columns
) -> dict[str, Layout]:
  """Lays out GLUE's splits; test has a header, an index and no label."""
  names = file_names or {s: f'{s}.tsv' for s in ('train', 'dev', 'test')}
  unlabelled = columns | {'label': None, 'columns': None}
  return {
    split: Layout(file, **unlabelled if split.startswith('test') else columns)
    for split, file in names.items()
  }


_MNLI_FILES = {
  'train': 'train.tsv',
  'dev': 'dev_matched.tsv',
  'dev_mismatched': 'dev_mismatched.tsv',
  'test': 'test_matched.tsv',
  'test_mismatched': 'test_mismatched.tsv',
}
_PAIR = {'text_a': 'sentence1', 'text_b': 'sentence2', 'label': 'label'}
_BINARY = ('0', '1')

# The order of the labels is google-research/bert's where it has the task.
_TASKS = (
  Task(
    'CoLA',
    _BINARY,
    ('matthews_correlation', 'accuracy'),
    _splits(
      text_a='sentence',
      label='label',
      columns=('source', 'label', 'star', 'sentence'),
    ),
  ),
  Task(
    'SST-2',
    _BINARY,
    ('accuracy',),
    _splits(text_a='sentence', label='label'),
  ),
  Task(
    'MRPC',
    _BINARY,
    ('f1', 'accuracy'),
    _splits(text_a='#1 String', text_b='#2 String', label='Quality'),
  ),
  Task(
    'STS-B', (), ('pearson', 'spearman'), _splits(**_PAIR | {'label': 'score'})
  ),
  Task(
    'QQP',
    _BINARY,
    ('f1', 'accuracy'),
    _splits(
      text_a='question1', text_b='question2', label='is_duplicate', index='id'
    ),
    skips_broken_rows=True,
  ),
  Task(
    'MNLI',
    ('contradiction', 'entailment', 'neutral'),
    ('accuracy',),
    _splits(_MNLI_FILES, **_PAIR | {'label': 'gold_label'}),
    skips_broken_rows=True,
  ),
  Task(
    'QNLI',
    ('entailment', 'not_entailment'),
    ('accuracy',),
    _splits(text_a='question', text_b='sentence', label='label'),
  ),
  Task(
    'RTE', ('entailment', 'not_entailment'), ('accuracy',), _splits(**_PAIR)
  ),
  Task('WNLI', _BINARY, ('accuracy',), _splits(**_PAIR)),
)


def custom_task(labels: tuple[str, ...]) -> Task:
  """Makes a task of a user's own: train.tsv, dev.tsv and test.tsv.

  Args:
    labels: as they stand in the files, in the order of the logits.

  Returns:
    A task of single sentences, scored by accuracy; the files' headers name the
    columns `sentence` and `label`, which test.tsv may lack.

  Raises:
    UserError: fewer than two labels, or one twice.
  """
  if len(labels) < 2 or len(set(labels)) < len(labels):
    raise UserError(f'expected two or more different labels, got {labels!r}')
  splits = {
    split: Layout(
      f'{split}.tsv',
      'sentence',
      label='label',
      has_optional_label=split == 'test',
    )
    for split in ('train', 'dev', 'test')
  }
  return Task('custom', labels, ('accuracy',), splits)


def _key(name: str) -> str:
  return name.lower().replace('-', '').replace('_', '')


_TASK_OF_KEY = {_key(task.name): task for task in _TASKS}


def task_names() -> tuple[str, ...]:
  """Returns every known task in GLUE's spelling."""
  return tuple(task.name for task in _TASKS)


def get_task(name: str) -> Task:
  """Returns a task by its name in any case, hyphens optional ('sst2').

  Raises:
    UserError: there is no such task; the known ones are listed.
  """
  if _key(name) not in _TASK_OF_KEY:
    known = ', '.join(task_names())
    raise UserError(f'unknown task {name!r}; known tasks: {known}')
  return _TASK_OF_KEY[_key(name)]
