"""GLUE's tasks, XNLI and a user's own: labels, scores, and where the data is.

A task says which labels there are and in what order (an example's label id is
its place in `Task.labels`), which scores are reported, and for each split where
its examples come from: `task_files` or `task_tfds`. A new task is a new row of
the table; a new file layout is a new `Layout`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from data import table_rows
from data.errors import UserError
from data.examples import Example, Fields
from data.task_files import FileSplit, Layout, Selection


class Split(Protocol):
  """Where a split's examples come from."""

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""

  def place(self, data_dir: str | None) -> str:
    """Returns what a user calls it; a `UserError` where it is not there."""

  def declared_labels(self, data_dir: str | None) -> tuple[str, ...] | None:
    """Returns the labels in the data's own order, where it has one."""

  def read(self, data_dir: str | None) -> Iterator[tuple[str, Example]]:
    """Yields the examples, each with where it stands."""


@dataclasses.dataclass(frozen=True)
class Task:
  """A task: its splits, its labels in order, its scores."""

  name: str  # GLUE's spelling, which is also its folder's name.
  labels: tuple[str, ...]  # Empty for regression.
  # Names from modeling/metrics.py, the main one first.
  metrics: tuple[str, ...]
  splits: Mapping[str, Split] = dataclasses.field(hash=False)

  @property
  def is_regression(self) -> bool:
    """Returns whether labels are numbers."""
    return not self.labels

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""
    return any(split.is_pair for split in self.splits.values())

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

  def has_split(self, data_dir: str | None, split: str) -> bool:
    """Returns whether a split's data is there."""
    try:
      self.place(data_dir, split)
    except UserError:
      return False
    return True

  def place(self, data_dir: str | None, split: str) -> str:
    """Returns where a split's examples are: a file, in most cases.

    Raises:
      UserError: the task has no such split, or its data is not there.
    """
    if split not in self.splits:
      known = ', '.join(self.splits)
      raise UserError(f'{self.name} has no split {split!r}; it has {known}')
    try:
      return self.splits[split].place(data_dir)
    except UserError as error:
      raise UserError(f'the {split} split of {self.name}: {error}') from error

  def read_split(self, data_dir: str | None, split: str) -> list[Example]:
    """Reads a split's examples in their order.

    Args:
      data_dir: the folder with the task's files, or GLUE's with the task's
        folder in it; that of tensorflow-datasets where the task is read from
        there, None for its default.
      split: 'train', 'dev' or 'test'; MNLI's are the matched ones, and it has
        'dev_mismatched' and 'test_mismatched' too.

    Returns:
      One example a row. Labels are checked, not encoded.

    Raises:
      UserError: the data is missing or malformed, see `FileSplit.read`, or has
        a label that `encode_label` refuses. File and line (from 1) are named.
    """
    self.place(data_dir, split)
    examples = []
    for where, example in self.splits[split].read(data_dir):
      if example.label is not None:
        try:
          self.encode_label(example.label)
        except UserError as error:
          raise UserError(f'{where}: {error}') from error
      examples.append(example)
    return examples


def _layouts(
  fields: Fields, names: Mapping[str, str] | None = None, **train_and_dev
) -> dict[str, Layout]:
  """Lays out GLUE's splits; test has a header, an index and no label."""
  names = names or {s: f'{s}.tsv' for s in ('train', 'dev', 'test')}
  return {
    split: Layout(file, fields.without_label())
    if split.startswith('test')
    else Layout(file, fields, **train_and_dev)
    for split, file in names.items()
  }


def _in_files(
  name: str, *variants: Mapping[str, Layout]
) -> dict[str, FileSplit]:
  """Returns splits in files that are laid out in one of several ways."""
  return {
    split: FileSplit(name, tuple(v[split] for v in variants))
    for split in variants[0]
  }


_MNLI_FILES = {
  'train': 'train.tsv',
  'dev': 'dev_matched.tsv',
  'dev_mismatched': 'dev_mismatched.tsv',
  'test': 'test_matched.tsv',
  'test_mismatched': 'test_mismatched.tsv',
}
_PAIR = Fields('sentence1', 'sentence2')
_BINARY = ('0', '1')
_NLI = ('contradiction', 'entailment', 'neutral')
_COLA_COLUMNS = ('source', 'label', 'star', 'sentence')
_MRPC = Fields('#1 String', '#2 String', 'Quality')


def _mrpc_as_released() -> dict[str, Layout]:
  """Lays out Microsoft's files, which hold train and dev in one.

  GLUE's list says which pairs are dev's. Downloads have these where GLUE's
  script could not make train.tsv, dev.tsv and test.tsv of them.
  """
  listed = Selection(('#1 ID', '#2 ID'), file='dev_ids.tsv')
  others = dataclasses.replace(listed, is_inverted=True)
  file = 'msr_paraphrase_train.txt'
  return {
    'train': Layout(file, _MRPC, selection=others),
    'dev': Layout(file, _MRPC, selection=listed),
    'test': Layout('msr_paraphrase_test.txt', _MRPC.without_label()),
  }


def xnli(language: str) -> Task:
  """Returns XNLI in one of its `XNLI_LANGUAGES`; the test split has labels."""
  train = Fields(
    'premise',
    'hypothesis',
    renamed_labels={'contradictory': 'contradiction'},
  )
  fields = Fields('sentence1', 'sentence2', 'gold_label', index='pairID')
  layouts = {
    # By place, as in google-research/bert: the header says 'hypo'.
    'train': Layout(
      f'multinli/multinli.train.{language}.tsv', train, columns=train.required()
    )
  }
  for split in ('dev', 'test'):
    layouts[split] = Layout(
      f'xnli.{split}.tsv',
      fields,
      selection=Selection(('language',), (language,)),
    )
  return Task('XNLI', _NLI, ('accuracy',), _in_files('XNLI', layouts))


XNLI_LANGUAGES = tuple('ar bg de el en es fr hi ru sw th tr ur vi zh'.split())


# The order of the labels is google-research/bert's where it has the task.
_TASKS = (
  Task(
    'CoLA',
    _BINARY,
    ('matthews_correlation', 'accuracy'),
    _in_files(
      'CoLA', _layouts(Fields(), columns=_COLA_COLUMNS, has_header=False)
    ),
  ),
  Task('SST-2', _BINARY, ('accuracy',), _in_files('SST-2', _layouts(Fields()))),
  Task(
    'MRPC',
    _BINARY,
    ('f1', 'accuracy'),
    _in_files('MRPC', _layouts(_MRPC), _mrpc_as_released()),
  ),
  Task(
    'STS-B',
    (),
    ('pearson', 'spearman'),
    _in_files('STS-B', _layouts(dataclasses.replace(_PAIR, label='score'))),
  ),
  Task(
    'QQP',
    _BINARY,
    ('f1', 'accuracy'),
    _in_files(
      'QQP',
      _layouts(
        Fields('question1', 'question2', 'is_duplicate', 'id'),
        skips_broken_rows=True,
      ),
    ),
  ),
  Task(
    'MNLI',
    _NLI,
    ('accuracy',),
    _in_files(
      'MNLI',
      _layouts(
        dataclasses.replace(_PAIR, label='gold_label'),
        _MNLI_FILES,
        skips_broken_rows=True,
      ),
    ),
  ),
  Task(
    'QNLI',
    ('entailment', 'not_entailment'),
    ('accuracy',),
    _in_files('QNLI', _layouts(Fields('question', 'sentence'))),
  ),
  Task(
    'RTE',
    ('entailment', 'not_entailment'),
    ('accuracy',),
    _in_files('RTE', _layouts(_PAIR)),
  ),
  Task('WNLI', _BINARY, ('accuracy',), _in_files('WNLI', _layouts(_PAIR))),
  # GLUE's diagnostic set: only a test set, for a model of MNLI.
  Task(
    'AX',
    _NLI,
    ('matthews_correlation',),
    _in_files(
      'AX',
      *(
        _layouts(_PAIR, {'test': file})
        for file in ('diagnostic/diagnostic.tsv', 'diagnostic.tsv', 'test.tsv')
      ),
    ),
  ),
  xnli('zh'),
)


def custom_files(
  fields: Fields = Fields(),  # noqa: B008
  file_format: str | None = None,
) -> dict[str, FileSplit]:
  """Lays out a user's own files, `train`, `dev` and `test`.

  Args:
    fields: the columns; test may lack the label.
    file_format: one of `table_rows.FORMATS`, which is also the files' ending;
      None tells it by the ending. '.gz' may follow.
  """
  formats = (file_format,) if file_format else table_rows.FORMATS
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


def custom_task(
  labels: tuple[str, ...], splits: Mapping[str, Split] | None = None
) -> Task:
  """Makes a task of a user's own, scored by accuracy.

  Args:
    labels: as they stand in the data, in the order of the logits.
    splits: where the data is; `custom_files()` where not given.

  Raises:
    UserError: fewer than two labels, or one twice.
  """
  if len(labels) < 2 or len(set(labels)) < len(labels):
    raise UserError(f'expected two or more different labels, got {labels!r}')
  return Task('custom', labels, ('accuracy',), splits or custom_files())


def custom_regression(splits: Mapping[str, Split]) -> Task:
  """Makes a task of a user's own that predicts numbers."""
  return Task('custom', (), ('pearson', 'spearman'), splits)


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
