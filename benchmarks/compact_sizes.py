r"""Measures how fast the 24 compact sizes score a batch, relative to BERT-Base.

  python -m benchmarks.compact_sizes --output_json=sizes.json

Each size is a classifier with two classes and random weights; the text has
--max_seq_length tokens without padding. A round times one batch of every size
and batch size, so that other load on the machine affects all of them. The table
shows medians, and the ratio to BERT-Base in the same rounds: how many times as
fast a size is. PAPER_SPEEDS are the paper's, over BERT-Large on a TPU v2.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from absl import flags

from benchmarks import machine
from cli import script
from modeling import configs
from system import text_table

FLAGS = flags.FLAGS

_BASE = '12/768'
_VOCAB_SIZE = 30_522
# A fast batch is repeated until a turn has taken this long.
_TURN_SECONDS = 0.2
PAPER_SPEEDS = {
  '2/128': 65.2,
  '4/256': 16.0,
  '4/512': 7.3,
  '8/512': 3.6,
  '12/768': 1.25,
}


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_list('sizes', list(configs.COMPACT_SIZES), 'The sizes.')
  flags.DEFINE_list('batch_sizes', ['1', '32'], 'Texts per batch.')
  flags.DEFINE_integer('max_seq_length', 128, 'Tokens of each text.', 3, 512)
  flags.DEFINE_integer('num_rounds', 3, 'Rounds over all sizes.', 1)
  flags.DEFINE_string('output_json', None, 'A JSON file to write.')


def make_scorer(
  size: str, batch_size: int, max_seq_length: int
) -> Callable[[], None]:
  """Returns a function that scores one batch; it has been called once."""
  import numpy as np
  import tensorflow as tf

  from modeling.models import Classifier

  model = Classifier(configs.compact_config(size, _VOCAB_SIZE), 2)
  ids = np.random.default_rng(0).integers(
    1000, _VOCAB_SIZE, [batch_size, max_seq_length]
  )
  batch = {
    'input_ids': tf.constant(ids, tf.int32),
    'input_mask': tf.ones_like(ids, tf.int32),
    'segment_ids': tf.zeros_like(ids, tf.int32),
  }
  score = tf.function(lambda: model(batch)['logits'])
  score()
  return lambda: score().numpy()


def milliseconds(run: Callable[[], None]) -> float:
  """Returns the time of a call; the mean of several if it is short."""
  count, begin = 0, time.perf_counter()
  while (passed := time.perf_counter() - begin) < _TURN_SECONDS or not count:
    run()
    count += 1
  return 1000 * passed / count


def summarise(
  times: Mapping[str, Mapping[str, Sequence[float]]],
) -> list[dict[str, object]]:
  """Returns a row for each size.

  Args:
    times: batch size → size → milliseconds of each round.
  """
  rows = []
  for size in next(iter(times.values())):
    config = configs.compact_config(size, _VOCAB_SIZE)
    row: dict[str, object] = {
      'size': size,
      'parameters': configs.count_parameters(config),
    }
    for batch_size, of_size in times.items():
      row[f'milliseconds_{batch_size}'] = round(
        statistics.median(of_size[size]), 3
      )
      if _BASE in of_size:
        ratios = [
          base / own
          for base, own in zip(of_size[_BASE], of_size[size], strict=True)
        ]
        row[f'times_base_{batch_size}'] = round(statistics.median(ratios), 2)
    if size in PAPER_SPEEDS:
      row['paper_times_base'] = round(
        PAPER_SPEEDS[size] / PAPER_SPEEDS[_BASE], 1
      )
    rows.append(row)
  return rows


def table(rows: Sequence[Mapping[str, object]]) -> list[str]:
  """Returns the rows as a Markdown table."""
  names = list(dict.fromkeys(name for row in rows for name in row))
  return text_table.markdown(
    names, [[row.get(name, '') for name in names] for row in rows]
  )


def main(_: list[str]) -> None:
  """Measures, prints the table and writes the JSON file."""
  load = os.getloadavg()
  sizes = [configs.check_size(size) for size in FLAGS.sizes]
  times: dict[str, dict[str, list[float]]] = {
    batch: {size: [] for size in sizes} for batch in FLAGS.batch_sizes
  }
  for number in range(FLAGS.num_rounds):
    for size in sizes:
      for batch, of_size in times.items():
        # Made anew, because all 24 models would take much memory.
        run = make_scorer(size, int(batch), FLAGS.max_seq_length)
        of_size[size].append(milliseconds(run))
      print(f'round {number + 1}: {size}', flush=True)
  rows = summarise(times)
  print('\n'.join(table(rows)))
  machine.save(FLAGS.output_json, {'sizes': rows, 'rounds': times}, load)


if __name__ == '__main__':
  define_flags()
  script.run(main)
