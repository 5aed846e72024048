"""The weights that a checkpoint stores, by their released names.

Tested by `tests/modeling/checkpoints/loading_test.py`.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from modeling.checkpoints import hugging_face_reader, object_graph
from modeling.checkpoints.file_names import INDEX
from modeling.checkpoints.load_report import compact
from modeling.checkpoints.location import Checkpoint
from modeling.checkpoints.released_names import HEAD_BIAS
from modeling.checkpoints.tensor_bundle import damage_explained, open_reader
from system.errors import UserError, few

# Name → (shape, name of the dtype).
Variables = Mapping[str, tuple[tuple[int, ...], str]]

# Variables that google-research/bert's training saves besides the weights; and
# those of TensorFlow 2, whose keys name no weight.
_TRAINING_STATE = re.compile(
  rf'(.*/(adam|lamb)_[mv]|global_step|{object_graph.GRAPH}|.*/\.ATTRIBUTES/.*)$'
)


class StoredWeights:
  """A checkpoint that is open for reading.

  Attributes:
    variables: its weights, sorted; without optimizer slots, the step and the
      object graph.
  """

  def __init__(self, checkpoint: Checkpoint):
    """Reads which weights there are.

    Args:
      checkpoint: see `location.locate`.

    Raises:
      UserError: the index file cannot be read, or the weights have no released
        names.
    """
    self._checkpoint = checkpoint
    self._reader = _open(checkpoint)
    self.variables: Variables = _variables(self._reader)

  def read(self, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns name → float32 array.

    Raises:
      UserError: a file is damaged, or a weight is NaN or infinite.
    """
    with damage_explained(', '.join(self._checkpoint.data_files())):
      values = {
        name: np.asarray(self._reader.get_tensor(name), np.float32)
        for name in names
      }
    check_finite(self._checkpoint.prefix, values)
    return values


def num_outputs(checkpoint: Checkpoint) -> int:
  """Returns how many logits a checkpoint's head for a task has.

  Raises:
    UserError: there is no head that labels texts; the message says why.
  """
  shapes = read_variables(checkpoint)
  if HEAD_BIAS in shapes:
    return shapes[HEAD_BIAS][0][0]
  other = ''
  if checkpoint.is_hugging_face:
    other = hugging_face_reader.other_head(checkpoint.folder)
  reason = 'it was pre-trained only. Fine-tune or distil it first'
  if other:
    reason = f'{other}, whose head does not label whole texts'
  raise UserError(
    f'{checkpoint.prefix} has no head for a task ({HEAD_BIAS}): {reason}.'
  )


def read_variables(checkpoint: Checkpoint) -> Variables:
  """Lists a checkpoint's weights, as `StoredWeights.variables`."""
  return StoredWeights(checkpoint).variables


def read_weights(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
  """Reads all weights of a checkpoint, encoder and heads.

  Args:
    checkpoint: see `location.locate`.

  Returns:
    released name → float32 array.

  Raises:
    UserError: a file is damaged, a weight is NaN or infinite, or model.json
      records another checksum.
  """
  checkpoint.check_checksums()
  stored = StoredWeights(checkpoint)
  return stored.read(list(stored.variables))


def check_finite(path: str, values: Mapping[str, np.ndarray]) -> None:
  """Checks that weights are numbers.

  Args:
    path: the file that they come from, for the message.
    values: released name → values.

  Raises:
    UserError: a weight is NaN or infinite; the message names its variable.
  """
  wrong = [
    name for name, value in values.items() if not np.isfinite(value).all()
  ]
  if wrong:
    raise UserError(
      f'{path} holds weights that are NaN or infinite:'
      f' {few(compact(sorted(wrong)))}'
    )


def check_shapes(
  path: str,
  values: Mapping[str, np.ndarray],
  variables: Mapping[str, tf.Variable],
  config_file: str,
) -> None:
  """Checks weights that another program wrote against a model.

  Does not check a classifier's head, which may have any number of classes.

  Args:
    path: the file that they come from, for the message.
    values: released name → values.
    variables: released name → variable of a pre-trainer.
    config_file: the name of the file with the model's sizes, for the message.

  Raises:
    UserError: a weight has another shape; the message names all such weights.
  """
  wrong = [
    f'{name} has the shape {list(value.shape)} instead of'
    f' {list(variables[name].shape)}'
    for name, value in values.items()
    if name in variables and value.shape != tuple(variables[name].shape)
  ]
  if wrong:
    raise UserError(f'{path} does not fit {config_file}: {"; ".join(wrong)}')


def _variables(reader) -> Variables:
  shapes = reader.get_variable_to_shape_map()
  dtypes = reader.get_variable_to_dtype_map()
  return {
    name: (tuple(shapes[name]), dtypes[name].name)
    for name in sorted(shapes)
    if not _TRAINING_STATE.match(name)
  }


def _open(checkpoint: Checkpoint):
  """Returns a reader of the checkpoint's weights by their released names."""
  if checkpoint.is_hugging_face:
    return hugging_face_reader.Reader(checkpoint.prefix)
  with damage_explained(checkpoint.prefix + INDEX):
    reader = open_reader(checkpoint.prefix)
  if reader.has_tensor(object_graph.GRAPH) and not _variables(reader):
    raise UserError(
      f'{checkpoint.prefix} is a TensorFlow 2 checkpoint, without released '
      'names. If it is of tf-models-official, `python -m '
      'tools.import_tf_models` converts it'
    )
  return reader
