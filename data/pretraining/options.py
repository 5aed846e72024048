"""What pre-training records are to be like."""

import dataclasses

from system.errors import UserError

MAX_SEQ_LENGTH = 1 << 16
# How the lengths of masked runs are drawn: see `masking.span_lengths`.
NGRAM_DISTRIBUTIONS = ('inverse', 'geometric')


@dataclasses.dataclass(frozen=True)
class MaskingOptions:
  """Which tokens to mask: the flags of these names."""

  max_predictions_per_seq: int = 20
  masked_lm_prob: float = 0.15
  do_whole_word_mask: bool = False
  max_ngram: int = 1
  ngram_distribution: str = 'inverse'

  def check(self) -> None:
    """Raises a `UserError` that names the first value out of its range."""
    _expect(
      self, 'max_predictions_per_seq', range(1, MAX_SEQ_LENGTH), '1 or more'
    )
    _expect(self, 'max_ngram', range(1, 101), '1 to 100')
    if not 0 < self.masked_lm_prob < 1:
      raise _error(self, 'masked_lm_prob', 'more than 0 and less than 1')
    if self.ngram_distribution not in NGRAM_DISTRIBUTIONS:
      raise _error(self, 'ngram_distribution', ' or '.join(NGRAM_DISTRIBUTIONS))


@dataclasses.dataclass(frozen=True)
class Options:
  """What the records are to be: the flags of these names."""

  masking: MaskingOptions = MaskingOptions()
  max_seq_length: int = 128
  random_seed: int = 12345
  dupe_factor: int = 10
  short_seq_prob: float = 0.1
  sentence_order_prediction: bool = False
  dynamic_masking: bool = False

  def check(self) -> None:
    """Raises a `UserError` that names the first value out of its range."""
    # [CLS] A [SEP] B [SEP] is 5 tokens.
    lengths = range(5, MAX_SEQ_LENGTH + 1)
    _expect(self, 'max_seq_length', lengths, f'5 to {MAX_SEQ_LENGTH}')
    _expect(self, 'dupe_factor', range(1, 2**31), '1 or more')
    if not 0 <= self.short_seq_prob <= 1:
      raise _error(self, 'short_seq_prob', '0 to 1')
    self.masking.check()

  def flags(self) -> dict[str, int | float | bool | str]:
    """Returns all values by the names of their flags."""
    values = dataclasses.asdict(self)
    return {**values.pop('masking'), **values}


def _expect(options, name: str, values: range, expected: str) -> None:
  if getattr(options, name) not in values:
    raise _error(options, name, expected)


def _error(options, name: str, expected: str) -> UserError:
  return UserError(f'--{name} is {getattr(options, name)}; expected {expected}')
