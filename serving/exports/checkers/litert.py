"""Loads a LiteRT export with only ai-edge-litert and numpy, and runs it.

Run by `serving.exports.checking`, whose docstring describes the two arguments.
There is no tokenizer in this ecosystem: labels are those of the given ids.

Tested by `tests/serving/exports/litert_test.py`.
"""

import importlib.metadata
import json
import pathlib
import sys

import numpy as np
from ai_edge_litert import interpreter, schema_py_generated

_MODEL = 'model.tflite'
# A model's input → the feature.
_INPUTS = {
  'input_ids': 'input_ids',
  'input_mask': 'attention_mask',
  'input_type_ids': 'token_type_ids',
}


def main(folder: str, work: str) -> None:
  """Answers a request."""
  request = json.loads(pathlib.Path(work, 'request.json').read_text())
  with np.load(pathlib.Path(work, 'features.npz'), allow_pickle=False) as file:
    features = dict(file)
  path = pathlib.Path(folder, request['model_file'] or _MODEL)
  content = path.read_bytes()
  ops = _ops(content)
  logits = _logits(content, features, request['max_seq_length'])
  np.savez(pathlib.Path(work, 'outputs.npz'), logits=logits)
  answer = {
    'ids': None,
    'labels': _labels(logits, pathlib.Path(folder, 'labels.txt')),
    'versions': {
      'ai-edge-litert': importlib.metadata.version('ai-edge-litert')
    },
    'ops': ops,
    'modules': sorted({name.split('.')[0] for name in sys.modules}),
  }
  pathlib.Path(work, 'answer.json').write_text(json.dumps(answer))


def _ops(content: bytes) -> list[str]:
  """Returns the names of all ops; ends the process if one is not builtin."""
  codes = schema_py_generated.BuiltinOperator
  names = {v: k for k, v in vars(codes).items() if isinstance(v, int)}
  model = schema_py_generated.Model.GetRootAsModel(content, 0)
  found = []
  for i in range(model.OperatorCodesLength()):
    code = model.OperatorCodes(i)
    if custom := code.CustomCode():
      sys.exit(f'the model has the custom op {custom.decode()}')
    # Old models have the number in the other field.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == codes.CUSTOM:
      sys.exit('the model has a custom op')
    found.append(names[number])
  return sorted(found)


def _logits(content: bytes, features, length: int) -> np.ndarray:
  """Runs the model on one text after the other, padded to its length."""
  runner = interpreter.Interpreter(
    model_content=content, num_threads=1
  ).get_signature_runner()
  shapes = {
    name: (tuple(each['shape']), each['dtype'])
    for name, each in runner.get_input_details().items()
  }
  if shapes != dict.fromkeys(_INPUTS, ((1, length), np.int32)):
    sys.exit(f'the inputs are {shapes}, expected int32 [1, {length}] each')
  rows = []
  for i in range(len(features['input_ids'])):
    inputs = {name: features[key][i] for name, key in _INPUTS.items()}
    inputs = {
      name: np.pad(row, (0, length - len(row)))[None].astype(np.int32)
      for name, row in inputs.items()
    }
    rows.append(runner(**inputs)['logits'][0])
  return np.stack(rows)


def _labels(logits: np.ndarray, path: pathlib.Path) -> list[str] | None:
  if not path.exists():
    return None
  names = path.read_text(encoding='utf-8').splitlines()
  return [names[i] for i in logits.argmax(axis=1)]


if __name__ == '__main__':
  main(*sys.argv[1:])
