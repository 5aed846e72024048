"""Statistics of pre-training records: number, lengths, masks and labels."""

import dataclasses
from typing import Any

import numpy as np
from absl import logging

# Text in sentences of usual length loses less at S=128.
_LARGE_CUT_SHARE = 1 / 3
# So many labels are not all 1 by chance.
_MIN_RECORDS = 20


@dataclasses.dataclass
class RecordStatistics:
  """Sums over records; only `ratios` divides them.

  Attributes:
    records: N.
    length_counts: int64 [S + 1], the number of records of each length in
      tokens.
    masked: the number of masked tokens; 0 under dynamic masking.
    random_next: the number of records with the label 1.
    cut: the number of tokens that were cut off from pairs that were too long.
  """

  records: int
  length_counts: np.ndarray
  masked: int
  random_next: int
  cut: int

  @classmethod
  def empty(cls, max_seq_length: int) -> 'RecordStatistics':
    """Returns the statistics of no records."""
    return cls(0, np.zeros(max_seq_length + 1, np.int64), 0, 0, 0)

  def __add__(self, other: 'RecordStatistics') -> 'RecordStatistics':
    return RecordStatistics(
      self.records + other.records,
      self.length_counts + other.length_counts,
      self.masked + other.masked,
      self.random_next + other.random_next,
      self.cut + other.cut,
    )

  @classmethod
  def from_json(cls, value: dict[str, Any]) -> 'RecordStatistics':
    """Returns the statistics whose `to_json` returned the value."""
    counts = np.array(value['length_counts'], np.int64)
    return cls(
      value['records'],
      counts,
      value['masked'],
      value['random_next'],
      value['cut'],
    )

  def to_json(self) -> dict[str, Any]:
    """Returns the sums as values that JSON can hold."""
    counts = self.length_counts.tolist()
    return {**dataclasses.asdict(self), 'length_counts': counts}

  @property
  def tokens(self) -> int:
    """The tokens of all records, [CLS] and [SEP] included, without padding."""
    return int(self.length_counts @ np.arange(len(self.length_counts)))

  def ratios(self) -> dict[str, float]:
    """Returns the mean length in tokens, and shares of records and tokens.

    `cut_share` is of the pairs' tokens, without [CLS] and [SEP].
    """
    records, tokens = max(self.records, 1), max(self.tokens, 1)
    pair_tokens = self.cut + self.tokens - 3 * self.records
    return {
      'mean_length': self.tokens / records,
      'full_length_share': int(self.length_counts[-1]) / records,
      'masked_share': self.masked / tokens,
      'random_next_share': self.random_next / records,
      'cut_share': self.cut / max(pair_tokens, 1),
    }

  def warn(self) -> None:
    """Warns if much text was cut off, or if all records have the label 1."""
    cut_share = self.ratios()['cut_share']
    if cut_share > _LARGE_CUT_SHARE:
      logging.warning(
        '%.0f%% of the tokens of all pairs were cut off: many sentences have '
        'more tokens than `max_seq_length`=%d leaves room for. With '
        '`input_format`=bert every line must be one sentence; the other '
        'formats split running text, and cut long sentences into pieces.',
        *(100 * cut_share, len(self.length_counts) - 1),
      )
    if self.random_next == self.records >= _MIN_RECORDS:
      logging.warning(
        'all %d records have the label 1 (B is random text): the documents are '
        'single sentences, or their sentences fill a record each. The '
        'next-sentence task learns nothing from such records.',
        self.records,
      )

  def __str__(self) -> str:
    ratios = self.ratios()
    return (
      f'{self.records:,} records, '
      f'mean length {ratios["mean_length"]:.1f} tokens, '
      f'{ratios["masked_share"]:.2%} masked, '
      f'{ratios["random_next_share"]:.2%} random next, '
      f'{ratios["cut_share"]:.2%} of the tokens cut off'
    )
