"""The settings that choose a task, and the task that they describe.

Does not import TensorFlow.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from absl import logging

from data.tasks import custom, glue, label_order, tables, tfds_splits
from data.tasks.examples import Fields
from data.tasks.task import Split, Task
from system.errors import UserError
from system.file_systems import local_path
from system.settings import setting

_CUSTOM = 'task_name=custom'
_TABLES = f'{_CUSTOM}|transfer_file|teacher_scores'


@dataclasses.dataclass(frozen=True)
class TaskOptions:
  """The task, its data and its labels."""

  data_dir: str | None = setting(
    None,
    "The folder with the task's files: train.tsv, dev.tsv, test.tsv; or its "
    'parent, if the folder has the name that GLUE gives the task. With '
    '--data_source=tfds, the folder of tensorflow-datasets, '
    '~/tensorflow_datasets by default.',
  )
  task_name: str | None = setting(
    None,
    'The name of the task, in any case: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, '
    'QNLI, RTE, WNLI, AX, XNLI, or custom, for your own data. AX, '
    "GLUE's diagnostic set, can only be predicted, by an MNLI model.",
  )
  data_source: str = setting(
    'files',
    "Added: files reads the task's own files; tfds reads the task from "
    'tensorflow-datasets, which downloads what --data_dir lacks.',
    choices=('files', 'tfds'),
  )
  xnli_language: str = setting(
    'zh',
    "Added: the language of XNLI's training, dev and test examples.",
    choices=glue.XNLI_LANGUAGES,
    needs=('task_name=xnli',),
  )
  file_format: str = setting(
    'auto',
    'Added: the format of the files of --task_name=custom, and their ending; '
    '.gz may follow, except for parquet. auto reads the format whose files '
    'exist. tsv: a header, no quoting; csv: a header, quotes may enclose '
    'commas and line ends; jsonl: one JSON object per line; parquet: columns '
    'of text, numbers or booleans.',
    choices=('auto', *tables.FORMATS),
    needs=(_CUSTOM, 'data_source!=tfds'),
  )
  tfds_name: str | None = setting(
    None,
    'Added: the data set of --task_name=custom with --data_source=tfds: name, '
    'or name/config:version. Its splits train, validation and test are used.',
    needs=('data_source=tfds', _CUSTOM),
  )
  text_column: str | None = setting(
    None,
    'Added: the column of --task_name=custom, or of the tables in '
    '--transfer_file or --teacher_scores, with the sentence, or the first of a '
    "pair. The default is the column's name in the task's own files; for "
    "custom, 'sentence'.",
    needs=(_TABLES,),
  )
  text_pair_column: str | None = setting(
    None,
    'Added: the column of --task_name=custom, or of the tables in '
    '--transfer_file or --teacher_scores, with the second of a pair, if there '
    "are pairs. If not given, it is 'sentence2' where the model, or the "
    'split.json of tools.split_table, says that texts are pairs.',
    needs=(_TABLES,),
  )
  label_column: str = setting(
    'label',
    'Added: the column of --task_name=custom with the label; test may lack it.',
    needs=(_CUSTOM,),
  )
  id_column: str | None = setting(
    None,
    'Added: the column of --task_name=custom with the id. The default is '
    "'index' ('idx' with --data_source=tfds) if it exists and holds text or "
    'numbers, else the number of the row.',
    needs=(_CUSTOM,),
  )
  labels: tuple[str, ...] = setting(
    (),
    'Added: the labels of --task_name=custom, in the order of the logits, '
    'separated by commas. The default is the labels of the model in use '
    '(labels.txt in its folder); for a student, those of its dump or of the '
    'teacher that makes the dump; otherwise, in training, the labels found in '
    'the training data: sorted, by value if all are integers; in '
    "tensorflow-datasets' own order if it has one.",
    needs=(_CUSTOM, '!regression'),
  )
  labels_file: str | None = setting(
    None,
    'Added: like --labels, from a file with one label per line.',
    reads='file',
    needs=(_CUSTOM, '!regression'),
  )
  regression: bool = setting(
    False,
    'Added: whether the labels of --task_name=custom are numbers to predict. '
    'The model, the dump that a student learns from, or split.json can also '
    'set it.',
    needs=(_CUSTOM,),
  )

  @property
  def is_custom(self) -> bool:
    """Returns whether the task is defined by the user."""
    return self.task_name.lower() == 'custom'

  def check(self, needs_data: bool = True) -> None:
    """Checks the task's name and settings that depend on each other.

    Args:
      needs_data: whether a split of the task is read.

    Raises:
      UserError: the task is unknown, or a setting is missing.
    """
    if not self.is_custom:
      try:
        glue.get_task(self.task_name)
      except UserError as error:
        raise UserError(f'{error}, and custom, for your own data') from error
    elif self.data_source == 'tfds' and not self.tfds_name:
      raise UserError('`tfds_name` must be given')
    if needs_data and self.data_source == 'files' and not self.data_dir:
      raise UserError('`data_dir` must be given')
    if self.labels and self.labels_file:
      raise UserError('give either `labels` or `labels_file`')

  def check_splits(self, names: Sequence[str]) -> None:
    """Checks that the files of some splits exist, if they are local.

    Raises:
      UserError: a file is missing; the message names split and path.
    """
    if self.data_source != 'files' or not self.data_dir:
      return
    if local_path(self.data_dir) is None:
      return
    if self.is_custom:
      task = custom.regression(_custom_splits(self))
    else:
      task = _glue_task(self)
    for name in names:
      if name in task.splits:
        task.locate(self.data_dir, name)


def make_task(
  options: TaskOptions,
  label_folders: Sequence[str],
  teacher_folders: Sequence[str] = (),
  is_training: bool = False,
) -> Task:
  """Returns the task that the options describe.

  A custom task takes its labels from the first of these that applies:
    1. the settings `regression`, `labels_file` and `labels`;
    2. the teacher that makes a logits dump, or the dumps that a student is
       trained on;
    3. the model, if it is evaluated or predicts but is not trained. The data
       may spell them in another case;
    4. the training split. If training starts from a model with the same labels,
       they are in that model's order, so that its head can be kept.

  Args:
    options: the task, its data and its labels.
    label_folders: folders of the models in use; `labels.txt` gives the order of
      a model's labels.
    teacher_folders: folders of the teacher, or of the dumps to train on.
    is_training: whether the job trains a model on the task.

  Raises:
    UserError: the task is unknown, or its labels are unknown or not those of
      the model.
  """
  if options.is_custom:
    task = _custom_task(options, label_folders, teacher_folders, is_training)
  else:
    task = _glue_task(options)
    if options.data_source == 'tfds':
      task = tfds_splits.from_tfds(task)
  label_order.check(task, label_folders, is_training)
  return task


def _glue_task(options: TaskOptions) -> Task:
  """Returns a task of GLUE, or XNLI in its language, in files."""
  task = glue.get_task(options.task_name)
  return glue.xnli(options.xnli_language) if task.name == 'XNLI' else task


def _custom_task(
  options: TaskOptions,
  label_folders: Sequence[str],
  teacher_folders: Sequence[str],
  is_training: bool,
) -> Task:
  splits = _custom_splits(options)
  if options.regression:
    return custom.regression(splits)
  if options.labels_file:
    return custom.classification(label_order.read(options.labels_file), splits)
  if options.labels:
    return custom.classification(options.labels, splits)
  binding = [*teacher_folders, *([] if is_training else label_folders)]
  if known := label_order.find(binding):
    logging.info('The labels are those of %s.', known[0])
    return custom.classification(known[1], splits, ignores_case=True)
  if options.data_source == 'files' and not options.data_dir:
    raise UserError(
      'the labels are unknown: no folder of the model records them. Give '
      '`labels`, `labels_file` or `data_dir`.'
    )
  return custom.classification(
    _labels_of_train(splits['train'], options.data_dir, label_folders), splits
  )


def _custom_splits(options: TaskOptions) -> Mapping[str, Split]:
  is_tfds = options.data_source == 'tfds'
  fields = Fields(
    options.text_column or Fields.text_a,
    options.text_pair_column,
    options.label_column,
    options.id_column or ('idx' if is_tfds else 'index'),
    needs_index=options.id_column is not None,
  )
  if is_tfds:
    return tfds_splits.custom_splits(options.tfds_name, fields)
  is_auto = options.file_format == 'auto'
  return custom.in_files(fields, None if is_auto else options.file_format)


def _labels_of_train(
  train: Split, data_dir: str | None, folders: Sequence[str]
) -> tuple[str, ...]:
  """Returns the labels of the training split.

  They are in the order of the model in the first of the folders that names its
  labels, if these are the same.
  """
  found = label_order.labels_in(train, data_dir)
  known = label_order.find(folders)
  ordered = known and label_order.in_order_of(known[1], found)
  if ordered:
    logging.info('The order of the labels is that of %s.', known[0])
  return ordered or found
