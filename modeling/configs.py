"""A model's dimensions: `bert_config.json` and the 24 compact sizes."""

import dataclasses
from typing import Any

from system import files
from system.errors import UserError

# 'gelu' is the tanh approximation, as in google-research/bert. 'gelu_erf' is
# our name for the exact form, which Hugging Face calls 'gelu'. 'linear' is no
# activation.
ACTIVATIONS = ('gelu', 'gelu_erf', 'relu', 'tanh', 'linear')

# Keys of the released multilingual and Chinese configurations that
# google-research/bert never reads.
_IGNORED_KEYS = frozenset(
  (
    'directionality',
    'pooler_fc_size',
    'pooler_num_attention_heads',
    'pooler_num_fc_layers',
    'pooler_size_per_head',
    'pooler_type',
  )
)

_PROBABILITIES = ('attention_probs_dropout_prob', 'hidden_dropout_prob')
_COUNTS = (
  'hidden_size',
  'intermediate_size',
  'max_position_embeddings',
  'num_attention_heads',
  'num_hidden_layers',
  'type_vocab_size',
  'vocab_size',
)

_COMPACT_LAYERS = (2, 4, 6, 8, 10, 12)
_COMPACT_HIDDEN_SIZES = (128, 256, 512, 768)
_HEAD_SIZE = 64  # units of hidden_size per attention head, in all 24 sizes

COMPACT_SIZES = tuple(
  f'{layers}/{hidden}'
  for layers in _COMPACT_LAYERS
  for hidden in _COMPACT_HIDDEN_SIZES
)

SIZE_ALIASES = {
  'tiny': '2/128',
  'mini': '4/256',
  'small': '4/512',
  'medium': '8/512',
  'base': '12/768',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BertConfig:
  """The keys of `bert_config.json`, with google-research/bert's defaults.

  `hidden_act` is one of `ACTIVATIONS`, in any case; None and '' mean 'linear'.

  >>> BertConfig.from_dict({'vocab_size': 30522}).hidden_size
  768

  Raises:
    UserError: a value has the wrong type or is out of range. The message shows
      the key, the value and what was expected.
  """

  vocab_size: int
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str | None = 'gelu'
  hidden_dropout_prob: float = 0.1
  attention_probs_dropout_prob: float = 0.1
  max_position_embeddings: int = 512
  type_vocab_size: int = 16
  initializer_range: float = 0.02

  def __post_init__(self):
    for key in _COUNTS:
      value = getattr(self, key)
      if not _is_number(value, int) or value < 1:
        raise UserError(f'{key} is {value!r}, expected a positive integer')
    for key in _PROBABILITIES:
      value = getattr(self, key)
      if not _is_number(value, int, float) or not 0 <= value < 1:
        raise UserError(f'{key} is {value!r}, expected a number in [0, 1)')
    self._check_initializer_range()
    self._check_heads()
    self._check_activation()

  def _check_initializer_range(self) -> None:
    value = self.initializer_range
    # NaN and infinity fail the upper bound.
    if not _is_number(value, int, float) or not 0 <= value < float('inf'):
      raise UserError(
        f'initializer_range is {value!r}, expected a standard deviation >= 0'
      )

  def _check_heads(self) -> None:
    if self.hidden_size % self.num_attention_heads:
      raise UserError(
        f'hidden_size is {self.hidden_size}, expected a multiple of '
        f'num_attention_heads, {self.num_attention_heads}'
      )

  def _check_activation(self) -> None:
    name = self.hidden_act
    lowered = name.lower() if isinstance(name, str) else name
    if lowered not in (*ACTIVATIONS, '', None):
      raise UserError(
        f'hidden_act is {name!r}, expected one of {", ".join(ACTIVATIONS)}'
      )

  @classmethod
  def from_dict(cls, values: dict[str, Any]) -> 'BertConfig':
    """Builds a configuration from the content of a `bert_config.json`.

    Args:
      values: key → value. Missing keys except `vocab_size` take
        google-research/bert's defaults. The pooler keys of the multilingual
        and Chinese models are ignored.

    Raises:
      UserError: `vocab_size` is missing, a key is unknown or a value is wrong.
    """
    if not isinstance(values, dict):
      raise UserError(
        f'a BERT configuration must be a JSON object, got {values!r:.80}'
      )
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - known - _IGNORED_KEYS)
    if unknown:
      raise UserError(
        f'unknown keys in the BERT configuration: {", ".join(unknown)}; '
        f'expected {", ".join(sorted(known))}'
      )
    if 'vocab_size' not in values:
      raise UserError('the BERT configuration lacks vocab_size')
    return cls(**{key: values[key] for key in values.keys() & known})

  @classmethod
  def from_json_file(cls, path: str) -> 'BertConfig':
    """Reads a `bert_config.json`; a `UserError` names the file."""
    values = files.read_json(path)
    try:
      return cls.from_dict(values)
    except UserError as error:
      raise UserError(f'{path}: {error}') from error

  def to_dict(self) -> dict[str, Any]:
    """Returns exactly the keys of `bert_config.json`."""
    return dataclasses.asdict(self)

  def to_json_file(self, path: str) -> None:
    """Writes a `bert_config.json`."""
    files.write_json(path, self.to_dict())


def _is_number(value: Any, *types: type) -> bool:
  # bool is a subclass of int, but `true` in a JSON file is a mistake.
  return isinstance(value, types) and not isinstance(value, bool)


def compact_config(size: str, vocab_size: int) -> BertConfig:
  """Returns the configuration of one of the 24 released compact models.

  >>> tiny = compact_config('tiny', vocab_size=30522)
  >>> tiny.num_hidden_layers, tiny.hidden_size, tiny.num_attention_heads
  (2, 128, 2)

  Args:
    size: 'layers/hidden size', one of `COMPACT_SIZES`, or an alias: tiny,
      mini, small, medium, base.
    vocab_size: V, 30522 for the released vocabulary.

  Raises:
    UserError: the size is not one of the 24. The message lists them.
  """
  name = SIZE_ALIASES.get(size, size)
  if name not in COMPACT_SIZES:
    raise UserError(
      f'unknown BERT size {size!r}, expected one of '
      f'{", ".join((*SIZE_ALIASES, *COMPACT_SIZES))}'
    )
  layers, hidden = map(int, name.split('/'))
  return BertConfig(
    vocab_size=vocab_size,
    hidden_size=hidden,
    num_hidden_layers=layers,
    num_attention_heads=hidden // _HEAD_SIZE,
    intermediate_size=4 * hidden,
    type_vocab_size=2,
  )


def count_parameters(config: BertConfig) -> int:
  """Counts the weights of the encoder with its pooler and without heads.

  >>> count_parameters(compact_config('tiny', vocab_size=30522))
  4385920
  """
  hidden = config.hidden_size
  norm = 2 * hidden
  embeddings = hidden * (
    config.vocab_size + config.max_position_embeddings + config.type_vocab_size
  )
  # Query, key, value and output: four kernels of [H, H], four biases.
  attention = 4 * (hidden * hidden + hidden) + norm
  inner = config.intermediate_size
  feed_forward = (hidden * inner + inner) + (inner * hidden + hidden) + norm
  pooler = hidden * hidden + hidden
  layers = config.num_hidden_layers * (attention + feed_forward)
  return embeddings + norm + layers + pooler
