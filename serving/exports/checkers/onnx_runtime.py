"""Loads an ONNX export with only ONNX Runtime and tokenizers, and runs it.

Run by `serving.exports.checking`, whose docstring describes the two arguments.

Tested by `tests/serving/exports/onnx_format_test.py`.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
import tokenizers

_BATCH_SIZE = 32
_MODEL = 'onnx/model.onnx'


def main(folder: str, work: str) -> None:
  """Answers a request."""
  request = json.loads(pathlib.Path(work, 'request.json').read_text())
  with np.load(pathlib.Path(work, 'features.npz'), allow_pickle=False) as file:
    features = dict(file)
  path = pathlib.Path(folder, request['model_file'] or _MODEL)
  session = onnxruntime.InferenceSession(
    str(path), providers=['CPUExecutionProvider']
  )
  np.savez(
    pathlib.Path(work, 'outputs.npz'),
    **_outputs(session, features, request['outputs']),
  )
  encoded = _encoded(folder, request['texts'])
  answer = {
    'ids': [[each.ids, each.type_ids] for each in encoded],
    'labels': _labels(session, encoded, folder, request),
    'versions': {
      'onnxruntime': onnxruntime.__version__,
      'tokenizers': tokenizers.__version__,
    },
    'modules': sorted({name.split('.')[0] for name in sys.modules}),
  }
  pathlib.Path(work, 'answer.json').write_text(json.dumps(answer))


def _outputs(session, features, names) -> dict[str, np.ndarray]:
  """Runs the model on ids; takes the rows of `positions` of each token's."""
  rows = {name: [] for name in names}
  for start in range(0, len(features['input_ids']), _BATCH_SIZE):
    batch = {
      name: value[start : start + _BATCH_SIZE]
      for name, value in features.items()
    }
    positions = batch.pop('positions')
    longest = int(batch['attention_mask'].sum(1).max())
    inputs = {name: value[:, :longest] for name, value in batch.items()}
    values = session.run(list(names), inputs)
    for name, value in zip(names, values, strict=True):
      if names[name]:
        value = value[np.arange(len(value))[:, None], positions]
      rows[name].append(value)
  return {name: np.concatenate(parts) for name, parts in rows.items()}


def _encoded(folder: str, texts):
  """Tokenizes texts or pairs; tokenizer.json says where to cut them."""
  tokenizer = tokenizers.Tokenizer.from_file(f'{folder}/tokenizer.json')
  return tokenizer.encode_batch(
    [text if isinstance(text, str) else tuple(text) for text in texts]
  )


def _labels(session, encoded, folder, request) -> list[str] | None:
  """Labels texts, from their own tokens to the names in config.json."""
  if request['head'] != 'task':
    return None
  names = json.loads(pathlib.Path(folder, 'config.json').read_text())
  names = names['id2label']
  labels = []
  for each in encoded:
    inputs = {
      'input_ids': each.ids,
      'attention_mask': each.attention_mask,
      'token_type_ids': each.type_ids,
    }
    inputs = {k: np.array([v], np.int64) for k, v in inputs.items()}
    (logits,) = session.run(['logits'], inputs)
    labels.append(names[str(logits[0].argmax())])
  return labels


if __name__ == '__main__':
  main(*sys.argv[1:])
