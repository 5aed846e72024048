"""The settings that split a user's table, and the splits that they describe.

Does not import TensorFlow. Tested by `tests/data/tasks/split_folder_test.py`.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from data.tasks import table_rows, table_split, text_key
from data.tasks.examples import Example
from data.tasks.table_rows import Columns, TableRows
from data.tasks.text_key import TextKey
from system import files
from system.errors import UserError, shown
from system.settings import MAX_SEED, setting

_SOURCES = ('input_file', 'dev_file', 'test_file')
# The settings that split a table. A folder has its splits.
FOR_TABLES = (*_SOURCES, 'dev_fraction', 'test_fraction', 'split_seed')


@dataclasses.dataclass(frozen=True)
class SplitOptions:
  """The table, its columns, and how to split it."""

  input_file: str | None = setting(
    None,
    'Added: the table with the labelled examples: .tsv, .csv or .jsonl, which '
    '.gz may follow, or .parquet.',
    reads='file',
  )
  dev_file: str | None = setting(
    None,
    'Added: a table with the dev split, with the same columns. By default it '
    'is a part of --input_file.',
    reads='file',
  )
  test_file: str | None = setting(
    None,
    'Added: a table with the test split, with the same columns; it may lack '
    'the labels. By default it is a part of --input_file.',
    reads='file',
  )
  text_column: str | None = setting(
    None,
    'Added: the column with the text, or the first of a pair. The default is '
    "'sentence' or, if there is none, 'text'.",
  )
  text_pair_column: str | None = setting(
    None, 'Added: the column with the second of a pair, if there are pairs.'
  )
  label_column: str = setting('label', 'Added: the column with the label.')
  regression: bool = setting(
    False, 'Added: whether the labels are numbers to predict.'
  )
  dev_fraction: float = setting(
    0.1,
    'Added: the share of --input_file that becomes the dev split.',
    more_than=0.0,
    less_than=1.0,
    needs=('!dev_file',),
  )
  test_fraction: float = setting(
    0.1,
    'Added: the share of --input_file that becomes the test split.',
    more_than=0.0,
    less_than=1.0,
    needs=('!test_file',),
  )
  split_seed: int = setting(
    12345,
    'Added: chooses the texts of dev and test.',
    at_least=0,
    at_most=MAX_SEED,
  )

  @property
  def columns(self) -> Columns:
    """Returns the columns' names."""
    return Columns(self.text_column, self.text_pair_column, self.label_column)

  def sources(self) -> dict[str, str]:
    """Returns the settings of the tables that are given → their paths."""
    paths = {name: getattr(self, name) for name in _SOURCES}
    return {name: path for name, path in paths.items() if path}

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the table is missing, or nothing is left for train.
    """
    for name in ('input_file', *self.sources()):
      files.require_file(getattr(self, name) or '', f'`{name}`')
    share = sum(self.fractions().values())
    if share >= 1:
      raise UserError(
        f'`dev_fraction` and `test_fraction` add up to {share:g}, expected '
        'less than 1: train gets the rest'
      )

  def fractions(self) -> dict[str, float]:
    """Returns the shares of dev and test; 0 for a split with its own table."""
    return {
      'dev': 0.0 if self.dev_file else self.dev_fraction,
      'test': 0.0 if self.test_file else self.test_fraction,
    }


@dataclasses.dataclass(frozen=True)
class Splits:
  """The splits of a table, before they are written.

  Attributes:
    examples: 'train', 'dev' and 'test' → their examples.
    facts: counts, for the manifest.
  """

  examples: Mapping[str, Sequence[Example]]
  facts: Mapping[str, Any]


def make(options: SplitOptions) -> Splits:
  """Reads the tables and splits them; warns of the rows that it leaves out.

  Raises:
    UserError: a setting does not fit, a table is malformed, or too small; the
      message names the file and the line.
  """
  options.check()
  given = {
    name.removesuffix('_file'): _read(path, options, name)
    for name, path in options.sources().items()
  }
  left_out: dict[str, int] = {}
  for name, rows in given.items():
    rows.report()
    left_out |= {f'{name}_{what}': n for what, n in _counts(rows).items()}
  kept, in_other = _apart(given)
  left_out |= {f'{name}_in_other_split': n for name, n in in_other.items()}
  examples = kept.pop('input')
  if not options.regression:
    _check_labels(examples, kept, given)
  parts = table_split.split(
    examples,
    *options.fractions().values(),
    options.split_seed,
    options.regression,
  )
  splits = {
    name: kept.get(name) or [examples[i] for i in parts[name]]
    for name in table_split.SPLITS
  }
  facts = _facts(splits, examples, options.regression)
  if not options.regression and any(options.fractions().values()):
    facts['small_classes'] = table_split.small_classes(examples)
  return Splits(
    splits, {**facts, 'left_out': {k: n for k, n in left_out.items() if n}}
  )


def _read(path: str, options: SplitOptions, name: str) -> TableRows:
  return table_rows.read(
    path,
    options.columns,
    options.regression,
    needs_label=name != 'test_file',
  )


def _counts(rows: TableRows) -> dict[str, int]:
  """Returns how many rows were left out: 'without_text', 'without_label'."""
  counts: dict[str, int] = collections.Counter()
  for what, places in rows.left_out.items():
    counts[f'without_{what.split()[1]}'] += len(places)
  return counts


def _apart(
  tables: Mapping[str, TableRows],
) -> tuple[dict[str, list[Example]], dict[str, int]]:
  """Leaves out texts of 'test' from the others, those of 'dev' from 'input'.

  Returns:
    Table → its other examples, and table → the number of those left out.

  Raises:
    UserError: nothing is left of a table.
  """
  kept: dict[str, list[Example]] = {}
  num_left_out = {}
  held_out: set[TextKey] = set()
  for name in ('test', 'dev', 'input'):
    if name not in tables:
      continue
    rows = tables[name]
    own = rows.examples
    if held_out:
      own = [e for e in own if table_split.group_key(e) not in held_out]
    if not own:
      raise UserError(
        f'{rows.path}: each of its texts is also in `test_file` or `dev_file`'
      )
    kept[name], num_left_out[name] = own, len(rows.examples) - len(own)
    if name != 'input':
      held_out |= {table_split.group_key(e) for e in own}
  return kept, num_left_out


def _check_labels(
  examples: Sequence[Example],
  others: Mapping[str, Sequence[Example]],
  tables: Mapping[str, TableRows],
) -> None:
  """Raises a `UserError` for a single label, and labels only in dev or test.

  Args:
    examples: those of the table to split.
    others: 'dev' and 'test', if they have tables → their examples.
    tables: the tables.
  """
  path, labels = tables['input'].path, {e.label for e in examples}
  if len(labels) < 2:
    raise UserError(
      f'{path} has one label, {shown(labels.pop())}; expected two or more, or '
      '`regression`'
    )
  for name, own in others.items():
    for example in own:
      if example.label is not None and example.label not in labels:
        where = table_rows.place(tables[name].path, example)
        raise UserError(
          f'{where}: the label {shown(example.label)} is not in {path}'
        )


def _facts(
  splits: Mapping[str, Sequence[Example]],
  examples: Sequence[Example],
  is_regression: bool,
) -> dict[str, Any]:
  texts = text_key.by_text(examples).values()
  repeated = [group for group in texts if len(group) > 1]
  contradictions = text_key.contradicting(repeated)
  facts: dict[str, Any] = {
    'num_examples': {name: len(own) for name, own in splits.items()},
    'duplicates': {
      'texts': len(repeated),
      'examples': sum(map(len, repeated)),
      'with_different_labels': len(contradictions),
      'first_with_different_labels': contradictions[:3],
    },
  }
  if not is_regression:
    facts['labels'] = {
      name: dict(
        sorted(collections.Counter(e.label for e in own if e.label).items())
      )
      for name, own in splits.items()
    }
  return facts
