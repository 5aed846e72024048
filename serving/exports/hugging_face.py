"""The format of Hugging Face's transformers: PyTorch's weights, no PyTorch.

model.safetensors   float32, under the names of transformers
config.json         dimensions, activation, labels
README.md           the model card
and the tokenizer's files, see `tokenizer_json`.

`tools.import_hugging_face` reads the folder back into the same weights.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from data.text.vocabulary import PAD
from modeling.checkpoints import hugging_face, hugging_face_reader
from modeling.configs import LAYER_NORM_EPSILON
from serving.exports import heads, model_card, tokenizer_json
from serving.exports.format import Format
from serving.exports.parts import Parts
from system import files
from system.errors import UserError

_ARCHITECTURES = {
  heads.TASK: 'BertForSequenceClassification',
  heads.PRETRAINING: 'BertForPreTraining',
  heads.NONE: 'BertModel',
}
# google-research/bert fixes the dropout of a classifier's input.
_CLASSIFIER_DROPOUT = 0.1


def write(parts: Parts, folder: str) -> None:
  """Writes a model into an existing folder.

  Raises:
    UserError: transformers lacks the model's activation.
  """
  describe(parts, folder)
  has_prefix = parts.head != heads.NONE
  tensors = hugging_face.their_weights(parts.weights, has_prefix)
  _write_weights(
    os.path.join(folder, hugging_face_reader.WEIGHTS_FILES[0]), tensors
  )
  files.write_text(
    os.path.join(folder, 'README.md'), model_card.export_card(parts)
  )


def describe(parts: Parts, folder: str) -> None:
  """Writes the configuration and the tokenizer, without weights."""
  path = os.path.join(folder, hugging_face_reader.CONFIG_FILE)
  files.write_json(path, _config_of(parts))
  tokenizer_json.write(
    folder,
    parts.tokenizer,
    parts.checkpoint.vocab_file,
    parts.max_seq_length,
  )


def _config_of(parts: Parts) -> dict[str, Any]:
  """Returns the content of config.json.

  Raises:
    UserError: transformers lacks the model's activation.
  """
  values = {
    **parts.config.to_dict(),
    'hidden_act': hugging_face.their_activation(parts.config.hidden_act),
    'architectures': [_ARCHITECTURES[parts.head]],
    'model_type': 'bert',
    'layer_norm_eps': LAYER_NORM_EPSILON,
    'pad_token_id': parts.tokenizer.tokens.index(PAD),
    'dtype': 'float32',
    'torch_dtype': 'float32',  # The same for transformers below 4.56.
  }
  if parts.head != heads.TASK:
    return values
  names = parts.labels or ('LABEL_0',)
  if len(set(names)) < len(names):
    raise UserError(f'the labels {", ".join(names)} are not different')
  problem = 'regression' if parts.is_regression else 'single_label'
  return {
    **values,
    'classifier_dropout': _CLASSIFIER_DROPOUT,
    'id2label': {str(i): name for i, name in enumerate(names)},
    'label2id': {name: i for i, name in enumerate(names)},
    'problem_type': problem + '_classification' * bool(parts.labels),
    'finetuning_task': parts.task_name or None,
  }


def _write_weights(path: str, tensors: Mapping[str, np.ndarray]) -> None:
  import safetensors.numpy

  # transformers below 5 refuses a file that does not name a framework.
  content = safetensors.numpy.save(dict(tensors), {'format': 'pt'})
  with files.open_write(path, 'wb') as file:
    file.write(content)


FORMAT = Format(
  name='hugging_face',
  writer_packages=(),
  checker_packages=('torch', 'transformers'),
  checker='hugging_face.py',
  bound=1e-5,
  write=write,
)
