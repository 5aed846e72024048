"""A model that labels texts, whatever computes it.

A module for each runtime has a subclass of `Model`; `serving.runtimes` chooses
one. Does not import TensorFlow.

Tested by `tests/serving/runtimes_test.py`.
"""

import abc
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from system.errors import UserError, shown

# A text, or a pair of texts.
Text = str | tuple[str, str]


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


class Model(abc.ABC):
  """A classifier or regressor with its tokenizer.

  Attributes:
    labels: in the order of the logits; empty if it predicts a number.
    takes_pairs: whether a text is a pair; None if the folder does not record
      it.
    max_seq_length: the maximum input length in tokens; longer texts are cut.
    temperature: divides the logits of labels before the softmax.
  """

  def __init__(
    self,
    labels: Sequence[str],
    takes_pairs: bool | None,
    max_seq_length: int,
    temperature: float = 1.0,
  ):
    """Takes the attributes.

    Args:
      labels: as the attribute.
      takes_pairs: as the attribute.
      max_seq_length: as the attribute.
      temperature: as the attribute; ignored if there are no labels.
    """
    self.labels = tuple(labels)
    self.takes_pairs = takes_pairs
    self.max_seq_length = max_seq_length
    self.temperature = temperature if self.labels else 1.0

  def predict(
    self, texts: Iterable[Text], batch_size: int = 64
  ) -> list[Prediction]:
    """Labels texts.

    Args:
      texts: a list or another iterable of texts, or of pairs of texts; see
        `takes_pairs`.
      batch_size: texts scored at once; texts of similar length share a batch.

    Returns:
      A prediction for each text, in the given order.

    Raises:
      UserError: the model takes pairs and a single text was given, or the
        reverse; or `texts` is one text instead of a list.
    """
    logits = self.logits(texts, batch_size)
    if not self.labels:
      return [Prediction(None, {}, float(row[0])) for row in logits]
    rows = _softmax(logits.astype(np.float64) / self.temperature)
    return [
      Prediction(
        self.labels[int(np.argmax(row))],
        dict(zip(self.labels, row.tolist(), strict=True)),
      )
      for row in rows
    ]

  def logits(self, texts: Iterable[Text], batch_size: int = 64) -> np.ndarray:
    """Computes the logits of texts, float32 [N, C]; see `predict`."""
    if isinstance(texts, str):
      raise UserError(f'expected a list of texts, received {shown(texts)}')
    texts = list(texts)
    if not texts:
      return np.zeros([0, len(self.labels) or 1], np.float32)
    are_pairs = self.takes_pairs
    if are_pairs is None:
      are_pairs = not isinstance(texts[0], str)
    for text in texts:
      _check(text, are_pairs)
    return self._logits(texts, are_pairs, batch_size)

  @abc.abstractmethod
  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    """Computes float32 [N, C] of one or more texts, or of pairs."""


def _softmax(logits: np.ndarray) -> np.ndarray:
  powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return powers / powers.sum(axis=-1, keepdims=True)


def _check(text: Text, takes_pairs: bool) -> None:
  is_pair = not isinstance(text, str)
  if is_pair != takes_pairs or (is_pair and len(text) != 2):
    expected = 'a pair of texts' if takes_pairs else 'one text'
    raise UserError(f'expected {expected}, received {shown(text)}')
