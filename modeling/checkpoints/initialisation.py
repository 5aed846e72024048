"""Where a run's initial weights come from.

A run is resumed, or starts from a checkpoint, or from random weights. `init`
selects the weight of the checkpoint that each variable starts from. The choices
are those that Turc et al. (2019, section 6.3) compare: a pre-trained model,
only its word embeddings, the bottom layers of a deeper model. Every k-th layer
is the choice of DistilBERT.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from modeling.checkpoints.released_names import LAYER, WORDS
from system.errors import UserError

if TYPE_CHECKING:
  from modeling.checkpoints.location import Checkpoint

# Values of the setting `init`.
ALL = 'all'
BOTTOM_LAYERS = 'bottom_layers'
EVERY_KTH_LAYER = 'every_kth_layer'
WORD_EMBEDDINGS = 'word_embeddings'
# Those that choose some of the layers of a deeper checkpoint.
SELECT_LAYERS = BOTTOM_LAYERS, EVERY_KTH_LAYER

# The ways in which a run starts, in order of precedence.
_WAYS = (
  'resumed: the newest complete checkpoint in `output_dir`/checkpoints',
  'warm: those weights of `init_checkpoint` that `init` selects',
  'fresh: random weights, from `seed`',
)
RESUMED, WARM, FRESH = range(len(_WAYS))


@dataclasses.dataclass(frozen=True)
class Start:
  """The source of the initial weights of a run that is not resumed.

  Attributes:
    checkpoint: None for random weights.
    init: which of its weights to load, a value of the setting `init`.
    extends_positions: whether it may have fewer positions than the model.
    head_rows: as for `loading.load_released`.
  """

  checkpoint: 'Checkpoint | None' = None
  init: str = ALL
  extends_positions: bool = False
  head_rows: Sequence[int] | None = None


def explain(way: int) -> list[str]:
  """Lists the ways to start, in order of precedence, and marks one.

  Args:
    way: the one to mark: RESUMED, WARM or FRESH.
  """
  lines = [
    f'{"→" if number == way else " "} {number + 1}. {text}'
    for number, text in enumerate(_WAYS)
  ]
  return ['How this run starts (the first that applies):', *lines]


def sources(
  init: str, names: Collection[str], stored: Collection[str]
) -> dict[str, str]:
  """Maps each variable to the weight of a checkpoint that it starts from.

  Args:
    init: a value of the setting `init`.
    names: released names of the model's variables.
    stored: released names in the checkpoint.

  Returns:
    The model's name → the checkpoint's name, which `stored` may lack. Variables
    without an entry start from random weights.

  Raises:
    UserError: as `layer_sources`.
  """
  if init == WORD_EMBEDDINGS:
    return {WORDS: WORDS} if WORDS in names else {}
  theirs = layer_sources(init, num_layers(names), num_layers(stored))
  return {
    name: LAYER.sub(lambda layer: str(theirs[int(layer[0])]), name)
    for name in names
  }


def num_layers(names: Collection[str]) -> int:
  """Returns the number of encoder layers among released names."""
  layers = map(LAYER.search, names)
  return 1 + max((int(layer[0]) for layer in layers if layer), default=-1)


def layer_sources(init: str, num_ours: int, num_theirs: int) -> list[int]:
  """Returns the layer of a checkpoint that each layer of a model starts from.

  The checkpoint has M layers, the model L. Layer i starts from layer i of the
  checkpoint, or for 'every_kth_layer' from its layer (i + 1) M / L - 1, so that
  the top layers correspond.

  >>> layer_sources('bottom_layers', 4, 12)
  [0, 1, 2, 3]
  >>> layer_sources('every_kth_layer', 4, 12)
  [2, 5, 8, 11]

  Args:
    init: a value of the setting `init` other than 'word_embeddings'.
    num_ours: L.
    num_theirs: M.

  Returns:
    L numbers, counted from 0.

  Raises:
    UserError: `init` does not allow these numbers of layers; the message shows
      both.
  """
  depths = f'the checkpoint has {num_theirs} layers, the model {num_ours}'
  if init == EVERY_KTH_LAYER:
    if num_ours and (num_theirs < num_ours or num_theirs % num_ours):
      raise UserError(
        f'{depths}: `init`={EVERY_KTH_LAYER} needs a multiple of the '
        f"model's. `init`={BOTTOM_LAYERS} accepts any deeper checkpoint."
      )
    step = num_theirs // max(num_ours, 1)
    return [(i + 1) * step - 1 for i in range(num_ours)]
  if init == BOTTOM_LAYERS and num_theirs < num_ours:
    raise UserError(f'{depths}: `init`={BOTTOM_LAYERS} needs as many or more')
  if init == ALL and num_theirs != num_ours:
    raise UserError(
      f'{depths}. Do its bert_config.json and the given one agree? '
      f'`init`={BOTTOM_LAYERS} and `init`={EVERY_KTH_LAYER} start from a '
      'deeper checkpoint.'
    )
  return list(range(num_ours))
