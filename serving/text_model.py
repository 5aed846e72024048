"""Labels texts with a trained model, from the folder that holds it.

  from serving import text_model

  model = text_model.load('student')
  for prediction in model.predict(['a fine film', 'two dull hours']):
    print(prediction.label, prediction.probabilities)

Tested by `tests/serving/text_model_test.py`.
"""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from scipy import special

from data.records import inference_input
from data.tasks import classifier_records, label_order
from data.text.tokenization import BertTokenizer
from modeling.checkpoints import loading, location
from modeling.checkpoints.location import Checkpoint
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from system.errors import UserError, shown
from training.predictor import Predictor

# A text, or a pair of texts.
Text = str | tuple[str, str]

# Folders of older runs and of other programs do not record the longest input.
_MAX_SEQ_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What a model says of a text.

  Attributes:
    label: the most probable label; None if the model predicts a number.
    probabilities: label → probability, in the order of the model's labels;
      empty if it predicts a number.
    value: the number; None if the model predicts a label.
  """

  label: str | None
  probabilities: dict[str, float]
  value: float | None = None


class TextModel:
  """A classifier or regressor with its tokenizer; `load` makes it.

  Attributes:
    task: its task: labels, and whether it takes pairs. The name is '' if the
      folder does not record it.
    max_seq_length: the longest input in tokens; longer texts are cut.
  """

  def __init__(
    self,
    classifier: Classifier,
    tokenizer: BertTokenizer,
    task: TaskRecord,
    max_seq_length: int,
    temperature: float = 1.0,
  ):
    """Takes the parts of a model.

    Args:
      classifier: with its weights.
      tokenizer: the model's.
      task: see the attribute.
      max_seq_length: see the attribute.
      temperature: divides the logits of labels.
    """
    self.task = task
    self.max_seq_length = max_seq_length
    self._tokenizer = tokenizer
    self._temperature = temperature
    self._predictor = Predictor(classifier)

  def predict(
    self, texts: Sequence[Text], batch_size: int = 64
  ) -> list[Prediction]:
    """Labels texts.

    Args:
      texts: texts, or pairs of texts if `task.is_pair`.
      batch_size: texts scored at once; texts of similar length share a batch.

    Returns:
      A prediction for each text, in the given order.

    Raises:
      UserError: the model takes pairs and a single text was given, or the
        reverse.
    """
    logits = self.logits(texts, batch_size)
    if not self.task.labels:
      return [Prediction(None, {}, float(row[0])) for row in logits]
    rows = special.softmax(
      logits.astype(np.float64) / self._temperature, axis=-1
    )
    labels = self.task.labels
    return [
      Prediction(
        labels[int(np.argmax(row))],
        dict(zip(labels, row.tolist(), strict=True)),
      )
      for row in rows
    ]

  def logits(self, texts: Sequence[Text], batch_size: int = 64) -> np.ndarray:
    """Computes the logits of texts, float32 [N, C]; see `predict`."""
    for text in texts:
      self._check(text)
    if not texts:
      return np.zeros([0, len(self.task.labels) or 1], np.float32)
    pairs = zip(*texts, strict=True) if self.task.is_pair else (texts, None)
    ids, segments = classifier_records.encode_texts(
      self._tokenizer, *pairs, self.max_seq_length
    )
    batches = inference_input.inference_batches_from(
      ids, segments, batch_size, self.max_seq_length
    )
    return self._predictor.predict(batches, len(texts), lambda _: None)

  def _check(self, text: Text) -> None:
    is_pair = not isinstance(text, str)
    if is_pair != self.task.is_pair or (is_pair and len(text) != 2):
      expected = 'a pair of texts' if self.task.is_pair else 'one text'
      raise UserError(f'the model takes {expected}, received {shown(text)}')


def load(path: str) -> TextModel:
  """Loads a trained model.

  Args:
    path: its folder, the folder of a run (its best checkpoint, else its last),
      or a checkpoint's prefix; see `location.locate`.

  Raises:
    UserError: there is no such checkpoint, or it has no head for a task, or
      what belongs to it is missing, damaged or contradictory.
  """
  checkpoint = location.locate(path)
  config = _config(checkpoint)
  num_outputs = _num_outputs(checkpoint)
  recorded = checkpoint.description() or ModelFile()
  task = recorded.task or _unrecorded_task(checkpoint, num_outputs)
  if num_outputs != (len(task.labels) or 1):
    raise UserError(
      f'{checkpoint.prefix} has a head with {num_outputs} outputs, but '
      f'{len(task.labels)} labels are recorded beside it'
    )
  classifier = Classifier(config, num_outputs)
  loading.load_released(
    checkpoint,
    released_variables(classifier),
    is_required=lambda name: True,
    allow_mismatch=lambda name: False,
  )
  longest = min(_MAX_SEQ_LENGTH, config.max_position_embeddings)
  return TextModel(
    classifier,
    _tokenizer(checkpoint),
    task,
    recorded.max_seq_length or longest,
    recorded.temperature or 1.0,
  )


def _config(checkpoint: Checkpoint) -> BertConfig:
  if (found := checkpoint.config()) is None:
    raise UserError(f'there is no bert_config.json beside {checkpoint.prefix}')
  return found[1]


def _num_outputs(checkpoint: Checkpoint) -> int:
  """Returns C from the shape of the head's bias.

  Raises:
    UserError: there is no head.
  """
  bias = loading.CLASSIFIER_HEAD[1]
  shapes = loading.read_variables(checkpoint)
  if bias not in shapes:
    raise UserError(
      f'{checkpoint.prefix} has no head for a task ({bias}): it was '
      'pre-trained only. Fine-tune or distil it first.'
    )
  return shapes[bias][0][0]


def _unrecorded_task(checkpoint: Checkpoint, num_outputs: int) -> TaskRecord:
  """Returns the task of a folder without model.json.

  Such a folder does not say whether the model takes pairs.

  Raises:
    UserError: the labels are not named either.
  """
  if num_outputs == 1:
    return TaskRecord('', (), is_pair=False)
  folders = location.label_folders(checkpoint.prefix)
  if not (known := label_order.find(folders)):
    raise UserError(
      f'there is neither model.json nor {label_order.FILE} beside '
      f'{checkpoint.prefix}: the names of its {num_outputs} labels are unknown'
    )
  return TaskRecord('', known[1], is_pair=False)


def _tokenizer(checkpoint: Checkpoint) -> BertTokenizer:
  """Returns the tokenizer of the files beside a checkpoint.

  Raises:
    UserError: the vocabulary is missing.
  """
  if not (vocab_file := checkpoint.vocab_file):
    raise UserError(
      f'there is no {os.path.join(checkpoint.folder, "vocab.txt")}'
    )
  casing = checkpoint.casing()
  return BertTokenizer(vocab_file, casing[1] if casing else True)
