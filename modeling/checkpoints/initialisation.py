"""How a run gets its first weights, and which of a checkpoint's become whose.

The selections are the alternatives that Turc et al. (2019, section 6.3)
compare: a pre-trained model, its word embeddings alone, a deeper model
truncated to its bottom layers, and random weights (no checkpoint).
"""

import dataclasses
import re
from collections.abc import Collection

from system.errors import UserError

# Values of --init.
ALL = 'all'
BOTTOM_LAYERS = 'bottom_layers'
EVERY_KTH_LAYER = 'every_kth_layer'
WORD_EMBEDDINGS = 'word_embeddings'

WORDS = 'bert/embeddings/word_embeddings'
POSITIONS = 'bert/embeddings/position_embeddings'
SEGMENTS = 'bert/embeddings/token_type_embeddings'

_LAYER = re.compile(r'(bert/encoder/layer_)(\d+)(/.*)')

# Every way in which a run starts; the first that applies is taken.
_WAYS = (
  'resumed: the newest whole checkpoint in --output_dir/checkpoints',
  'warm: --init_checkpoint, as much of it as --init says',
  'fresh: random weights, by --seed',
)
RESUMED, WARM, FRESH = range(len(_WAYS))


@dataclasses.dataclass(frozen=True)
class Start:
  """Where the first weights come from, if a run is not resumed.

  Attributes:
    checkpoint: as for `checkpoint_files.resolve`; None for random weights.
    init: which of its weights, a value of --init.
    extends_positions: whether it may have fewer positions than the model.
  """

  checkpoint: str | None = None
  init: str = ALL
  extends_positions: bool = False


def explain(way: int) -> list[str]:
  """Returns the ways to start in order of precedence, one of them marked."""
  lines = [
    f'{"→" if number == way else " "} {number + 1}. {text}'
    for number, text in enumerate(_WAYS)
  ]
  return ['How this run starts (the first that applies):', *lines]


def sources(
  init: str, names: Collection[str], stored: Collection[str]
) -> dict[str, str]:
  """Says from which weight of a checkpoint each variable starts.

  Args:
    init: a value of --init.
    names: released names of the model's variables.
    stored: released names in the checkpoint.

  Returns:
    The model's name → the checkpoint's, which it may lack; what is left out is
    to start from random weights.

  Raises:
    UserError: as `layer_sources`.
  """
  if init == WORD_EMBEDDINGS:
    return {WORDS: WORDS} if WORDS in names else {}
  theirs = layer_sources(init, num_layers(names), num_layers(stored))

  def source(name: str) -> str:
    if match := _LAYER.fullmatch(name):
      return f'{match[1]}{theirs[int(match[2])]}{match[3]}'
    return name

  return {name: source(name) for name in names}


def num_layers(names: Collection[str]) -> int:
  """Returns the number of encoder layers that released names speak of."""
  matches = map(_LAYER.fullmatch, names)
  return 1 + max((int(match[2]) for match in matches if match), default=-1)


def layer_sources(init: str, num_ours: int, num_theirs: int) -> list[int]:
  """Says from which layer of a checkpoint each layer starts, from 0.

  With M layers there and L here, layer i starts from its layer i, or with
  'every_kth_layer' from its layer (i + 1) M / L - 1, so that the top layers
  correspond: 12 to 4 takes 2, 5, 8 and 11.

  Args:
    init: a value of --init other than 'word_embeddings'.
    num_ours: L.
    num_theirs: M.

  Raises:
    UserError: the numbers do not go together; both are told.
  """
  depths = f'the checkpoint has {num_theirs} layers, the model {num_ours}'
  if init == EVERY_KTH_LAYER:
    if num_ours and (num_theirs < num_ours or num_theirs % num_ours):
      raise UserError(
        f'{depths}: --init={EVERY_KTH_LAYER} needs a multiple of the '
        f"model's. --init={BOTTOM_LAYERS} takes any deeper checkpoint."
      )
    step = num_theirs // max(num_ours, 1)
    return [(i + 1) * step - 1 for i in range(num_ours)]
  if init == BOTTOM_LAYERS and num_theirs < num_ours:
    raise UserError(f'{depths}: --init={BOTTOM_LAYERS} needs as many or more')
  if init == ALL and num_theirs != num_ours:
    raise UserError(
      f'{depths}. Do its bert_config.json and the one given agree? '
      f'--init={BOTTOM_LAYERS} and --init={EVERY_KTH_LAYER} start from a '
      'deeper checkpoint.'
    )
  return list(range(num_ours))
