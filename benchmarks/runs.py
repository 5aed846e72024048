r"""Measures how fast several runs label text, from strings, in turns.

  python -m benchmarks.runs --model_dir=whole,pruned --text_file=reviews.txt

All are measured in one process: a round takes each once, in changing order, so
that other work on the machine slows all of them. The table has the median rate
over the rounds, by the clock and by the CPU time that the process used.
"""

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags, logging

from benchmarks import machine
from cli import flag_group, script
from system import text_files, text_table
from system.errors import UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_list('model_dir', None, 'The runs, separated by commas.')
  flags.DEFINE_string('text_file', None, 'Texts, one per line.')
  flags.DEFINE_integer('num_rounds', 9, 'Rounds.', lower_bound=1)
  flags.DEFINE_string('output_file', None, 'A JSON file for the measurements.')


def measure(
  label: dict[str, Callable[[Sequence[str]], object]],
  texts: Sequence[str],
  num_rounds: int,
) -> dict[str, dict[str, float]]:
  """Labels all texts once a round, and once before time is taken.

  Args:
    label: name → labels texts.
    texts: the texts.
    num_rounds: 1 or more.

  Returns:
    name → 'texts_per_second' and 'texts_per_cpu_second', medians.
  """
  seconds = {name: [] for name in label}
  for number in range(num_rounds + 1):
    names = list(label)[:: 1 if number % 2 else -1]
    for name in names:
      start = time.perf_counter(), time.process_time()
      label[name](texts)
      end = time.perf_counter(), time.process_time()
      if number:
        seconds[name].append(np.subtract(end, start))
  return {
    name: dict(
      zip(
        ('texts_per_second', 'texts_per_cpu_second'),
        (len(texts) / np.median(values, axis=0)).tolist(),
        strict=True,
      )
    )
    for name, values in seconds.items()
  }


def main(_: list[str]) -> None:
  """Measures and prints a table."""
  logging.set_verbosity(logging.WARNING)
  flag_group.require('model_dir', 'text_file')
  load_at_start = os.getloadavg()
  if not (texts := list(text_files.read_lines(FLAGS.text_file))):
    raise UserError(f'--text_file={FLAGS.text_file} holds no text')
  from serving import text_model

  models = {path: text_model.load(path).predict for path in FLAGS.model_dir}
  results = measure(models, texts, FLAGS.num_rounds)
  header = ['run', 'texts/s', 'texts per CPU second']
  rows = [
    [name, *(f'{rate:,.0f}' for rate in each.values())]
    for name, each in results.items()
  ]
  script.show(text_table.markdown(header, rows))
  machine.save(FLAGS.output_file, {'results': results}, load_at_start)


if __name__ == '__main__':
  define_flags()
  script.run(main)
