"""The parts of a trained model that an export is made of."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from data.text.tokenization import BertTokenizer
from modeling.checkpoints import loading, location, stored_weights
from modeling.checkpoints.location import Checkpoint
from modeling.checkpoints.released_names import (
  CLASSIFIER_HEAD,
  HEAD_BIAS,
  MASKED_LM_BIAS,
)
from modeling.configs import BertConfig
from modeling.encoder import BertEncoder
from modeling.models import PreTrainer, released_variables
from serving import text_model
from serving.exports import heads
from serving.text_model import TextModel
from system.errors import UserError

_PRETRAINING_HEADS = (MASKED_LM_BIAS, 'cls/seq_relationship/')


@dataclasses.dataclass(frozen=True)
class Parts:
  """A model, its tokenizer, and what its outputs mean.

  Attributes:
    checkpoint: where the weights come from.
    config: the encoder's dimensions.
    head: one of `heads.KINDS`.
    model: our own model with the weights: a `Classifier`, `PreTrainer` or
      `BertEncoder`.
    weights: released name → float32 values; those of the encoder and the head.
    left_out: the names of the checkpoint's other weights.
    tokenizer: the model's.
    max_seq_length: the maximum input length in tokens.
    text_model: labels texts; None without a head for a task.
    task_name: as `model.json` records it; '' if unknown.
    temperature: logits of labels are divided by it before the softmax.
  """

  checkpoint: Checkpoint
  config: BertConfig
  head: str
  model: tf.Module
  weights: Mapping[str, np.ndarray]
  left_out: tuple[str, ...]
  tokenizer: BertTokenizer
  max_seq_length: int
  text_model: TextModel | None
  task_name: str
  temperature: float

  @property
  def labels(self) -> tuple[str, ...]:
    """The labels in the order of the logits; empty if there are none."""
    return self.text_model.labels if self.text_model else ()

  @property
  def is_regression(self) -> bool:
    """Whether the head predicts a number."""
    return self.head == heads.TASK and not self.labels

  @property
  def takes_pairs(self) -> bool | None:
    """Whether an input is two texts; None if unknown."""
    return self.text_model.takes_pairs if self.text_model else None


def read(path: str, head: str = heads.AUTO) -> Parts:
  """Reads a trained model.

  Args:
    path: as for `location.locate`.
    head: one of `heads.KINDS`; `heads.AUTO` takes the head for a task if there
      is one, else the pre-training heads, else none.

  Raises:
    UserError: the weights, the configuration, the vocabulary, the labels or
      the head are missing or contradict each other; the message names them.
  """
  checkpoint = location.locate(path)
  config = checkpoint.required_config()
  stored = stored_weights.read_variables(checkpoint)
  head = _head(head, stored, checkpoint)
  tokenizer = text_model.tokenizer_of(checkpoint, config)
  of_task = None
  if head == heads.TASK:
    of_task = text_model.load(checkpoint.prefix)
    model = of_task.classifier
  else:
    model = {heads.PRETRAINING: PreTrainer, heads.NONE: BertEncoder}[head](
      config, seed=None
    )
    loading.load_released(
      checkpoint, released_variables(model), loading.everything
    )
  variables = released_variables(model)
  recorded = checkpoint.model_json()
  longest = recorded and recorded.max_seq_length
  return Parts(
    checkpoint,
    config,
    head,
    model,
    {name: variable.numpy() for name, variable in variables.items()},
    tuple(name for name in stored if name not in variables),
    tokenizer,
    of_task.max_seq_length
    if of_task
    else longest or config.max_position_embeddings,
    of_task,
    recorded.task.name if recorded and recorded.task else '',
    of_task.temperature if of_task else 1.0,
  )


def _head(wanted: str, stored: Mapping, checkpoint: Checkpoint) -> str:
  """Returns the head to export.

  Raises:
    UserError: the checkpoint lacks it.
  """
  is_trained = all(
    any(name.startswith(start) for name in stored)
    for start in _PRETRAINING_HEADS
  )
  found = {heads.NONE: True, heads.PRETRAINING: is_trained}
  found[heads.TASK] = HEAD_BIAS in stored
  if wanted == heads.AUTO:
    return next(kind for kind in heads.KINDS if found[kind])
  if not found[wanted]:
    names = {
      heads.TASK: CLASSIFIER_HEAD,
      heads.PRETRAINING: _PRETRAINING_HEADS,
    }
    kinds = ', '.join(kind for kind in heads.KINDS if found[kind])
    raise UserError(
      f'{checkpoint.prefix} has no head of the kind `head`={wanted} '
      f'({", ".join(names[wanted])}); it has {kinds}'
    )
  return wanted
