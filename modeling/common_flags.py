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
from typing import NoReturn

from absl import app, flags, logging

from data.errors import LostWorker, UserError
from modeling import interrupt, restart, run_flags

FLAGS = flags.FLAGS

# Modules of TensorFlow that log what tells a user nothing, such as the sharding
# of every checkpoint.
_CHATTERING = (
  *['functional_saver', 'mirrored_strategy', 'cross_device_ops'],
  'collective_all_reduce_strategy',
)


@functools.cache
def define_model_flags() -> None:
  """Which model, where it starts and where it goes."""
  run_flags.define()
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
  flags.DEFINE_float(
    'initializer_range',
    None,
    'Added: with --bert_size, the standard deviation of the random initial '
    'weights, 0.02 as released where not given. A narrow model that is '
    'trained briefly learns faster with more.',
    lower_bound=0.0,
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
    'The checkpoint to start from: a prefix (".../bert_model.ckpt"), the '
    'folder that holds it, or a Hugging Face folder (config.json, vocab.txt, '
    'model.safetensors). Random weights where it is not given.',
  )
  flags.DEFINE_enum(
    'init',
    'all',
    ['all', 'bottom_layers', 'every_kth_layer', 'word_embeddings'],
    'Added: how much of --init_checkpoint a run starts from. all: everything; '
    'bottom_layers: of a deeper checkpoint of the same width the layers next '
    'to the embeddings; every_kth_layer: of one k times as deep its layers k, '
    '2k, ...; word_embeddings: these alone, all else is random.',
  )
  flags.DEFINE_bool(
    'extend_positions',
    False,
    'Added: whether the model may have more positions than --init_checkpoint, '
    'or than its configuration says where --max_seq_length is longer. Those '
    'that there are stay, the others start from random weights.',
  )
  flags.DEFINE_integer(
    'max_seq_length',
    128,
    'The longest input in wordpieces, [CLS] and [SEP] included. Longer texts '
    'are cut, records of another length are refused.',
    lower_bound=3,
  )


@functools.cache
def define_vocab_file() -> None:
  """The vocabulary; `run_pretraining.py` needs no other word on text."""
  flags.DEFINE_string(
    'vocab_file',
    None,
    'The WordPiece vocabulary. For run_pretraining.py it is an addition: '
    '--bert_size needs it, and it is copied to --output_dir.',
  )


@functools.cache
def define_vocabulary_flags() -> None:
  """How text becomes ids."""
  define_vocab_file()
  flags.DEFINE_bool(
    'do_lower_case',
    True,
    'Whether to lower-case and strip accents: True for uncased models.',
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
    'The peak learning rate, after the warm-up.',
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
  flags.DEFINE_enum(
    'optimizer',
    'adamw',
    ['adamw', 'lamb'],
    "Added: adamw is BERT's; lamb (You et al. 2020) scales each update to the "
    'size of the weights, for batches of thousands.',
  )
  flags.DEFINE_bool(
    'adam_bias_correction',
    None,
    "Added: correct the bias of Adam's moments. BERT did not, which makes "
    'the steps of the first hundreds up to 6.5 times as large; with few '
    'examples, and so few steps, fine-tuning then fails for some seeds '
    '(Mosbach et al. 2021, arXiv 2006.04884; Zhang et al. 2021, arXiv '
    '2006.05987). Where not given: on in run_classifier.py below 10,000 '
    'training examples and with --optimizer=lamb, which its paper corrects; '
    'off otherwise.',
  )
  flags.DEFINE_integer(
    'gradient_accumulation_steps',
    1,
    'Added: each device works its share of --train_batch_size off in so many '
    'equal parts, one after another: less memory, the same result. The number '
    'of examples of a step remains --train_batch_size.',
    lower_bound=1,
  )
  flags.DEFINE_float(
    'layer_decay',
    1.0,
    'Added: the learning rate falls by this factor from layer to layer, from '
    "the top down: 1 of the heads and the pooler, layer_decay of the encoder's "
    'top layer, layer_decay^(L + 1) of the embeddings below its L layers. '
    'About 0.8 to 0.95 for fine-tuning.',
    lower_bound=0.0,
    upper_bound=1.0,
  )
  flags.DEFINE_string(
    'freeze',
    None,
    'Added: which weights stay as they are: embeddings; a number k, for the '
    'embeddings and the k layers next to them; or encoder, for all but the '
    'heads.',
  )
  flags.DEFINE_float(
    'dropout_rate',
    None,
    "Added: the rate of every dropout in this run, instead of the model's "
    '(0.1 where released); bert_config.json stays as it is. 0 suits compact '
    'models that are trained for a short time.',
    lower_bound=0.0,
    upper_bound=0.9,
  )
  flags.DEFINE_integer(
    'seed',
    12345,
    'Added: seed of the initial weights, the order of the examples and '
    'dropout. The same seed gives the same run.',
    lower_bound=0,
  )


@functools.cache
def define_fine_tuning_flags() -> None:
  """What `run_classifier.py` and `run_distillation.py` do with a task."""
  define_vocabulary_flags()
  flags.DEFINE_string(
    'eval_split',
    'dev',
    'Added: the split that --do_eval and --eval_steps take: dev, or test where '
    "its labels are known. --do_eval takes MNLI's mismatched split too.",
  )
  define_evaluation_flags()
  flags.DEFINE_bool(
    'do_predict', False, 'Whether to predict --predict_split, the test set.'
  )
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
def define_evaluation_flags() -> None:
  """What is evaluated and predicted, when and how often; all additions."""
  flags.DEFINE_integer(
    'eval_steps',
    0,
    'Added: steps between two evaluations on --eval_split in training; the '
    'last step is evaluated too. The best checkpoint is kept in '
    'output_dir/best, and --do_eval and --do_predict take it. 0 evaluates at '
    'the end only.',
    lower_bound=0,
  )
  flags.DEFINE_string(
    'metric_for_best',
    None,
    'Added: the score that decides which checkpoint is the best: one of the '
    "task's, or loss. The task's main one where not given.",
  )
  flags.DEFINE_integer(
    'early_stopping_patience',
    None,
    'Added: training ends after so many evaluations in a row that bring no '
    'better score. The learning rate still falls as if all steps were to come.',
    lower_bound=1,
  )
  flags.DEFINE_string(
    'predict_split',
    'test',
    "Added: the split that --do_predict takes: test, or dev; MNLI's "
    'mismatched one too.',
  )
  flags.DEFINE_integer(
    'num_seeds',
    1,
    'Added: trains and evaluates with so many seeds, --seed and those after '
    'it, each in output_dir/seed-<seed>, and writes the median and the spread '
    'of their scores to output_dir/seeds.json.',
    lower_bound=1,
  )


@functools.cache
def define_device_flags() -> None:
  """Where to run, and how precisely."""
  flags.DEFINE_enum(
    'precision',
    'float32',
    ['float32', 'bfloat16', 'float16'],
    'Added: of the matrix products, in training and out of it. All else, the '
    'weights and the logits too, is float32. float16 scales the loss and skips '
    'steps whose gradients overflow.',
  )
  flags.DEFINE_bool('use_tpu', False, 'Whether to run on a TPU.')
  flags.DEFINE_string('tpu_name', None, 'The name or address of the TPU.')
  flags.DEFINE_string('tpu_zone', None, 'The zone of the TPU.')
  flags.DEFINE_string('gcp_project', None, 'The Google Cloud project.')
  flags.DEFINE_string('master', None, "The TPU's master address.")
  flags.DEFINE_integer(
    'num_tpu_cores',
    8,
    'How many TPU cores there must be, where given; only with --use_tpu.',
    lower_bound=1,
  )
  flags.DEFINE_enum(
    'distribution_strategy',
    'auto',
    ['auto', 'one_device', 'mirrored', 'multi_worker_mirrored', 'tpu'],
    'Added: auto takes the TPU with --use_tpu; multi_worker_mirrored where the '
    'environment variable TF_CONFIG names several workers; all GPUs where '
    'there are several; and one device otherwise. multi_worker_mirrored: the '
    'same command runs on every worker, with the same --output_dir, which '
    'all of them see. A worker that is lost can be started again; the others '
    'wait for it, and all go on from the last checkpoint.',
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
  given = [
    f'--{name}'
    for name in names
    if FLAGS[name].present and not run_flags.is_inherited(name)
  ]
  if given:
    raise UserError(f'{", ".join(given)} cannot take effect: {reason}')


def set_environment() -> None:
  """Sets what TensorFlow reads when it is imported, if the user has not."""
  # Its fast matrix products, and silence about GPUs that are not there.
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')


def run(main: Callable[[list[str]], None]) -> None:
  """Runs a script: flags, environment, and one line for a user's mistake.

  The process ends with status 0 where all is done or help was asked for, 1 for
  a mistake of the user's, told in one message, and 130 on Ctrl-C.
  """
  set_environment()
  logging.set_verbosity(logging.INFO)
  logging.use_absl_handler()
  logging.get_absl_handler().addFilter(
    lambda record: (
      record.module not in _CHATTERING or record.levelname != 'INFO'
    )
  )

  def guarded(arguments: list[str]) -> None:
    if len(arguments) > 1:
      fail(f'these arguments are no flags: {" ".join(arguments[1:])}')
    try:
      main(arguments)
    except UserError as error:
      fail(str(error))
    except LostWorker as lost:
      restart.again(str(lost))

  interrupt.run(lambda: app.run(guarded, flags_parser=_parse_flags))


def _parse_flags(arguments: list[str]) -> list[str]:
  try:
    return run_flags.parse(arguments)
  except (flags.Error, UserError) as error:
    fail(str(error))


def fail(message: str) -> NoReturn:
  """Prints one message and ends the process with status 1."""
  sys.stdout.flush()
  print(f'ERROR: {message}', file=sys.stderr, flush=True)
  sys.exit(1)
