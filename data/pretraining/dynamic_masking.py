"""Dynamic masking: masks drawn when records are read, anew in each epoch.

A record's masks depend only on the seed and on a number that identifies the
record. In training, the number is the record's position in the stream, which
continues from epoch to epoch; in an evaluation, its position in the files. So a
resumed run draws the same masks, on any number of devices.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from data.pretraining import masking
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import MaskingOptions
from data.pretraining.randomness import stream_key
from data.text.vocabulary import Vocabulary


class DynamicMasking:
  """Masks batches of `feature_spec.UNMASKED_PRETRAINING`.

  It serves as the `complete` of a `RecordSource`.

  Attributes:
    options: what to mask.
  """

  def __init__(
    self, vocabulary: Vocabulary, options: MaskingOptions, seed: int
  ):
    """Prepares for masking.

    Args:
      vocabulary: the records' vocabulary; it must hold all their ids.
      options: what to mask.
      seed: the run's seed.
    """
    self._special = SpecialTokens.of(vocabulary)
    self.options = options
    self._key = stream_key(seed)

  def __call__(
    self, features: Mapping[str, tf.Tensor], numbers: tf.Tensor
  ) -> dict[str, tf.Tensor]:
    """Masks records.

    Args:
      features: int32, `input_ids`, `input_mask` and `segment_ids` [N, S], of
        `[CLS] A [SEP] B [SEP]`; other features stay unchanged.
      numbers: int64 [N], identify the records.

    Returns:
      The features with masked `input_ids`; and `masked_lm_positions` and
      `masked_lm_ids`, int32 [N, P], and `masked_lm_weights`, float32 [N, P].
    """
    ids = features['input_ids']
    inputs = (ids, features['input_mask'], features['segment_ids'], numbers)
    dtypes = (tf.int32, tf.int32, tf.int32, tf.float32)
    masked, *masks = tf.numpy_function(
      self._mask, inputs, dtypes, stateful=False
    )
    shape = [ids.shape[0], self.options.max_predictions_per_seq]
    positions, labels, weights = (tf.ensure_shape(x, shape) for x in masks)
    return {
      **features,
      'input_ids': tf.ensure_shape(masked, ids.shape),
      'masked_lm_positions': positions,
      'masked_lm_ids': labels,
      'masked_lm_weights': weights,
    }

  def _mask(
    self,
    ids: np.ndarray,
    input_mask: np.ndarray,
    segment_ids: np.ndarray,
    numbers: np.ndarray,
  ) -> tuple[np.ndarray, ...]:
    """Returns the masked ids and the three arrays of `Masks`."""
    ids = ids.copy()
    lengths = input_mask.sum(axis=1, dtype=np.int64)
    # All of B and its [SEP] are segment 1; A's [SEP] is the last of segment 0.
    first_seps = lengths - np.count_nonzero(segment_ids, axis=1) - 1
    masks = masking.mask(
      ids,
      lengths,
      first_seps,
      masking.record_states(self._key, numbers),
      self._special,
      self.options,
    )
    return ids, *masks
