"""Loads an encoder and its preprocessing model with tensorflow_hub, runs both.

Run by `serving.exports.checking`, whose docstring describes the two arguments.

Tested by `tests/serving/exports/tf_hub_test.py`.
"""

import json
import os
import pathlib
import sys

# The process that waits for this one may hold the memory of all GPUs.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
# Nothing is downloaded: a handle that is not a folder is an error.
os.environ['TFHUB_CACHE_DIR'] = os.devnull

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text

_BATCH_SIZE = 32
_INPUTS = {
  'input_word_ids': 'input_ids',
  'input_mask': 'attention_mask',
  'input_type_ids': 'token_type_ids',
}
# The names of outputs in a request → those of TensorFlow Hub's models.
_OUTPUTS = {
  'prediction_logits': 'mlm_logits',
  'last_hidden_state': 'sequence_output',
  'pooler_output': 'pooled_output',
}
_ALL = {'default', 'encoder_outputs', 'pooled_output', 'sequence_output'}


def main(folder: str, work: str) -> None:
  """Answers a request."""
  request = json.loads(pathlib.Path(work, 'request.json').read_text())
  with np.load(pathlib.Path(work, 'features.npz'), allow_pickle=False) as file:
    features = dict(file)
  encoder = hub.load(os.path.join(folder, 'encoder'))
  outputs = _outputs(encoder, features, request['outputs'])
  np.savez(pathlib.Path(work, 'outputs.npz'), **outputs)
  preprocess = hub.load(os.path.join(folder, 'preprocess'))
  answer = {
    'ids': _token_ids(preprocess, request),
    'labels': None,
    'versions': {
      'tensorflow': tf.__version__,
      'tensorflow_hub': hub.__version__,
      'tensorflow_text': tensorflow_text.__version__,
    },
    'modules': sorted({name.split('.')[0] for name in sys.modules}),
  }
  pathlib.Path(work, 'answer.json').write_text(json.dumps(answer))


def _outputs(encoder, features, names) -> dict[str, np.ndarray]:
  """Runs the encoder on ids; takes the rows of `positions` of each token's."""
  has_heads = 'prediction_logits' in names
  layer = hub.KerasLayer(encoder, trainable=True)
  heads = hub.KerasLayer(encoder.mlm) if has_heads else None
  rows = {name: [] for name in names}
  for start in range(0, len(features['input_ids']), _BATCH_SIZE):
    batch = {k: v[start : start + _BATCH_SIZE] for k, v in features.items()}
    longest = int(batch['attention_mask'].sum(1).max())
    inputs = {
      theirs: tf.constant(batch[ours][:, :longest], tf.int32)
      for theirs, ours in _INPUTS.items()
    }
    found = layer(inputs)
    _check(found)
    positions = batch['positions']
    if heads:
      inputs['masked_lm_positions'] = tf.constant(positions, tf.int32)
      found['mlm_logits'] = heads(inputs)['mlm_logits']
    for name, is_by_token in names.items():
      value = found[_OUTPUTS[name]].numpy()
      if is_by_token and name != 'prediction_logits':
        value = value[np.arange(len(value))[:, None], positions]
      rows[name].append(value)
  return {name: np.concatenate(parts) for name, parts in rows.items()}


def _check(found) -> None:
  """Ends the process if the outputs are not those of TensorFlow Hub's BERTs."""
  if set(found) != _ALL:
    sys.exit(f'the encoder returns {sorted(found)}, expected {sorted(_ALL)}')
  for name, value in (
    ('default', found['pooled_output']),
    ('encoder_outputs', found['sequence_output']),
  ):
    same = found[name][-1] if name == 'encoder_outputs' else found[name]
    if not np.array_equal(same, value):
      sys.exit(f'{name} is not the output that it repeats')


def _token_ids(preprocess, request) -> list[list[list[int]]]:
  """Returns the ids and the segments of each text, without padding."""
  texts = request['texts']
  are_pairs = not isinstance(texts[0], str)
  columns = list(zip(*texts, strict=True)) if are_pairs else [texts]
  tokenize = hub.KerasLayer(preprocess.tokenize)
  tokens = [tokenize(tf.constant(column)) for column in columns]
  pack = hub.KerasLayer(
    preprocess.bert_pack_inputs,
    arguments={'seq_length': request['max_seq_length']},
  )
  packed = pack(tokens)
  if not are_pairs:
    _check_call(preprocess, texts, tokens)
  names = ('input_word_ids', 'input_type_ids', 'input_mask')
  return [
    [ids[: mask.sum()].tolist(), segments[: mask.sum()].tolist()]
    for ids, segments, mask in zip(
      *(packed[name].numpy() for name in names), strict=True
    )
  ]


def _check_call(preprocess, texts, tokens) -> None:
  """Ends the process if the whole model differs from its parts."""
  whole = hub.KerasLayer(preprocess)(tf.constant(texts))
  parts = preprocess.bert_pack_inputs(tokens)
  if any(not np.array_equal(whole[name], parts[name]) for name in _INPUTS):
    sys.exit('the preprocessing model differs from its two parts')


if __name__ == '__main__':
  main(*sys.argv[1:])
