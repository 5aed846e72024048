"""Labels texts with a Hugging Face export: transformers in PyTorch.

The folder is one of `tools.export_model --format=hugging_face`, or any that
`AutoModelForSequenceClassification` loads. Nothing is downloaded.

Tested by `tests/serving/transformers_model_test.py`.
"""

import inspect
import os
from collections.abc import Sequence

import numpy as np

from modeling.checkpoints import export_file, hugging_face_reader
from serving import export_folder, padded_batches
from serving.model import Model, Text
from system.errors import UserError, reason_of

PACKAGES = ('torch', 'transformers')
_CLASSIFIER = 'ForSequenceClassification'
# For transformers, of which 4 would import TensorFlow. Nothing is downloaded.
ENVIRONMENT = {
  'USE_TF': '0',
  'USE_FLAX': '0',
  'USE_TORCH': '1',
  'HF_HUB_OFFLINE': '1',
  'TRANSFORMERS_VERBOSITY': 'error',
}


class TransformersModel(Model):
  """A classifier or regressor that PyTorch computes; `load` makes it."""

  def __init__(self, network, tokenizer, **attributes):
    """Takes the parts of a model.

    Args:
      network: an `AutoModelForSequenceClassification`.
      tokenizer: its `AutoTokenizer`.
      **attributes: those of `Model`.
    """
    super().__init__(**attributes)
    self._network = network
    self._tokenizer = tokenizer
    # Some architectures, such as DistilBERT, have no segments.
    self._inputs = inspect.signature(network.forward).parameters

  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    columns = zip(*texts, strict=True) if are_pairs else [texts]
    encoded = self._tokenizer(
      *map(list, columns),
      truncation=True,
      max_length=self.max_seq_length,
      return_token_type_ids=True,
    )
    return padded_batches.run(
      self._run,
      encoded['input_ids'],
      encoded['token_type_ids'],
      batch_size,
      self._tokenizer.pad_token_id or 0,
    )

  def _run(self, features: dict[str, np.ndarray]) -> np.ndarray:
    import torch

    inputs = {
      name: torch.from_numpy(x)
      for name, x in features.items()
      if name in self._inputs
    }
    with torch.inference_mode():
      return self._network(**inputs).logits.numpy()


def check(folder: str) -> None:
  """Raises a `UserError` if the folder holds no weights of transformers."""
  if not hugging_face_reader.find_weights(folder):
    raise UserError(
      f'{folder} is not a Hugging Face export: it has none of '
      f'{", ".join(hugging_face_reader.WEIGHTS_FILES)}. '
      '`python -m tools.export_model --format=hugging_face` writes one'
    )


def load(folder: str) -> TransformersModel:
  """Loads a model.

  Raises:
    UserError: there is none in the folder, it cannot be loaded or has no head
      for a task, or the names of its labels are unknown.
  """
  check(folder)
  if reason := hugging_face_reader.other_head(folder):
    raise UserError(f'{folder} has no head that labels a whole text: {reason}')
  network, tokenizer = _loaded(folder)
  name = type(network).__name__
  if not any(_CLASSIFIER in x for x in network.config.architectures or ()):
    raise UserError(
      f'{folder} has no head for a task: its config.json names '
      f'{network.config.architectures}, expected {name}'
    )
  recorded = export_file.read(folder)
  labels = export_folder.labels(folder, network.config.num_labels)
  return TransformersModel(
    network.eval(),
    tokenizer,
    labels=labels,
    takes_pairs=recorded.takes_pairs,
    max_seq_length=export_folder.longest_input(folder),
    temperature=recorded.temperature,
  )


def _loaded(folder: str):
  for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
  from transformers import AutoModelForSequenceClassification, AutoTokenizer

  try:
    return (
      AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True
      ),
      AutoTokenizer.from_pretrained(folder, local_files_only=True),
    )
  # transformers, safetensors and PyTorch have errors without a common base.
  except Exception as error:
    raise UserError(
      f'transformers cannot load {folder}: {reason_of(error)}'
    ) from error
