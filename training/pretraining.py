"""run_pretraining.py's job: masked LM and next-sentence prediction.

Tested by `tests/scripts/run_pretraining_test.py` and
`tests/training/fit_test.py`.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from data.pretraining import input_records, manifest
from data.pretraining.dynamic_masking import DynamicMasking
from data.records import feature_spec, inference_input
from data.records.record_source import RecordSource
from data.text.vocabulary import Vocabulary, load_vocabulary
from devices import strategies, workers
from modeling.checkpoints import loading
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.models import PreTrainer, released_variables
from system import files, xla
from system.progress import Progress
from training import (
  checkpoint_choice,
  losses,
  model_config,
  pretraining_distillation,
  result_file_check,
  result_files,
  run_folder,
  run_lock,
)
from training.metrics import WeightedMean
from training.model_config import TokenizerRecord
from training.pretraining_distillation import PretrainingDistillation, Teacher
from training.pretraining_options import PretrainingOptions
from training.run import Run, train, with_bias_correction
from training.seeds import Command
from training.trainer import LossFunction
from training.training_job import TrainingJob


def make_job(
  model: PreTrainer,
  max_seq_length: int,
  max_predictions_per_seq: int,
  distillation: PretrainingDistillation | None = None,
) -> TrainingJob:
  """Returns the job of pre-training a model.

  Args:
    model: the model.
    max_seq_length: S.
    max_predictions_per_seq: P.
    distillation: the teacher and what the model imitates of it, if anything.
  """
  make_loss = distillation.loss_function if distillation else make_loss_function
  return TrainingJob(
    model,
    make_loss(model),
    feature_spec.PRETRAINING,
    {'S': max_seq_length, 'P': max_predictions_per_seq},
  )


def make_loss_function(model: PreTrainer) -> LossFunction:
  """Returns the sum of the masked-LM and the next-sentence loss, as BERT's."""

  def loss_function(batch, dropout: DropoutKey | None):
    outputs = model.score(batch, dropout)
    parts = losses.pretraining_losses(
      outputs['masked_lm_nats'], outputs['next_sentence_logits'], batch
    )
    loss = parts['masked_lm_loss'] + parts['next_sentence_loss']
    return {'loss': loss, **parts}

  return loss_function


def run(options: PretrainingOptions, command: Command) -> None:
  """Does what run_pretraining.py's flags ask for.

  Args:
    options: all settings of the script.
    command: see `Command`.

  Raises:
    UserError: a setting, file or checkpoint does not fit; checked before the
      first expensive step where possible.
    Stopped: the run was asked to stop, and has saved its state.
  """
  checkpoint_choice.check_named_checkpoint(options.training, options.model)
  vocab_file, tokens = options.vocabulary.vocab_file, None
  if vocab_file:
    tokens = load_vocabulary(vocab_file)
  text = TokenizerRecord.of(vocab_file, tokens)
  config = model_config.choose_config(options.model, text)
  found = _find_records(options, config, text)
  if not tokens:
    checksum = input_records.vocab_checksum(found)
    text = dataclasses.replace(text, vocab_checksum=checksum)
  checkpoint_choice.check_start(options.model, config, text)
  teacher = pretraining_distillation.find_teacher(options, config, text)
  _check_casing(options, found, teacher)
  strategy = strategies.make_strategy(options.devices)
  source = _make_source(found, options, config, tokens)
  source.check()
  with workers.running(strategy):
    output_dir = options.training.output_dir
    evaluates = options.evaluation.do_eval

    def prepare() -> None:
      files.make_folder(output_dir)
      if evaluates:
        result_file_check.check_eval_results(output_dir)

    workers.chief_does(prepare)
    distillation = (
      pretraining_distillation.load(teacher, options) if teacher else None
    )
    model = PreTrainer(config, options.devices.precision, options.training.seed)
    if options.training.do_train:
      is_lower = input_records.do_lower_case(found)
      _train(model, source, options, is_lower, command(), distillation)
    if evaluates:
      # The batches are few (`max_eval_steps`): the other workers wait.
      num_records = input_records.num_records(found)
      workers.chief_does(
        lambda: _evaluate(model, source, options, text, num_records)
      )


def _find_records(
  options: PretrainingOptions, config: BertConfig, text: TokenizerRecord
) -> Any:
  """Returns the records' manifests; checks that the records fit the model."""
  found = manifest.find(input_records.expand(options.input.input_file))
  input_records.check(
    found,
    input_records.Requirements(
      options.model.max_seq_length,
      options.input.max_predictions_per_seq,
      config.vocab_size,
      (text.vocab_file, text.vocab_checksum) if text.vocab_file else None,
    ),
  )
  return found


def _check_casing(
  options: PretrainingOptions, found: Any, teacher: Teacher | None
) -> None:
  """Raises a `UserError` if a checkpoint has not the records' casing."""
  theirs = teacher.checkpoint if teacher else None
  for setting, checkpoint in (
    ('init_checkpoint', options.model.checkpoint),
    ('teacher_checkpoint', theirs),
  ):
    if checkpoint and (recorded := checkpoint.casing()):
      input_records.check_casing(found, setting, recorded)


def _make_source(
  found: Any,
  options: PretrainingOptions,
  config: BertConfig,
  tokens: Vocabulary | None,
) -> RecordSource:
  """Returns the records; draws masks during training if they have none."""
  num_predictions = options.input.max_predictions_per_seq
  fields, complete = feature_spec.PRETRAINING, None
  if masking := input_records.dynamic_masking(found):
    masking = dataclasses.replace(
      masking, max_predictions_per_seq=num_predictions
    )
    masking.warn_if_too_few(options.model.max_seq_length)
    fields = feature_spec.UNMASKED_PRETRAINING
    complete = DynamicMasking(tokens, masking, options.training.seed)
  return RecordSource(
    tuple(found),
    fields,
    {'S': options.model.max_seq_length, 'P': num_predictions},
    config.vocab_size,
    config.type_vocab_size,
    complete,
  )


def _train(
  model: PreTrainer,
  source: RecordSource,
  options: PretrainingOptions,
  do_lower_case: bool | None,
  command: Mapping[str, Any],
  distillation: PretrainingDistillation | None,
) -> None:
  num_predictions = options.input.max_predictions_per_seq
  masking = source.complete and dataclasses.asdict(source.complete.options)
  train(
    make_job(
      model, options.model.max_seq_length, num_predictions, distillation
    ),
    Run(
      with_bias_correction(options.settings()),
      options.model,
      {
        'script': 'run_pretraining',
        'do_lower_case': do_lower_case,
        'dynamic_masking': masking,
        'input_file': run_folder.fingerprint(source.paths),
        'max_predictions_per_seq': num_predictions,
        **(distillation.identity() if distillation else {}),
      },
      command,
      options.vocabulary.vocab_file,
    ),
    lambda: source,
  )


def _evaluate(
  model: PreTrainer,
  source: RecordSource,
  options: PretrainingOptions,
  text: TokenizerRecord,
  num_records: int | None,
) -> None:
  output_dir = options.training.output_dir
  max_batches = options.input.max_eval_steps
  batch_size = options.evaluation.eval_batch_size
  batches = inference_input.inference_batches(source, batch_size, max_batches)
  if num_records is not None:
    max_batches = min(max_batches, -(-num_records // batch_size))
  with run_lock.shared(output_dir):
    checkpoint = checkpoint_choice.trained_checkpoint(
      output_dir, options.model, text
    )
    loading.load_released(
      checkpoint, released_variables(model), loading.everything
    )
    with source.explained():
      scores = evaluate(model, batches, max_batches)
    result_files.write_eval_results(
      output_dir, checkpoint.prefix, checkpoint.step, scores
    )


def evaluate(
  model: PreTrainer, batches: tf.data.Dataset, max_batches: int
) -> dict[str, float]:
  """Measures both tasks; every masked token and every pair counts once.

  Args:
    model: the model.
    batches: as `inference_input.inference_batches`.
    max_batches: the most batches, for the progress bar.

  Returns:
    `masked_lm_accuracy` and `next_sentence_accuracy` in [0, 1],
    `masked_lm_loss` and `next_sentence_loss` in nats, `loss`, their sum, and
    the counts behind them, `masked_lm_count` and `next_sentence_count`.
  """
  names = ('masked_lm', 'next_sentence')
  accuracy = {name: WeightedMean() for name in names}
  loss = {name: WeightedMean() for name in names}
  count_batch = tf.function(
    xla.compiled(functools.partial(_sums, model)),
    reduce_retracing=True,
    autograph=False,
  )
  with Progress(max_batches, ' batches') as progress:
    for number, batch in enumerate(batches, start=1):
      for name, (correct, nats, weight) in count_batch(batch).items():
        accuracy[name].update(correct, weight)
        loss[name].update(nats, weight)
      progress.update(number)
    progress.update(max_batches)
  results = {'loss': sum(loss[name].result() for name in names)}
  for name in names:
    results[f'{name}_accuracy'] = accuracy[name].result()
    results[f'{name}_loss'] = loss[name].result()
    results[f'{name}_count'] = accuracy[name].weight
  return results


def _sums(
  model: PreTrainer, batch: Mapping[str, tf.Tensor]
) -> dict[str, tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
  """Returns (correct, nats, weight) of each task, float32 scalars."""
  outputs = model(batch)
  real = tf.cast(batch['example_index'] >= 0, tf.float32)
  return {
    'masked_lm': _count(
      outputs['masked_lm_logits'],
      batch['masked_lm_ids'],
      batch['masked_lm_weights'] * real[:, tf.newaxis],
    ),
    'next_sentence': _count(
      outputs['next_sentence_logits'], batch['next_sentence_labels'], real
    ),
  }


def _count(logits, labels, weights):
  is_hit = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels
  correct = tf.reduce_sum(tf.cast(is_hit, tf.float32) * weights)
  nats = losses.cross_entropy(logits, labels, weights, 1.0)
  return correct, nats, tf.reduce_sum(weights)
