"""Loads an export with only tf-models-official, and runs it.

A classifier is built by its own fine-tuning task, `SentencePredictionTask`,
which loads the encoder as its `init_checkpoint`; pre-training heads are built
by `MaskedLMTask`; an encoder is a `BertEncoderV2`. Texts become ids by its own
tokenizer, that of its `create_finetuning_data`.

Run by `serving.exports.checking`, whose docstring describes the two arguments.

Tested by `tests/serving/exports/tf_models_test.py`.
"""

import importlib.metadata
import json
import os
import pathlib
import sys

# The process that waits for this one may hold the memory of all GPUs.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ['TF_USE_LEGACY_KERAS'] = '1'

import numpy as np
import tensorflow as tf
from official.core import exp_factory, task_factory
from official.nlp.configs import (  # Importing registers the experiments.
  encoders,
  finetuning_experiments,  # noqa: F401
  pretraining_experiments,  # noqa: F401
)
from official.nlp.data import classifier_data_lib
from official.nlp.tools import tokenization

_BATCH_SIZE = 32
_PARAMS = 'params.yaml'
_INPUTS = {
  'input_word_ids': 'input_ids',
  'input_mask': 'attention_mask',
  'input_type_ids': 'token_type_ids',
}
# The names of outputs in a request → its own.
_OUTPUTS = {
  'prediction_logits': 'mlm_logits',
  'seq_relationship_logits': 'next_sentence',
  'last_hidden_state': 'sequence_output',
  'pooler_output': 'pooled_output',
}


def main(folder: str, work: str) -> None:
  """Answers a request."""
  request = json.loads(pathlib.Path(work, 'request.json').read_text())
  with np.load(pathlib.Path(work, 'features.npz'), allow_pickle=False) as file:
    features = dict(file)
  model = _LOADERS[request['head']](folder)
  outputs = _outputs(model, features, request['outputs'])
  np.savez(pathlib.Path(work, 'outputs.npz'), **outputs)
  packages = ('tf-models-official', 'tensorflow', 'tf_keras')
  answer = {
    'ids': _token_ids(folder, request),
    'labels': _labels(folder, outputs),
    'versions': {name: importlib.metadata.version(name) for name in packages},
    'modules': sorted({name.split('.')[0] for name in sys.modules}),
  }
  pathlib.Path(work, 'answer.json').write_text(json.dumps(answer))


def _task(experiment: str, folder: str):
  """Returns one of its own tasks with the settings of the folder."""
  config = exp_factory.get_exp_config(experiment)
  _override(config, folder)
  config.task.init_checkpoint = folder
  config.validate()
  return task_factory.get_task(config.task)


def _override(config, folder: str) -> None:
  import yaml

  text = pathlib.Path(folder, _PARAMS).read_text()
  config.override(yaml.safe_load(text), is_strict=True)


def _restore(folder: str, **objects) -> None:
  """Restores objects; fails if one of their variables is not stored."""
  status = tf.train.Checkpoint(**objects).read(
    tf.train.latest_checkpoint(folder)
  )
  status.expect_partial().assert_existing_objects_matched()


def _load_classifier(folder: str):
  task = _task('bert/sentence_prediction', folder)
  model = task.build_model()
  # The encoder comes by its own initialisation, only the head from here.
  task.initialize(model)
  head = tf.train.Checkpoint(classifier=model.classifier)
  _restore(folder, model=head)
  return lambda inputs: {'logits': model(inputs, training=False)}


def _load_pretrainer(folder: str):
  model = _task('bert/pretraining', folder).build_model()
  model(model.inputs)  # The first call makes its variables.
  _restore(folder, model=model, **model.checkpoint_items)
  return lambda inputs: model(inputs, training=False)


def _load_encoder(folder: str):
  # Any experiment has this encoder; the task below loads the older class.
  config = exp_factory.get_exp_config('bert/sentence_prediction')
  _override(config, folder)
  config.task.model.num_classes = 2
  config.task.init_checkpoint = folder
  task = task_factory.get_task(config.task)
  task.initialize(task.build_model())
  settings = config.task.model.encoder.bert
  model = encoders.build_encoder(
    encoders.EncoderConfig(type='bert_v2', bert_v2=settings.as_dict())
  )
  model(model.inputs)
  _restore(folder, encoder=model)
  return lambda inputs: model(inputs, training=False)


_LOADERS = {
  'task': _load_classifier,
  'pretraining': _load_pretrainer,
  'none': _load_encoder,
}


def _outputs(model, features, names) -> dict[str, np.ndarray]:
  """Runs the model on ids; takes the rows of `positions` of each token's."""
  rows = {name: [] for name in names}
  for start in range(0, len(features['input_ids']), _BATCH_SIZE):
    batch = {k: v[start : start + _BATCH_SIZE] for k, v in features.items()}
    longest = int(batch['attention_mask'].sum(1).max())
    inputs = {
      theirs: tf.constant(batch[ours][:, :longest], tf.int32)
      for theirs, ours in _INPUTS.items()
    }
    positions = batch['positions']
    if 'prediction_logits' in names:
      inputs['masked_lm_positions'] = tf.constant(positions, tf.int32)
    found = model(inputs)
    for name, is_by_token in names.items():
      value = found[_OUTPUTS.get(name, name)].numpy()
      if is_by_token and name != 'prediction_logits':
        value = value[np.arange(len(value))[:, None], positions]
      rows[name].append(value)
  return {name: np.concatenate(parts) for name, parts in rows.items()}


def _token_ids(folder: str, request) -> list[list[list[int]]]:
  """Returns the ids and the segments of each text, without padding."""
  settings = pathlib.Path(folder, 'tokenizer_config.json').read_text()
  tokenizer = tokenization.FullTokenizer(
    os.path.join(folder, 'vocab.txt'), **json.loads(settings)
  )
  found = []
  for text in request['texts']:
    pair = (text, None) if isinstance(text, str) else text
    example = classifier_data_lib.InputExample('', *pair, label=0)
    features = classifier_data_lib.convert_single_example(
      5, example, None, request['max_seq_length'], tokenizer
    )
    length = sum(features.input_mask)
    found.append([features.input_ids[:length], features.segment_ids[:length]])
  return found


def _labels(folder: str, outputs) -> list[str] | None:
  path = pathlib.Path(folder, 'labels.txt')
  if 'logits' not in outputs or not path.exists():
    return None
  names = path.read_text().splitlines()
  return [names[i] for i in outputs['logits'].argmax(axis=1)]


if __name__ == '__main__':
  main(*sys.argv[1:])
