"""A model on a task's splits, for `run_classifier` and `run_distillation`."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from data import classifier_features, input_pipeline
from data.tasks import Example, Task
from data.tokenization import BertTokenizer
from modeling import checkpoints, classification, results
from modeling.models import Classifier, released_variables


class TaskRun:
  """Evaluates and predicts one task in one folder."""

  def __init__(
    self,
    task: Task,
    tokenizer: BertTokenizer,
    max_seq_length: int,
    output_dir: str,
  ):
    """Keeps what all splits share.

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

  def write_records(self, name: str, examples: Sequence[Example]):
    """Writes `<name>.tf_record`, padded, and returns it as a source."""
    return classifier_features.write_records(
      os.path.join(self.output_dir, f'{name}.tf_record'),
      examples,
      self.task,
      self.tokenizer,
      self.max_seq_length,
    )

  def evaluate(
    self,
    model: Classifier,
    checkpoint: str,
    examples: Sequence[Example],
    batch_size: int,
  ) -> dict[str, float]:
    """Scores a checkpoint on labelled examples; writes `eval_results.txt`.

    Args:
      model: takes the checkpoint's weights, head included.
      checkpoint: its prefix.
      examples: with labels.
      batch_size: B.

    Returns:
      The scores, as `classification.score`.
    """
    logits = self._logits(model, checkpoint, 'eval', examples, batch_size)
    scores = classification.score(self.task, examples, logits)
    results.write_eval_results(self.output_dir, checkpoint, scores)
    return scores

  def predict(
    self,
    model: Classifier,
    checkpoint: str,
    examples: Sequence[Example],
    batch_size: int,
  ) -> None:
    """Predicts examples and writes `test_results.tsv`."""
    logits = self._logits(model, checkpoint, 'predict', examples, batch_size)
    if not self.task.is_regression:
      logits = tf.nn.softmax(logits).numpy()
    results.write_test_results(self.output_dir, logits)

  def _logits(
    self, model, checkpoint, name, examples, batch_size
  ) -> np.ndarray:
    load_whole(checkpoint, released_variables(model))
    source = self.write_records(name, examples)
    batches = input_pipeline.inference_batches(source, batch_size)
    predictor = classification.Predictor(model)
    logits = predictor.predict(batches, len(examples))
    results.write_speed(self.output_dir, name, predictor.examples_per_second)
    return logits


def load_whole(checkpoint: str, variables: Mapping[str, tf.Variable]) -> None:
  """Loads a checkpoint that must hold every variable, heads included.

  Raises:
    UserError: a variable is missing or of another shape.
  """
  checkpoints.load_released(
    checkpoint,
    variables,
    is_required=lambda name: True,
    allow_mismatch=lambda name: False,
  )
