"""Loads a SavedModel with only tensorflow and tensorflow_text, and runs it.

Run by `serving.exports.checking`, whose docstring describes the two arguments.
The model takes text, so that the outputs are those of its own token ids.

Tested by `tests/serving/exports/saved_model_test.py`.
"""

import json
import os
import pathlib
import sys

# The process that waits for this one may hold the memory of all GPUs.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

_BATCH_SIZE = 32
_MODEL = '1'
# TensorFlow Serving links these of tensorflow_text, and the ops of TensorFlow.
_TEXT_OPS = {'FastWordpieceTokenizeWithOffsets', 'NormalizeUTF8'}
# They run Python, or are compiled by XLA, which Serving turns off by default.
_REFUSED_OPS = {'EagerPyFunc', 'PyFunc', 'PyFuncStateless', 'XlaLaunch'}
_COMPILED = '_XlaMustCompile'


def main(folder: str, work: str) -> None:
  """Answers a request."""
  request = json.loads(pathlib.Path(work, 'request.json').read_text())
  path = os.path.join(folder, request['model_file'] or _MODEL)
  ops = _ops(path)
  # From here on, its ops look like those of TensorFlow.
  import tensorflow_text

  # The signatures stop working when the object is freed.
  model = tf.saved_model.load(path)
  found = _run(model.signatures['serving_default'], request['texts'])
  # A regressor has one number for each text.
  logits = found['logits'] if 'logits' in found else found['value'][:, None]
  np.savez(pathlib.Path(work, 'outputs.npz'), logits=logits)
  labels = found.get('label')
  answer = {
    'ids': _token_ids(model.signatures['tokenize'], request['texts']),
    'labels': None if labels is None else [x.decode() for x in labels],
    'versions': {
      'tensorflow': tf.__version__,
      'tensorflow_text': tensorflow_text.__version__,
    },
    'ops': ops,
    'modules': sorted({name.split('.')[0] for name in sys.modules}),
  }
  pathlib.Path(work, 'answer.json').write_text(json.dumps(answer))


def _ops(path: str) -> list[str]:
  """Returns the names of all ops, in the graph and in its functions.

  It ends the process if TensorFlow Serving could not run one of them.
  """
  content = saved_model_pb2.SavedModel()
  content.ParseFromString(pathlib.Path(path, 'saved_model.pb').read_bytes())
  graph = content.meta_graphs[0].graph_def
  functions = graph.library.function
  nodes = [*graph.node, *(node for f in functions for node in f.node_def)]
  ops = {node.op for node in nodes} - {f.signature.name for f in functions}
  unknown = {name for name in ops if not hasattr(tf.raw_ops, name)}
  if refused := sorted((unknown - _TEXT_OPS) | (ops & _REFUSED_OPS)):
    sys.exit(f'ops that TensorFlow Serving lacks: {", ".join(refused)}')
  if any(_COMPILED in x.attr for x in (*functions, *nodes)):
    sys.exit('a function must be compiled by XLA, which Serving turns off')
  return sorted(ops)


def _batches(signature, texts):
  """Yields the outputs of batches of texts or pairs, by name."""
  names = signature.structured_input_signature[1]
  for start in range(0, len(texts), _BATCH_SIZE):
    rows = texts[start : start + _BATCH_SIZE]
    columns = (rows,) if isinstance(rows[0], str) else zip(*rows, strict=True)
    inputs = dict(zip(sorted(names), map(tf.constant, columns), strict=True))
    yield {k: v.numpy() for k, v in signature(**inputs).items()}


def _run(signature, texts) -> dict[str, np.ndarray]:
  batches = list(_batches(signature, texts))
  return {k: np.concatenate([x[k] for x in batches]) for k in batches[0]}


def _token_ids(signature, texts) -> list[list[list[int]]]:
  """Returns the ids and the segments of each text, without padding."""
  names = ('input_ids', 'input_type_ids', 'input_mask')
  return [
    [ids[: mask.sum()].tolist(), segments[: mask.sum()].tolist()]
    for batch in _batches(signature, texts)
    for ids, segments, mask in zip(*(batch[n] for n in names), strict=True)
  ]


if __name__ == '__main__':
  main(*sys.argv[1:])
