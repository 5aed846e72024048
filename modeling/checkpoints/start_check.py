"""Checks that a model can start from a checkpoint, before it is built.

Tested by `tests/modeling/checkpoints/loading_test.py`.
"""

import tensorflow as tf

from modeling.checkpoints import initialisation, loading
from modeling.checkpoints.load_report import compact
from modeling.checkpoints.location import Checkpoint
from modeling.checkpoints.released_names import (
  POSITIONS,
  SEGMENTS,
  WORDS,
  is_encoder,
)
from modeling.checkpoints.stored_weights import StoredWeights, Variables
from modeling.configs import BertConfig
from modeling.encoder import BertEncoder
from modeling.models import released_variables
from system.errors import UserError, few


def check(
  checkpoint: Checkpoint,
  config: BertConfig,
  init: str,
  extends_positions: bool = False,
) -> None:
  """Checks, before a model is built, that it can start from a checkpoint.

  Args:
    checkpoint: see `location.locate`.
    config: the model's.
    init: a value of the setting `init`.
    extends_positions: as for `loading.load_released`.

  Raises:
    UserError: the number of layers, the hidden size, the vocabulary's size or
      the number of positions or segments does not fit, and the message shows
      both; or weights of the encoder are missing, have another shape, cannot be
      read, or are not finite.
  """
  opened, prefix = StoredWeights(checkpoint), checkpoint.prefix
  stored = opened.variables
  if WORDS not in stored:
    raise UserError(
      f'{prefix} lacks {WORDS}. It holds {few(compact(stored)) or "no weights"}'
    )
  vocab_size, width = stored[WORDS][0]
  for name, theirs, ours in (
    ('hidden_size', width, config.hidden_size),
    ('vocab_size', vocab_size, config.vocab_size),
  ):
    if theirs != ours:
      raise UserError(
        f'{prefix} has {name} {theirs}, the model {ours}: the model can only'
        f' start from a checkpoint of the same {name}'
      )
  if init != initialisation.WORD_EMBEDDINGS:
    _check_tables(prefix, stored, config, extends_positions)
  # In a graph, variables take no memory; those of 12 layers take a second.
  with tf.Graph().as_default():
    ours = released_variables(BertEncoder(config, seed=None))
  loading.plan(prefix, ours, stored, is_encoder, init, extends_positions)
  # One at a time: a model's weights may fill the memory.
  for name in sorted(set(initialisation.sources(init, ours, stored).values())):
    opened.read([name])


def _check_tables(
  prefix: str, stored: Variables, config: BertConfig, extends_positions: bool
) -> None:
  """Compares the numbers of segments and positions, if the tables exist."""
  (types, _), _ = stored.get(SEGMENTS, ((config.type_vocab_size, 0), ''))
  if types != config.type_vocab_size:
    raise UserError(
      f'{prefix} has type_vocab_size {types}, the model'
      f' {config.type_vocab_size}: do its bert_config.json and the given one'
      ' agree?'
    )
  ours = config.max_position_embeddings
  (theirs, _), _ = stored.get(POSITIONS, ((ours, 0), ''))
  if theirs < ours and not extends_positions:
    raise UserError(
      f'{prefix} has {theirs} positions (max_position_embeddings), the model'
      f' {ours}. `extend_positions` keeps the {theirs} and initialises the'
      ' others at random.'
    )
  # The model could keep the first positions only. But `max_seq_length` bounds
  # the inputs, so no run needs fewer positions, and a bert_config.json with
  # fewer probably belongs to another model.
  if theirs > ours:
    raise UserError(
      f'{prefix} has {theirs} positions (max_position_embeddings), the model'
      f' {ours}: expected as many. For shorter inputs set only'
      ' `max_seq_length`.'
    )
