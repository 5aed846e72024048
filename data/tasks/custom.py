"""A task of a user's own: any columns, any labels, or numbers to predict."""

import dataclasses
from collections.abc import Mapping

from data.tasks import tables
from data.tasks.examples import Fields
from data.tasks.file_splits import FileSplit, Layout
from data.tasks.task import Split, Task
from system.errors import UserError


def in_files(
  fields: Fields | None = None, file_format: str | None = None
) -> dict[str, FileSplit]:
  """Lays out a user's own files, `train`, `dev` and `test`.

  Args:
    fields: the columns, `sentence` and `label` where not given; test may lack
      the label.
    file_format: one of `table_rows.FORMATS`, which is also the files' ending;
      None tells it by the ending. '.gz' may follow.
  """
  formats = (file_format,) if file_format else tables.FORMATS
  fields = fields or Fields()
  unlabelled = dataclasses.replace(fields, has_optional_label=True)
  return {
    split: FileSplit(
      'custom',
      tuple(
        Layout(
          f'{split}.{ending}{gz}',
          unlabelled if split == 'test' else fields,
          ending,
        )
        for ending in formats
        for gz in ('', '.gz')
      ),
      is_unique=True,
    )
    for split in ('train', 'dev', 'test')
  }


def classification(
  labels: tuple[str, ...], splits: Mapping[str, Split] | None = None
) -> Task:
  """Makes a task of a user's own, scored by accuracy.

  Args:
    labels: as they stand in the data, in the order of the logits.
    splits: where the data is; `in_files()` where not given.

  Raises:
    UserError: fewer than two labels, or one twice.
  """
  if len(labels) < 2 or len(set(labels)) < len(labels):
    raise UserError(f'expected two or more different labels, got {labels!r}')
  return Task('custom', labels, ('accuracy',), splits or in_files())


def regression(splits: Mapping[str, Split]) -> Task:
  """Makes a task of a user's own that predicts numbers."""
  return Task('custom', (), ('pearson', 'spearman'), splits)
