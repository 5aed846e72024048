"""A teacher that is a checkpoint of this project: computes logits of texts.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data.records import memory_batches
from data.tasks.text_encoding import encode_examples
from distillation.transfer_text import Text
from modeling import hidden_states
from modeling.checkpoints.location import Checkpoint
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from training.predictor import Predictor
from training.task_folder import TaskFolder, load_whole


class Scored(NamedTuple):
  """What a teacher computed for N texts."""

  logits: np.ndarray  # float32 [N, C]
  states: np.ndarray | None  # float32 [N, M*H], [CLS] states; None without.
  ids: tf.RaggedTensor  # int32 [N, (tokens)], what was scored
  segments: tf.RaggedTensor  # int32 [N, (tokens)]


@dataclasses.dataclass(frozen=True)
class Teacher:
  """A fine-tuned model with its weights.

  Attributes:
    checkpoint: where the weights come from.
    folder: the task and the tokenizer.
    cls_layers: the layers whose [CLS] states are computed, too.
    batch_size: B.
    hidden_size: H.
    predictor: computes logits, and states after them.
  """

  checkpoint: Checkpoint
  folder: TaskFolder
  cls_layers: Sequence[int]
  batch_size: int
  hidden_size: int
  predictor: Predictor

  def score(
    self,
    texts: Sequence[Text],
    on_progress: Callable[[int], None] | None = None,
  ) -> Scored:
    """Scores texts; `on_progress` is as for `Predictor.predict`."""
    folder = self.folder
    ids, segments = encode_examples(
      folder.tokenizer, texts, folder.task.is_pair, folder.max_seq_length
    )
    batches = memory_batches.batches(
      ids, segments, self.batch_size, folder.max_seq_length
    )
    logits = self.predictor.predict(batches, len(texts), on_progress)
    states = None
    if self.cls_layers:
      logits, states = np.split(logits, [folder.task.num_outputs], axis=1)
    return Scored(logits, states, ids, segments)


def load(
  checkpoint: Checkpoint,
  config: BertConfig,
  folder: TaskFolder,
  cls_layers: Sequence[int],
  batch_size: int,
  precision: str,
) -> Teacher:
  """Loads a teacher; call it in the strategy's scope.

  Args:
    checkpoint: fine-tuned on the task.
    config: the teacher's.
    folder: the task and the tokenizer.
    cls_layers: as for `Teacher`.
    batch_size: B.
    precision: the compute dtype of the matrix products.

  Raises:
    UserError: the checkpoint has no head for the task, or lacks a weight.
  """
  model = Classifier(config, folder.task.num_outputs, precision)
  load_whole(checkpoint, released_variables(model), folder.task)
  score = _logits_and_states(model, cls_layers) if cls_layers else None
  return Teacher(
    checkpoint,
    folder,
    cls_layers,
    batch_size,
    config.hidden_size,
    Predictor(model, score),
  )


def _logits_and_states(
  model: Classifier, layers: Sequence[int]
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
  """Returns a function from features to float32 [B, C + M*H]."""
  num_values = len(layers) * model.config.hidden_size

  def score(features):
    outputs = hidden_states.of_classifier(model, features, layers)
    states = tf.reshape(outputs['cls_states'], [-1, num_values])
    return tf.concat([outputs['logits'], states], axis=1)

  return score
