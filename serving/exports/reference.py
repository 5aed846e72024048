"""What our own model makes of texts: token ids, outputs, labels.

Tested by `tests/serving/exports/exporting_test.py`.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data.tasks import text_encoding
from serving.exports import heads
from serving.exports.parts import Parts
from serving.text_model import Text
from system.errors import UserError

# Rows of a text that are compared where the output has a row for each token;
# the logits of one token are as many as the vocabulary has pieces.
_NUM_POSITIONS = 8
# Texts that are compared then.
_MAX_TEXTS_BY_TOKEN = 64
_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Reference:
  """Texts, and what our own model computes for them.

  Attributes:
    texts: N texts, or pairs.
    features: int64 `input_ids`, `attention_mask`, `token_type_ids`, [N, S]; and
      `positions`, [N, P], the tokens whose outputs are compared.
    outputs: the name of an output, as in `heads.OUTPUTS` → float32 [N, ...].
      With pre-training heads, the encoder's are there, too.
    labels: N labels; None if the model predicts none.
  """

  texts: Sequence[Text]
  features: Mapping[str, np.ndarray]
  outputs: Mapping[str, np.ndarray]
  labels: Sequence[str] | None


def compute(parts: Parts, texts: Sequence[Text]) -> Reference:
  """Runs our own model on texts.

  Args:
    parts: the model.
    texts: one or more texts, or pairs. Of a model without a head for a task,
      the first `_MAX_TEXTS_BY_TOKEN` are used.

  Raises:
    UserError: there is no text, or the model takes pairs and a single text was
      given, or the reverse.
  """
  if not texts:
    raise UserError('there is no text to compare the export on')
  if parts.head != heads.TASK:
    texts = texts[:_MAX_TEXTS_BY_TOKEN]
  outputs, labels = {}, None
  if parts.head == heads.TASK:
    outputs['logits'] = parts.text_model.logits(texts)
    if parts.labels:
      best = outputs['logits'].argmax(axis=1)
      labels = [parts.labels[i] for i in best]
  features = features_of(parts, texts)
  if parts.head != heads.TASK:
    outputs = _outputs(parts, features)
  return Reference(texts, features, outputs, labels)


def features_of(parts: Parts, texts: Sequence[Text]) -> dict[str, np.ndarray]:
  """Tokenizes texts or pairs; returns what `Reference.features` holds."""
  are_pairs = not isinstance(texts[0], str)
  columns = zip(*texts, strict=True) if are_pairs else (texts, None)
  ids, segments = text_encoding.encode_texts(
    parts.tokenizer, *columns, parts.max_seq_length
  )
  lengths = ids.row_lengths().numpy()
  mask = tf.sequence_mask(lengths, dtype=tf.int64).numpy()
  # The last token's number where a text is shorter.
  positions = np.minimum(np.arange(_NUM_POSITIONS), lengths[:, np.newaxis] - 1)
  return {
    'input_ids': ids.to_tensor().numpy().astype(np.int64),
    'attention_mask': mask,
    'token_type_ids': segments.to_tensor().numpy().astype(np.int64),
    'positions': positions.astype(np.int64),
  }


def _outputs(
  parts: Parts, features: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """Returns the outputs of a model without a head for a task."""
  rows = [_batch_outputs(parts, batch) for batch in _batches(features)]
  return {name: np.concatenate([x[name] for x in rows]) for name in rows[0]}


def _batches(
  features: Mapping[str, np.ndarray],
) -> Iterator[dict[str, np.ndarray]]:
  for start in range(0, len(features['input_ids']), _BATCH_SIZE):
    rows = slice(start, start + _BATCH_SIZE)
    longest = features['attention_mask'][rows].sum(axis=1).max()
    yield {
      name: value[rows] if name == 'positions' else value[rows, :longest]
      for name, value in features.items()
    }


def _batch_outputs(
  parts: Parts, batch: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
  ids, mask, segments, positions = (
    tf.constant(batch[name], tf.int32)
    for name in ('input_ids', 'attention_mask', 'token_type_ids', 'positions')
  )
  is_alone = parts.head == heads.NONE
  encoder = parts.model if is_alone else parts.model.encoder
  values = encoder(ids, mask, segments, positions=positions)
  found = [values['sequence_output'], values['pooled_output']]
  names = [*heads.OUTPUTS[heads.NONE]]
  if not is_alone:
    values = parts.model(
      {
        'input_ids': ids,
        'input_mask': mask,
        'segment_ids': segments,
        'masked_lm_positions': positions,
      }
    )
    found += values['masked_lm_logits'], values['next_sentence_logits']
    names += heads.OUTPUTS[heads.PRETRAINING]
  return {n: x.numpy() for n, x in zip(names, found, strict=True)}
