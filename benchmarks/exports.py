r"""Measures a run and its exports in every runtime, from strings to labels.

  python -m benchmarks.exports --model_dir=student --exports_dir=exported

after

  python -m tools.export_model --model_dir=student --output_dir=exported \
    --format=hugging_face,onnx,saved_model,litert \
    --quantize=float16,dynamic,static

The texts are the run's dev set. All runtimes are measured in one process, in
turns: a round takes each once, so that other work on the machine slows all of
them. The table has, for each runtime,

  the median and the 99th percentile of single texts, and the median rate of
  batches of 32; each one's own tokenizer is included
  the seconds from loading to the first label in a fresh process, the import of
  its packages included: the least of three
  the size of the files that it loads, and the task's main metric on all of dev

What is not in the folder, or lacks a package, is left out, and named.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags, logging

from benchmarks import machine
from cli import flag_group, script
from modeling.checkpoints.file_names import DATA
from modeling.checkpoints.hugging_face_reader import WEIGHTS_FILES
from serving import litert_model, onnx_model, saved_model_model
from system import files, text_table
from system.errors import UserError

if TYPE_CHECKING:
  from serving.exports.dev_set import DevSet
  from serving.model import Model, Text

FLAGS = flags.FLAGS

# Labels texts.
Label = Callable[[Sequence['Text']], object]

_BATCH = 32
_NUM_STARTS = 3
# Runtime → the export that it reads, and the files of it that hold the model.
_EXPORTS = {
  # The folder has the weights, too.
  'saved_model': (
    'saved_model',
    os.path.dirname(saved_model_model.FILES['float32']),
  ),
  'onnx': ('onnx', onnx_model.FILES['float32']),
  'onnx_int8': ('onnx', onnx_model.FILES['dynamic']),
  'onnx_static': ('onnx', onnx_model.FILES['static']),
  'openvino': ('onnx', onnx_model.FILES['float32']),
  'litert': ('litert', litert_model.FILES['float32']),
  'litert_float16': ('litert', litert_model.FILES['float16']),
  'litert_dynamic': ('litert', litert_model.FILES['dynamic']),
  'litert_static': ('litert', litert_model.FILES['static']),
  'transformers': ('hugging_face', WEIGHTS_FILES[0]),
}
_OURS = 'tensorflow'
_TITLES = {
  _OURS: 'this project, `tensorflow`',
  'saved_model': 'TensorFlow, `saved_model`',
  'onnx': 'ONNX Runtime, `onnx`',
  'onnx_int8': 'ONNX Runtime, `onnx_int8`',
  'onnx_static': 'ONNX Runtime, `onnx_static`',
  'openvino': 'OpenVINO, `openvino`',
  'litert': 'LiteRT, `litert`',
  'litert_float16': 'LiteRT, `litert_float16`',
  'litert_dynamic': 'LiteRT, `litert_dynamic`',
  'litert_static': 'LiteRT, `litert_static`',
  'transformers': 'PyTorch, `transformers`',
}
# Prints the seconds from loading to the first label.
_START = """
import sys, time
from serving import runtimes
start = time.perf_counter()
model = runtimes.load(sys.argv[1], sys.argv[2])
model.predict([('a', 'b') if model.takes_pairs else 'a'])
print(time.perf_counter() - start)
"""


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('model_dir', None, 'The run.')
  flags.DEFINE_string('exports_dir', None, "The exporter's --output_dir.")
  flags.DEFINE_string(
    'data_dir', None, "The folder of the run's task, if it has moved."
  )
  flags.DEFINE_integer('num_texts', 128, 'Texts in a round.', lower_bound=32)
  flags.DEFINE_integer('num_rounds', 5, 'Rounds.', lower_bound=1)
  flags.DEFINE_string('output_file', None, 'A JSON file for the measurements.')


def main(_: list[str]) -> None:
  """Measures and prints a table."""
  logging.set_verbosity(logging.WARNING)
  flag_group.require('model_dir', 'exports_dir')
  load_at_start = os.getloadavg()
  from serving.exports import dev_set, parts

  run = parts.read(FLAGS.model_dir, 'task')
  dev = dev_set.read(run, FLAGS.data_dir)
  if len(dev.texts) < FLAGS.num_texts:
    raise UserError(
      f'the dev set has {len(dev.texts)} texts, expected at least '
      f'--num_texts={FLAGS.num_texts}'
    )
  paths = _paths(FLAGS.model_dir, run.checkpoint.prefix)
  results = {
    name: {
      'start_seconds': _start_seconds(folder, name),
      'bytes': _size(weights),
    }
    for name, (folder, weights) in paths.items()
  }
  models = {name: _load(name, folder) for name, (folder, _) in paths.items()}
  for name, model in models.items():
    results[name] |= _scores(model, dev)
  labels = {name: model.predict for name, model in models.items()}
  chosen = dev.texts[: FLAGS.num_texts]
  for name, each in measure(labels, chosen, FLAGS.num_rounds).items():
    results[name] |= summary(*each)
  script.show(table(results))
  machine.save(FLAGS.output_file, {'results': results}, load_at_start)


def _paths(model_dir: str, prefix: str) -> dict[str, tuple[str, str]]:
  """Returns runtime → its folder, and the file or folder of its weights."""
  from serving import runtimes

  found = {_OURS: (model_dir, prefix + DATA)}
  for name, (export, weights) in _EXPORTS.items():
    folder = os.path.join(FLAGS.exports_dir, export)
    try:
      runtimes.check(folder, name)
    except UserError as error:
      print(f'{name} is left out: {error}', file=sys.stderr)
      continue
    found[name] = folder, os.path.join(folder, weights)
  return found


def _load(name: str, folder: str) -> 'Model':
  from serving import runtimes

  return runtimes.load(folder, name)


def _start_seconds(folder: str, name: str) -> float:
  command = [sys.executable, '-c', _START, folder, name]
  return min(
    float(
      subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
      ).stdout
    )
    for _ in range(_NUM_STARTS)
  )


def _size(path: str) -> int:
  if not files.is_folder(path):
    return files.size(path)
  return sum(
    _size(os.path.join(path, name)) for name in files.list_folder(path)
  )


def _scores(model: 'Model', dev: 'DevSet') -> dict[str, object]:
  """Returns the task's main metric on dev, and its name."""
  from training import scoring

  metric = dev.task.metrics[0]
  values = scoring.score(dev.task, dev.examples, model.logits(dev.texts))
  return {'metric': metric, 'score': values[f'eval_{metric}']}


def measure(
  contenders: dict[str, Label], texts: Sequence['Text'], num_rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
  """Labels texts one by one and in batches, once before time is taken.

  Returns:
    name → the seconds of each single text, and of each batch of 32.
  """
  batches = [
    texts[i : i + _BATCH] for i in range(0, len(texts) - _BATCH + 1, _BATCH)
  ]
  seconds = {name: ([], []) for name in contenders}
  for number in range(num_rounds + 1):
    for name, label in contenders.items():
      single = [_seconds(label, [text]) for text in texts]
      batch = [_seconds(label, each) for each in batches]
      if number:
        seconds[name][0].extend(single)
        seconds[name][1].extend(batch)
  return seconds


def summary(single: list[float], batch: list[float]) -> dict[str, float]:
  """Returns milliseconds of single texts, and texts/s in batches.

  >>> summary([0.001, 0.002, 0.009], [0.5])['median_ms']
  2.0
  """
  return {
    'median_ms': float(np.median(single)) * 1e3,
    'p99_ms': float(np.percentile(single, 99)) * 1e3,
    'texts_per_second': _BATCH / float(np.median(batch)),
  }


def _seconds(label: Label, texts: Sequence['Text']) -> float:
  start = time.perf_counter()
  label(texts)
  return time.perf_counter() - start


def table(results: dict[str, dict]) -> list[str]:
  """Returns a Markdown table: a line for each runtime."""
  metric = next(iter(results.values()))['metric']
  header = [
    *('runtime', 'one text, median ms', '99th percentile ms'),
    *(f'texts/s in batches of {_BATCH}', 'first label, s', 'MB', metric),
  ]
  rows = [
    [
      _TITLES[name],
      f'{each["median_ms"]:.2f}',
      f'{each["p99_ms"]:.2f}',
      f'{each["texts_per_second"]:,.0f}',
      f'{each["start_seconds"]:.2f}',
      f'{each["bytes"] / 1e6:.1f}',
      f'{each["score"]:.4f}',
    ]
    for name, each in results.items()
  ]
  return text_table.markdown(header, rows)


if __name__ == '__main__':
  define_flags()
  script.run(main)
