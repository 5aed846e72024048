"""How a model is evaluated on a task, and what it predicts."""

import functools

from absl import flags, logging

from cli import model_flags, run_flags
from cli.flag_group import refuse_if_given
from system.errors import UserError

FLAGS = flags.FLAGS


@functools.cache
def define() -> None:
  """What is evaluated and predicted, when and how often."""
  flags.DEFINE_string(
    'eval_split',
    'dev',
    'Added: the split that --do_eval and --eval_steps take: dev, or test where '
    "its labels are known. --do_eval takes MNLI's mismatched split too.",
  )
  flags.DEFINE_bool(
    'do_predict', False, 'Whether to predict --predict_split, the test set.'
  )
  flags.DEFINE_integer(
    'predict_batch_size', 8, 'Examples in a prediction batch.', lower_bound=1
  )
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


def check(task) -> None:
  """Refuses flags about evaluation and prediction that cannot take effect.

  Args:
    task: a `data.tasks.task.Task`.

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


def read_splits(task, **wanted: bool) -> dict[str, list]:
  """Reads the splits that are wanted; --eval_split must have labels.

  Args:
    task: a `data.tasks.task.Task`.
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


def evaluation(model, run, splits):
  """Returns what --eval_steps does in training; None where it is not given.

  Args:
    model: a `Classifier`.
    run: a `training.task_folder.TaskFolder`.
    splits: the examples of each split needed, by name.
  """
  from training import best_checkpoint

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
  from data.tasks.classifier_records import checksum

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
    run: a `training.task_folder.TaskFolder`.
    splits: the examples of each split needed, by name.
    teacher_logits_on: examples → a teacher's logits on them, float32 [N, C],
      or None where there is no teacher or they are not known.

  Of several workers the chief does it all, and the others wait: the rows of
  a dev or test set are few, and scores that two machines computed might differ
  in their last bits.

  Returns:
    The scores, the chief's; of MNLI's mismatched split too, as
    `<name>_mismatched`.
  """
  from devices import workers

  if not FLAGS.do_eval and not FLAGS.do_predict:
    return {}
  job = functools.partial(
    _evaluate_and_predict, model, run, splits, teacher_logits_on
  )
  return workers.chief_does(job) or {}


def _evaluate_and_predict(
  model, run, splits, teacher_logits_on
) -> dict[str, float]:
  vocabulary = run.tokenizer.vocab_checksum
  checkpoint, scores = model_flags.trained_checkpoint(vocabulary), {}
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


def run_seeds(job) -> None:
  """Runs a job once, or with each seed of --num_seeds in its own folder.

  Args:
    job: makes the model, trains and evaluates it as --seed and --output_dir
      say; returns the scores.
  """
  if FLAGS.num_seeds == 1:
    job()
    return
  from devices import workers
  from training import resuming, run_folder, run_lock, seeds

  output_dir = FLAGS.output_dir
  # Each seed's run has its own folder; this one is the report's.
  with run_lock.held(output_dir):
    if not resuming.has_progress(output_dir):
      run_folder.claim(output_dir, {}, False, command=run_flags.command())
    scores = _run_each_seed(job)
    workers.chief_does(lambda: seeds.report(output_dir, scores))


def _run_each_seed(job) -> dict[int, dict[str, float]]:
  from training import gradient_registry, seeds

  first, number, output_dir = FLAGS.seed, FLAGS.num_seeds, FLAGS.output_dir
  scores = {}
  try:
    # What a seed's run.json says starts that seed alone again.
    FLAGS.num_seeds = 1
    for seed in range(first, first + number):
      FLAGS.seed, FLAGS.output_dir = seed, seeds.folder(output_dir, seed)
      logging.info('Seed %d, in %s', seed, FLAGS.output_dir)
      with gradient_registry.forgotten():
        scores[seed] = job()
  finally:
    FLAGS.seed, FLAGS.output_dir, FLAGS.num_seeds = first, output_dir, number
  return scores
