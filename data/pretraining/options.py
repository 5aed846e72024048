"""The settings of pre-training records: their length, pairs and masks."""

import dataclasses

from absl import logging

from system import settings
from system.settings import setting

MAX_SEQ_LENGTH = 1 << 16


@dataclasses.dataclass(frozen=True)
class MaskingOptions:
  """Which tokens are masked."""

  max_predictions_per_seq: int = setting(
    20,
    'The maximum number of masked tokens in a record.',
    at_least=1,
    at_most=MAX_SEQ_LENGTH - 1,
  )
  masked_lm_prob: float = setting(
    0.15, 'The share of tokens to mask.', more_than=0, less_than=1
  )
  do_whole_word_mask: bool = setting(
    False, 'Whether to mask whole words instead of single wordpieces.'
  )
  max_ngram: int = setting(
    1,
    'Added: masks spans of up to this many wordpieces, or of whole words with '
    '--do_whole_word_mask.',
    at_least=1,
    at_most=100,
  )
  ngram_distribution: str = setting(
    'inverse',
    "Added: the probability of a span of length n: 'inverse', proportional to "
    "1/n (ALBERT), or 'geometric', proportional to 0.8**n (SpanBERT).",
    choices=('inverse', 'geometric'),
    needs=('max_ngram>1',),
  )

  def warn_if_too_few(self, max_seq_length: int) -> None:
    """Warns if P is less than the share of a record of this many tokens."""
    share = round(max_seq_length * self.masked_lm_prob)
    if self.max_predictions_per_seq < share:
      logging.warning(
        '`max_predictions_per_seq`=%d: the longest records need %d masks for '
        'their share, `masked_lm_prob`',
        *(self.max_predictions_per_seq, share),
      )


@dataclasses.dataclass(frozen=True)
class RecordOptions(MaskingOptions):
  """Everything that decides the records of a given text and vocabulary."""

  # [CLS] A [SEP] B [SEP] is 5 tokens.
  max_seq_length: int = setting(
    128,
    'Tokens in a record, [CLS] and [SEP] included.',
    at_least=5,
    at_most=MAX_SEQ_LENGTH,
  )
  random_seed: int = setting(12345, 'The seed for drawing pairs and masks.')
  dupe_factor: int = setting(
    10,
    'How many times the text is used, each time with other pairs and masks.',
    at_least=1,
    at_most=2**31 - 1,
  )
  short_seq_prob: float = setting(
    0.1,
    'The share of documents that are cut into records shorter than '
    '--max_seq_length.',
    at_least=0,
    at_most=1,
  )
  sentence_order_prediction: bool = setting(
    False,
    'Added: B continues A, and half the time the two are swapped (ALBERT). '
    'By default, half the time B is text from another document.',
  )
  dynamic_masking: bool = setting(
    False,
    'Added: writes records without masks. run_pretraining.py then masks them '
    'anew in each epoch (RoBERTa), with the masking flags given here.',
  )

  def check(self) -> None:
    """Raises a `UserError` that names the first value outside its limits."""
    settings.check(self)

  @property
  def masking(self) -> MaskingOptions:
    """Which tokens are masked."""
    fields = dataclasses.fields(MaskingOptions)
    return MaskingOptions(**{x.name: getattr(self, x.name) for x in fields})

  def flags(self) -> dict[str, int | float | bool | str]:
    """Returns all values by the names of their settings."""
    return dataclasses.asdict(self)

  def warn_of_few_predictions(self) -> None:
    """Warns if P is less than the longest records' share of masked tokens.

    Records without masks get theirs, and their P, in training.
    """
    if not self.dynamic_masking:
      self.masking.warn_if_too_few(self.max_seq_length)
