"""How a model is trained."""

import functools

from absl import flags, logging

from cli import run_flags
from cli.flag_group import refuse_if_given
from system.errors import UserError

FLAGS = flags.FLAGS

# Labelled examples below which fine-tuning depends much on the seed. Of GLUE
# these are CoLA, MRPC, RTE, STS-B and WNLI, which the studies that the help of
# --adam_bias_correction names look at.
_SMALL_TRAINING_SET = 10_000


@functools.cache
def define() -> None:
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
    'The peak learning rate, after the warm-up. Compact models want more than '
    'the default: 1e-4 to 1e-3.',
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
    'skip_nonfinite_steps',
    0,
    'Added: a step whose loss or gradient is not finite changes no weight and '
    'the run goes on, so many times at most; then, and with 0 at once, it '
    'stops. Either way the step and its records are told.',
    lower_bound=0,
    upper_bound=1000,
  )
  flags.DEFINE_bool(
    'profile',
    False,
    "Added: records where ten of the run's steps, from the eleventh on, spend "
    'their time, for the profile plugin of TensorBoard, in '
    'output_dir/events/plugins/profile.',
  )
  flags.DEFINE_integer(
    'seed',
    12345,
    'Added: seed of the initial weights, the order of the examples, dropout, '
    'and masks that are drawn in training. The same seed gives the same run.',
    lower_bound=0,
  )


@functools.cache
def define_epochs() -> None:
  """How long a task is trained on; `run_pretraining.py` counts in steps."""
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


def check() -> None:
  """Refuses flags about training that cannot take effect.

  Raises:
    UserError: the flags are named.
  """
  if not FLAGS.init_checkpoint:
    refuse_if_given(['init'], '--init_checkpoint is not given')
  if not FLAGS.do_train:
    refuse_if_given(
      ['adam_bias_correction', 'dropout_rate', 'freeze']
      + ['gradient_accumulation_steps', 'init', 'keep_checkpoint_max']
      + ['layer_decay', 'log_steps', 'optimizer', 'profile']
      + ['skip_nonfinite_steps'],
      '--do_train is not given',
    )
  if FLAGS.freeze == 'encoder':
    refuse_if_given(['layer_decay'], '--freeze=encoder leaves the heads alone')


def _bias_correction(num_examples: int | None) -> bool:
  """Returns --adam_bias_correction, or what suits the job; says why.

  Args:
    num_examples: of the labelled training set; None where there is none.
  """
  if FLAGS.adam_bias_correction is not None:
    chosen, reason = FLAGS.adam_bias_correction, 'as the flag says'
  elif FLAGS.optimizer == 'lamb':
    chosen, reason = True, 'as in the paper on LAMB'
  elif num_examples is not None and num_examples < _SMALL_TRAINING_SET:
    chosen = True
    reason = (
      f'{num_examples} training examples are fewer than '
      f'{_SMALL_TRAINING_SET}: without it some seeds fail'
    )
  else:
    chosen, reason = False, 'as in BERT'
  logging.info(
    "The correction of the moments' bias (--adam_bias_correction) is %s: %s.",
    'on' if chosen else 'off',
    reason,
  )
  return chosen


def make_settings(
  num_steps: int,
  num_warmup_steps: int,
  num_examples: int | None,
  eval_steps: int,
):
  """Returns the `settings.Settings` that the flags describe."""
  from training.settings import Settings

  return Settings(
    output_dir=FLAGS.output_dir,
    batch_size=FLAGS.train_batch_size,
    learning_rate=FLAGS.learning_rate,
    num_steps=num_steps,
    num_warmup_steps=num_warmup_steps,
    save_steps=FLAGS.save_checkpoints_steps,
    log_steps=FLAGS.log_steps,
    iterations_per_loop=FLAGS.iterations_per_loop,
    keep_checkpoints=FLAGS.keep_checkpoint_max,
    bias_correction=_bias_correction(num_examples),
    seed=FLAGS.seed,
    dropout_rate=FLAGS.dropout_rate,
    optimizer=FLAGS.optimizer,
    gradient_accumulation_steps=FLAGS.gradient_accumulation_steps,
    layer_decay=FLAGS.layer_decay,
    freeze=FLAGS.freeze,
    precision=FLAGS.precision,
    skip_nonfinite_steps=FLAGS.skip_nonfinite_steps,
    eval_steps=eval_steps,
    is_profiled=FLAGS.profile,
  )


def steps_of_epochs(num_examples: int) -> tuple[int, int]:
  """Returns the steps of --num_train_epochs, and those of the warm-up.

  Args:
    num_examples: of an epoch.

  Raises:
    UserError: the epochs come to no step.
  """
  num_steps = int(
    num_examples / FLAGS.train_batch_size * FLAGS.num_train_epochs
  )
  if not num_steps:
    raise UserError(
      f'--num_train_epochs={FLAGS.num_train_epochs} of {num_examples} examples '
      f'with --train_batch_size={FLAGS.train_batch_size} is no step'
    )
  return num_steps, int(num_steps * FLAGS.warmup_proportion)


def train_on(
  make_source,
  model,
  loss_function,
  steps,
  configuration,
  num_labelled_examples=None,
  evaluation=None,
) -> None:
  """Trains on records.

  Args:
    make_source: returns a `record_source.RecordSource`; called when it is sure
      that the run may use its folder. Of several workers the chief calls
      it first, and the others find what it wrote.
    model: with `config`.
    loss_function: see `training.LossFunction`.
    steps: of the whole run, and of the warm-up.
    configuration: what else decides the run's weights, for `run.json`.
    num_labelled_examples: of the training set, where a task is fine-tuned.
    evaluation: a `best_checkpoint.Evaluation`, where --eval_steps is given.
  """
  import tensorflow as tf

  from devices import workers
  from modeling.checkpoints import location
  from training import resuming, run_folder, run_lock

  settings = make_settings(
    *steps, num_labelled_examples, FLAGS.eval_steps if evaluation else 0
  )
  settings.check(
    tf.distribute.get_strategy().num_replicas_in_sync,
    model.config.num_hidden_layers,
  )
  start = FLAGS.init_checkpoint and location.checksum(
    location.resolve(FLAGS.init_checkpoint)
  )
  with run_lock.held(settings.output_dir):
    run_folder.claim(
      settings.output_dir,
      {
        **settings.weights_decided_by(),
        **configuration,
        'bert_config': model.config.to_dict(),
        'init': FLAGS.init,
        'init_checkpoint': start,
        'max_seq_length': FLAGS.max_seq_length,
      },
      resuming.has_progress(settings.output_dir),
      command=run_flags.command(),
    )
    with workers.chief_first():
      source = make_source()
      source.check()
    _fit(source, model, loss_function, settings, evaluation)


def _fit(source, model, loss_function, settings, evaluation) -> None:
  from data.records import input_pipeline, tfrecords
  from data.records.training_order import TrainingOrder
  from modeling.checkpoints import initialisation
  from training import fit

  indexes = [tfrecords.load_index(path) for path in source.paths]
  order = TrainingOrder(indexes, settings.batch_size, settings.seed)
  logging.info(
    'Trains on %s examples: %s steps of %d',
    f'{order.num_records:,}',
    f'{settings.num_steps:,}',
    settings.batch_size,
  )
  with source.explained(indexes):
    fit.fit(
      model,
      loss_function,
      input_pipeline.TrainingBatches(source, order),
      settings,
      initialisation.Start(
        FLAGS.init_checkpoint, FLAGS.init, FLAGS.extend_positions
      ),
      FLAGS.vocab_file,
      evaluation,
    )
