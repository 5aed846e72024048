"""What the shared flags describe: a model's configuration, a task, a run.

The scripts call these after their flags are parsed; TensorFlow is imported in
the functions, so that a script's `--help` never waits for it.
"""

import gc
import os

from absl import flags, logging

from data.errors import UserError
from modeling.common_flags import refuse_if_given

FLAGS = flags.FLAGS

# Labelled examples below which fine-tuning depends much on the seed. Of GLUE
# these are CoLA, MRPC, RTE, STS-B and WNLI, which the studies that the help of
# --adam_bias_correction names look at.
_SMALL_TRAINING_SET = 10_000


def bert_config(vocab_size: int | None):
  """Returns the `BertConfig` of --bert_config_file or --bert_size.

  Where neither is given, it is that beside --init_checkpoint.

  Args:
    vocab_size: of the vocabulary, if there is one; --bert_size needs it, and
      a --bert_config_file must agree with it.

  Raises:
    UserError: both flags are given, or there is no configuration at all, or
      the vocabulary does not have the model's size.
  """
  from modeling import checkpoints, configs

  beside = None
  if FLAGS.init_checkpoint and not (FLAGS.bert_config_file or FLAGS.bert_size):
    beside = checkpoints.config_beside(
      checkpoints.resolve(FLAGS.init_checkpoint)
    )
  if beside is None and bool(FLAGS.bert_config_file) == bool(FLAGS.bert_size):
    raise UserError(
      'give either --bert_config_file or --bert_size; received '
      f'{FLAGS.bert_config_file!r} and {FLAGS.bert_size!r}'
    )
  if beside:
    path, config = beside
    logging.info('The configuration is that of %s.', path)
  elif FLAGS.bert_size:
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


def check_training() -> None:
  """Refuses flags about training that cannot take effect.

  Raises:
    UserError: the flags are named.
  """
  if not FLAGS.init_checkpoint:
    refuse_if_given(['init'], '--init_checkpoint is not given')
  if not FLAGS.do_train:
    refuse_if_given(
      ['adam_bias_correction', 'freeze', 'gradient_accumulation_steps']
      + ['init', 'layer_decay', 'optimizer'],
      '--do_train is not given',
    )
  if FLAGS.freeze == 'encoder':
    refuse_if_given(['layer_decay'], '--freeze=encoder leaves the heads alone')


def check_evaluation(task) -> None:
  """Refuses flags about evaluation and prediction that cannot take effect.

  Args:
    task: a `data.task.Task`.

  Raises:
    UserError: the flags are named.
  """
  metric_for_best(task)
  if not FLAGS.do_train:
    refuse_if_given(['eval_steps'], '--do_train is not given')
  if not FLAGS.eval_steps:
    refuse_if_given(
      ['metric_for_best', 'early_stopping_patience'],
      '--eval_steps is not given',
    )
  if not FLAGS.do_eval and not FLAGS.eval_steps:
    refuse_if_given(
      ['eval_split'], 'neither --do_eval nor --eval_steps is given'
    )
  if not FLAGS.do_predict:
    refuse_if_given(['predict_split'], '--do_predict is not given')
  if FLAGS.num_seeds > 1 and not FLAGS.do_eval:
    raise UserError(
      f'--num_seeds={FLAGS.num_seeds} needs --do_eval, whose scores it sums up'
    )


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


def _settings(
  num_steps: int,
  num_warmup_steps: int,
  num_examples: int | None,
  eval_steps: int,
):
  """Returns the `training.Settings` that the flags describe."""
  from modeling import training

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
    bias_correction=_bias_correction(num_examples),
    seed=FLAGS.seed,
    dropout_rate=FLAGS.dropout_rate,
    optimizer=FLAGS.optimizer,
    gradient_accumulation_steps=FLAGS.gradient_accumulation_steps,
    layer_decay=FLAGS.layer_decay,
    freeze=FLAGS.freeze,
    precision=FLAGS.precision,
    eval_steps=eval_steps,
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


def check_devices() -> None:
  """Refuses flags about devices that contradict each other.

  Raises:
    UserError: the flags are named.
  """
  tpu_flags = 'tpu_name tpu_zone gcp_project master num_tpu_cores'.split()
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
  tpu = strategies.Tpu(
    FLAGS.tpu_name or FLAGS.master,
    FLAGS.tpu_zone,
    FLAGS.gcp_project,
    FLAGS.num_tpu_cores if FLAGS['num_tpu_cores'].present else None,
  )
  return strategies.make_strategy(name, FLAGS.num_cpu_devices, tpu)


def trained_checkpoint() -> str:
  """Returns the checkpoint to evaluate, and says which.

  It is, in order of precedence: 1. the best of the run in --output_dir, if
  that was trained with --eval_steps; 2. the run's last; 3. --init_checkpoint.

  Raises:
    UserError: there is none.
  """
  from data import files
  from modeling import best_checkpoint, checkpoints

  if best_checkpoint.exists(FLAGS.output_dir):
    best = checkpoints.resolve(best_checkpoint.folder(FLAGS.output_dir))
    logging.info('The best checkpoint of the run is taken: %s', best)
    return best
  if files.exists(os.path.join(FLAGS.output_dir, 'checkpoint')):
    return checkpoints.resolve(FLAGS.output_dir)
  if not FLAGS.init_checkpoint:
    raise UserError(
      f'there is nothing to evaluate: no checkpoint in {FLAGS.output_dir}, '
      'and --init_checkpoint is not given'
    )
  return checkpoints.resolve(FLAGS.init_checkpoint)


def task_fingerprint(task, vocabulary: str) -> dict[str, object]:
  """Returns what of the task decides a run's weights, for `run.json`."""
  return {
    'do_lower_case': FLAGS.do_lower_case,
    # Of the other tasks they are fixed.
    'labels': list(task.labels) if task.name == 'custom' else None,
    'task_name': task.name.lower(),
    'vocabulary': vocabulary,
  }


def evaluation(model, run, splits):
  """Returns what --eval_steps does in training; None where it is not given.

  Args:
    model: a `Classifier`.
    run: a `modeling.task_runs.TaskRun`.
    splits: the examples of each split needed, by name.
  """
  from modeling import best_checkpoint

  if not FLAGS.eval_steps:
    return None
  return best_checkpoint.Evaluation(
    run.make_scorer(model, splits[FLAGS.eval_split], FLAGS.eval_batch_size),
    f'eval_{metric_for_best(run.task)}',
    FLAGS.early_stopping_patience,
  )


def metric_for_best(task) -> str:
  """Returns --metric_for_best, or the task's main score.

  Raises:
    UserError: the task has no such score.
  """
  known = (*task.metrics, 'loss')
  name = FLAGS.metric_for_best or task.metrics[0]
  if name not in known:
    raise UserError(
      f'--metric_for_best={name}: {task.name} has {", ".join(known)}'
    )
  return name


def evaluation_fingerprint(task, splits) -> dict[str, object]:
  """Returns what of --eval_steps decides a run, for `run.json`."""
  from data.classifier_features import checksum

  if not FLAGS.eval_steps:
    return {}
  return {
    'early_stopping_patience': FLAGS.early_stopping_patience,
    'eval_data': checksum(splits[FLAGS.eval_split]),
    'eval_steps': FLAGS.eval_steps,
    'metric_for_best': metric_for_best(task),
  }


def evaluate_and_predict(
  model, run, splits, teacher_logits_on=lambda examples: None
) -> dict[str, float]:
  """Does what --do_eval and --do_predict say, with `trained_checkpoint`.

  Args:
    model: a `Classifier`.
    run: a `modeling.task_runs.TaskRun`.
    splits: the examples of each split needed, by name.
    teacher_logits_on: examples → a teacher's logits on them, float32 [N, C],
      or None where there is no teacher or they are not known.

  Returns:
    The scores; of MNLI's mismatched split too, as `<name>_mismatched`.
  """
  if not FLAGS.do_eval and not FLAGS.do_predict:
    return {}
  checkpoint, scores = trained_checkpoint(), {}
  if FLAGS.do_eval:
    for split in _with_mismatched(run.task, FLAGS.eval_split):
      suffix = _suffix(split)
      values = run.evaluate(
        model,
        checkpoint,
        splits[split],
        FLAGS.eval_batch_size,
        suffix,
        teacher_logits_on(splits[split]),
      )
      scores |= {f'{name}{suffix}': value for name, value in values.items()}
  if FLAGS.do_predict:
    for split in _with_mismatched(run.task, FLAGS.predict_split):
      run.predict(
        model,
        checkpoint,
        splits[split],
        FLAGS.predict_batch_size,
        _suffix(split),
      )
  return scores


def _suffix(split: str) -> str:
  """Returns what marks a split's files of results; '' but for mismatched."""
  return '_mismatched' if split.endswith('_mismatched') else ''


def _with_mismatched(task, split: str) -> list[str]:
  """Returns a split, and MNLI's mismatched one beside it if it is there."""
  other = f'{split}_mismatched'
  is_there = other in task.splits and task.has_split(FLAGS.data_dir, other)
  return [split, other] if is_there else [split]


def read_splits(task, **wanted: bool) -> dict[str, list]:
  """Reads the splits that are wanted; --eval_split must have labels.

  Args:
    task: a `data.task.Task`.
    **wanted: 'train', 'dev', 'eval', which is --eval_split, or 'predict',
      which is --predict_split; of MNLI the mismatched splits come with the
      last two.

  Returns:
    The examples of each split, by the split's name.

  Raises:
    UserError: a file is missing or malformed, or there is nothing to score.
  """
  flags_of = {'eval': FLAGS.eval_split, 'predict': FLAGS.predict_split}
  names = []
  for name in (name for name, is_wanted in wanted.items() if is_wanted):
    if name in flags_of:
      names += _with_mismatched(task, flags_of[name])
    else:
      names.append(name)
  splits = {
    name: task.read_split(FLAGS.data_dir, name) for name in dict.fromkeys(names)
  }
  if wanted.get('eval'):
    for name in _with_mismatched(task, FLAGS.eval_split):
      if unlabelled := [e for e in splits[name] if e.label is None]:
        place = task.place(FLAGS.data_dir, name)
        raise UserError(
          f'--eval_split={FLAGS.eval_split}: {place} has no labels for '
          f'{len(unlabelled)} of {len(splits[name])} examples'
        )
  return splits


def run_seeds(job) -> None:
  """Runs a job once, or with each seed of --num_seeds in its own folder.

  Args:
    job: makes the model, trains and evaluates it as --seed and --output_dir
      say; returns the scores.
  """
  if FLAGS.num_seeds == 1:
    job()
    return
  from modeling import seeds

  first, output_dir, scores = FLAGS.seed, FLAGS.output_dir, {}
  try:
    for seed in range(first, first + FLAGS.num_seeds):
      FLAGS.seed, FLAGS.output_dir = seed, seeds.folder(output_dir, seed)
      logging.info('Seed %d, in %s', seed, FLAGS.output_dir)
      scores[seed] = job()
      # A model and its graphs refer to each other: only this frees them.
      gc.collect()
  finally:
    FLAGS.seed, FLAGS.output_dir = first, output_dir
  seeds.report(output_dir, scores)


def check_init_checkpoint(config, vocabulary: str | None = None) -> None:
  """Checks what can be told of --init_checkpoint before a model is built.

  Args:
    config: the model's `BertConfig`.
    vocabulary: the checksum of --vocab_file, if there is one.

  Raises:
    UserError: there is no such checkpoint, --init cannot take from it what the
      model needs, or the files beside it say another activation, number of
      heads or vocabulary.
  """
  from data import files, tokenization
  from modeling import checkpoints, initialisation

  if not FLAGS.init_checkpoint:
    return
  prefix = checkpoints.resolve(FLAGS.init_checkpoint)
  checkpoints.check_start(prefix, config, FLAGS.init)
  folder = os.path.dirname(prefix)
  beside = checkpoints.config_beside(prefix)
  if beside and FLAGS.init != initialisation.WORD_EMBEDDINGS:
    config_file, theirs = beside
    for key in ('hidden_act', 'num_attention_heads', 'intermediate_size'):
      if getattr(theirs, key) != getattr(config, key):
        raise UserError(
          f'{config_file} says {key} {getattr(theirs, key)}, the model has '
          f'{getattr(config, key)}'
        )
  vocab_file = os.path.join(folder, 'vocab.txt')
  if vocabulary and files.exists(vocab_file):
    theirs = tokenization.load_vocabulary(vocab_file).checksum
    if theirs != vocabulary:
      raise UserError(
        f'{FLAGS.vocab_file} is not the vocabulary of --init_checkpoint: '
        f'{vocab_file} differs'
      )


def check_casing() -> None:
  """Compares --do_lower_case with the folder of --init_checkpoint.

  Raises:
    UserError: the folder's name is that of a released model of the other kind.
  """
  name = os.path.basename(os.path.dirname(FLAGS.init_checkpoint or ''))
  uncased = name.startswith(('uncased_', 'multilingual_L', 'chinese_L'))
  cased = name.startswith(('cased_', 'multi_cased_'))
  if (uncased and not FLAGS.do_lower_case) or (cased and FLAGS.do_lower_case):
    kind = 'cased' if cased else 'uncased'
    raise UserError(
      f'--do_lower_case={FLAGS.do_lower_case} does not fit --init_checkpoint: '
      f'{name} is a {kind} model'
    )


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
    make_source: returns a `data.record_source.RecordSource`; called when it is
      sure that the run may use its folder.
    model: with `config`.
    loss_function: see `training.LossFunction`.
    steps: of the whole run, and of the warm-up.
    configuration: what else decides the run's weights, for `run.json`.
    num_labelled_examples: of the training set, where a task is fine-tuned.
    evaluation: a `best_checkpoint.Evaluation`, where --eval_steps is given.
  """
  import tensorflow as tf

  from data import input_pipeline, records
  from data.training_order import TrainingOrder
  from modeling import checkpoints, initialisation, run_folder, training

  settings = _settings(
    *steps, num_labelled_examples, FLAGS.eval_steps if evaluation else 0
  )
  settings.check(
    tf.distribute.get_strategy().num_replicas_in_sync,
    model.config.num_hidden_layers,
  )
  start = FLAGS.init_checkpoint and checkpoints.checksum(
    checkpoints.resolve(FLAGS.init_checkpoint)
  )
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
    training.has_progress(settings.output_dir),
  )
  source = make_source()
  source.check()
  order = TrainingOrder(
    [records.load_index(path) for path in source.paths],
    settings.batch_size,
    settings.seed,
  )
  logging.info(
    '%d examples in %d files, %d steps of %d examples',
    order.num_records,
    len(source.paths),
    settings.num_steps,
    settings.batch_size,
  )
  with source.explained():
    training.fit(
      model,
      loss_function,
      lambda step, replicas: input_pipeline.training_batches(
        source, order, step, replicas
      ),
      settings,
      initialisation.Start(FLAGS.init_checkpoint, FLAGS.init),
      FLAGS.vocab_file,
      evaluation,
    )
