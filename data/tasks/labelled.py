"""Reads the labelled texts: a table, which is split, or the user's own splits.

Does not import TensorFlow.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from data.tasks import custom, split_folder, split_options
from data.tasks import options as task_options
from data.tasks.examples import Example
from data.tasks.options import TaskOptions
from data.tasks.split_options import SplitOptions
from system import files
from system.errors import UserError
from system.settings import setting


@dataclasses.dataclass(frozen=True)
class LabelledOptions(SplitOptions):
  """The labelled texts: a table to split, or a folder with splits."""

  data_dir: str | None = setting(
    None,
    'Added: instead of --input_file, a folder with your own splits: train, dev '
    'and perhaps test, as .tsv, .csv, .jsonl or .parquet.',
  )

  def check(self) -> None:
    """Checks that there is one source of labelled texts, and its files.

    Raises:
      UserError: there is none, or there are two.
    """
    if bool(self.data_dir) == bool(self.input_file):
      raise UserError('give either `input_file` or `data_dir`')
    if self.data_dir and not files.is_folder(self.data_dir):
      raise UserError(f'`data_dir`: there is no folder {self.data_dir!r}')
    if self.input_file:
      super().check()


@dataclasses.dataclass(frozen=True)
class Labelled:
  """The labelled texts.

  Attributes:
    splits: 'train', 'dev' and perhaps 'test' → their examples.
    labels: sorted; empty if the labels are numbers to predict.
    columns: the flags that name the columns of the splits' files.
    is_pair: whether an example has two texts.
  """

  splits: Mapping[str, Sequence[Example]]
  labels: tuple[str, ...]
  columns: Mapping[str, object]
  is_pair: bool

  @property
  def scored_split(self) -> str:
    """The split that all models are scored on: test if it has labels."""
    test = self.splits.get('test', ())
    return 'test' if any(e.label is not None for e in test) else 'dev'

  @property
  def is_regression(self) -> bool:
    """Whether the labels are numbers to predict."""
    return not self.labels

  @property
  def metric(self) -> str:
    """The main score."""
    return 'pearson' if self.is_regression else 'accuracy'


def read(options: LabelledOptions) -> Labelled:
  """Reads the labelled texts; writes nothing.

  Raises:
    UserError: a file is missing or malformed, a split is empty, or test has
      labels for some of its rows only; the message names the file.
  """
  labelled = _folder(options) if options.data_dir else _table(options)
  for name in ('train', 'dev'):
    if not labelled.splits[name]:
      raise UserError(f'{name} has no example')
  test = labelled.splits.get('test', ())
  unlabelled = [e.example_id for e in test if e.label is None]
  if 0 < len(unlabelled) < len(test):
    raise UserError(
      f'{len(unlabelled):,} of the {len(test):,} examples of test have no '
      f'label, the first of them {unlabelled[0]}: expected all or none'
    )
  return labelled


def _table(options: LabelledOptions) -> Labelled:
  splits = split_options.make(options).examples
  is_pair = options.text_pair_column is not None
  columns = {
    'text_pair_column': split_folder.PAIR_COLUMN if is_pair else None,
    'regression': options.regression or None,
  }
  labels = {e.label for e in splits['train']}
  labels = () if options.regression else tuple(sorted(labels))
  return Labelled(splits, labels, columns, is_pair)


def _folder(options: LabelledOptions) -> Labelled:
  train = custom.regression(custom.in_files()).locate(options.data_dir, 'train')
  columns = options.columns.found_in(train)
  # Training obeys `split.json`, too.
  is_pair, is_regression = split_folder.kind(options.data_dir)
  pair_column = split_folder.PAIR_COLUMN if is_pair else None
  given = {
    'text_column': columns.text,
    'text_pair_column': columns.pair or pair_column,
    'label_column': columns.label,
    'regression': options.regression or is_regression,
  }
  chosen = TaskOptions(data_dir=options.data_dir, task_name='custom', **given)
  task = task_options.make_task(chosen, (), is_training=True)
  names = [
    name
    for name in ('train', 'dev', 'test')
    if name != 'test' or task.has_split(options.data_dir, name)
  ]
  splits = {name: task.read_split(options.data_dir, name) for name in names}
  defaults = {'text_column': 'sentence', 'label_column': 'label'}
  flags = {
    name: value
    for name, value in given.items()
    if value and value != defaults.get(name)
  }
  return Labelled(splits, task.labels, flags, task.is_pair)
