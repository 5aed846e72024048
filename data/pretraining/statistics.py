"""How many records were written, and what they are like."""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass
class Statistics:
  """What was written: sums, divided only to be shown.

  Attributes:
    records: N.
    length_counts: int64 [S + 1], records of each length in tokens.
    masked: tokens that were masked; 0 under dynamic masking.
    random_next: records with the label 1.
  """

  records: int
  length_counts: np.ndarray
  masked: int
  random_next: int

  @classmethod
  def zero(cls, max_seq_length: int) -> 'Statistics':
    """Returns the statistics of no record."""
    return cls(0, np.zeros(max_seq_length + 1, np.int64), 0, 0)

  @classmethod
  def of(cls, columns: dict[str, np.ndarray]) -> 'Statistics':
    """Counts a batch of records."""
    mask = columns['input_mask']
    lengths = mask.sum(axis=1, dtype=np.int64)
    masked = columns.get('masked_lm_weights', np.zeros(0)).sum()
    return cls(
      len(mask),
      np.bincount(lengths, minlength=mask.shape[1] + 1),
      int(masked),
      int(columns['next_sentence_labels'].sum(dtype=np.int64)),
    )

  def __add__(self, other: 'Statistics') -> 'Statistics':
    return Statistics(
      self.records + other.records,
      self.length_counts + other.length_counts,
      self.masked + other.masked,
      self.random_next + other.random_next,
    )

  @classmethod
  def from_json(cls, value: dict[str, Any]) -> 'Statistics':
    """Reads what `to_json` wrote."""
    counts = np.array(value['length_counts'], np.int64)
    return cls(value['records'], counts, value['masked'], value['random_next'])

  def to_json(self) -> dict[str, Any]:
    """Returns the sums as JSON values."""
    counts = self.length_counts.tolist()
    return {**dataclasses.asdict(self), 'length_counts': counts}

  @property
  def tokens(self) -> int:
    """Tokens of all records, [CLS] and [SEP] included, padding not."""
    return int(self.length_counts @ np.arange(len(self.length_counts)))

  def shares(self) -> dict[str, float]:
    """Returns what is divided: the mean length in tokens, and shares."""
    records, tokens = max(self.records, 1), max(self.tokens, 1)
    return {
      'mean_length': self.tokens / records,
      'full_length_share': int(self.length_counts[-1]) / records,
      'masked_share': self.masked / tokens,
      'random_next_share': self.random_next / records,
    }

  def __str__(self) -> str:
    shares = self.shares()
    return (
      f'{self.records:,} records, '
      f'mean length {shares["mean_length"]:.1f} tokens, '
      f'{shares["masked_share"]:.2%} masked, '
      f'{shares["random_next_share"]:.2%} random next'
    )
