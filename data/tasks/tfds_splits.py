"""Splits in tensorflow-datasets, for the tasks of GLUE and for custom tasks.

There GLUE's classes have other names, in another order. Labels are mapped by
name and keep the task's order.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping

from data.tasks.examples import Example, Fields
from data.tasks.task import MissingSplit, Task
from data.text.tfds_source import TfdsSource
from system.errors import UserError, listed, shown


@dataclasses.dataclass(frozen=True)
class TfdsSplit:
  """A split of a data set.

  Attributes:
    dataset: the data set's name, such as 'glue/sst2'.
    names: possible names of the split; the first that exists is used.
    fields: the columns of an example's fields.
  """

  dataset: str
  names: tuple[str, ...]
  fields: Fields

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""
    return len(self.text_columns) > 1

  @property
  def text_columns(self) -> tuple[str, ...]:
    """Returns the columns of the texts."""
    return self.fields.texts()

  @property
  def id_column(self) -> str | None:
    """Returns the column of the ids if there must be one."""
    return self.fields.id_column()

  def locate(self, data_dir: str | None) -> str:
    """Returns the names of the data set and the split.

    Raises:
      MissingSplit: the data set has no such split.
      UserError: as for `TfdsSource`.
    """
    return f'{self.dataset}, {self._name(data_dir)}'

  def declared_labels(self, data_dir: str | None) -> tuple[str, ...] | None:
    """Returns the names of the label's classes; None if it has none."""
    return _open(self.dataset, data_dir).class_names(self.fields.label)

  def read(self, data_dir: str | None) -> Iterator[tuple[str, Example]]:
    """Yields the examples in the order of the data set.

    Raises:
      UserError: a column or a label is missing, or there is no example.
    """
    fields, location, number = self.fields, self.locate(data_dir), -1
    rows = _open(self.dataset, data_dir).rows(
      self._name(data_dir), fields.texts(), fields.not_text()
    )
    for number, row in enumerate(rows):
      where = f'{location}, example {number}'
      for name in fields.required():
        if name not in row:
          raise UserError(
            f'{where}: there is no {shown(name)}, found {listed(row)}'
          )
      yield where, fields.example(row, number)
    if number < 0:
      raise UserError(f'{location} holds no example')

  def _name(self, data_dir: str | None) -> str:
    found = _open(self.dataset, data_dir).split_names()
    for name in self.names:
      if name in found:
        return name
    raise MissingSplit(
      f'{self.dataset} has no split {" or ".join(map(repr, self.names))}; it '
      f'has {", ".join(found)}'
    )


@functools.cache
def _open(dataset: str, data_dir: str | None) -> TfdsSource:
  return TfdsSource(dataset, data_dir, f'`data_source`=tfds, {dataset}')


_SPLITS = {'train': ('train',), 'dev': ('validation',), 'test': ('test',)}
_MNLI_SPLITS = {
  'train': ('train',),
  'dev': ('validation_matched',),
  'dev_mismatched': ('validation_mismatched',),
  'test': ('test_matched',),
  'test_mismatched': ('test_mismatched',),
}
# Columns that differ from those of GLUE's files.
_TEXTS = {
  'MRPC': ('sentence1', 'sentence2'),
  'MNLI': ('premise', 'hypothesis'),
  'AX': ('premise', 'hypothesis'),
}


def from_tfds(task: Task) -> Task:
  """Returns a task of GLUE with its splits in tensorflow-datasets.

  Raises:
    UserError: the task is XNLI, which has no training split there.
  """
  if task.name == 'XNLI':
    raise UserError(
      '`data_source`=tfds has no training set for XNLI: give '
      '`data_source`=files and its own files'
    )
  names = _MNLI_SPLITS if task.name == 'MNLI' else _SPLITS
  dataset = f'glue/{task.name.lower().replace("-", "")}'
  in_files = next(iter(task.splits.values())).layouts[0].fields
  texts = _TEXTS.get(task.name, (in_files.text_a, in_files.text_b))
  fields = Fields(*texts, index='idx', renamed_labels=task.class_names)
  # All test labels are -1. They are not read: for STS-B, -1 would be a number.
  splits = {
    split: TfdsSplit(
      dataset,
      names[split],
      fields.without_label() if split.startswith('test') else fields,
    )
    for split in task.splits
  }
  return dataclasses.replace(task, splits=splits)


def custom_splits(dataset: str, fields: Fields) -> Mapping[str, TfdsSplit]:
  """Returns the splits of a user's data set; test may lack labels."""
  unlabelled = dataclasses.replace(fields, has_optional_label=True)
  return {
    'train': TfdsSplit(dataset, ('train',), fields),
    'dev': TfdsSplit(dataset, ('validation', 'dev'), fields),
    'test': TfdsSplit(dataset, ('test',), unlabelled),
  }
