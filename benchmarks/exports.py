r"""Measures how fast a run and its ONNX export label text, from strings.

  python -m benchmarks.exports --model_dir=student --export_dir=exported/onnx \
    --text_file=reviews.txt

All are measured in one process, in turns: a round takes each once, so that
other work on the machine slows all of them. The table has the median and the
99th percentile of single texts, and the median rate of batches of 32.
Tokenization is included, by each one's own tokenizer.
"""

import json
import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags, logging

from benchmarks import machine
from cli import flag_group, script
from system import text_files
from system.errors import UserError

FLAGS = flags.FLAGS

# Labels texts.
Label = Callable[[Sequence[str]], Sequence[str]]

_BATCH = 32
_MODELS = {
  'ONNX Runtime, float32': 'onnx/model.onnx',
  'ONNX Runtime, int8': 'onnx/model_quantized.onnx',
}


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('model_dir', None, 'The run.')
  flags.DEFINE_string(
    'export_dir', None, 'Its ONNX export: OUTPUT_DIR/onnx of the exporter.'
  )
  flags.DEFINE_string('text_file', None, 'Texts, one a line.')
  flags.DEFINE_integer('num_texts', 128, 'Texts in a round.', lower_bound=32)
  flags.DEFINE_integer('num_rounds', 5, 'Rounds.', lower_bound=1)
  flags.DEFINE_string('output_file', None, 'A JSON file for the measurements.')


def main(_: list[str]) -> None:
  """Measures and prints a table."""
  logging.set_verbosity(logging.WARNING)
  flag_group.require('model_dir', 'export_dir', 'text_file')
  load_at_start = os.getloadavg()
  texts = list(text_files.read_lines(FLAGS.text_file))[: FLAGS.num_texts]
  if len(texts) < FLAGS.num_texts:
    raise UserError(
      f'--text_file={FLAGS.text_file} has {len(texts)} texts, expected at '
      f'least --num_texts={FLAGS.num_texts}'
    )
  contenders = {'this project': _ours(FLAGS.model_dir)}
  for name, path in _MODELS.items():
    if os.path.exists(path := os.path.join(FLAGS.export_dir, path)):
      contenders[name] = _of_onnx_runtime(FLAGS.export_dir, path)
  seconds = measure(contenders, texts, FLAGS.num_rounds)
  results = {name: summary(*each) for name, each in seconds.items()}
  script.show(_table(results))
  machine.save(FLAGS.output_file, {'results': results}, load_at_start)


def measure(
  contenders: dict[str, Label], texts: Sequence[str], num_rounds: int
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


def _seconds(label: Label, texts: Sequence[str]) -> float:
  start = time.perf_counter()
  label(texts)
  return time.perf_counter() - start


def _ours(model_dir: str) -> Label:
  from serving import text_model

  model = text_model.load(model_dir)
  return lambda texts: [each.label for each in model.predict(texts)]


def _of_onnx_runtime(folder: str, path: str) -> Label:
  import onnxruntime
  import tokenizers

  tokenizer = tokenizers.Tokenizer.from_file(f'{folder}/tokenizer.json')
  tokenizer.enable_padding()
  session = onnxruntime.InferenceSession(
    path, providers=['CPUExecutionProvider']
  )
  with open(f'{folder}/config.json') as file:
    names = json.load(file)['id2label']

  def label(texts: Sequence[str]) -> list[str]:
    rows = tokenizer.encode_batch(list(texts))
    inputs = {
      'input_ids': np.array([row.ids for row in rows]),
      'attention_mask': np.array([row.attention_mask for row in rows]),
      'token_type_ids': np.array([row.type_ids for row in rows]),
    }
    (logits,) = session.run(['logits'], inputs)
    return [names[str(best)] for best in logits.argmax(axis=1)]

  return label


def _table(results: dict[str, dict[str, float]]) -> list[str]:
  lines = [
    '| | one text, median ms | 99th percentile ms | texts/s in batches of 32 |',
    '| --- | ---: | ---: | ---: |',
  ]
  for name, each in results.items():
    lines.append(
      f'| {name} | {each["median_ms"]:.2f} | {each["p99_ms"]:.2f} | '
      f'{each["texts_per_second"]:,.0f} |'
    )
  return lines


if __name__ == '__main__':
  define_flags()
  script.run(main)
