"""One task in one folder: its records, evaluations and predictions."""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from data.records import inference_input, record_writer
from data.records.file_names import index_path
from data.records.record_source import RecordSource
from data.tasks import classifier_records, label_order
from data.tasks.examples import Example
from data.tasks.task import Task
from data.text.tokenization import BertTokenizer
from devices import workers
from modeling.checkpoints import loading, recorded_casing, stored_weights
from modeling.checkpoints.location import Checkpoint, label_folders
from modeling.checkpoints.released_names import HEAD_BIAS
from modeling.models import Classifier, released_variables
from system import files, temporary_files
from training import calibration, class_scores, result_files, scoring
from training.predictor import Predictor

# (examples, float32 logits [N, C]) → further scores, by name.
MoreScores = Callable[[Sequence[Example], np.ndarray], Mapping[str, float]]


class TaskFolder:
  """Writes a task's records and results into one folder."""

  def __init__(
    self,
    task: Task,
    tokenizer: BertTokenizer,
    max_seq_length: int,
    output_dir: str,
  ):
    """Takes what all splits share.

    Args:
      task: the task.
      tokenizer: the model's.
      max_seq_length: S.
      output_dir: an existing folder for records and results.
    """
    self.task = task
    self.tokenizer = tokenizer
    self.max_seq_length = max_seq_length
    self.output_dir = output_dir
    # The arguments and the result of the last `_logits`.
    self._scored: (
      tuple[str, str, Sequence[Example], np.ndarray, float | None] | None
    ) = None
    # One for each model: all splits share its traced function.
    self._predictor = functools.cache(Predictor)

  def write_records(
    self, name: str, examples: Sequence[Example]
  ) -> RecordSource:
    """Writes `<name>.tf_record`, padded, and returns it as a source.

    The chief writes; the other workers only open the file.
    """
    path = os.path.join(self.output_dir, f'{name}.tf_record')
    return self._write_records(path, examples)

  def _write_records(
    self, path: str, examples: Sequence[Example]
  ) -> RecordSource:
    if workers.is_chief():
      classifier_records.write_records(
        path, examples, self.task, self.tokenizer, self.max_seq_length
      )
    return classifier_records.source(
      path, self.task, self.tokenizer, self.max_seq_length
    )

  def write_training_records(self, examples: Sequence[Example]) -> RecordSource:
    """Writes `labels.txt` and `train.tf_record`, as `write_records`."""
    label_order.write(self.output_dir, self.task.labels)
    return self.write_records('train', examples)

  def describe(self, folder: str) -> None:
    """Writes the labels and the casing of a checkpoint into its folder."""
    label_order.write(folder, self.task.labels)
    recorded_casing.write(folder, self.tokenizer.do_lower_case)

  def evaluate(
    self,
    model: Classifier,
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    batch_size: int,
    split: str,
    suffix: str = '',
    more_scores: MoreScores | None = None,
  ) -> dict[str, float]:
    """Scores a checkpoint on labelled examples.

    Writes `eval_speed.json`, which names the split, `eval_results.txt` and, of
    a classifier, the files of `class_scores.write`.

    Args:
      model: takes the checkpoint's weights, head included.
      checkpoint: with a head.
      examples: with labels.
      batch_size: B.
      split: the name of the examples' split.
      suffix: of the files' names, as in `result_files`.
      more_scores: computes scores beyond those of `scoring.score`.

    Returns:
      All scores by name.
    """
    name = f'eval{suffix}'
    logits, rate = self._logits(model, checkpoint, name, examples, batch_size)
    temperature = calibration.temperature_of(checkpoint)
    scores = scoring.score(self.task, examples, logits, temperature)
    if more_scores:
      scores |= more_scores(examples, logits)
    self._write_class_scores(examples, logits, suffix)
    result_files.write_speed(self.output_dir, name, rate, split)
    result_files.write_eval_results(
      self.output_dir, checkpoint.prefix, checkpoint.step, scores, suffix
    )
    return scores

  def calibrate(
    self,
    model: Classifier,
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    batch_size: int,
  ) -> None:
    """Fits a checkpoint's temperature and records it next to the weights.

    Args:
      model: takes the checkpoint's weights, head included.
      checkpoint: with a head, in the folder of the results.
      examples: those of dev, with labels.
      batch_size: B.

    Raises:
      UserError: the checkpoint is in another folder.
    """
    calibration.check_place(checkpoint, self.output_dir)
    logits, _ = self._logits(model, checkpoint, 'eval', examples, batch_size)
    labels = scoring.encode_labels(self.task, examples)
    calibration.calibrate(checkpoint, logits, labels)

  def _write_class_scores(
    self, examples: Sequence[Example], logits: np.ndarray, suffix: str
  ) -> None:
    if self.task.is_regression:
      return
    class_scores.write(
      self.output_dir,
      self.task.labels,
      scoring.encode_labels(self.task, examples),
      scoring.decide(self.task, logits),
      suffix,
    )

  def make_scorer(
    self,
    model: Classifier,
    examples: Sequence[Example],
    batch_size: int,
    class_metric: str | None = None,
  ) -> Callable[[], dict[str, float]]:
    """Returns a function that scores the model's current weights.

    Its scores are those of `scoring.score`. The first call writes the records.

    Args:
      model: the model.
      examples: with labels.
      batch_size: B.
      class_metric: as for `scoring.score`.
    """
    predictor = self._predictor(model)

    @functools.cache
    def make_batches() -> tf.data.Dataset:
      source = self.write_records('eval', examples)
      return inference_input.inference_batches(source, batch_size)

    def score() -> dict[str, float]:
      logits = predictor.predict(make_batches(), len(examples))
      return scoring.score(
        self.task, examples, logits, class_metric=class_metric
      )

    return score

  def predict(
    self,
    model: Classifier,
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    batch_size: int,
    suffix: str = '',
  ) -> None:
    """Predicts examples; writes `test_results.tsv` and `predictions.tsv`.

    Args:
      model: takes the checkpoint's weights, head included.
      checkpoint: with a head.
      examples: N, with or without labels.
      batch_size: B.
      suffix: of the files' names, as in `result_files`.
    """
    name = f'predict{suffix}'
    logging.info('Predicting with %s', checkpoint.prefix)
    logits, rate = self._logits(model, checkpoint, name, examples, batch_size)
    result_files.write_speed(self.output_dir, name, rate)
    outputs = logits
    if not self.task.is_regression:
      temperature = calibration.temperature_of(checkpoint)
      outputs = tf.nn.softmax(logits / np.float32(temperature)).numpy()
    result_files.write_test_results(self.output_dir, outputs, suffix)
    result_files.write_predictions(
      os.path.join(self.output_dir, f'predictions{suffix}.tsv'),
      self.task,
      examples,
      scoring.decide(self.task, logits),
      outputs,
    )

  @contextlib.contextmanager
  def _own_records(
    self, name: str, examples: Sequence[Example]
  ) -> Iterator[RecordSource]:
    """Writes records under a temporary name; renames them after the block.

    Then they are `<name>.tf_record`. Another evaluation in the same folder may
    write a file of this name for another split meanwhile.
    """
    target = f'{name}.tf_record'
    path = os.path.join(self.output_dir, target)
    temporary_files.remove_abandoned(
      self.output_dir, rf'{re.escape(target)}(\.index\.json)?'
    )
    own = temporary_files.name_for(path)
    try:
      yield self._write_records(own, examples)
      # After more than an hour, another evaluation takes them for abandoned.
      if files.exists(own) and files.exists(index_path(own)):
        record_writer.publish(own, index_path(own), path)
    finally:
      for left in (own, index_path(own)):
        if files.exists(left):
          files.remove(left)

  def _logits(
    self,
    model: Classifier,
    checkpoint: Checkpoint,
    name: str,
    examples: Sequence[Example],
    batch_size: int,
  ) -> tuple[np.ndarray, float | None]:
    """Returns a checkpoint's logits, [N, C], and the examples per second.

    Writes the records. The speed of a single batch is unknown, None.
    Calibration and evaluation may ask for the same logits in turn, which are
    computed once.
    """
    prefix = checkpoint.prefix
    if self._scored and self._scored[:2] == (prefix, name):
      _, _, scored, logits, rate = self._scored
      if scored is examples:
        return logits, rate
    load_whole(checkpoint, released_variables(model), self.task)
    predictor = self._predictor(model)
    with self._own_records(name, examples) as source, source.explained():
      batches = inference_input.inference_batches(source, batch_size)
      logits = predictor.predict(batches, len(examples))
    rate = predictor.examples_per_second
    self._scored = prefix, name, examples, logits, rate
    return logits, rate


def load_whole(
  checkpoint: Checkpoint, variables: Mapping[str, tf.Variable], task: Task
) -> None:
  """Loads a checkpoint that must hold every variable, heads included.

  Warns if the head is untrained: its bias is then all zeros, which a single
  training step would have changed.

  Args:
    checkpoint: with a head.
    variables: released name → variable.
    task: the classes of the head get its order.

  Raises:
    UserError: a variable is missing or has another shape, or the head has
      other labels than the task.
  """
  stored_weights.num_outputs(checkpoint)  # Raises an error if there is no head.
  report = loading.load_released(
    checkpoint,
    variables,
    loading.everything,
    head_rows=label_order.head_rows(task, label_folders(checkpoint.prefix)),
  )
  logging.info('%s', report.summary())
  if not np.any(variables[HEAD_BIAS].numpy()):
    logging.warning(
      'The head of %s is untrained (its bias is all zeros): its predictions '
      'are chance.',
      checkpoint.prefix,
    )
