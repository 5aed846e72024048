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
from modeling.checkpoints.model_file import ModelFile
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from system.errors import UserError, shown
from training import calibration
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
    labels: in the order of the logits; empty if it predicts a number.
    takes_pairs: whether a text is a pair; None if the folder does not record
      it.
    max_seq_length: the longest input in tokens; longer texts are cut.
    temperature: divides the logits of labels before the softmax.
  """

  def __init__(
    self,
    classifier: Classifier,
    tokenizer: BertTokenizer,
    labels: Sequence[str],
    takes_pairs: bool | None,
    max_seq_length: int,
    temperature: float = 1.0,
  ):
    """Takes the parts of a model.

    Args:
      classifier: with its weights.
      tokenizer: the model's.
      labels: see the attribute.
      takes_pairs: see the attribute.
      max_seq_length: see the attribute.
      temperature: see the attribute.
    """
    self.labels = tuple(labels)
    self.takes_pairs = takes_pairs
    self.max_seq_length = max_seq_length
    self._tokenizer = tokenizer
    self.temperature = temperature
    self._predictor = Predictor(classifier)

  def predict(
    self, texts: Sequence[Text], batch_size: int = 64
  ) -> list[Prediction]:
    """Labels texts.

    Args:
      texts: texts, or pairs of texts; see `takes_pairs`.
      batch_size: texts scored at once; texts of similar length share a batch.

    Returns:
      A prediction for each text, in the given order.

    Raises:
      UserError: the model takes pairs and a single text was given, or the
        reverse.
    """
    logits = self.logits(texts, batch_size)
    if not self.labels:
      return [Prediction(None, {}, float(row[0])) for row in logits]
    rows = special.softmax(
      logits.astype(np.float64) / self.temperature, axis=-1
    )
    return [
      Prediction(
        self.labels[int(np.argmax(row))],
        dict(zip(self.labels, row.tolist(), strict=True)),
      )
      for row in rows
    ]

  def logits(self, texts: Sequence[Text], batch_size: int = 64) -> np.ndarray:
    """Computes the logits of texts, float32 [N, C]; see `predict`."""
    if not texts:
      return np.zeros([0, len(self.labels) or 1], np.float32)
    are_pairs = self.takes_pairs
    if are_pairs is None:
      are_pairs = not isinstance(texts[0], str)
    for text in texts:
      _check(text, are_pairs)
    columns = zip(*texts, strict=True) if are_pairs else (texts, None)
    ids, segments = classifier_records.encode_texts(
      self._tokenizer, *columns, self.max_seq_length
    )
    batches = inference_input.inference_batches_from(
      ids, segments, batch_size, self.max_seq_length
    )
    return self._predictor.predict(batches, len(texts), lambda _: None)


def _check(text: Text, takes_pairs: bool) -> None:
  is_pair = not isinstance(text, str)
  if is_pair != takes_pairs or (is_pair and len(text) != 2):
    expected = 'a pair of texts' if takes_pairs else 'one text'
    raise UserError(f'expected {expected}, received {shown(text)}')


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
  config = config_of(checkpoint)
  num_outputs = num_outputs_of(checkpoint)
  recorded = checkpoint.description() or ModelFile()
  task = recorded.task
  labels = task.labels if task else labels_beside(checkpoint, num_outputs)
  if num_outputs != (len(labels) or 1):
    raise UserError(
      f'{checkpoint.prefix} has a head with {num_outputs} outputs, but '
      f'{len(labels)} labels are recorded beside it'
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
    tokenizer_of(checkpoint),
    labels,
    task.is_pair if task else None,
    recorded.max_seq_length or longest,
    calibration.temperature_of(checkpoint) if labels else 1.0,
  )


def config_of(checkpoint: Checkpoint) -> BertConfig:
  """Returns the model's configuration.

  Raises:
    UserError: there is none beside the checkpoint.
  """
  if (found := checkpoint.config()) is None:
    raise UserError(f'there is no bert_config.json beside {checkpoint.prefix}')
  return found[1]


def num_outputs_of(checkpoint: Checkpoint) -> int:
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


def labels_beside(checkpoint: Checkpoint, num_outputs: int) -> tuple[str, ...]:
  """Returns the labels of a folder without model.json.

  Raises:
    UserError: they are not named.
  """
  if num_outputs == 1:
    return ()
  folders = location.label_folders(checkpoint.prefix)
  if not (known := label_order.find(folders)):
    raise UserError(
      f'there is neither model.json nor {label_order.FILE} beside '
      f'{checkpoint.prefix}: the names of its {num_outputs} labels are unknown'
    )
  return known[1]


def tokenizer_of(checkpoint: Checkpoint) -> BertTokenizer:
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
