"""The flags that say which task, where its data is and what its labels are.

Nothing here imports TensorFlow when it is imported.
"""

import functools
import os

from absl import flags, logging

from cli import flag_group
from data.tasks import custom, glue, label_order, tables, tfds_splits
from data.tasks.examples import Fields
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS

_CUSTOM_FLAGS = [
  *['labels', 'labels_file', 'regression', 'file_format', 'tfds_name'],
  *['text_column', 'text_pair_column', 'label_column', 'id_column'],
]


@functools.cache
def define() -> None:
  """The task, its data and its labels."""
  flags.DEFINE_string(
    'data_dir',
    None,
    "The folder with the task's files: train.tsv, dev.tsv, test.tsv; or that "
    'with a folder of the name that GLUE gives the task. With '
    '--data_source=tfds, where tensorflow-datasets keeps its data, which is '
    '~/tensorflow_datasets where not given.',
  )
  flags.DEFINE_string(
    'task_name',
    None,
    'The name of the task, in any case: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, '
    "QNLI, RTE, WNLI, AX, XNLI, or custom, for data of your own. AX, GLUE's "
    'diagnostic set, can only be predicted, by a model of MNLI.',
  )
  flags.DEFINE_enum(
    'data_source',
    'files',
    ['files', 'tfds'],
    "Added: files takes the task's own; tfds takes them from tensorflow-"
    'datasets, which downloads what is not in --data_dir.',
  )
  flags.DEFINE_enum(
    'xnli_language',
    'zh',
    glue.XNLI_LANGUAGES,
    "Added: the language of XNLI's training, dev and test examples.",
  )
  _define_custom_flags()


def _define_custom_flags() -> None:
  flags.DEFINE_enum(
    'file_format',
    'auto',
    ['auto', *tables.FORMATS],
    'Added: of the files of --task_name=custom, and their ending; .gz may '
    'follow. auto takes whichever is there. tsv: a header, nothing is quoted; '
    'csv: a header, quotes may enclose commas and line ends; jsonl: an object '
    'a line.',
  )
  flags.DEFINE_string(
    'tfds_name',
    None,
    'Added: with --task_name=custom and --data_source=tfds, the name of the '
    'data set: name, or name/config:version. Its splits train, validation and '
    'test are taken.',
  )
  columns = {
    'text_column': ('sentence', 'with the sentence, or the first of a pair'),
    'text_pair_column': (None, 'with the second of a pair, if there are pairs'),
    'label_column': ('label', 'with the label; test may lack it'),
    'id_column': (
      None,
      "with the id. 'index' ('idx' with --data_source=tfds) if there is one, "
      'else the number of the row, where not given',
    ),
  }
  for name, (default, meaning) in columns.items():
    flags.DEFINE_string(
      name, default, f'Added: the column of --task_name=custom {meaning}.'
    )
  flags.DEFINE_list(
    'labels',
    None,
    'Added: the labels of --task_name=custom, in the order of the logits, '
    'separated by commas. Where neither this nor --labels_file is given, they '
    'are those of the model that is used (labels.txt beside it), or, in '
    'training, those found in the training data: sorted, by value if all are '
    "integers; in tensorflow-datasets' own order where it has one.",
  )
  flags.DEFINE_string(
    'labels_file', None, 'Added: the same, from a file with a label a line.'
  )
  flags.DEFINE_bool(
    'regression',
    False,
    'Added: whether the labels of --task_name=custom are numbers to predict.',
  )


def check() -> None:
  """Refuses an unknown task, and flags about it that cannot take effect.

  Raises:
    UserError: the task or the flags are named.
  """
  from_tfds, name = FLAGS.data_source == 'tfds', FLAGS.task_name.lower()
  if not from_tfds:
    flag_group.require('data_dir')
    flag_group.refuse_if_given(['tfds_name'], '--data_source is not tfds')
  if name != 'custom':
    glue.get_task(FLAGS.task_name)
    flag_group.refuse_if_given(
      _CUSTOM_FLAGS, f'{FLAGS.task_name} has labels and columns of its own'
    )
  elif from_tfds:
    flag_group.require('tfds_name')
    flag_group.refuse_if_given(['file_format'], '--data_source=tfds')
  if FLAGS.regression:
    flag_group.refuse_if_given(
      ['labels', 'labels_file'], '--regression predicts numbers'
    )
  if FLAGS.labels and FLAGS.labels_file:
    raise UserError('give either --labels or --labels_file')
  if name != 'xnli':
    flag_group.refuse_if_given(['xnli_language'], 'the task is not XNLI')


def task():
  """Returns the `data.tasks.task.Task` that the flags describe.

  Raises:
    UserError: there is no such task, it cannot be trained or evaluated as
      asked for, or its labels are not known or not in the model's order.
  """
  if FLAGS.task_name.lower() == 'custom':
    named = _custom_task()
  else:
    named = glue.get_task(FLAGS.task_name)
    if named.name == 'XNLI':
      named = glue.xnli(FLAGS.xnli_language)
    if FLAGS.data_source == 'tfds':
      named = tfds_splits.from_tfds(named)
  _check_jobs(named)
  label_order.check(named, _model_folders())
  return named


def _check_jobs(named) -> None:
  """Refuses what needs more than a test set, where there is nothing else."""
  if 'train' in named.splits:
    return
  jobs = ('do_train', 'do_eval', 'do_dump_logits')
  asked = [f'--{job}' for job in jobs if _value(job)]
  if asked:
    raise UserError(
      f'{", ".join(asked)} cannot take effect: {named.name} is a test set '
      'without labels. Train with --task_name=MNLI, then give that checkpoint '
      'to --do_predict.'
    )


def _custom_task():
  from_tfds = FLAGS.data_source == 'tfds'
  fields = Fields(
    FLAGS.text_column,
    FLAGS.text_pair_column,
    FLAGS.label_column,
    FLAGS.id_column or ('idx' if from_tfds else 'index'),
    needs_index=FLAGS.id_column is not None,
  )
  if from_tfds:
    splits = tfds_splits.custom_splits(FLAGS.tfds_name, fields)
  else:
    file_format = None if FLAGS.file_format == 'auto' else FLAGS.file_format
    splits = custom.in_files(fields, file_format)
  if FLAGS.regression:
    return custom.regression(splits)
  if FLAGS.labels_file:
    labels = label_order.read(FLAGS.labels_file)
  elif FLAGS.labels:
    labels = tuple(FLAGS.labels)
  else:
    labels = _found_labels(splits['train'])
  return custom.classification(labels, splits)


def _found_labels(train) -> tuple[str, ...]:
  """Returns the labels of the model that is used, or of the training split.

  A student's are those of its dump. A fine-tuning that starts from a model
  keeps its order if it has the same labels, for the head is taken over too; a
  new task's labels are its own.
  """
  dumps = [] if _value('do_dump_logits') else _value('logits_dir') or []
  known = label_order.find([*dumps, *_model_folders()])
  if known and (dumps or not FLAGS.do_train):
    logging.info('The labels are those of %s.', known[0])
    return known[1]
  found = label_order.labels_in(train, FLAGS.data_dir)
  if known and sorted(known[1]) == sorted(found):
    logging.info('The order of the labels is that of %s.', known[0])
    return known[1]
  return found


def _value(name: str):
  """Returns the value of a flag that run_classifier.py does not have."""
  return FLAGS[name].value if name in FLAGS else None


def _model_folders() -> list[str]:
  """Returns where the labels of the models that are used may stand."""
  from training import best_checkpoint, seeds

  models = []
  if _value('do_dump_logits'):
    models.append(FLAGS.teacher_checkpoint)
  if not FLAGS.do_train and FLAGS.output_dir:
    one_of_several = seeds.folder(FLAGS.output_dir, FLAGS.seed)
    models.append(one_of_several if FLAGS.num_seeds > 1 else FLAGS.output_dir)
  if FLAGS.init_checkpoint:
    models.append(FLAGS.init_checkpoint)
  folders = [x if files.is_folder(x) else os.path.dirname(x) for x in models]
  # A run's best checkpoint stands in a folder of its own below the run's.
  runs = map(os.path.dirname, map(os.path.normpath, folders))
  return [
    run if best_checkpoint.folder(run) == os.path.normpath(folder) else folder
    for run, folder in zip(runs, folders, strict=True)
  ]


def fingerprint(task, vocabulary: str) -> dict[str, object]:
  """Returns what of the task decides a run's weights, for `run.json`."""
  return {
    'do_lower_case': FLAGS.do_lower_case,
    # Of the other tasks they are fixed.
    'labels': list(task.labels) if task.name == 'custom' else None,
    'task_name': task.name.lower(),
    'vocabulary': vocabulary,
  }
