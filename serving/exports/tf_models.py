"""The format of tf-models-official: a TensorFlow 2 checkpoint and its settings.

bert_model.ckpt-1.*    the weights, float32, in a graph of objects
checkpoint             names the checkpoint, so that the folder stands for it
params.yaml            the settings of an experiment: a `--config_file`
vocab.txt              the vocabulary
labels.txt             the names of the classes, in order, if there are any
tokenizer_config.json  whether text is lower-cased

The files are written without tf-models-official. Its pooler is in the encoder,
and a classifier uses it if `use_encoder_pooler` is true, as in params.yaml. The
pooler's weights are also stored as `next_sentence.pooler_dense`, from where
`init_cls_pooler` copies them into a head with its own pooler.

`tools.import_tf_models` reads the folder back into the same weights.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from data.tasks import label_order
from modeling.checkpoints import object_graph, recorded_casing, tf_models
from modeling.checkpoints.file_names import VOCAB
from modeling.checkpoints.location import STATE_FILE
from modeling.checkpoints.tf_models import (
  CLASSIFIER,
  ENCODER,
  MASKED_LM,
  MODEL,
  NEXT_SENTENCE,
  NEXT_SENTENCE_POOLER,
  PARAMS,
)
from serving.exports import heads
from serving.exports.format import Format
from serving.exports.parts import Parts
from system import files, text_files

CHECKPOINT = 'bert_model.ckpt-1'
# Edges that lead to an object which has another path already.
_ALIASES = {
  heads.NONE: {MODEL: ENCODER},
  heads.TASK: {f'{MODEL}/_network': ENCODER},
  heads.PRETRAINING: {
    f'{MODEL}/encoder_network': ENCODER,
    f'{MODEL}/masked_lm': MASKED_LM,
    f'{MODEL}/{NEXT_SENTENCE}/dense': NEXT_SENTENCE_POOLER,
    f'{MASKED_LM}/embedding_table': f'{ENCODER}/{tf_models.WORD_TABLE}',
  },
}
OUTPUTS = {
  **heads.OUTPUTS,
  heads.PRETRAINING: {
    **heads.OUTPUTS[heads.PRETRAINING],
    **heads.OUTPUTS[heads.NONE],
  },
}


def write(parts: Parts, folder: str) -> None:
  """Writes a model into an existing folder."""
  settings = params_of(parts)
  object_graph.write(
    os.path.join(folder, CHECKPOINT), variables_of(parts), _ALIASES[parts.head]
  )
  files.write_text(
    os.path.join(folder, STATE_FILE),
    f'model_checkpoint_path: "{CHECKPOINT}"\n'
    f'all_model_checkpoint_paths: "{CHECKPOINT}"\n',
  )
  files.write_text(
    os.path.join(folder, PARAMS), yaml.safe_dump(settings, sort_keys=False)
  )
  text_files.copy(parts.checkpoint.vocab_file, os.path.join(folder, VOCAB))
  label_order.write(folder, parts.labels)
  recorded_casing.write(folder, parts.tokenizer.do_lower_case)


def variables_of(parts: Parts) -> dict[str, np.ndarray]:
  """Returns path → values in their layout; see `object_graph.write`."""
  paths = _paths(parts)
  values = tf_models.their_values(
    parts.weights, parts.config.num_attention_heads
  )
  variables: dict[str, np.ndarray] = {
    paths[name]: value for name, value in values.items()
  }
  for name, path in tf_models.pooler_paths(NEXT_SENTENCE_POOLER).items():
    variables[path] = values[name]
  return variables


def _paths(parts: Parts) -> Mapping[str, str]:
  """Maps the released names of a model's weights to their paths."""
  encoder = tf_models.encoder_paths(
    parts.config.num_hidden_layers, is_functional=False
  )
  paths = {name: f'{ENCODER}/{path}' for name, path in encoder.items()}
  if parts.head == heads.TASK:
    paths |= tf_models.output_paths('', f'{MODEL}/{CLASSIFIER}')
  elif parts.head == heads.PRETRAINING:
    paths |= tf_models.masked_lm_paths(MASKED_LM)
    paths |= tf_models.output_paths(
      'cls/seq_relationship/', f'{MODEL}/{NEXT_SENTENCE}'
    )
  return paths


def params_of(parts: Parts) -> dict[str, Any]:
  """Returns the content of params.yaml.

  It changes the settings of the experiment `bert/sentence_prediction`, or of
  `bert/pretraining` if the model has the heads of pre-training. That of an
  encoder fits all experiments with a BERT.

  Raises:
    UserError: tf-models-official lacks the model's activation.
  """
  model: dict[str, Any] = {'encoder': tf_models.their_config(parts.config)}
  task: dict[str, Any] = {'model': model}
  if parts.head == heads.TASK:
    model |= {
      'num_classes': len(parts.labels) or 1,
      'use_encoder_pooler': True,
    }
    task |= _data(parts)
  elif parts.head == heads.PRETRAINING:
    settings = model['encoder'][model['encoder']['type']]
    model |= {
      'mlm_activation': settings['hidden_activation'],
      'mlm_initializer_range': settings['initializer_range'],
      'cls_heads': [
        {
          'name': 'next_sentence',
          'inner_dim': parts.config.hidden_size,
          'num_classes': 2,
          'dropout_rate': 0.1,
        }
      ],
    }
  return {'task': task}


def _data(parts: Parts) -> dict[str, Any]:
  """Returns the settings of a fine-tuning task that depend on the model."""
  data: dict[str, Any] = {'seq_length': parts.max_seq_length}
  changes: dict[str, Any] = {}
  if parts.is_regression:
    data['label_type'] = 'float'
    changes['metric_type'] = 'pearson_spearman_corr'
  return {**changes, 'train_data': data, 'validation_data': dict(data)}


FORMAT = Format(
  name='tf_models',
  writer_packages=('yaml',),
  # tensorflow_hub, which its tasks import, needs pkg_resources.
  checker_packages=('official', 'pkg_resources', 'tensorflow_hub', 'yaml'),
  checker='tf_models.py',
  bound=1e-5,
  write=write,
  check=params_of,
  may_import=('keras', 'official', 'tensorflow', 'tensorflow_text', 'tf_keras'),
  outputs=OUTPUTS,
)
