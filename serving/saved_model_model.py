"""Labels texts with a SavedModel export: TensorFlow, without this project.

The folder is one of `tools.export_model --format=saved_model`: the tokenizer is
in the graph.

Tested by `tests/serving/saved_model_model_test.py`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modeling.checkpoints import export_file
from serving import export_folder
from serving.model import Model, Text
from system.errors import UserError, reason_of

PACKAGES = ('tensorflow', 'tensorflow_text')
FILES = {'float32': '1/saved_model.pb'}
_SIGNATURE = 'serving_default'


class SavedModelModel(Model):
  """A classifier or regressor that takes strings; `load` makes it."""

  def __init__(self, signature: Callable[..., Any], **attributes):
    """Takes the parts of a model.

    Args:
      signature: the function `serving_default` of the export.
      **attributes: those of `Model`.
    """
    super().__init__(**attributes)
    self._signature = signature

  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    names = ('text_a', 'text_b') if are_pairs else ('text',)
    # A batch is padded to its longest text, and longer texts have more tokens.
    order = sorted(range(len(texts)), key=lambda i: len(''.join(texts[i])))
    logits = np.empty([len(texts), len(self.labels) or 1], np.float32)
    for start in range(0, len(order), batch_size):
      rows = order[start : start + batch_size]
      chosen = [texts[i] for i in rows]
      columns = zip(*chosen, strict=True) if are_pairs else [chosen]
      logits[rows] = self._run(dict(zip(names, columns, strict=True)))
    return logits

  def _run(self, columns: dict[str, Sequence[str]]) -> np.ndarray:
    import tensorflow as tf

    outputs = self._signature(
      **{name: tf.constant(column) for name, column in columns.items()}
    )
    if self.labels:
      return outputs['logits'].numpy()
    return outputs['value'].numpy()[:, np.newaxis]


def find(folder: str, kind: str = 'float32') -> str:
  """Returns the folder that TensorFlow loads.

  Raises:
    UserError: there is none.
  """
  path = export_folder.find_model(
    folder, FILES, kind, 'SavedModel export', 'saved_model'
  )
  return os.path.dirname(path)


def load(folder: str, kind: str = 'float32') -> SavedModelModel:
  """Loads a model.

  Raises:
    UserError: it is missing or damaged, or is not an export of this project.
  """
  path = find(folder, kind)
  recorded = export_file.read(folder)
  labels = recorded.labels
  if labels is None:
    raise UserError(
      f'{os.path.join(folder, export_file.FILE)} does not name the labels: '
      'export the model again'
    )
  import tensorflow as tf
  import tensorflow_text  # noqa: F401 - the ops of the tokenizer

  try:
    loaded = tf.saved_model.load(path)
    signature = loaded.signatures[_SIGNATURE]
  # TensorFlow raises errors of several kinds for damaged files.
  except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
    raise UserError(
      f'TensorFlow cannot load {path}: {reason_of(error)}'
    ) from error
  return SavedModelModel(
    signature,
    labels=labels,
    takes_pairs=recorded.takes_pairs,
    max_seq_length=export_folder.longest_input(folder),
    temperature=recorded.temperature,
  )
