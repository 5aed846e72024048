"""Flags that two scripts share, defined once, and how every script runs.

A script calls the `define_*` functions it needs and then
`flags.adopt_module_key_flags(common_flags)`, so that its own `--help` shows
them. Names, defaults and meanings are those of
google-research/bert; what was added says so in its help. Nothing here imports
TensorFlow.
"""

import functools
import os
import sys
from collections.abc import Callable

from absl import app, flags, logging

from data.errors import UserError

FLAGS = flags.FLAGS


@functools.cache
def define_model_flags() -> None:
  """Which model, where it starts and where it goes."""
  flags.DEFINE_string(
    'bert_config_file',
    None,
    'The bert_config.json of the model. Either this or --bert_size.',
  )
  flags.DEFINE_string(
    'bert_size',
    None,
    'Added: one of the 24 compact sizes as layers/hidden, "2/128" to "12/768", '
    'or tiny, mini, small, medium, base. Instead of --bert_config_file.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    'The folder for checkpoints, results and logs. A run that was stopped '
    'goes on from here.',
  )
  flags.DEFINE_string(
    'init_checkpoint',
    None,
    'The checkpoint to start from: a prefix (".../bert_model.ckpt") or the '
    'folder that holds it. Random weights where it is not given.',
  )
  flags.DEFINE_integer(
    'max_seq_length',
    128,
    'The longest input in wordpieces, [CLS] and [SEP] included. Longer texts '
    'are cut, records of another length are refused.',
    lower_bound=3,
  )


@functools.cache
def define_training_flags() -> None:
  """What a training run needs."""
  flags.DEFINE_bool('do_train', False, 'Whether to train.')
  flags.DEFINE_bool('do_eval', False, 'Whether to evaluate.')
  flags.DEFINE_integer(
    'train_batch_size',
    32,
    'Examples in a training batch, over all replicas together.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'eval_batch_size', 8, 'Examples in an evaluation batch.', lower_bound=1
  )
  flags.DEFINE_float(
    'learning_rate',
    5e-5,
    'The peak learning rate of AdamW, after the warm-up.',
    lower_bound=0.0,
  )
  flags.DEFINE_integer(
    'save_checkpoints_steps',
    1000,
    'Steps between two checkpoints.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'iterations_per_loop',
    1000,
    'The most steps that run on the device before the host sees them. The '
    'host sees them at least every --log_steps and at each checkpoint.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'keep_checkpoint_max',
    5,
    'Added: how many model.ckpt-<step> to keep; 0 keeps all.',
    lower_bound=0,
  )
  flags.DEFINE_integer(
    'log_steps',
    100,
    'Added: steps between two progress lines and two points in TensorBoard.',
    lower_bound=1,
  )
  flags.DEFINE_bool(
    'adam_bias_correction',
    False,
    "Added: correct the bias of Adam's moments. BERT did not.",
  )
  flags.DEFINE_integer(
    'seed',
    12345,
    'Added: seed of the initial weights, the order of the examples and '
    'dropout. The same seed gives the same run.',
    lower_bound=0,
  )


@functools.cache
def define_task_flags() -> None:
  """The task that `run_classifier.py` and `run_distillation.py` share."""
  flags.DEFINE_string(
    'data_dir',
    None,
    "The folder with the task's files: train.tsv, dev.tsv, test.tsv.",
  )
  flags.DEFINE_string(
    'task_name',
    None,
    'The name of the task, in any case: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, '
    'QNLI, RTE or custom (tab-separated files with a header: sentence, an '
    'optional sentence2, label).',
  )
  flags.DEFINE_string('vocab_file', None, 'The WordPiece vocabulary.')
  flags.DEFINE_bool(
    'do_lower_case',
    True,
    'Whether to lower-case and strip accents: True for uncased models.',
  )
  flags.DEFINE_list(
    'labels',
    None,
    'Added: the labels of --task_name=custom, in the order of the logits, '
    'separated by commas.',
  )
  flags.DEFINE_string(
    'eval_split',
    'dev',
    'Added: the split that --do_eval takes: dev, dev_mismatched for MNLI, or '
    'test where its labels are known.',
  )
  flags.DEFINE_bool('do_predict', False, 'Whether to predict the test set.')
  flags.DEFINE_integer(
    'predict_batch_size', 8, 'Examples in a prediction batch.', lower_bound=1
  )
  flags.DEFINE_float(
    'num_train_epochs', 3.0, 'Training epochs.', lower_bound=0.0
  )
  flags.DEFINE_float(
    'warmup_proportion',
    0.1,
    'The share of the steps over which the learning rate rises from 0.',
    lower_bound=0.0,
    upper_bound=1.0,
  )


@functools.cache
def define_device_flags() -> None:
  """Where to run."""
  flags.DEFINE_bool('use_tpu', False, 'Whether to run on a TPU.')
  flags.DEFINE_string('tpu_name', None, 'The name or address of the TPU.')
  flags.DEFINE_string('tpu_zone', None, 'The zone of the TPU.')
  flags.DEFINE_string('gcp_project', None, 'The Google Cloud project.')
  flags.DEFINE_string('master', None, "The TPU's master address.")
  flags.DEFINE_integer(
    'num_tpu_cores',
    8,
    'How many TPU cores there must be; only with --use_tpu.',
    lower_bound=1,
  )
  flags.DEFINE_enum(
    'distribution_strategy',
    'auto',
    ['auto', 'one_device', 'mirrored', 'tpu'],
    'Added: auto takes the TPU with --use_tpu, all GPUs where there are '
    'several, and one device otherwise.',
  )
  flags.DEFINE_integer(
    'num_cpu_devices',
    1,
    'Added: logical CPU devices for --distribution_strategy=mirrored without '
    'GPUs, to try a distributed job on one machine.',
    lower_bound=1,
  )


def require(*names: str) -> None:
  """Raises a `UserError` that names every one of these flags not given."""
  missing = [f'--{name}' for name in names if FLAGS[name].value in (None, '')]
  if missing:
    raise UserError(f'{", ".join(missing)} must be given')


def refuse_if_given(names: list[str], reason: str) -> None:
  """Raises a `UserError` if a flag that cannot take effect was given."""
  given = [f'--{name}' for name in names if FLAGS[name].present]
  if given:
    raise UserError(f'{", ".join(given)} cannot take effect: {reason}')


def set_environment() -> None:
  """Sets what TensorFlow reads when it is imported, if the user has not."""
  # Its fast matrix products, and silence about GPUs that are not there.
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')


def run(main: Callable[[list[str]], None]) -> None:
  """Runs a script: flags, environment, and one line for a user's mistake."""
  set_environment()
  logging.set_verbosity(logging.INFO)
  logging.use_absl_handler()

  def guarded(arguments: list[str]) -> None:
    if len(arguments) > 1:
      fail(f'these arguments are no flags: {" ".join(arguments[1:])}')
    try:
      main(arguments)
    except UserError as error:
      fail(str(error))

  app.run(guarded)


def fail(message: str) -> None:
  """Prints one message and ends the process with status 1."""
  sys.stdout.flush()
  print(f'ERROR: {message}', file=sys.stderr, flush=True)
  sys.exit(1)


def bert_config(vocab_size: int | None):
  """Returns the `BertConfig` of --bert_config_file or --bert_size.

  Args:
    vocab_size: of the vocabulary, if there is one; --bert_size needs it, and
      a --bert_config_file must agree with it.

  Raises:
    UserError: neither or both flags are given, or the vocabulary is larger
      than the model's.
  """
  from modeling import configs

  if bool(FLAGS.bert_config_file) == bool(FLAGS.bert_size):
    raise UserError(
      'give either --bert_config_file or --bert_size; received '
      f'{FLAGS.bert_config_file!r} and {FLAGS.bert_size!r}'
    )
  if FLAGS.bert_size:
    if vocab_size is None:
      raise UserError('--bert_size needs --vocab_file, for its size')
    config = configs.compact_config(FLAGS.bert_size, vocab_size)
  else:
    config = configs.BertConfig.from_json_file(FLAGS.bert_config_file)
  check_fit(config, config.vocab_size if vocab_size is None else vocab_size)
  return config


def check_fit(config, vocab_size: int) -> None:
  """Checks that a model goes with --vocab_file and --max_seq_length.

  Raises:
    UserError: it does not; both numbers are told.
  """
  if vocab_size != config.vocab_size:
    raise UserError(
      f"{FLAGS.vocab_file} has {vocab_size} entries, the model's "
      f'bert_config.json says vocab_size {config.vocab_size}: they do not '
      'belong together'
    )
  if FLAGS.max_seq_length > config.max_position_embeddings:
    raise UserError(
      f"--max_seq_length={FLAGS.max_seq_length} is more than the model's "
      f'{config.max_position_embeddings} positions (max_position_embeddings)'
    )


def training_settings(num_examples: int):
  """Returns the `training.Settings` that the flags describe.

  Args:
    num_examples: of an epoch, where the steps are given in epochs.

  Raises:
    UserError: the epochs come to no step.
  """
  from modeling import training

  if 'num_train_epochs' in FLAGS:
    num_steps = int(
      num_examples / FLAGS.train_batch_size * FLAGS.num_train_epochs
    )
    num_warmup_steps = int(num_steps * FLAGS.warmup_proportion)
  else:
    num_steps, num_warmup_steps = FLAGS.num_train_steps, FLAGS.num_warmup_steps
  if not num_steps:
    raise UserError(
      f'--num_train_epochs={FLAGS.num_train_epochs} of {num_examples} examples '
      f'with --train_batch_size={FLAGS.train_batch_size} is no step'
    )
  return training.Settings(
    output_dir=FLAGS.output_dir,
    batch_size=FLAGS.train_batch_size,
    learning_rate=FLAGS.learning_rate,
    num_steps=num_steps,
    num_warmup_steps=num_warmup_steps,
    save_steps=FLAGS.save_checkpoints_steps,
    log_steps=FLAGS.log_steps,
    iterations_per_loop=FLAGS.iterations_per_loop,
    keep_checkpoints=FLAGS.keep_checkpoint_max,
    bias_correction=FLAGS.adam_bias_correction,
    seed=FLAGS.seed,
  )


def check_devices() -> None:
  """Refuses flags about devices that contradict each other.

  Raises:
    UserError: the flags are named.
  """
  tpu_flags = ['tpu_name', 'tpu_zone', 'gcp_project', 'master']
  if not FLAGS.use_tpu and FLAGS.distribution_strategy != 'tpu':
    refuse_if_given(tpu_flags, '--use_tpu is not given')
  elif FLAGS.distribution_strategy not in ('auto', 'tpu'):
    raise UserError(
      f'--use_tpu and --distribution_strategy={FLAGS.distribution_strategy} '
      'contradict each other'
    )
  if FLAGS.distribution_strategy != 'mirrored':
    refuse_if_given(['num_cpu_devices'], 'the strategy is not mirrored')


def strategy():
  """Returns the tf.distribute strategy that the flags describe."""
  from modeling import strategies

  name = 'tpu' if FLAGS.use_tpu else FLAGS.distribution_strategy
  return strategies.make_strategy(
    name, FLAGS.num_cpu_devices, FLAGS.tpu_name or FLAGS.master
  )


def trained_checkpoint() -> str:
  """Returns the checkpoint to evaluate: the run's own, else --init_checkpoint.

  Raises:
    UserError: there is neither.
  """
  from data import files
  from modeling import checkpoints

  if files.exists(os.path.join(FLAGS.output_dir, 'checkpoint')):
    return checkpoints.resolve(FLAGS.output_dir)
  if not FLAGS.init_checkpoint:
    raise UserError(
      f'there is nothing to evaluate: no checkpoint in {FLAGS.output_dir}, '
      'and --init_checkpoint is not given'
    )
  return checkpoints.resolve(FLAGS.init_checkpoint)


def task():
  """Returns the `data.tasks.Task` that the flags name."""
  from data import tasks

  if FLAGS.task_name.lower() == 'custom':
    if not FLAGS.labels:
      raise UserError('--task_name=custom needs --labels')
    return tasks.custom_task(tuple(FLAGS.labels))
  refuse_if_given(['labels'], f'{FLAGS.task_name} has labels of its own')
  return tasks.get_task(FLAGS.task_name)


def task_fingerprint(vocabulary: str) -> dict[str, object]:
  """Returns what of the task decides a run's weights, for `run.json`."""
  return {
    'do_lower_case': FLAGS.do_lower_case,
    'labels': FLAGS.labels,
    'task_name': FLAGS.task_name.lower(),
    'vocabulary': vocabulary,
  }


def evaluate_and_predict(model, run, splits) -> None:
  """Does what --do_eval and --do_predict say, with the trained checkpoint.

  Args:
    model: a `Classifier`.
    run: a `modeling.task_runs.TaskRun`.
    splits: the examples of each split needed, by name.
  """
  if FLAGS.do_eval:
    run.evaluate(
      model,
      trained_checkpoint(),
      splits[FLAGS.eval_split],
      FLAGS.eval_batch_size,
    )
  if FLAGS.do_predict:
    run.predict(
      model, trained_checkpoint(), splits['test'], FLAGS.predict_batch_size
    )


def train_on(script: str, model, loss_function, source, configuration) -> None:
  """Trains on records, as far as --num_train_steps or --num_train_epochs says.

  Args:
    script: the script's name, for `run.json`.
    model: with `config`.
    loss_function: see `training.LossFunction`.
    source: a `data.input_pipeline.RecordSource`.
    configuration: what else decides the run's weights, for `run.json`.
  """
  from data import input_pipeline, records
  from modeling import run_folder, training

  source.check()
  order = input_pipeline.TrainingOrder(
    [records.load_index(path) for path in source.paths],
    FLAGS.train_batch_size,
    FLAGS.seed,
  )
  settings = training_settings(order.num_records)
  logging.info(
    '%d examples in %d files, %d steps of %d examples',
    order.num_records,
    len(source.paths),
    settings.num_steps,
    settings.batch_size,
  )
  run_folder.claim(
    settings.output_dir,
    script,
    {
      **settings.weights_decided_by(),
      **configuration,
      'bert_config': model.config.to_dict(),
      'init_checkpoint': FLAGS.init_checkpoint,
      'max_seq_length': FLAGS.max_seq_length,
      'num_train_examples': order.num_records,
    },
  )
  with source.explained():
    training.fit(
      model,
      loss_function,
      lambda step, replicas: input_pipeline.training_batches(
        source, order, step, replicas
      ),
      settings,
      FLAGS.init_checkpoint,
      FLAGS.vocab_file,
    )
