"""The flags of run_distillation.py alone, and which of them go together.

All are additions to google-research/bert's. Nothing here imports TensorFlow.
"""

import functools

from absl import flags

from cli import flag_group
from system.errors import UserError

FLAGS = flags.FLAGS

# What only a dump, only training, and only a student can make use of.
_DUMP_FLAGS = [
  *['teacher_checkpoint', 'teacher_config_file', 'allow_weak_teacher'],
  *['transfer_file', 'transfer_split', 'transfer_tfds', 'transfer_weights'],
  *['max_transfer_examples', 'transfer_seed', 'keep_text'],
  *['num_logits_shards', 'num_shards', 'shard_index'],
]
_TRAINING_FLAGS = ['temperature', 'hard_label_weight']
_STUDENT_FLAGS = [
  *['bert_config_file', 'bert_size', 'init_checkpoint', 'output_dir'],
  *['initializer_range', 'dropout_rate', 'log_steps', 'keep_checkpoint_max'],
  'extend_positions',
]


@functools.cache
def define() -> None:
  """The teacher, the transfer set and the dump."""
  flags.DEFINE_bool(
    'do_dump_logits', False, 'Added: whether to score the transfer set.'
  )
  flags.DEFINE_list(
    'logits_dir',
    None,
    'Added: the folder of the logits dump. A student learns from several, '
    'separated by commas, of as many teachers: from the mean of their '
    'probabilities, or of the numbers they predict.',
  )
  flags.DEFINE_string(
    'teacher_checkpoint',
    None,
    'Added: the fine-tuned teacher: a prefix, the folder that holds it (the '
    'output_dir of run_classifier.py, say), or a Hugging Face folder.',
  )
  flags.DEFINE_string(
    'teacher_config_file',
    None,
    "Added: the teacher's bert_config.json; beside its checkpoint where not "
    'given.',
  )
  flags.DEFINE_bool(
    'allow_weak_teacher',
    False,
    'Added: whether to take a teacher that is no better on dev than a constant '
    'prediction.',
  )
  flags.DEFINE_float(
    'temperature',
    1.0,
    "Added: T, by which the teacher's and the student's logits are divided "
    'before the softmax; the soft loss is multiplied by T^2, so that its '
    'gradient keeps its size (Hinton et al. 2015). 1 is that of Turc et al.',
    lower_bound=0.01,
  )
  flags.DEFINE_float(
    'hard_label_weight',
    0.0,
    'Added: w. Where a text of the transfer set has a label, its loss is '
    '(1 - w) times the soft one plus w times that of the label. Texts have '
    'labels that come from --transfer_split.',
    lower_bound=0.0,
    upper_bound=1.0,
  )
  _define_transfer_flags()
  _define_dump_flags()


def _define_transfer_flags() -> None:
  flags.DEFINE_list(
    'transfer_file',
    None,
    'Added: the transfer set: a sentence or a tab-separated pair a line, plain '
    'or gzip; names and globs, separated by commas.',
  )
  flags.DEFINE_string(
    'transfer_split',
    None,
    "Added: a split of the task whose text joins the transfer set: 'train'.",
  )
  flags.DEFINE_string(
    'transfer_tfds',
    None,
    'Added: a split of tensorflow-datasets whose text joins the transfer set: '
    'name:split:column, or name:split:column_a+column_b for pairs. It is kept '
    'where --data_dir says if --data_source=tfds.',
  )
  flags.DEFINE_list(
    'transfer_weights',
    None,
    "Added: each source's share of the transfer set, relative to the others': "
    'a number for each entry of --transfer_file, then one for --transfer_split '
    'and --transfer_tfds where given. As many texts are drawn, none twice, as '
    'the shares allow. Where not given, all are taken.',
  )
  flags.DEFINE_integer(
    'max_transfer_examples',
    None,
    'Added: how many texts of the transfer set are taken at most, drawn by '
    '--transfer_seed; fewer are always among more.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'transfer_seed', 12345, 'Added: seed of that choice.', lower_bound=0
  )


def _define_dump_flags() -> None:
  flags.DEFINE_bool(
    'keep_text',
    False,
    'Added: whether the dump keeps its text, so that students of another '
    'vocabulary, casing or length can learn from it.',
  )
  flags.DEFINE_integer(
    'num_logits_shards', 16, 'Added: files of a dump.', lower_bound=1
  )
  flags.DEFINE_integer(
    'num_shards',
    1,
    'Added: how many jobs share the making of a dump, each with another '
    '--shard_index; otherwise their commands are the same.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'shard_index',
    0,
    'Added: the number of this job among --num_shards, from 0. It makes the '
    'files whose numbers leave this remainder.',
    lower_bound=0,
  )


def runs_student() -> bool:
  """Returns whether a student is trained, evaluated or applied."""
  return FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict


def check() -> None:
  """Checks which jobs are asked for, and that each flag has one.

  Raises:
    UserError: the flags are named.
  """
  if not FLAGS.do_dump_logits and not runs_student():
    raise UserError(
      'at least one of --do_dump_logits, --do_train, --do_eval and '
      '--do_predict must be given'
    )
  flag_group.require('task_name', 'vocab_file')
  if FLAGS.do_dump_logits:
    _check_dump()
  else:
    flag_group.refuse_if_given(_DUMP_FLAGS, '--do_dump_logits is not given')
  if FLAGS.do_train:
    flag_group.require('logits_dir')
  else:
    flag_group.refuse_if_given(_TRAINING_FLAGS, '--do_train is not given')
  if not (FLAGS.do_dump_logits or FLAGS.do_train or FLAGS.do_eval):
    flag_group.refuse_if_given(['logits_dir'], 'a prediction needs no dump')
  if runs_student():
    flag_group.require('output_dir')
  else:
    flag_group.refuse_if_given(
      _STUDENT_FLAGS,
      'there is no student: neither --do_train, --do_eval nor --do_predict is '
      'given',
    )


def check_task(task) -> None:
  """Refuses flags that cannot take effect on a task.

  Args:
    task: a `data.tasks.task.Task`.

  Raises:
    UserError: the flag is named.
  """
  if task.is_regression and FLAGS.temperature != 1.0:
    flag_group.refuse_if_given(['temperature'], f'{task.name} predicts numbers')


def _check_dump() -> None:
  flag_group.require('logits_dir', 'teacher_checkpoint')
  if len(FLAGS.logits_dir) > 1:
    raise UserError(
      '--do_dump_logits writes one dump; --logits_dir names '
      f'{len(FLAGS.logits_dir)}: {", ".join(FLAGS.logits_dir)}'
    )
  if not (FLAGS.transfer_file or FLAGS.transfer_split or FLAGS.transfer_tfds):
    raise UserError(
      'give --transfer_file, --transfer_split or --transfer_tfds, or several'
    )
  sources()
  if FLAGS.num_shards > 1 and not FLAGS['shard_index'].present:
    raise UserError('--num_shards needs --shard_index, the number of this job')
  if FLAGS.shard_index >= FLAGS.num_shards:
    raise UserError(
      f'--shard_index={FLAGS.shard_index} must be below '
      f'--num_shards={FLAGS.num_shards}'
    )
  if FLAGS.do_train and FLAGS.hard_label_weight and not FLAGS.transfer_split:
    raise UserError(
      f'--hard_label_weight={FLAGS.hard_label_weight} cannot take effect: no '
      'text of the dump has a label (--transfer_split=train brings some)'
    )
  if FLAGS.num_shards > 1 and runs_student():
    raise UserError(
      'a student needs the whole dump: with --num_shards, dump first and train '
      'when all jobs are done'
    )


def sources():
  """Returns the `distillation.transfer_set.Sources` that the flags describe.

  Raises:
    UserError: the weights are no numbers, or do not go with the sources.
  """
  from distillation.transfer_set import Sources

  described = Sources(
    tuple(FLAGS.transfer_file or ()),
    FLAGS.transfer_split,
    FLAGS.transfer_tfds,
    FLAGS.data_dir if FLAGS.data_source == 'tfds' else None,
    tuple(map(_number, FLAGS.transfer_weights or ())),
    FLAGS.max_transfer_examples,
    FLAGS.transfer_seed,
  )
  described.check()
  return described


def _number(text: str) -> float:
  try:
    return float(text)
  except ValueError:
    raise UserError(f'--transfer_weights: {text!r} is not a number') from None
