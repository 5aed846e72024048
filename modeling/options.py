"""Settings for the model: its size, its initial weights, its input length."""

import dataclasses
import functools
from typing import TYPE_CHECKING

from modeling import configs
from modeling.checkpoints import initialisation
from system.errors import UserError, shown
from system.settings import setting

if TYPE_CHECKING:
  from modeling.checkpoints.location import Checkpoint


@dataclasses.dataclass(frozen=True)
class ModelOptions:
  """Which model to build, and which checkpoint it starts from.

  `bert_config_file`, `bert_size` or the files next to `init_checkpoint` give
  the configuration.
  """

  bert_config_file: str | None = setting(
    None,
    "The model's bert_config.json. Give either this or --bert_size.",
    reads='file',
  )
  bert_size: str | None = setting(
    None,
    'Added: one of the 24 compact sizes as layers/hidden, "2/128" to '
    '"12/768", or tiny, mini, small, medium, base. Give either this or '
    '--bert_config_file.',
  )
  initializer_range: float | None = setting(
    None,
    'Added: the standard deviation of the random initial weights; 0.02, as '
    'in the released models, if not given. Narrow models that are trained '
    'briefly learn faster with a higher value.',
    at_least=0.0,
    needs=('bert_size',),
  )
  init_checkpoint: str | None = setting(
    None,
    'The checkpoint to start from: a prefix (".../bert_model.ckpt"), the '
    'folder that holds it, or a Hugging Face folder (config.json, vocab.txt, '
    "model.safetensors). A run's folder means its best checkpoint if it has "
    'one, else its last. Weights start at random if it is not given.',
    reads='checkpoint',
  )
  init: str = setting(
    initialisation.ALL,
    'Added: which weights of --init_checkpoint to load. all: every weight; '
    'bottom_layers: the same, but the checkpoint may be deeper, and its lowest '
    'layers are used; every_kth_layer: the same, but the checkpoint is k times '
    'as deep, and its layers k, 2k, ... are used; word_embeddings: only these. '
    'All other weights start at random.',
    choices=(
      initialisation.ALL,
      initialisation.BOTTOM_LAYERS,
      initialisation.EVERY_KTH_LAYER,
      initialisation.WORD_EMBEDDINGS,
    ),
    needs=('do_train', 'init_checkpoint'),
    decides_weights=True,
  )
  extend_positions: bool = setting(
    False,
    'Added: whether the model may have more positions than --init_checkpoint, '
    'or more than its configuration says if --max_seq_length is longer. '
    'Existing position embeddings are kept; new ones start at random.',
  )
  max_seq_length: int = setting(
    128,
    'The maximum input length in wordpieces, including [CLS] and [SEP]. Longer '
    'texts are cut; records of another length are refused. If not given, '
    "scripts that read text take that of the model's folder, if it records "
    'one.',
    at_least=3,
    at_most=1 << 16,
    decides_weights=True,
  )
  # Settings that --from_run brought: they need not take effect.
  inherited: frozenset[str] = frozenset()

  def check(self) -> None:
    """Checks the settings that give the configuration.

    Raises:
      UserError: both are given, or `bert_size` is unknown.
    """
    if self.bert_config_file and self.bert_size:
      raise UserError(
        'give either `bert_config_file` or `bert_size`, not both; received '
        f'{shown(self.bert_config_file)} and {shown(self.bert_size)}'
      )
    if self.bert_size:
      configs.check_size(self.bert_size)

  @functools.cached_property
  def checkpoint(self) -> 'Checkpoint | None':
    """The checkpoint that `init_checkpoint` names; None if it is not given.

    It is located once, so that one job uses one checkpoint even if another run
    adds newer ones to the folder meanwhile.

    Raises:
      UserError: there is no such checkpoint.
    """
    if not self.init_checkpoint:
      return None
    # It imports NumPy, which --help does not need.
    from modeling.checkpoints.location import locate

    return locate(self.init_checkpoint)
