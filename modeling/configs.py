"""A model's dimensions: `bert_config.json` and the 24 compact sizes."""

import dataclasses
import difflib
import functools
from collections.abc import Mapping
from typing import Any

from absl import logging

from system import files
from system.errors import UserError, listed, shown

# 'gelu' is the tanh approximation, as in google-research/bert. 'gelu_erf' is
# our name for the exact form, which Hugging Face calls 'gelu'. 'linear' is no
# activation.
ACTIVATIONS = ('gelu', 'gelu_erf', 'relu', 'tanh', 'linear')

# Keys that google-research/bert never reads and that do not change the model:
# those of the released multilingual and Chinese configurations, and of tools
# that convert configurations.
_IGNORED_KEYS = frozenset(
  (
    'directionality',
    'finetuning_task',
    'gradient_checkpointing',
    'id2label',
    'label2id',
    'num_labels',
    'pad_token_id',
    'pooler_fc_size',
    'pooler_num_attention_heads',
    'pooler_num_fc_layers',
    'pooler_size_per_head',
    'pooler_type',
    'use_cache',
  )
)

# Added to the variance in LayerNorm.
LAYER_NORM_EPSILON = 1e-12
# Keys of other programs that change the model, with the only value that BERT
# has. google-research/bert never reads them.
_FIXED = {
  'model_type': 'bert',
  'position_embedding_type': 'absolute',
  'layer_norm_eps': LAYER_NORM_EPSILON,
  'is_decoder': False,
  'add_cross_attention': False,
  'relative_attention': False,
}

# Keys that only transformers writes.
_HUGGING_FACE_KEYS = frozenset(('architectures', 'transformers_version'))

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

# Larger models are mistakes: no machine holds them. google-research/bert's
# largest has 24 layers and 1.3 GB of weights.
_MAX_COUNT = 2**63 - 1
_MAX_LAYERS = 1000
_MAX_WEIGHT_BYTES = 1 << 40

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
      if not _is_number(value, int) or not 1 <= value <= _MAX_COUNT:
        raise UserError(f'{key} is {shown(value)}, expected a positive integer')
    for key in _PROBABILITIES:
      value = getattr(self, key)
      if not _is_number(value, int, float) or not 0 <= value < 1:
        raise UserError(f'{key} is {shown(value)}, expected a number in [0, 1)')
    self._check_initializer_range()
    self._check_heads()
    self._check_activation()
    self._check_weights()

  def _check_initializer_range(self) -> None:
    value = self.initializer_range
    # NaN and infinity fail the upper bound.
    if not _is_number(value, int, float) or not 0 <= value < float('inf'):
      raise UserError(
        f'initializer_range is {shown(value)}, expected a standard deviation '
        '>= 0'
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
        f'hidden_act is {shown(name)}, expected one of {", ".join(ACTIVATIONS)}'
      )

  def _check_weights(self) -> None:
    if self.num_hidden_layers > _MAX_LAYERS:
      raise UserError(
        f'num_hidden_layers is {self.num_hidden_layers:,}, expected at most '
        f'{_MAX_LAYERS:,}'
      )
    num_bytes = 4 * count_parameters(self)
    if num_bytes > _MAX_WEIGHT_BYTES:
      sizes = ', '.join(f'{key} {getattr(self, key)}' for key in _COUNTS)
      raise UserError(
        f'a model of these sizes has weights of {num_bytes / 1e9:,.0f} GB, '
        f'expected at most {_MAX_WEIGHT_BYTES / 1e9:,.0f} GB: {sizes}'
      )

  @classmethod
  def from_dict(
    cls, values: dict[str, Any], where: str = 'the BERT configuration'
  ) -> 'BertConfig':
    """Builds a configuration from the content of a `bert_config.json`.

    Args:
      values: key → value. Missing keys except `vocab_size` take
        google-research/bert's defaults. Dropout of None is 0, as there. A
        warning names unknown keys, which are ignored.
      where: the file, for the warning.

    Raises:
      UserError: `vocab_size` is missing, a value is wrong, an unknown key looks
        like a misspelt one or changes the model, or the values are those of a
        Hugging Face config.json.
    """
    if not isinstance(values, dict):
      raise UserError(
        f'a BERT configuration must be a JSON object, got {shown(values)}'
      )
    if theirs := sorted(values.keys() & _HUGGING_FACE_KEYS):
      raise UserError(
        f"this is Hugging Face's config.json (it has {', '.join(theirs)}), "
        "whose 'gelu' is another function. Give the model's folder as the "
        'checkpoint, without a configuration, or convert the folder with '
        'python -m tools.import_hugging_face'
      )
    check_fixed(values)
    known = [field.name for field in dataclasses.fields(cls)]
    _check_unknown(values, known, where)
    if 'vocab_size' not in values:
      raise UserError('the BERT configuration lacks vocab_size')
    fields = {key: values[key] for key in known if key in values}
    for key in _PROBABILITIES:
      if fields.get(key, 0.0) is None:
        fields[key] = 0.0
    return cls(**fields)

  @classmethod
  def from_json_file(cls, path: str) -> 'BertConfig':
    """Reads a `bert_config.json`; a `UserError` names the file."""
    values = files.read_json(path)
    try:
      return cls.from_dict(values, path)
    except UserError as error:
      raise UserError(f'{path}: {error}') from error

  def to_dict(self) -> dict[str, Any]:
    """Returns exactly the keys of `bert_config.json`."""
    return dataclasses.asdict(self)

  def to_json_file(self, path: str) -> None:
    """Writes a `bert_config.json`."""
    files.write_json(path, self.to_dict())


def check_fixed(values: Mapping[str, Any]) -> None:
  """Checks keys of other programs' configurations that change the model.

  Raises:
    UserError: a key has another value than in BERT.
  """
  hidden_size = values.get('hidden_size', BertConfig.hidden_size)
  for key, expected in {**_FIXED, 'embedding_size': hidden_size}.items():
    if values.get(key, expected) not in (expected, None):
      raise UserError(
        f'{key} is {shown(values[key])}, expected {expected!r}: no other BERT '
        'is supported'
      )


def _check_unknown(
  values: Mapping[str, Any], known: list[str], where: str
) -> None:
  """Warns of unknown keys.

  Raises:
    UserError: an unknown key looks like one that is missing.
  """
  harmless = {*known, *_IGNORED_KEYS, *_FIXED, 'embedding_size'}
  unknown = [key for key in values if key not in harmless and key[:1] != '_']
  missing = [key for key in known if key not in values]
  for key in unknown:
    if near := difflib.get_close_matches(key.lower(), missing, 1, 0.8):
      raise UserError(
        f'unknown key {shown(key)} in the BERT configuration: is it {near[0]}, '
        f'which is missing? Expected {", ".join(sorted(known))}'
      )
  if unknown:
    _warn_of(where, listed(sorted(unknown)))


@functools.cache
def _warn_of(where: str, keys: str) -> None:
  """Warns once in a process: a configuration is read several times."""
  logging.warning('Unknown keys in %s are ignored: %s', where, keys)


def _is_number(value: Any, *types: type) -> bool:
  # bool is a subclass of int, but `true` in a JSON file is a mistake.
  return isinstance(value, types) and not isinstance(value, bool)


def check_size(size: str) -> str:
  """Returns one of the 24 sizes, given itself or its alias.

  >>> check_size('tiny')
  '2/128'

  Raises:
    UserError: the size is neither.
  """
  if size not in (*SIZE_ALIASES, *COMPACT_SIZES):
    raise UserError(
      f'`bert_size`={shown(size)} is unknown, expected one of '
      f'{", ".join((*SIZE_ALIASES, *COMPACT_SIZES))}'
    )
  return SIZE_ALIASES.get(size, size)


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
  layers, hidden = map(int, check_size(size).split('/'))
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
